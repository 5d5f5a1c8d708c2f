import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ClientTokens } from './client-tokens.ts';

const clockAt = (): { ms: number; nowMs: () => number; monotonicMs: () => number } => {
  const clock = { ms: 0, nowMs: () => 0, monotonicMs: () => clock.ms };
  return clock;
};
const header = (token: string): string => `Snowflake Token="${token}"`;

function tokensOf(): { clock: ReturnType<typeof clockAt>; tokens: ClientTokens<{ name: string }> } {
  const clock = clockAt();
  const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };
  return { clock, tokens: new ClientTokens({ clock, random, limits: { tokenMs: 1_000, masterTokenMs: 4_000 } }) };
}

test('a session token is for requests, a master token for renewal, and nothing else is a token', () => {
  const { tokens } = tokensOf();
  const session = { name: 'a' };
  const { token, masterToken, validityS, masterValidityS } = tokens.issue(session);
  assert.deepEqual([validityS, masterValidityS], [1, 4]);
  assert.deepEqual(tokens.find(header(token), 'session'), { session });
  assert.deepEqual(tokens.find(header(masterToken), 'master'), { session });
  for (const [wrong, kind] of [
    [header(token), 'master'],
    [header(masterToken), 'session'],
    [header('nothing'), 'session'],
    [token, 'session'],
    [`Bearer ${token}`, 'session'],
    [undefined, 'session'],
  ] as const) {
    const found = tokens.find(wrong, kind);
    assert.equal('fault' in found ? found.fault.code : '', '390104');
  }
});

test('an expired token says renew; an expired master token says log in', () => {
  const { clock, tokens } = tokensOf();
  const session = { name: 'a' };
  const { token, masterToken } = tokens.issue(session);
  clock.ms = 1_000;
  const expired = tokens.find(header(token), 'session');
  assert.equal('fault' in expired ? expired.fault.code : '', '390112');
  assert.ok(!tokens.isOver(session));
  clock.ms = 4_000;
  const over = tokens.find(header(masterToken), 'master');
  assert.equal('fault' in over ? over.fault.code : '', '390114');
  assert.ok(tokens.isOver(session));
});

test('after a renewal the tokens before live on for a moment, and then say renew; the session lives with the new ones', () => {
  const { clock, tokens } = tokensOf();
  const session = { name: 'a' };
  const first = tokens.issue(session);
  clock.ms = 900;
  const second = tokens.issue(session);
  assert.deepEqual(tokens.find(header(first.token), 'session'), { session });
  clock.ms = 950;
  const third = tokens.issue(session);
  const stale = tokens.find(header(first.token), 'session');
  assert.equal('fault' in stale ? stale.fault.code : '', '390112');
  assert.deepEqual(tokens.find(header(second.token), 'session'), { session });
  clock.ms = 4_500;
  assert.ok(!tokens.isOver(session));
  assert.deepEqual(tokens.find(header(third.masterToken), 'master'), { session });
});

test('a session that has ended leaves its reason to its own tokens', () => {
  const { tokens } = tokensOf();
  const [one, other] = [{ name: 'a' }, { name: 'b' }];
  const { token } = tokens.issue(one);
  const { token: kept } = tokens.issue(other);
  const reason = { code: '390111', sqlState: '57P01', message: 'over' };
  tokens.end(one, reason);
  assert.deepEqual(tokens.find(header(token), 'session'), { fault: reason });
  assert.deepEqual(tokens.find(header(kept), 'session'), { session: other });
  assert.ok(tokens.isOver(one));
});
