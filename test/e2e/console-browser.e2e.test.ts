// The console as people use it: Chromium, the real gateway, the real development identity provider, psql. A statement is held, answered
// with the keyboard, and explained afterwards. Every page is looked at with axe, light and dark, on a desk and on a phone.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import type { EntryOutline } from '../../src/core/event.ts';
import { DEV_CONSOLE_CLIENT_ID, type DevProvider, type Persona, startDevProvider } from '../../src/demo/oidc-provider.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { DESK, PHONE, type Watched, axeFaults, openWatched, overflowOf, startChromium } from '../support/chromium.ts';
import { ensureDebianPackages } from '../support/debian.ts';
import { type TestGateway, type TestGatewayOptions, startTestGateway } from '../support/gateway.ts';
import { type SmallClinic, connect, psql, smallClinicPolicy, startSmallClinic, until } from '../support/small-clinic.ts';

const audience = 'https://sallyport.test';
const personas: readonly Persona[] = [
  { name: 'triage-agent', displayName: 'Triage agent', kind: 'agent', groups: ['ai-agents'] },
  { name: 'billing-agent', displayName: 'Billing agent', kind: 'agent', groups: ['clerks'] },
  { name: 'olga', displayName: 'Olga Officer', kind: 'person', groups: ['privacy'] },
  { name: 'paul', displayName: 'Paul Officer', kind: 'person', groups: ['privacy'] },
  { name: 'sam', displayName: 'Sam Stranger', kind: 'person', groups: [] },
];
const people = personas.filter(({ kind }) => kind === 'person');
const policy = smallClinicPolicy.replace(
  'rules:\n',
  `rules:
  - name: every-patient-write
    when: "request.writtenRelations.exists(r, r == 'public.patients')"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 15m
    say: A privacy officer looks at changes of patient records.
`,
);
/** What every patient of the clinic has, and what the statements below say of one. */
const canary = /Nathalie No\d|970-00-\d{4}/;
const HELD = `SELECT id, name AS who, lower(ssn) AS number, dob, 'Nathalie No7' AS note FROM patients`;

