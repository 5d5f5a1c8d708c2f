// Evidence and the log in a real browser: a bundle of a real gateway is made, downloaded and checked in the page; changed ones are refused
// with their reason; an entry of the log is proven in the page, and one that the gateway changes is not.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { crc32 } from 'node:zlib';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { sha256 } from '../../src/audit/tlog/index.ts';
import { clerkOf, officerOf } from '../support/clinic-tests.ts';
import { type ConsoleContext, ensureConsole, launchBrowser, openConsole } from '../support/console-page.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { connect, type SmallClinic, smallClinicPolicy, startSmallClinic, until } from '../support/small-clinic.ts';

let clinic: SmallClinic;
let gateway: TestGateway;
let browser: Browser;
let officer: ConsoleContext;
let page: Page;
let bundle: Buffer;
let vkey = '';

const url = (path: string): string => `https://127.0.0.1:${gateway.running.api.port}/console${path}`;

before(async () => {
  await ensureConsole();
  clinic = await startSmallClinic();
  gateway = await startTestGateway({ targets: [clinic.target], policy: smallClinicPolicy });
  vkey = readFileSync(join(gateway.directory, 'keys', 'log.vkey'), 'utf8').trim();
  const agent = await connect(gateway, gateway.port, await gateway.issuer.token('triage-agent', { groups: ['ai-agents'], kind: 'agent' }));
  for (let id = 1; id <= 150; id += 1) await agent.query('SELECT id, name, ssn FROM patients WHERE id = $1', [id]);
  await agent.end();
  browser = await launchBrowser();
  officer = await openConsole(browser, await officerOf(gateway));
  page = await officer.context.newPage();
});
after(async () => {
  await browser?.close();
  await gateway?.close();
  await clinic?.stop();
});

/** A file of the ZIP, which is stored: where its content begins. */
function contentOf(zip: Buffer, name: string): number {
  for (let at = zip.indexOf(name); at >= 0; at = zip.indexOf(name, at + 1))
    if (zip.readUInt32LE(at - 30) === 0x04034b50) return at + name.length;
  throw new Error(`${name} is not in the archive`);
}

async function check(zip: Buffer, key: string | null): Promise<string> {
  await page.goto(url('/evidence/check'));
  await page.setInputFiles('input[type=file]', { name: 'evidence.zip', mimeType: 'application/zip', buffer: zip });
  if (key !== null) await page.getByLabel('Key of the log').fill(key);
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  const verdict = page.getByRole('region', { name: 'Verdict' });
  await verdict.waitFor({ timeout: 60_000 });
  return verdict.innerText();
}

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

test('a bundle is made and downloaded by the page', async () => {
  await page.goto(url('/evidence'));
  await page.getByRole('button', { name: 'Today' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Make and download' }).click()]);
  assert.match(download.suggestedFilename(), /^evidence-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.zip$/);
  bundle = readFileSync(await download.path());
  assert.equal(bundle.toString('latin1', 0, 2), 'PK');
  assert.deepEqual(await axeFaults(), []);
  // What was made can be checked without choosing it again.
  await page.getByRole('button', { name: 'Check it' }).click();
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await page.getByRole('heading', { name: 'The evidence agrees with itself' }).waitFor({ timeout: 60_000 });
});

test('a refusal of the gateway is told, and a running one can be cancelled', async () => {
  await page.goto(url('/evidence'));
  await page.route('**/v1/evidence/export*', (route) =>
    route.fulfill({
      status: 429,
      contentType: 'application/problem+json',
      body: '{"code":"SP_API_RATE_LIMITED","title":"another evidence bundle is being made"}',
    }),
  );
  await page.getByRole('button', { name: 'Make and download' }).click();
  await page.getByText('another evidence bundle is being made').waitFor();
  await page.unroute('**/v1/evidence/export*');
  await page.route('**/v1/evidence/export*', () => undefined);
  await page.getByRole('button', { name: 'Make and download' }).click();
  await page.getByText('The gateway makes the bundle').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('The gateway makes the bundle').waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('alert').count(), 0);
  await page.unroute('**/v1/evidence/export*');
});

test('the bundle is verified in the page, which asks nobody for anything', async () => {
  const asked: string[] = [];
  await page.goto(url('/evidence/check'));
  await page.waitForLoadState('networkidle');
  page.on('request', (request) => {
    if (!/\/assets\/|\/console\/|\/v1\/(?:whoami|events|approvals)/.test(request.url())) asked.push(request.url());
  });
  const text = await check(bundle, vkey);
  assert.match(text, /The evidence holds/);
  assert.match(text, /the range is complete/i);
  assert.match(text, /NOT PROVEN|Not proven/);
  assert.match(text, /164\.312\(b\)/);
  assert.match(text, /Cannot show/);
  assert.deepEqual(asked, []);
  assert.deepEqual(await axeFaults(), []);
});

test('one changed byte, a swapped row and a foreign key are refused with their reason', async () => {
  const flipped = Buffer.from(bundle);
  const entries = contentOf(flipped, 'log/tile/entries/000');
  const at = flipped.indexOf('"request.intent"', entries);
  flipped[at + 3]! ^= 1;
  const byte = await check(flipped, vkey);
  assert.match(byte, /The evidence does not hold/);
  assert.match(byte, /A file was changed after the bundle was made/);
  assert.match(byte, /log\/tile\/entries\/000/);

  // The sum of the ZIP made right again, as a ZIP tool does: the signed list says it all the same.
  const swapped = Buffer.from(bundle);
  const table = contentOf(swapped, 'records/requests.csv');
  const [, one = '', two = ''] = swapped.toString('latin1', table, table + 4000).split('\r\n');
  const header = swapped.indexOf('\r\n', table) + 2;
  assert.notEqual(one, two);
  swapped.write(`${two}\r\n${one}\r\n`, header, 'latin1');
  repairSum(swapped, 'records/requests.csv');
  const row = await check(swapped, vkey);
  assert.match(row, /The evidence does not hold/);
  assert.match(row, /A table does not say what the log says[\s\S]*first in line 2[\s\S]*records\/requests\.csv/);
  assert.match(row, /A file is not the one on the signed list/);

  const [name] = vkey.split('+');
  const foreign = Buffer.concat([Buffer.of(1), sha256(Buffer.from('another key'))]);
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), foreign])).toString('hex', 0, 4);
  assert.match(await check(bundle, `${name}+${id}+${foreign.toString('base64')}`), /not made with the key that you trust/);
});

