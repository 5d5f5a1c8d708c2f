// The cookie on loopback without TLS, and the rules by themselves. The whole way in: test/e2e/console.e2e.test.ts.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import type { ConsoleSurface } from './console-ports.ts';
import { Cookies } from './cookies.ts';
import { createFakes, type Fakes, PEOPLE } from './testing.ts';

const ORIGIN = 'http://127.0.0.1:8443';
const asConsole = { 'sallyport-console': '1', 'sec-fetch-site': 'same-origin' };
const cookies = new Cookies(false);

/** Every token is `officer`; a log-in's cookie is its number. */
async function open(
  publicUrl = ORIGIN,
  limits: Parameters<typeof createFakes>[0] = {},
): Promise<{ app: ApiApp; fakes: Fakes; live: Set<string>; uses: boolean[] }> {
  const live = new Set<string>();
  const uses: boolean[] = [];
  const console: ConsoleSurface = {
    personas: [],
    login: {
      providers: [{ name: 'corp', label: 'Corp' }],
      begin: async () => ({ url: 'https://idp.example.com/auth?state=s', transaction: 'sealed' }),
      finish: async () => ({ token: 'officer', returnTo: '/console/policy' }),
    },
    sessions: {
      async open({ expiresAtMs }) {
        const value = `session-${live.size + 1}`;
        live.add(value);
        return { value, expiresAtMs };
      },
      find: async (value, isUse) => {
        uses.push(isUse);
        const principal = PEOPLE['officer'] ?? assert.fail();
        return live.has(value) ? { state: 'live', id: value, principal } : { state: 'unknown' };
      },
      end: async (id) => void live.delete(id),
      onEnd: () => () => undefined,
      isOver: (id) => !live.has(id),
    },
  };
  const fakes = createFakes(limits);
  return { app: await buildApi({ ...fakes.deps, console, publicUrl }, null), fakes, live, uses };
}