describe('the console in a browser', () => {
  let clinic: SmallClinic;
  let identities: DevProvider;
  let gateway: TestGateway;
  let chromium: Browser;
  const open: (() => Promise<unknown>)[] = [];
  const origin = (): string => gateway.running.api.url;

  const gatewayOf = (options: Partial<TestGatewayOptions> = {}): Promise<TestGateway> =>
    startTestGateway({
      targets: [{ ...clinic.target, approvalPreview: 'run' }],
      policy,
      identity: { issuer: identities.issuer, audience, console: { clientId: DEV_CONSOLE_CLIENT_ID, label: 'Clinic' } },
      ports: { personas: people.map(({ name, displayName, groups }) => ({ provider: 'corp', name, displayName, groups })) },
      ...options,
    });

  before(async () => {
    ensureDebianPackages(['postgresql-client']);
    [clinic, identities, chromium] = await Promise.all([
      startSmallClinic(),
      startDevProvider({ port: 0, audience, personas }),
      startChromium(),
    ]);
    gateway = await gatewayOf();
  });
  after(async () => {
    for (const close of open.toReversed()) await close().catch(() => undefined);
    await chromium?.close();
    await gateway?.close();
    await identities?.close();
    await clinic?.stop();
  });

  async function browserOf(of: TestGateway = gateway, refused = /^$/): Promise<Watched> {
    const watched = await openWatched(chromium, { origin: of.running.api.url, issuer: identities.issuer, canary, refused });
    open.push(() => watched.context.close());
    return watched;
  }
  /** By the link of the log-in page that the development provider has for each person. */
  async function loggedIn(who: string, path = '/', of: TestGateway = gateway, refused?: RegExp): Promise<Watched> {
    const watched = await browserOf(of, refused);
    await watched.page.goto(`${of.running.api.url}/console${path}`);
    await watched.page.getByRole('link', { name: who }).click();
    await watched.page.getByRole('navigation', { name: 'Areas', exact: true }).waitFor();
    return watched;
  }
  async function client(name: string): Promise<pg.Client> {
    const connected = await connect(gateway, gateway.port, await identities.tokenFor(name));
    open.push(() => connected.end());
    return connected;
  }
  const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name }).first();

  test('a held psql statement appears, is answered with the keyboard, and the masked rows come out', async () => {
    // The first person, by the identity provider's own page.
    const officer = await browserOf();
    const { page } = officer;
    await page.goto(`${origin()}/console/`);
    await page.getByRole('link', { name: 'Log in with Clinic' }).click();
    await page.waitForURL(`${identities.issuer}/**`);
    await page.getByRole('button', { name: 'Olga Officer' }).click();
    await page.waitForURL(`${origin()}/console/approvals`);
    await page.getByText('Nothing waits for you').waitFor();
    const loads = await page.evaluate<number>('performance.timeOrigin');
    const other = await loggedIn('Paul Officer');
    const stranger = await loggedIn('Sam Stranger', '/', gateway, /^\/v1\/(?:approvals|sessions)\/\w+$/);

    const agent = psql(gateway, gateway.port, await identities.tokenFor('triage-agent'), ['-c', HELD]);
    open.push(async () => agent.kill('SIGKILL'));
    const card = page.getByRole('link', { name: 'triage-agent' });
    await card.waitFor();
    await until('the count in the title', async () => (await page.title()).startsWith('(1) Approvals'));
    await other.page.getByRole('link', { name: 'triage-agent' }).click();
    await other.page.getByRole('button', { name: 'Approve' }).waitFor();

    await page.keyboard.press('j');
    await page.waitForURL(/\/console\/approvals\/apr_[a-z2-7]{26}$/);
    const [approval = ''] = /apr_[a-z2-7]{26}/.exec(page.url()) ?? [];
    const facts = page.getByRole('region', { name: 'The open approval' });
    for (const text of ['bulk-read', 'Add a LIMIT or a key.', 'phi.ssn', 'phi.name', 'public.patients'])
      await facts.getByText(text).first().waitFor();
    await facts.getByText(/^about \d+ rows?, says the planner/).waitFor();
    await Promise.all([officer.check(), other.check()]);
    await page.keyboard.press('a');
    await page.getByRole('heading', { name: 'Approve this statement' }).waitFor();
    assert.equal(agent.out(), '', 'nothing comes out before the answer');
    await page.keyboard.press('Enter');

    await page.getByText('Approved. It runs now.').waitFor();
    const { code, out, err } = await agent.ended;
    assert.equal(code, 0, err);
    assert.match(out, /\n +7 \| \*\*\* \| \*\*\* +\| 1950-01-01 \| Nathalie No7\n/);
    assert.doesNotMatch(out, /970-00-|No(?!7\n)\d/);
    await page.getByText('It was approved and has run.').waitFor();
    await other.page.getByText('It was approved and has run.').waitFor();
    await other.page.getByRole('button', { name: 'Approve' }).waitFor({ state: 'detached' });
    assert.equal(await page.evaluate<number>('performance.timeOrigin'), loads, 'the page was never loaded again');

    // The session explains each masked column.
    await page.getByRole('link', { name: 'its session' }).click();
    const step = page.getByRole('article', { name: 'SELECT' });
    await step.getByText('200 rows').waitFor();
    for (const [name, source] of [
      ['who', 'name'],
      ['number', 'ssn'],
      ['dob', 'dob'],
    ] as const) {
      const column = step
        .getByRole('list', { name: 'Protected columns' })
        .getByRole('listitem')
        .filter({ hasText: new RegExp(`^${name}`) });
      await column.filter({ hasText: new RegExp(`masked because it is made of public\\.patients\\.${source}`) }).waitFor();
    }
    await Promise.all([officer.check(), other.check()]);

    // Somebody without any right knows nothing of it.
    await stranger.page.getByText('Nothing waits for you').waitFor();
    for (const path of [`/approvals/${approval}`, new URL(page.url()).pathname.replace('/console', ''), '/sessions', '/overview']) {
      await stranger.page.goto(`${origin()}/console${path}`);
      const main = stranger.page.locator('main');
      await main.waitFor();
      await until('the page is there', async () => /\w/.test(await main.innerText()) && !/Loading/.test(await main.innerText()));
      assert.doesNotMatch(await stranger.page.locator('main').innerText(), /triage-agent|bulk-read|phi\.ssn|lower/, path);
    }
    const told = stranger.answers.filter(({ path }) => path.startsWith('/v1/'));
    assert.ok(told.length >= 5);
    for (const { path, text } of told) assert.doesNotMatch(text, /triage-agent|bulk-read/, path);
    await stranger.check();
  });

  test('explains the same statement without running it', async () => {
    const officer = await loggedIn('Olga Officer', '/policy/explain');
    const { page } = officer;
    await page.getByLabel('Statement').fill(HELD.replace('Nathalie No7', 'x'));
    await page.getByLabel('Who asks').selectOption('other');
    await page.getByLabel('Subject').fill('triage-agent');
    await page.getByLabel('Groups').fill('ai-agents');
    await page.getByLabel('Statement').press('Control+Enter');
    const explanation = page.getByRole('region', { name: 'Explanation' });
    await explanation.getByText('It waits for a person.').waitFor();
    await explanation.getByText('made of public.patients.ssn').first().waitFor();
    await officer.check();
  });

  test('the keyboard alone gets everywhere, and what is in focus is seen', async () => {
    const clerk = await client('billing-agent');
    const waiting = clerk.query("INSERT INTO ledger (body) VALUES ('x')").catch(() => undefined);
    const officer = await loggedIn('Olga Officer', '/approvals');
    const { page } = officer;
    await page.getByRole('link', { name: 'billing-agent' }).waitFor();
    await page.keyboard.press('Tab');
    const focused = (): Promise<string> =>
      page.evaluate<string>('(document.activeElement.innerText || document.activeElement.title).trim()');
    assert.equal(await focused(), 'Skip to the content');
    await page.getByRole('link', { name: 'Skip to the content' }).waitFor();
    await page.keyboard.press('Enter');
    await until('the content has the focus', async () => (await page.evaluate<string>('document.activeElement.id')) === 'main');
    await page.keyboard.press('j');
    await page.getByRole('button', { name: 'Approve' }).waitFor();
    const reached: string[] = [];
    for (let presses = 0; presses < 40 && !reached.some((name) => name.startsWith('Approve')); presses += 1) {
      await page.keyboard.press('Tab');
      reached.push(await focused());
      const outline = await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle');
      assert.notEqual(outline, 'none', `${reached.at(-1)} shows that it has the focus`);
    }
    const [deny, approve] = ['Deny', 'Approve'].map((name) => reached.findIndex((each) => each.startsWith(name)));
    assert.ok(deny !== undefined && approve !== undefined && deny >= 0 && approve === deny + 1, reached.join(', '));
    await page.keyboard.press('d');
    await page.getByRole('heading', { name: 'Deny this statement' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'Deny this statement' }).waitFor({ state: 'hidden' });
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    await page.waitForURL(`${origin()}/console/sessions`);
    await page.getByRole('searchbox').first().waitFor();
    await page.keyboard.press('/');
    await until('the search has the focus', async () => (await page.evaluate<string>('document.activeElement.type')) === 'search');
    await officer.check();
    await page.goto(`${origin()}/console/approvals`);
    await page.getByRole('link', { name: 'billing-agent' }).waitFor();
    await page.keyboard.press('j');
    await page.getByRole('button', { name: 'Deny' }).waitFor();
    await page.keyboard.press('d');
    await page.keyboard.press('Enter');
    await page.getByText('It was denied.').waitFor();
    await waiting;
    await officer.check();
  });

  test('logging out empties the page, and the way back asks again', async () => {
    const officer = await loggedIn('Olga Officer', '/sessions');
    const { page } = officer;
    await page.getByRole('listitem').filter({ hasText: 'triage-agent' }).first().waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('link', { name: 'Log in with Clinic' }).waitFor();
    assert.doesNotMatch(await page.content(), /triage-agent/);
    const left = await officer.context.cookies(origin());
    assert.deepEqual(
      left.filter(({ name }) => name.startsWith('__Host-')),
      [],
    );
    await page.goBack();
    await page.getByRole('link', { name: 'Log in with Clinic' }).waitFor();
    assert.doesNotMatch(await page.content(), /triage-agent/);
    assert.equal(await page.evaluate<number>('Object.keys(localStorage).concat(Object.keys(sessionStorage)).length'), 0);
    await officer.check();
  });

  test('axe finds nothing on any page, light and dark, on a desk and on a phone, and none is too wide', async () => {
    const clerk = await client('billing-agent');
    const waiting = clerk.query('UPDATE patients SET ward = 2 WHERE id = 7').catch(() => undefined);
    const officer = await browserOf();
    const { page } = officer;
    const looked = async (): Promise<void> => {
      await until('it is loaded', async () => (await page.locator('.loading').count()) === 0);
      for (const viewport of [DESK, PHONE]) {
        await page.setViewportSize(viewport);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          const faults = await axeFaults(page, colorScheme === 'light' ? 'all' : 'colours');
          assert.deepEqual(faults, [], `${page.url()} ${viewport.width} ${colorScheme}`);
        }
        assert.ok((await overflowOf(page)) <= 0, `${page.url()} is wider than ${viewport.width}`);
      }
      await page.setViewportSize(DESK);
      await officer.check();
    };
    await page.goto(`${origin()}/console/`);
    await page.getByRole('link', { name: 'Olga Officer' }).waitFor();
    await looked();
    await page.getByRole('link', { name: 'Olga Officer' }).click();
    const areas = page.getByRole('navigation', { name: 'Areas', exact: true }).getByRole('link');
    await areas.first().waitFor();
    const paths = await areas.evaluateAll((links) => links.map((link) => (link as unknown as { pathname: string }).pathname));
    const known = readFileSync(join(import.meta.dirname, '..', '..', 'console', 'src', 'areas.ts'), 'utf8').matchAll(/path: '(\/[a-z]+)'/g);
    assert.deepEqual(
      paths,
      Array.from(known, ([, path]) => `/console${path}`),
      'an officer sees every area',
    );

    for (const path of paths) {
      await page.goto(`${origin()}${path}`);
      await heading(page, /./).waitFor();
      await looked();
      const tabs = await page.locator('a.tab').evaluateAll((links) => links.map((link) => (link as unknown as { href: string }).href));
      for (const tab of tabs.filter((each) => each !== page.url())) {
        await page.goto(tab);
        await heading(page, /./).waitFor();
        await looked();
      }
    }
    // One of each list.
    await page.goto(`${origin()}/console/approvals`);
    await page.getByRole('link', { name: 'billing-agent' }).click();
    await page.getByRole('region', { name: 'Some rows' }).waitFor();
    await looked();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('heading', { name: 'Approve this statement' }).waitFor();
    await looked();
    await page.goto(`${origin()}/console/sessions`);
    await page.getByRole('list', { name: 'Sessions' }).getByRole('link').last().click();
    await heading(page, 'Timeline').waitFor();
    await looked();
    await page.goto(`${origin()}/console/nowhere`);
    await heading(page, 'There is no such page').waitFor();
    await looked();
    await clerk.end();
    await waiting;
  });

  test('the first page needs at most 150 KiB of script, and runs under a policy that trusts no text', async () => {
    const officer = await loggedIn('Olga Officer', '/approvals');
    const { page, answers } = officer;
    await heading(page, 'Approvals').waitFor();
    const scripts = await page.evaluate<string[]>(
      "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.endsWith('.js'))",
    );
    let bytes = 0;
    for (const script of scripts) {
      const headers = (await page.request.get(script, { headers: { 'accept-encoding': 'gzip' } })).headers();
      assert.equal(headers['content-encoding'], 'gzip');
      bytes += Number(headers['content-length']);
    }
    await until('the page is read', () => answers.some(({ path }) => path === '/console/approvals'));
    const policyOf = answers.find(({ path }) => path === '/console/approvals')?.headers['content-security-policy'];
    const directives = (policyOf ?? '').split('; ');
    for (const directive of [
      "default-src 'none'",
      "script-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ])
      assert.ok(directives.includes(directive), directive);
    await assert.rejects(page.evaluate("document.body.innerHTML = '<img>'"), /TrustedHTML/);
    await assert.rejects(page.evaluate("trustedTypes.createPolicy('other', {})"), /disallowed/);
    await assert.rejects(officer.check(), /requires .TrustedHTML./, 'what breaks the policy is seen');
  });

  test('a session is replayed in the page: masked, with a purpose that is an entry, and no address holds what was written', async () => {
    const agent = psql(gateway, gateway.port, await identities.tokenFor('billing-agent'), [
      '-c',
      'SELECT id, name, ward FROM patients WHERE id = 3',
    ]);
    assert.equal((await agent.ended).code, 0);
    const officer = await loggedIn('Olga Officer', '/sessions?principal=billing-agent');
    const { page } = officer;
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.getByRole('list', { name: 'Sessions' }).getByRole('link').first().click();
    await page.getByRole('button', { name: 'Replay' }).click();
    await page.getByLabel('In words').fill('Planted reason of an auditor');
    await page.getByLabel('or the identity itself').fill('no key');
    await page.getByRole('button', { name: 'Open and replay' }).click();
    await page.getByText('That is no age identity').waitFor();
    assert.equal(asked.filter((url) => url.includes('/unseals') || url.includes('/recording')).length, 0);
    await page.getByLabel('or the identity itself').fill(gateway.sealingIdentity.reveal());
    await page.getByRole('button', { name: 'Open and replay' }).click();
    await page.getByRole('region', { name: 'Replay' }).waitFor();
    await page.getByRole('button', { name: 'all', exact: true }).click();
    await page.getByRole('cell', { name: '***' }).first().waitFor();
    assert.ok(asked.some((url) => url.endsWith('/recording')));
    assert.deepEqual(
      asked.filter((url) => /Planted|AGE-SECRET/i.test(decodeURIComponent(url))),
      [],
    );
    const entries = await officer.page.evaluate<{ type: string }[]>(
      "fetch('/v1/audit/entries?type=payload.unsealed', { headers: { 'sallyport-console': '1' } }).then((r) => r.json()).then((r) => r.entries)",
    );
    assert.ok(entries.length > 0);
    await officer.check();
  });

  test('a list of 5,000 sessions scrolls to its end, with few of them in the page', async () => {
    const full = await gatewayOf({ start: false });
    open.push(() => full.close());
    const store = await openStore({ dir: join(full.directory, 'data', 'state') });
    await fill(store);
    await store.close();
    await full.restart();
    const officer = await loggedIn('Olga Officer', '/sessions', full);
    const { page, answers } = officer;
    const list = page.getByRole('list', { name: 'Sessions' });
    await list.getByRole('link').first().waitFor();
    await list
      .getByRole('link')
      .first()
      .filter({ hasText: /agent-4999/ })
      .waitFor();
    let most = 0;
    const end = list.getByRole('link').filter({ hasText: /agent-0(?!\d)/ });
    await until(
      'the end is in sight',
      async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
        most = Math.max(most, await list.getByRole('listitem').count());
        return (await end.count()) > 0;
      },
      60_000,
    );
    assert.ok(most > 0 && most < 60, `${most} rows in the page`);
    await page.getByText('5,000 sessions', { exact: true }).waitFor();
    const asked = answers.filter(({ path }) => path === '/v1/sessions').length;
    assert.ok(asked <= 11, `${asked} times`);
    await officer.check();
  });
});

/** Sessions without the log they would come from. */
async function fill(store: Store): Promise<void> {
  let seq = 0;
  let group: EntryOutline[] = [];
  for (let at = 0; at < 5000; at += 1) {
    const common = { ts: new Date(Date.UTC(2026, 0, 1) + at * 1000).toISOString(), session: `ses_${at}` };
    const principal = { issuer: 'corp', subject: `agent-${at}`, kind: 'agent' } as const;
    group.push({ ...common, seq: seq++, type: 'session.open', principal, resource: { target: 'clinic' } });
    group.push({ ...common, seq: seq++, type: 'session.close', detail: {} });
    if (group.length < 2500) continue;
    await store.sessions.apply(group);
    group = [];
  }
}
