import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFailureLimiter } from './failure-limiter.ts';

function bench(options: { maxFailures?: number; maxAddresses?: number } = {}) {
  const time = { ms: 0 };
  const clock = { nowMs: () => 0, monotonicMs: () => time.ms };
  return { time, limiter: createFailureLimiter({ clock, maxFailures: 3, windowMs: 1_000, ...options }) };
}

describe('the limiter of failed log-ins', () => {
  it('makes an address wait after too many failures, until the window is over', () => {
    const { time, limiter } = bench();
    for (let n = 0; n < 3; n += 1) {
      assert.equal(limiter.waitMs('10.0.0.1'), 0);
      limiter.recordFailure('10.0.0.1');
    }
    assert.equal(limiter.waitMs('10.0.0.1'), 1_000);
    assert.equal(limiter.waitMs('10.0.0.2'), 0);
    time.ms = 999;
    assert.equal(limiter.waitMs('10.0.0.1'), 1);
    time.ms = 1_000;
    assert.equal(limiter.waitMs('10.0.0.1'), 0);
  });

  it('forgets failures of an address that then logs in', () => {
    const { limiter } = bench({ maxFailures: 1 });
    limiter.recordFailure('10.0.0.1');
    limiter.recordSuccess('10.0.0.1');
    assert.equal(limiter.waitMs('10.0.0.1'), 0);
  });

  it('counts IPv6 by network and IPv4 the same in both of its forms', () => {
    const { limiter } = bench({ maxFailures: 1 });
    limiter.recordFailure('2001:db8::1');
    assert.equal(limiter.waitMs('2001:0db8:0:0:ffff:1:2:3'), 1_000);
    assert.equal(limiter.waitMs('2001:db8:0:1::1'), 0);
    limiter.recordFailure('::ffff:10.0.0.1');
    assert.equal(limiter.waitMs('10.0.0.1'), 1_000);
    limiter.recordFailure('::1');
    assert.equal(limiter.waitMs('0:0:0:0:0:0:0:1'), 1_000);
    limiter.recordFailure('fe80::1%eth0');
    assert.equal(limiter.waitMs('fe80::2'), 1_000);
  });

  it('keeps at most so many addresses, the latest ones', () => {
    const { limiter } = bench({ maxFailures: 1, maxAddresses: 2 });
    for (const address of ['a', 'b', 'c']) limiter.recordFailure(address);
    assert.deepEqual(
      ['a', 'b', 'c'].map((address) => limiter.waitMs(address)),
      [0, 1_000, 1_000],
    );
  });
});
