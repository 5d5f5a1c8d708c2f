import assert from 'node:assert/strict';
import test from 'node:test';
import { FailureLimit } from './failure-limit.ts';
import { checkSecurity, isLoopback } from './tls-context.ts';

test('an address is blocked after its failures and free again after the window', () => {
  let nowMs = 0;
  const limit = new FailureLimit({ clock: { nowMs: () => 0, monotonicMs: () => nowMs }, maxFailures: 2, windowMs: 1000 });
  limit.record('10.0.0.1');
  assert.equal(limit.isBlocked('10.0.0.1'), false);
  limit.record('10.0.0.1');
  assert.equal(limit.isBlocked('10.0.0.1'), true);
  assert.equal(limit.isBlocked('10.0.0.2'), false);
  nowMs = 1001;
  assert.equal(limit.isBlocked('10.0.0.1'), false);
});

test('a flood of addresses does not grow the table without bound', () => {
  const limit = new FailureLimit({ clock: { nowMs: () => 0, monotonicMs: () => 0 }, maxFailures: 1, windowMs: 1000 });
  for (let n = 0; n < 10_001; n += 1) limit.record(`a${n}`);
  assert.equal(limit.isBlocked('a0'), false);
  assert.equal(limit.isBlocked('a10000'), true);
});

test('plaintext is allowed on loopback only', () => {
  for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost']) checkSecurity(host, { mode: 'insecure' });
  for (const host of ['0.0.0.0', '10.0.0.1', '::', 'localhost.example', '127.0.0.1.example']) {
    assert.equal(isLoopback(host), false);
    assert.throws(() => checkSecurity(host, { mode: 'insecure' }), { code: 'SP_CONFIG_INVALID' });
  }
});
