// Targets, the policy matrix and the end of a session in a real browser, with a real gateway behind it.

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

const url = (path: string): string => `https://127.0.0.1:${gateway.running.api.port}/console${path}`;

before(async () => {
  await ensureConsole();
  clinic = await startSmallClinic();
  await clinic.direct.query(`
    CREATE VIEW cards AS SELECT id, ssn AS number FROM patients;
    CREATE TABLE people (id int PRIMARY KEY, email text);
    CREATE TABLE wide (${Array.from({ length: 1200 }, (_, at) => `measure_${at} int`).join(', ')})`);
  gateway = await startTestGateway({ targets: [clinic.target], policy: smallClinicPolicy });
  browser = await launchBrowser();
  officer = await openConsole(browser, await officerOf(gateway));
  page = await officer.context.newPage();
});
after(async () => {
  await browser?.close();
  await gateway?.close();
  await clinic?.stop();
});

async function axeFaults(): Promise<string[]> {
  // By way of the debugger: the page itself lets no text become a script.
  const session = await officer.context.newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe.source });
  const { result } = await session.send('Runtime.evaluate', {
    expression: 'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].target}`))',
    awaitPromise: true,
    returnByValue: true,
  });
  return result.value as string[];
}

const columns = (): ReturnType<Page['getByRole']> => page.getByRole('list', { name: 'Columns' });

test('the classes map says which class a column has, where from, and how it is shown', async () => {
  await page.goto(url('/targets'));
  await page.getByRole('link', { name: /clinic/ }).click();
  await page.getByRole('link', { name: 'Classes' }).click();
  await page.getByLabel('Protected only').check();
  const number = columns().getByRole('listitem').filter({ hasText: 'number' });
  await number.getByText('through the view').waitFor();
  assert.match(await number.innerText(), /phi\.ssn[\s\S]*redact/);
  assert.equal(await columns().getByText('measure_').count(), 0);
  await page.getByLabel('Search').fill('patients.dob');
  await columns().getByText('by public.patients.dob').waitFor();
  await number.waitFor({ state: 'detached' });
  assert.match(page.url(), /search=patients\.dob/);
  assert.deepEqual(await axeFaults(), []);
});

test('columns behind the first page come as somebody scrolls, and only those in sight are drawn', async () => {
  await page.goto(url('/targets/clinic/classes?search=wide'));
  await columns().getByText('measure_0', { exact: true }).waitFor();
  await until('the last column', async () => {
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    return (await columns().getByText('measure_1199', { exact: true }).count()) === 1;
  });
  assert.ok((await columns().getByRole('listitem').count()) < 120);
});

test('a copied snippet has what it takes to connect, and no token', async () => {
  await officer.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(url('/targets/clinic'));
  await page.getByRole('button', { name: 'Copy for psql' }).click();
  await page.getByText('Copied').waitFor();
  const text = await page.evaluate(() => navigator.clipboard.readText());
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
    const answer = await officer.context.request.get(url('').replace('/console', '/v1/audit/entries?type=policy.sampled'), {
      headers: { 'sallyport-console': '1' },
    });
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
  assert.match(await agents.innerText(), /allow\s+read/);
  await page.getByRole('button', { name: 'How they see classes' }).click();
  assert.match(await agents.innerText(), /year[\s\S]*redact/);
  await page.setViewportSize({ width: 390, height: 844 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
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
  const reason = page.getByLabel(/Reason/);
  await reason.waitFor();
  assert.equal(await reason.evaluate((field) => field === document.activeElement), true);
  await page.keyboard.type('left running');
  await page.getByRole('button', { name: 'End it', exact: true }).click();
  await page.getByText('The record names you').waitFor();
  assert.equal(((await told) as Error & { code?: string }).code, '57P01');
  await page.getByText('Somebody ended the session').waitFor();
});

test('no page has faulted, and no policy of the browser was broken', () => {
  assert.deepEqual(officer.faults, []);
});
