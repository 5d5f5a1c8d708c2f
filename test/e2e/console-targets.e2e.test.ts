// Targets, the policy matrix, the end of a session and what is sealed in a real browser, with a real gateway behind it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { clerkOf, officerOf } from '../support/clinic-tests.ts';
import { type ConsoleContext, ensureConsole, launchBrowser, openConsole } from '../support/console-page.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { connect, type SmallClinic, smallClinicPolicy, startSmallClinic, until } from '../support/small-clinic.ts';

let clinic: SmallClinic;
let gateway: TestGateway;
let browser: Browser;
let officer: ConsoleContext;
let page: Page;

const api = (path: string): string => `https://127.0.0.1:${gateway.running.api.port}${path}`;
const url = (path: string): string => api(`/console${path}`);

before(async () => {
  await ensureConsole();
  clinic = await startSmallClinic();
  await clinic.direct.query(`
    CREATE VIEW cards AS SELECT id, ssn AS number FROM patients;
    CREATE TABLE people (id int PRIMARY KEY, email text);
    CREATE TABLE wide (${Array.from({ length: 1200 }, (_, at) => `measure_${at} int`).join(', ')})`);
  gateway = await startTestGateway({
    targets: [clinic.target],
    policy: smallClinicPolicy,
    audit: () => ({ unseal: { approvers: { role: 'officer', count: 1 } } }),
  });
  browser = await launchBrowser();
  officer = await openConsole(browser, await officerOf(gateway));
  page = await officer.context.newPage();
});
after(async () => {
  await browser?.close();
  await gateway?.close();
  await clinic?.stop();
});

/** By way of the debugger: the page itself lets no text become a script. */
async function inPage(expression: string): Promise<unknown> {
  const session = await officer.context.newCDPSession(page);
  const { result } = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  await session.detach();
  return result.value;
}

async function axeFaults(): Promise<unknown> {
  await inPage(axe.source);
  return inPage('axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].target}`))');
}

const columns = (): ReturnType<Page['getByRole']> => page.getByRole('list', { name: 'Columns' });

test('the classes map says which class a column has, where from, and how it is shown', async () => {
  await page.goto(url('/targets'));
  await page.getByRole('link', { name: /clinic/ }).click();
  await page.getByRole('link', { name: 'Classes' }).click();
  await page.getByLabel('Protected only').check();
  const number = columns().getByRole('listitem').filter({ hasText: 'number' });
  await number.getByText('through the view').waitFor();
  await number.filter({ hasText: /phi\.ssn[\s\S]*redact/ }).waitFor();
  // The unfiltered list stays until the other one is read.
  await until('protected ones only', async () => (await columns().getByText('measure_').count()) === 0);
  await page.getByLabel('Search').fill('patients.dob');
  await columns().getByText('by public.patients.dob').waitFor();
  await number.waitFor({ state: 'detached' });
  await page.waitForURL(/search=patients\.dob/);
  assert.deepEqual(await axeFaults(), []);
});

test('columns behind the first page come as somebody scrolls, and only those in sight are drawn', async () => {
  await page.goto(url('/targets/clinic/classes?search=wide'));
  await columns().getByText('measure_0', { exact: true }).waitFor();
  await until('the last column', async () => {
    await page.keyboard.press('End');
    return (await columns().getByText('measure_1199', { exact: true }).count()) === 1;
  });
  assert.ok((await columns().getByRole('listitem').count()) < 120);
});

test('a copied snippet has what it takes to connect, and no token', async () => {
  await officer.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(url('/targets/clinic'));
  await page.getByRole('button', { name: 'Copy for psql' }).click();
  await page.getByText('Copied').waitFor();
  const text = String(await inPage('navigator.clipboard.readText()'));
  assert.match(
    text,
    new RegExp(String.raw`^PGPASSWORD="\$SALLYPORT_TOKEN" psql 'host=\S+ port=${gateway.port} dbname=clinic .*sslmode=verify-full`),
  );
  assert.doesNotMatch(await page.locator('main').innerText(), /eyJ/);
});

