// The console's way in, as a browser takes it: the real development identity provider, the real gateway with three threads, cookies,
// and everything that is refused on the way.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import type { EntryHeader } from '../../src/core/event.ts';
import { DEV_CONSOLE_CLIENT_ID, type DevProvider, type Persona, startDevProvider } from '../../src/demo/oidc-provider.ts';
import { Browser, EventReader, type Page } from '../support/browser.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { connect, type SmallClinic, smallClinicPolicy, startSmallClinic, until } from '../support/small-clinic.ts';

const COOKIE = '__Host-sallyport';
const LOGIN_COOKIE = '__Host-sallyport-login';
const audience = 'https://sallyport.test';
const personas: readonly Persona[] = [
  { name: 'agent-1', displayName: 'Agent', kind: 'agent', groups: ['ai-agents'] },
  { name: 'olga', displayName: 'Olga Officer', kind: 'person', groups: ['privacy'] },
  { name: 'carl', displayName: 'Carl Clerk', kind: 'person', groups: ['clerks'] },
];
const people = personas.filter(({ kind }) => kind === 'person');
const asConsole = { 'sallyport-console': '1', 'sec-fetch-site': 'same-origin' };

describe('console', () => {
  let clinic: SmallClinic;
  let identities: DevProvider;
  let gateway: TestGateway;
  const api = (): string => gateway.running.api.url;

  before(async () => {
    clinic = await startSmallClinic();
    identities = await startDevProvider({ port: 0, audience, personas });
    gateway = await startTestGateway({
      targets: [clinic.target],
      policy: smallClinicPolicy,
      limits: { workers: 3 },
      identity: { issuer: identities.issuer, audience, console: { clientId: DEV_CONSOLE_CLIENT_ID, label: 'Clinic' } },
      ports: { personas: people.map(({ name, displayName, groups }) => ({ provider: 'corp', name, displayName, groups })) },
    });
  });
  after(async () => {
    await gateway?.close();
    await identities?.close();
    await clinic?.stop();
  });

  const isCallback = (url: URL): boolean => url.pathname === '/console/callback/corp';
  const loginUrl = (query: string): string => `${api()}/console/login?provider=corp&${query}`;
  /** Up to the redirect that comes back to the gateway. */
  const toCallback = (browser: Browser, query: string): Promise<Page> => browser.follow(loginUrl(query), {}, isCallback);

  async function loggedIn(who: string): Promise<Browser> {
    const browser = new Browser();
    const { url } = await toCallback(browser, `hint=${who}`);
    const answer = await browser.ask(url);
    assert.equal(answer.status, 302, answer.body);
    return browser;
  }
  const whoami = (browser: Browser, headers: Readonly<Record<string, string>> = asConsole): Promise<Page> =>
    browser.ask(`${api()}/v1/whoami`, { headers });
  const codeOf = ({ body }: Page): unknown => (JSON.parse(body) as { code: unknown }).code;
  async function entries(type: string): Promise<EntryHeader[]> {
    const officer = await loggedIn('olga');
    const { body } = await officer.ask(`${api()}/v1/audit/entries?limit=1000`, { headers: asConsole });
    return (JSON.parse(body) as { entries: EntryHeader[] }).entries.filter((entry) => entry.type === type);
  }
  async function events(browser: Browser, headers: Readonly<Record<string, string>> = {}): Promise<EventReader> {
    const response = await browser.open(new URL(`${api()}/v1/events`), { headers: { 'sec-fetch-site': 'same-origin', ...headers } });
    assert.equal(response.statusCode, 200);
    const reader = new EventReader(response);
    await until('the stream is ready', () => reader.seen.length > 0);
    return reader;
  }

  test('a person logs in by the code flow, and is the same viewer as with a token', async () => {
    const browser = new Browser();
    const options = JSON.parse((await browser.ask(`${api()}/console/login/options`)).body) as { personas: { name: string }[] };
    assert.deepEqual(options, {
      providers: [{ name: 'corp', label: 'Clinic' }],
      personas: people.map(({ name, displayName, groups }) => ({ provider: 'corp', name, displayName, groups })),
    });
    const begun = await browser.ask(loginUrl(`hint=olga&return=${encodeURIComponent('/console/approvals?state=pending')}`));
    assert.equal(begun.status, 302);
    const asked = new URL(begun.headers.location ?? '');
    assert.equal(asked.origin, identities.issuer);
    assert.equal(asked.searchParams.get('code_challenge_method'), 'S256');
    for (const name of ['state', 'nonce', 'code_challenge']) assert.match(asked.searchParams.get(name) ?? '', /^[\w-]{40,}$/, name);
    assert.equal(asked.searchParams.get('redirect_uri'), `${api()}/console/callback/corp`);
    assert.match(
      String(begun.headers['set-cookie']),
      /^__Host-sallyport-login=[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );

    const { url } = await browser.follow(asked, {}, isCallback);
    const back = await browser.ask(url);
    assert.equal(back.status, 302);
    assert.equal(back.headers.location, '/console/approvals?state=pending');
    const [session] = (back.headers['set-cookie'] ?? []).filter((each) => each.startsWith(`${COOKIE}=`));
    assert.match(session ?? '', /^__Host-sallyport=[\w-]{43}; Max-Age=3\d{3}; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    assert.equal(browser.cookie(api(), LOGIN_COOKIE), null, 'the log-in is over');
    assert.equal(back.headers['cache-control'], 'no-store');

    const me = await whoami(browser);
    assert.equal(me.status, 200);
    const byToken = await new Browser().ask(`${api()}/v1/whoami`, {
      headers: { authorization: `Bearer ${await identities.tokenFor('olga')}` },
    });
    const { expiresAt: _one, ...withCookie } = JSON.parse(me.body) as Record<string, unknown>;
    const { expiresAt: _other, ...withToken } = JSON.parse(byToken.body) as Record<string, unknown>;
    assert.deepEqual(withCookie, withToken);
    const [entry] = (await entries('auth.ok')).filter(({ detail }) => detail?.['surface'] === 'console');
    assert.deepEqual(entry?.principal, { issuer: 'corp', subject: 'olga', kind: 'person' });
  });

  test('without a hint the identity provider asks, also somebody who has just logged in there', async () => {
    const browser = await loggedIn('olga');
    const page = await browser.follow(loginUrl('return=/console/'));
    assert.match(page.body, /Carl Clerk/);
    const action = /action="([^"]+)"/.exec(page.body)?.[1] ?? '';
    const { url } = await browser.follow(new URL(action, identities.issuer), { method: 'POST', body: 'persona=carl' }, isCallback);
    const before = browser.cookie(api(), COOKIE);
    assert.equal((await browser.ask(url)).status, 302);
    assert.notEqual(browser.cookie(api(), COOKIE), before, 'a log-in makes a new cookie');
    assert.equal((JSON.parse((await whoami(browser)).body) as { subject: string }).subject, 'carl');
  });

  test('a hint is for people the provider plays, and not for other sites to choose', async () => {
    const browser = new Browser();
    for (const hint of ['agent-1', 'nobody']) assert.equal((await browser.ask(loginUrl(`hint=${hint}`))).status, 400, hint);
    const foreign = await browser.ask(loginUrl('hint=olga'), { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } });
    assert.equal(new URL(foreign.headers.location ?? '').searchParams.get('login_hint'), null);
    assert.equal((await browser.ask(loginUrl(''), { headers: { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' } })).status, 403);
    assert.equal((await browser.ask(`${api()}/console/login?provider=other`)).status, 404);
  });

  test('the way back leads to a page of the console only', async () => {
    const browser = new Browser();
    const refused = [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example/console/',
      '/console/..//evil.example',
      '/console/%2e%2e/evil',
      '/console/%252e%252e/evil',
      '/console/\\\\evil',
      '/console//evil.example',
      '/console/%5c%5cevil.example',
      '/console/a\nb',
      'javascript:alert(1)',
      '/v1/whoami',
      '/console/logout',
      '/console/login?provider=corp',
      '',
    ];
    for (const path of refused) {
      const answer = await browser.ask(loginUrl(`hint=olga&return=${encodeURIComponent(path)}`));
      assert.equal(answer.status, 400, path);
      assert.equal(answer.headers['set-cookie'], undefined);
      assert.doesNotMatch(answer.body, /evil/);
    }
  });

  test('a cookie counts only from the console itself', async () => {
    const browser = await loggedIn('olga');
    const self = api();
    const post = (headers: Readonly<Record<string, string>>): Promise<Page> =>
      browser.ask(`${self}/v1/policy/check`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{}' });
    const refusedReads = [
      {},
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sallyport-console': '1', 'sec-fetch-site': 'cross-site' },
      { 'sallyport-console': '1', 'sec-fetch-site': 'none' },
      { 'sallyport-console': '1', origin: 'https://evil.example' },
      { 'sallyport-console': '1', origin: 'null' },
      { 'sallyport-console': '0' },
    ];
    for (const headers of refusedReads) assert.equal(codeOf(await whoami(browser, headers)), 'SP_API_CROSS_SITE', JSON.stringify(headers));
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { 'sallyport-console': '1' }, { ...asConsole, origin: self }])
      assert.equal((await whoami(browser, headers)).status, 200, JSON.stringify(headers));
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: self }, { 'sallyport-console': '1' }, ...refusedReads])
      assert.equal(codeOf(await post(headers)), 'SP_API_CROSS_SITE', JSON.stringify(headers));
    for (const headers of [asConsole, { 'sallyport-console': '1', origin: self }]) assert.equal((await post(headers)).status, 200);
    const preflight = await browser.ask(`${self}/v1/whoami`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://evil.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'sallyport-console',
      },
    });
    assert.equal(preflight.status, 404);
    assert.equal(preflight.headers['access-control-allow-origin'], undefined);
    // Log-out by another site, and by a form.
    for (const headers of [{}, { 'sec-fetch-site': 'cross-site', 'sallyport-console': '1' }, { 'sec-fetch-site': 'same-origin' }])
      assert.equal((await browser.ask(`${self}/console/logout`, { method: 'POST', headers })).status, 403);
    assert.equal((await whoami(browser)).status, 200, 'still logged in');
  });

  test('a log-in ends only in the browser that began it, and once', async () => {
    const attacker = new Browser();
    const { url } = await toCallback(attacker, 'hint=carl');
    const victim = new Browser();
    assert.equal((await victim.ask(url)).status, 401, 'a browser that began nothing');
    await toCallback(victim, 'hint=olga');
    assert.equal((await victim.ask(url)).status, 401, 'a browser that began another one');
    assert.equal(victim.cookie(api(), COOKIE), null);
    const tossed = new Browser();
    const own = await toCallback(tossed, 'hint=carl');
    const value = tossed.cookie(api(), LOGIN_COOKIE) ?? '';
    const twice = await new Browser().ask(own.url, { headers: { cookie: `${LOGIN_COOKIE}=${value}; ${LOGIN_COOKIE}=${value}` } });
    assert.equal(twice.status, 401, 'two cookies of one name');
    const changed = await new Browser().ask(own.url, { headers: { cookie: `${LOGIN_COOKIE}=${value.slice(0, -2)}AA` } });
    assert.equal(changed.status, 401, 'a changed cookie');
    assert.equal((await tossed.ask(own.url)).status, 302);
    const again = await new Browser().ask(own.url, { headers: { cookie: `${LOGIN_COOKIE}=${value}` } });
    assert.equal(again.status, 401, 'the second time');
    const denied = new Browser();
    const begun = new URL((await denied.ask(loginUrl('hint=carl'))).headers.location ?? '');
    const no = await denied.ask(`${api()}/console/callback/corp?error=access_denied&state=${begun.searchParams.get('state') ?? ''}`);
    assert.equal(no.status, 401);
    const forged = new Browser();
    const state = new URL((await forged.ask(loginUrl('hint=carl'))).headers.location ?? '').searchParams.get('state') ?? '';
    assert.equal((await forged.ask(`${api()}/console/callback/corp?code=made-up&state=${state}&iss=${identities.issuer}`)).status, 401);
    const failures = (await entries('auth.fail')).filter(({ detail }) => detail?.['surface'] === 'console');
    assert.equal(failures.length, 7);
    assert.ok(failures.every(({ detail }) => detail?.['fault'] === 'SP_AUTH_INVALID_TOKEN'));
  });

  test('made-up and doubled session cookies are refused and recorded', async () => {
    const browser = new Browser();
    const made = await browser.ask(`${api()}/v1/whoami`, { headers: { ...asConsole, cookie: `${COOKIE}=${'A'.repeat(43)}` } });
    assert.equal(codeOf(made), 'SP_AUTH_INVALID_TOKEN');
    const value = (await loggedIn('olga')).cookie(api(), COOKIE) ?? '';
    const doubled = await browser.ask(`${api()}/v1/whoami`, {
      headers: { ...asConsole, cookie: `${COOKIE}=${'A'.repeat(43)}; ${COOKIE}=${value}` },
    });
    assert.equal(doubled.status, 401);
    const bare = await browser.ask(`${api()}/v1/whoami`, { headers: { ...asConsole, cookie: `sallyport=${value}` } });
    assert.equal(bare.status, 401, 'a name without the prefix is another cookie');
    const faults = (await entries('auth.fail')).map(({ detail }) => detail?.['fault']);
    assert.ok(faults.includes('cookie-unknown') && faults.includes('cookie-twice'));
  });

  test('logging out ends the cookie and its streams, and is recorded', async () => {
    const browser = await loggedIn('carl');
    const value = browser.cookie(api(), COOKIE) ?? '';
    const stream = await events(browser);
    const out = await browser.ask(`${api()}/console/logout`, { method: 'POST', headers: asConsole });
    assert.equal(out.status, 204);
    assert.equal(browser.cookie(api(), COOKIE), null);
    await until('the stream has ended', () => stream.isOver);
    browser.setCookie(api(), COOKIE, value);
    assert.equal(codeOf(await whoami(browser)), 'SP_AUTH_EXPIRED');
    const [entry] = await entries('auth.end');
    assert.deepEqual(entry?.principal, { issuer: 'corp', subject: 'carl', kind: 'person' });
    assert.equal((await new Browser().ask(`${api()}/console/logout`, { method: 'POST', headers: asConsole })).status, 204);
  });

  test('a lock ends log-ins and streams, and keeps its person out until it is lifted', async () => {
    const officer = await loggedIn('olga');
    const clerk = await loggedIn('carl');
    const stream = await events(clerk);
    const watching = await events(officer);
    const say = (path: string): Promise<Page> =>
      officer.ask(`${api()}/v1/locks${path}`, {
        method: 'POST',
        headers: { ...asConsole, 'content-type': 'application/json' },
        body: JSON.stringify({ kind: 'principal', name: 'corp/carl' }),
      });
    assert.equal((await say('')).status, 200);
    await until('the stream has ended', () => stream.isOver);
    assert.equal((await whoami(clerk)).status, 401);
    const { url } = await toCallback(new Browser(), 'hint=carl');
    const late = new Browser();
    const own = await toCallback(late, 'hint=carl');
    assert.equal((await late.ask(own.url)).status, 403);
    assert.equal(late.cookie(api(), COOKIE), null);
    assert.equal(url.pathname, '/console/callback/corp');
    assert.equal((await say('/lift')).status, 200);
    assert.equal((await whoami(clerk)).status, 401, 'what was ended stays so');
    assert.equal((await whoami(await loggedIn('carl'))).status, 200);
    await until('the officer was told of both', () => watching.seen.filter(({ event }) => event === 'lock').length === 2);
    assert.deepEqual(
      watching.seen.filter(({ event }) => event === 'lock').map(({ data }) => data),
      [
        { kind: 'principal', name: 'corp/carl', state: 'set' },
        { kind: 'principal', name: 'corp/carl', state: 'lifted' },
      ],
    );
    watching.close();
  });

  test('events of sessions on every thread arrive, to those who may see them, and a lost connection misses none', async () => {
    const officer = await loggedIn('olga');
    const clerk = await loggedIn('carl');
    const [all, own] = [await events(officer), await events(clerk)];
    const token = await identities.tokenFor('agent-1');
    const clients = await Promise.all(Array.from({ length: 9 }, () => connect(gateway, gateway.port, token)));
    const opened = (reader: EventReader): Set<string> =>
      new Set(reader.seen.filter(({ event }) => event === 'session').map(({ data }) => (data as { id: string }).id));
    await until('nine sessions are told of', () => opened(all).size === 9);
    assert.equal(opened(own).size, 0, 'they are not the clerk’s');
    const last = all.seen.at(-1)?.id ?? '';
    all.close();

    const held = clients[0]?.query('SELECT ssn FROM patients') ?? assert.fail();
    const list = async (): Promise<{ id: string }[]> => {
      const { body } = await officer.ask(`${api()}/v1/approvals?state=pending`, { headers: asConsole });
      return (JSON.parse(body) as { approvals: { id: string }[] }).approvals;
    };
    const [approval] = await until('it is held', async () => ((await list()).length > 0 ? list() : null));
    const resumed = await events(officer, { 'last-event-id': last });
    const ofApproval = () => resumed.seen.find(({ event }) => event === 'approval');
    await until('what was missed is told', ofApproval);
    assert.equal((ofApproval()?.data as { id: string } | undefined)?.id, approval?.id);
    assert.ok(!resumed.seen.some(({ event }) => event === 'reset'));
    const answer = await officer.ask(`${api()}/v1/approvals/${approval?.id ?? ''}/answer`, {
      method: 'POST',
      headers: { ...asConsole, 'content-type': 'application/json' },
      body: JSON.stringify({ verdict: 'approve' }),
    });
    assert.equal(answer.status, 200, answer.body);
    await held;
    await until('the answer is told', () => resumed.seen.some(({ data }) => (data as { state?: string }).state === 'used'));
    await until('the log grows', () => resumed.seen.some(({ event }) => event === 'log'));
    assert.ok(!own.seen.some(({ event }) => event !== 'ready' && event !== 'policy'), 'nothing of it is for the clerk');
    await Promise.all(clients.map((client) => client.end()));
    await until('ends are told', () =>
      resumed.seen.some(({ event, data }) => event === 'session' && (data as { closedAt: string | null }).closedAt !== null),
    );
    resumed.close();
    own.close();
    const strange = await events(officer, { 'last-event-id': 'AAAAAAAAAAAAAAAAAAAAAA' });
    await until('a made-up id is answered with reset', () => strange.seen.some(({ event }) => event === 'reset'));
    strange.close();
  });

  test('a restart keeps log-ins and begins event ids anew; the disk logs nobody in', async () => {
    const browser = await loggedIn('olga');
    const value = browser.cookie(api(), COOKIE) ?? '';
    const stream = await events(browser);
    const last = stream.seen.at(-1)?.id ?? '';
    stream.close();
    const ended = await loggedIn('carl');
    const gone = ended.cookie(api(), COOKIE) ?? '';
    await ended.ask(`${api()}/console/logout`, { method: 'POST', headers: asConsole });
    await gateway.running.stop();

    const state = join(gateway.directory, 'data', 'state');
    for (const name of readdirSync(state)) {
      const bytes = readFileSync(join(state, name)).toString('latin1');
      for (const secret of [value, gone, 'Olga Officer', '"groups"']) assert.ok(!bytes.includes(secret), `${name} has ${secret}`);
    }
    // Somebody who can write to the store, but has no secret of the gateway, gives himself another person's row.
    const database = new DatabaseSync(join(state, 'state.sqlite'));
    const mine = { value: 'B'.repeat(43), sha256: '' };
    mine.sha256 = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(mine.value))).toString('hex');
    database.exec(`INSERT INTO console_sessions SELECT '${mine.sha256}', principal, sealed, created_at_ms, expires_at_ms, seen_at_ms, NULL
      FROM console_sessions WHERE ended_at_ms IS NULL AND principal = 'corp/olga' ORDER BY created_at_ms DESC LIMIT 1`);
    database.close();

    await gateway.restart({ personas: people.map(({ name, displayName, groups }) => ({ provider: 'corp', name, displayName, groups })) });
    assert.equal((await whoami(browser)).status, 200);
    const forged = new Browser();
    forged.setCookie(api(), COOKIE, mine.value);
    assert.equal(codeOf(await whoami(forged)), 'SP_AUTH_INVALID_TOKEN');
    const over = new Browser();
    over.setCookie(api(), COOKIE, gone);
    assert.equal(codeOf(await whoami(over)), 'SP_AUTH_EXPIRED');
    const resumed = await events(browser, { 'last-event-id': last });
    await until('reset', () => resumed.seen.some(({ event }) => event === 'reset'));
    resumed.close();
  });
});