test('what is no key, and what is no bundle, is told as that', async () => {
  await page.goto(url('/evidence/check'));
  await page.setInputFiles('input[type=file]', { name: 'evidence.zip', mimeType: 'application/zip', buffer: bundle });
  await page.getByLabel('Key of the log').fill('no key');
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await page.getByText('This says nothing about the evidence').waitFor({ timeout: 60_000 });
  assert.match(await check(Buffer.from('no archive at all, but long enough to be one'), vkey), /This is not an evidence bundle/);
});

test('an entry of the log is proven in the page', async () => {
  await page.goto(url('/log'));
  await page.getByText('Signature checked in this page').waitFor();
  await page.getByLabel('Go to entry').fill('17');
  await page.keyboard.press('Enter');
  const open = page.getByRole('region', { name: 'The open entry' });
  await open.getByText(/hashes lead from it to the root that was signed/).waitFor({ timeout: 30_000 });
  const text = await open.innerText();
  assert.match(text, /"seq": 17/);
  assert.match(text, /Entries 16 to 17/);
  assert.match(text, /Signed root/);
  assert.deepEqual(await axeFaults(), []);
  // The keyboard goes on from there.
  await page.locator('h1').click();
  await page.keyboard.press('j');
  await open.getByText('"seq": 16').waitFor({ timeout: 30_000 });
});

test('entries are found by their type', async () => {
  await page.goto(url('/log'));
  await page.getByLabel('Type').fill('session.open');
  // No count is told before something was read: not even "0 entries".
  await page.getByText(/^(?:1 entry|\d+ entries) of this type from entry 0 on/).waitFor();
  let types: string[] = [];
  await until('rows, all of this type', async () => {
    types = await page.locator('.log-row code').allInnerTexts();
    return types.length > 0 && types.every((type) => type === 'session.open');
  }).catch((fault: Error) => assert.fail(`${fault.message}: ${types.join(' ')}`));
  const status = await page.getByText(/of this type from entry/).innerText();
  assert.ok(Number(/^\d+/.exec(status)?.[0]) >= types.length, status);
});

test('an entry and a head that the gateway changes are not believed', async () => {
  await page.route('**/log/tile/entries/**', async (route) => {
    const answer = await route.fetch();
    const body = await answer.body();
    const at = body.indexOf('"type":"') + 8;
    body[at]! ^= 1;
    await route.fulfill({ response: answer, body });
  });
  await page.goto(url('/log/0'));
  await page.getByText(/Not proven: entry 0 is not the one that was signed/).waitFor({ timeout: 30_000 });
  await page.unroute('**/log/tile/entries/**');
  await page.route('**/v1/audit/checkpoint', async (route) => {
    const answer = await route.fetch();
    const { size, checkpoint } = (await answer.json()) as { size: number; checkpoint: string };
    await route.fulfill({ response: answer, json: { size: size + 1, checkpoint: checkpoint.replace(/\n\d+\n/, `\n${size + 1}\n`) } });
  });
  await page.goto(url('/log'));
  await page.getByText('The log does not prove itself').waitFor({ timeout: 30_000 });
  await page.unroute('**/v1/audit/checkpoint');
});

test('who is no auditor sees neither area', async () => {
  const clerk = await openConsole(browser, await clerkOf(gateway));
  const other = await clerk.context.newPage();
  await other.goto(url('/evidence'));
  await other.getByText('There is no such page').waitFor();
  await other.getByRole('navigation', { name: 'Areas', exact: true }).waitFor();
  assert.equal(await other.getByRole('link', { name: 'Evidence' }).count(), 0);
  assert.equal(await other.getByRole('link', { name: 'Log', exact: true }).count(), 0);
  await clerk.context.close();
});

test('a page whose log-in is over shows nothing but the log-in', async () => {
  const other = await openConsole(browser, await officerOf(gateway));
  const late = await other.context.newPage();
  await late.goto(url('/overview'));
  await late.getByRole('navigation', { name: 'Areas', exact: true }).waitFor();
  await other.context.setExtraHTTPHeaders({});
  await late.keyboard.press('g');
  await late.keyboard.press('l');
  await late.locator('.login-card').waitFor();
  await late.getByRole('navigation').waitFor({ state: 'detached' });
  assert.deepEqual(other.faults, []);
  await other.context.close();
});

test('no page did what its content security policy forbids', () => assert.deepEqual(officer.faults, []));

/** Writes the CRC of a stored file anew, in both headers. */
function repairSum(zip: Buffer, name: string): void {
  const start = contentOf(zip, name);
  const local = start - name.length - 30;
  let central = -1;
  for (let at = zip.indexOf(name); at >= 0; at = zip.indexOf(name, at + 1)) if (zip.readUInt32LE(at - 46) === 0x02014b50) central = at - 46;
  const sum = crc32(zip.subarray(start, start + zip.readUInt32LE(central + 24)));
  zip.writeUInt32LE(sum, local + 14);
  zip.writeUInt32LE(sum, central + 16);
}
