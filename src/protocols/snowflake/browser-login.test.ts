import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { BrowserLogins } from './browser-login.ts';

const clock = { ms: 0, nowMs: () => 0, monotonicMs: () => clock.ms };
const logins = (): BrowserLogins => {
  clock.ms = 0;
  return new BrowserLogins({ clock, random: { bytes: (length) => new Uint8Array(randomBytes(length)) } });
};
const codeOf = (location: string): string => new URL(location).searchParams.get('token') ?? '';

test('a code is worth the token once, with its proof key, in time', () => {
  const browsers = logins();
  const begun = browsers.begin(4711, null);
  assert.ok(begun !== null && browsers.isPending(begun.id));
  const location = browsers.arrived(begun.id, 'jwt');
  assert.match(location, /^http:\/\/localhost:4711\/\?token=/);
  assert.ok(!location.includes('jwt') && !browsers.isPending(begun.id));
  assert.equal(browsers.redeem(codeOf(location), begun.proofKey)?.reveal(), 'jwt');
  assert.equal(browsers.redeem(codeOf(location), begun.proofKey), null);
});

test('another proof key spoils the code; so does a guess, and five minutes', () => {
  const browsers = logins();
  const one = browsers.begin(1, null);
  const other = browsers.begin(1, null);
  assert.ok(one !== null && other !== null);
  const code = codeOf(browsers.arrived(one.id, 'jwt'));
  assert.equal(browsers.redeem(code, other.proofKey), null);
  assert.equal(browsers.redeem(code, one.proofKey), null);
  const late = codeOf(browsers.arrived(other.id, 'jwt'));
  clock.ms = 5 * 60_000;
  assert.equal(browsers.redeem(late, other.proofKey), null);
  for (const nonsense of ['', '.', 'x.y', `${one.id}.`]) assert.equal(browsers.redeem(nonsense, 'p'), null);
});

test('only a port and a key that prove something are taken, and nobody arrives twice or unasked', () => {
  const browsers = logins();
  for (const port of [0, -1, 65_536, 1.5, Number.NaN]) assert.equal(browsers.begin(port, null), null);
  assert.equal(browsers.begin(1, 'short'), null);
  const own = 'k'.repeat(44);
  assert.equal(browsers.begin(1, own)?.proofKey, own);
  const begun = browsers.begin(1, null);
  browsers.arrived(begun?.id ?? '', 'jwt');
  assert.throws(() => browsers.arrived(begun?.id ?? '', 'jwt'), { code: 'SP_AUTH_INVALID_TOKEN' });
  assert.throws(() => browsers.arrived('nobody', 'jwt'), { code: 'SP_AUTH_INVALID_TOKEN' });
});
