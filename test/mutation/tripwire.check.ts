// The tripwire through the real adapter and a real server. Not found by the test command: mutation.e2e.test.ts runs it,
// whole and broken. The server is brought by whoever runs it: SALLYPORT_CHECK_SERVER = JSON of host, port, user, password.
// Every statement is planned while a column is clear; policy protects it before the server describes the result.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { type GatedPostgres, startGatedPostgres, token } from '../support/gated-postgres.ts';
import { RawPostgres, bind, describe, flush, shape, sync } from '../support/raw-postgres.ts';

// Several of these run on one server.
const visit = `visit_${process.pid}`;
const ledger = `ledger_${process.pid}`;
let gated: GatedPostgres;
let policies = 0;

before(async () => {
  const given = JSON.parse(process.env['SALLYPORT_CHECK_SERVER'] ?? 'null') as EmbeddedPostgres;
  const left = async (): Promise<void> => undefined;
  gated = await startGatedPostgres({
    server: { ...given, restart: left, halt: left, stop: left },
    setup: `CREATE TABLE ${visit} (id int, note text); INSERT INTO ${visit} VALUES (1, '970-11-1111'); CREATE TABLE ${ledger} (v text)`,
  });
});
after(async () => {
  await gated.direct.query(`DROP TABLE ${visit}, ${ledger}`);
  await gated.stop();
});
beforeEach(() => {
  gated.gate.alarms.length = 0;
  protectFrom();
});

function protectFrom(...patterns: readonly string[]): void {
  policies += 1;
  gated.policy = {
    version: String(policies),
    classRules: patterns.map((pattern) => ({ class: 'phi.note', pattern })),
    safeFunctions: new Set(),
  };
}
const protectNote = (): void => protectFrom(`public.${visit}.note`);
const noLongerClear = async (client: RawPostgres): Promise<void> => {
  const frames = await client.until('Z');
  assert.match(shape(frames), /^(C )?E:XX000$/);
  assert.ok(!Buffer.concat(frames.map(({ bytes }) => Buffer.from(bytes))).includes('970-'));
  assert.equal(client.isClosed, true);
  assert.deepEqual(gated.gate.alarms, ['tripwire']);
};

/** Sends what waits at the server for a lock on `table`, does `change` meanwhile, lets it go on. */
async function whileItWaits(table: string, client: RawPostgres, text: string, change: () => unknown): Promise<void> {
  await gated.direct.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  client.send(queryMessage(text));
  const waiting = `SELECT 1 FROM pg_locks WHERE relation = '${table}'::regclass AND NOT granted`;
  while ((await gated.direct.query(waiting)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await change();
  await gated.direct.query('COMMIT');
}

test('the check itself: a clear column passes', async () => {
  const client = await RawPostgres.logIn(gated.port, token);
  client.send(queryMessage(`SELECT note FROM ${visit}`));
  assert.equal(shape(await client.until('Z')), 'T D C Z:I');
  client.socket.destroy();
});

test('a simple query', async () => {
  const client = await RawPostgres.logIn(gated.port, token);
  await whileItWaits(visit, client, `SELECT note FROM ${visit}`, protectNote);
  await noLongerClear(client);
});

test('a whole row', async () => {
  const client = await RawPostgres.logIn(gated.port, token);
  await whileItWaits(visit, client, `SELECT v FROM ${visit} v`, protectNote);
  await noLongerClear(client);
});

test('Describe of a portal', async () => {
  const client = await RawPostgres.logIn(gated.port, token);
  client.send(parseMessage('', `SELECT note FROM ${visit}`, []), bind('p', ''), flush());
  assert.equal(shape(await client.until('2')), '1 2');
  protectNote();
  client.send(describe('P', 'p'), sync());
  await noLongerClear(client);
});

test('Describe of a statement', async () => {
  const client = await RawPostgres.logIn(gated.port, token);
  client.send(parseMessage('s', `SELECT note FROM ${visit}`, []), sync());
  await client.until('Z');
  protectNote();
  client.send(describe('S', 's'), sync());
  const frames = await client.until('Z');
  assert.match(shape(frames), /^(t )?E:XX000$/);
  assert.deepEqual(gated.gate.alarms, ['tripwire']);
});

test('rows of a write that asked for none: a rule made meanwhile answers it', async () => {
  protectNote();
  const client = await RawPostgres.logIn(gated.port, token);
  // An expression has no origin: only that there are rows at all can tell.
  const rule = `CREATE RULE answer AS ON INSERT TO ${ledger} DO INSTEAD SELECT lower(note) AS v FROM ${visit}`;
  await whileItWaits(ledger, client, `INSERT INTO ${ledger} VALUES ('x')`, () => gated.direct.query(rule));
  await noLongerClear(client);
});
