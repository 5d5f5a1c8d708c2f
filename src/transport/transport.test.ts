import assert from 'node:assert/strict';
import test from 'node:test';
import { checkSecurity } from './tls-context.ts';

test('plaintext is allowed on loopback only', () => {
  for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost']) checkSecurity(host, { mode: 'insecure' });
  for (const host of ['0.0.0.0', '10.0.0.1', '::', 'localhost.example', '127.0.0.1.example']) {
    assert.throws(() => checkSecurity(host, { mode: 'insecure' }), { code: 'SP_CONFIG_INVALID' });
  }
});