test('proposals go by names; rows are read only because of the button, and that is recorded', async () => {
  await page.goto(url('/targets/clinic/proposals'));
  await page.getByText('its name says "email"').waitFor();
  const sampled = async (): Promise<number> => {
    const answer = await officer.context.request.get(api('/v1/audit/entries?type=policy.sampled'));
    return ((await answer.json()) as { entries: unknown[] }).entries.length;
  };
  assert.equal(await sampled(), 0);
  await page.getByRole('button', { name: 'Read and record' }).click();
  await until('the sample in the log', async () => (await sampled()) > 0);
  assert.deepEqual(await axeFaults(), []);
});

test('the matrix says what a role may do and how it sees a class, and fits a phone', async () => {
  await page.goto(url('/policy/matrix'));
  const agents = page.getByRole('row', { name: /reporting-agent/ });
  await agents.filter({ hasText: /allow\s*read/ }).waitFor();
  await page.getByRole('button', { name: 'How they see classes' }).click();
  await agents.filter({ hasText: /year[\s\S]*redact/ }).waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  await until('it fits', async () => Number(await inPage('document.documentElement.scrollWidth')) <= 390);
  assert.deepEqual(await axeFaults(), []);
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('a live session ends by a dialog that takes the reason at once; its client is told', async () => {
  const clerk = await connect(gateway, gateway.port, await clerkOf(gateway));
  const told = new Promise<Error>((resolve) => clerk.on('error', resolve));
  await clerk.query('SELECT ssn FROM patients WHERE id = 3');
  await page.goto(url('/sessions?live=true'));
  await page.getByRole('link', { name: /clerk/ }).click();
  await page.getByText('masked because it is made of public.patients.ssn').waitFor();
  await page.getByRole('button', { name: 'End it …' }).click();
  await page
    .getByLabel(/Reason/)
    .and(page.locator(':focus'))
    .waitFor();
  await page.keyboard.type('left running');
  await page.getByRole('button', { name: 'End it', exact: true }).click();
  await page.getByText('The record names you').waitFor();
  assert.equal(((await told) as Error & { code?: string }).code, '57P01');
  await page.getByText('Somebody ended the session').waitFor();
});

test('what is sealed waits for a second person, who agrees by keyboard; the one who asked is not offered it', async () => {
  const { sessions } = (await (await officer.context.request.get(api('/v1/sessions?limit=1'))).json()) as { sessions: { id: string }[] };
  const asked = await officer.context.request.post(api('/v1/unseals'), { data: { session: sessions[0]?.id, purpose: 'quality-review' } });
  const { id } = (await asked.json()) as { id: string };
  const records = (of: Page): ReturnType<Page['getByRole']> => of.getByRole('region', { name: 'Sealed records to open' });
  await page.goto(url('/approvals'));
  await page.getByRole('button', { name: 'Access' }).click();
  await records(page).getByText('Review of quality').waitFor();
  assert.equal(await records(page).getByRole('button', { name: 'Agree' }).count(), 0);
  assert.deepEqual(await axeFaults(), []);

  const second = await openConsole(browser, await gateway.issuer.token('otto', { groups: ['privacy'], kind: 'person' }));
  const other = await second.context.newPage();
  await other.goto(url('/approvals'));
  await other.getByRole('button', { name: 'Access' }).click();
  await records(other).getByRole('button', { name: 'Agree' }).click();
  await other
    .getByLabel(/Reason/)
    .and(other.locator(':focus'))
    .waitFor();
  await other.keyboard.type('seen');
  await other.keyboard.press('Enter');
  await other.getByText('They may open it now').waitFor();
  const state = await officer.context.request.get(api(`/v1/unseals/${id}`));
  assert.equal(((await state.json()) as { state: string }).state, 'approved');
  assert.deepEqual(second.faults, []);
});

test('no page has faulted, and no policy of the browser was broken', () => {
  assert.deepEqual(officer.faults, []);
});