describe('log-in of a browser', () => {
  test('without TLS the cookie has no prefix and is as strict; with an https address of a proxy it has one', async () => {
    for (const [publicUrl, expected] of [
      [ORIGIN, /^sallyport=session-1; Max-Age=3600; Path=\/; HttpOnly; SameSite=Strict$/],
      ['https://gate.example.com', /^__Host-sallyport=session-1; Max-Age=3600; Path=\/; HttpOnly; Secure; SameSite=Strict$/],
    ] as const) {
      const { app } = await open(publicUrl);
      const name = new Cookies(publicUrl.startsWith('https:')).nameOf('login');
      const back = await app.inject({ url: '/console/callback/corp?code=c&state=s', headers: { cookie: `${name}=sealed` } });
      assert.equal(back.statusCode, 302);
      const [login, session] = [back.headers['set-cookie']].flat();
      assert.match(login ?? '', new RegExp(`^${name}=; Max-Age=0;`));
      assert.match(session ?? '', expected);
      await app.close();
    }
  });

  test('a cookie that was there before is never taken over, and the log has the log-in before the browser has it', async () => {
    const { app, fakes, live } = await open();
    const headers = { cookie: 'sallyport-login=sealed; sallyport=chosen-by-somebody' };
    const back = await app.inject({ url: '/console/callback/corp?code=c&state=s', headers });
    assert.deepEqual([...live], ['session-1']);
    assert.doesNotMatch(String(back.headers['set-cookie']), /chosen/);
    fakes.fail.audit = true;
    const unrecorded = await app.inject({ url: '/console/callback/corp?code=c&state=s', headers });
    assert.equal(unrecorded.statusCode, 503);
    assert.doesNotMatch(String(unrecorded.headers['set-cookie']), /sallyport=session/);
    assert.equal(live.size, 1);
    await app.close();
  });

  test('a token of another provider than was asked is refused', async () => {
    const { app, fakes, live } = await open();
    const back = await app.inject({ url: '/console/callback/other?code=c&state=s', headers: { cookie: 'sallyport-login=sealed' } });
    assert.equal(back.statusCode, 401);
    assert.equal(live.size, 0);
    assert.deepEqual(fakes.appended.at(-1)?.entry.detail, { surface: 'console', fault: 'SP_AUTH_INVALID_TOKEN', address: '127.0.0.1' });
    await app.close();
  });

  test('refused log-ins, cookies and tokens share one budget', async () => {
    const { app } = await open(ORIGIN, { loginFailuresPerMinute: 3 });
    const tries = [
      { url: '/console/callback/corp?state=s' },
      { url: '/v1/whoami', headers: { ...asConsole, cookie: 'sallyport=made-up' } },
      { url: '/v1/whoami', headers: { authorization: 'Bearer made-up' } },
    ];
    for (const each of tries) assert.equal((await app.inject(each)).statusCode, 401);
    for (const each of [...tries, { url: '/console/login' }]) assert.equal((await app.inject(each)).statusCode, 429);
    await app.close();
  });

  test('a token counts before a cookie', async () => {
    const { app, live } = await open();
    live.add('session-1');
    const headers = { ...asConsole, cookie: 'sallyport=session-1', authorization: 'Bearer auditor' };
    assert.equal((await app.inject({ url: '/v1/whoami', headers })).json().subject, 'ada');
    assert.equal((await app.inject({ url: '/v1/whoami', headers: { ...headers, authorization: 'Bearer x' } })).statusCode, 401);
    await app.close();
  });

  test('what a page asks by itself with nobody before it does not keep a log-in alive, nor does coming back to the events', async () => {
    const { app, live, uses } = await open();
    live.add('session-1');
    const headers = { ...asConsole, cookie: 'sallyport=session-1' };
    for (const more of [{}, { 'sallyport-unattended': '1' }, { accept: 'text/event-stream' }])
      assert.equal((await app.inject({ url: '/v1/whoami', headers: { ...headers, ...more } })).statusCode, 200);
    assert.deepEqual(uses, [true, false, false]);
    await app.close();
  });

  test('a lock is noticed with the next request, and ends the log-in', async () => {
    const { app, fakes, live } = await open();
    live.add('session-1');
    const ask = () => app.inject({ url: '/v1/whoami', headers: { ...asConsole, cookie: 'sallyport=session-1' } });
    assert.equal((await ask()).statusCode, 200);
    await fakes.deps.locks.lock(PEOPLE['operator'] ?? assert.fail(), 'principal', 'corp/olga');
    assert.equal((await ask()).json().code, 'SP_LOCKED');
    assert.equal(live.size, 0);
    assert.equal(fakes.appended.at(-1)?.entry.detail?.['surface'], 'console');
    await app.close();
  });
});

test('who is locked and goes on asking waits like anybody who is refused, and leaves so many entries only', async () => {
  const fakes = createFakes({ loginFailuresPerMinute: 3 });
  const app = await buildApi(fakes.deps, null);
  await fakes.deps.locks.lock(PEOPLE['operator'] ?? assert.fail(), 'principal', 'corp/olga');
  const before = fakes.appended.length;
  const codes: number[] = [];
  for (let n = 0; n < 6; n += 1)
    codes.push((await app.inject({ url: '/v1/whoami', headers: { authorization: 'Bearer officer' } })).statusCode);
  assert.deepEqual(codes, [403, 403, 403, 429, 429, 429]);
  assert.equal(fakes.appended.length - before, 3);
  await app.close();
});

test('a cookie is read when it is the only one of its name', () => {
  assert.equal(cookies.read(undefined, 'session'), null);
  assert.equal(cookies.read('other=1; sallyport-login=2; xsallyport=3', 'session'), null);
  assert.deepEqual(cookies.read('a=1;sallyport=v; b=2', 'session'), { value: 'v' });
  for (const header of ['sallyport=a; sallyport=a', 'sallyport=; sallyport=b', `sallyport=a; x=${'y'.repeat(20_000)}`])
    assert.equal(cookies.read(header, 'session'), 'twice');
});
