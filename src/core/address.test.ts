import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback } from './address.ts';

test('addresses of this machine are loopback', () => {
  for (const host of ['localhost', '127.0.0.1', '127.8.8.8', '::1', '[::1]', '::ffff:127.0.0.1', 'LOCALHOST'])
    assert.ok(isLoopback(host), host);
});

test('nothing else is, however it is dressed up', () => {
  for (const host of ['0.0.0.0', '10.0.0.1', '::', 'localhost.example', '127.0.0.1.example', '127.1', '127.0.0.256', '0x7f.0.0.1', '']) {
    assert.equal(isLoopback(host), false, host);
  }
});
