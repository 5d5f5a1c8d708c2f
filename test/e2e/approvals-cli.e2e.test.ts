// Held statements from both ends: real database clients that wait, and reviewers with the real `sallyport` program
// speaking to the API over TLS. Then everything else the program asks a running gateway.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { clerkOf, officerOf } from '../support/clinic-tests.ts';
import { ensureDebianPackages } from '../support/debian.ts';
import { type TestGateway, startTestGateway } from '../support/gateway.ts';
import {
  type Ended,
  type SmallClinic,
  apiEnvironment,
  auditEntries,
  callApi,
  connect,
  psql,
  sallyport,
  smallClinicPolicy,
  startSmallClinic,
  until,
} from '../support/small-clinic.ts';

let clinic: SmallClinic;
let gateway: TestGateway;
let officer = '';
let clerk = '';

before(async () => {
  ensureDebianPackages(['postgresql-client']);
  clinic = await startSmallClinic();
  gateway = await startTestGateway({ targets: [clinic.target], policy: smallClinicPolicy });
  officer = await officerOf(gateway);
  clerk = await clerkOf(gateway);
});
after(async () => {
  await gateway?.close();
  await clinic?.stop();
});

const clientOf = (token = clerk): Promise<pg.Client> => connect(gateway, gateway.port, token);

const command = (token: string, ...args: readonly string[]): Promise<Ended> => {
  const running = sallyport(args, apiEnvironment(gateway, gateway.running.api.port, token));
  running.end();
  return running.ended;
};

async function succeeds(token: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await command(token, ...args);
  assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`);
  return out;
}

interface Waiting {
  readonly id: string;
  readonly answer: Promise<pg.QueryResult | pg.DatabaseError>;
}

/** Sends a statement that is held and reads the approval from its notice. */
async function hold(client: pg.Client, sql: string, values: readonly unknown[] = []): Promise<Waiting> {
  const noticed = once(client, 'notice') as Promise<[{ message: string }]>;
  const answer = client.query(sql, [...values]).then(
    (result) => result,
    (fault: pg.DatabaseError) => fault,
  );
  const early = await Promise.race([noticed, answer]);
  if (!Array.isArray(early)) assert.fail(`not held: ${JSON.stringify(early)}`);
  const id = /held for approval (apr_[a-z2-7]{26})/.exec(early[0].message)?.[1];
  return { id: id ?? assert.fail(early[0].message), answer };
}

/** Cuts the client's connection while its statement is held. @returns when the gateway has ended the session: until then the
 *  statement still waits, and an answer would release it. */
async function cutOff(client: pg.Client, { id, answer }: Waiting, own = gateway, auditor = officer): Promise<void> {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  await answer;
  await until('the session is closed', async () => {
    const entries = await auditEntries(own, own.running.api.port, auditor);
    const held = entries.findLast(({ type, approval }) => type === 'request.held' && approval === id);
    return entries.some(({ type, session }) => type === 'session.close' && session === held?.session);
  });
}

const codeOf = (answer: pg.QueryResult | pg.DatabaseError): string => ('rows' in answer ? 'rows' : (answer.code ?? ''));
/** Quicker than the program, for steps that are not what a test is about. */
const answerApi = async (token: string, id: string, verdict: 'approve' | 'deny'): Promise<number> =>
  (await callApi(gateway, gateway.running.api.port, token, `/v1/approvals/${id}/answer`, { verdict })).status;
const stateOf = async (id: string): Promise<string> =>
  (JSON.parse((await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${id}`)).text) as { state: string }).state;

test('hold, ls, show, approve: the statement is released once, masked; the same statement again is held again', async () => {
  const client = await clientOf();
  const sql = 'SELECT id, name, ssn FROM patients ORDER BY id';
  const { id, answer } = await hold(client, sql);
  const listed = await succeeds(officer, 'approvals', 'ls', '--state', 'pending');
  assert.match(listed, new RegExp(`${id}.*pending.*clerk-1.*clinic.*bulk-read`));
  const shown = await succeeds(officer, 'approvals', 'show', id);
  for (const pattern of [
    /SELECT id, name, ssn FROM patients/,
    /public\.patients \(read\)/,
    /bulk-read/,
    /1 of role officer/,
    /ssn\s+phi\.ssn\s+redact/,
  ])
    assert.match(shown, pattern);
  assert.match(await succeeds(officer, 'approvals', 'approve', id, '--reason', 'ticket 4711'), /approved/);
  const result = await answer;
  assert.ok('rows' in result);
  assert.equal(result.rowCount, 200);
  assert.deepEqual(result.rows[0], { id: 1, name: '***', ssn: '***' });
  assert.equal(await stateOf(id), 'used');
  assert.equal((await command(officer, 'approvals', 'approve', id)).code, 1);

  const second = await hold(client, sql);
  assert.notEqual(second.id, id);
  assert.match(await succeeds(officer, 'approvals', 'deny', second.id, '--reason', 'no'), /denied/);
  const denied = await second.answer;
  assert.equal(codeOf(denied), '42501');
  assert.match((denied as pg.DatabaseError).message, /reviewer denied/);
  assert.deepEqual((await client.query('SELECT 1 AS still')).rows, [{ still: 1 }]);
  await client.end();
});

test('nobody answers in time: 57014, and a late approval is refused', async () => {
  const client = await clientOf();
  const { id, answer } = await hold(client, 'SELECT * FROM brief');
  assert.equal(codeOf(await answer), '57014');
  assert.equal(await stateOf(id), 'expired');
  const late = await command(officer, 'approvals', 'approve', id);
  assert.equal(late.code, 1);
  assert.match(late.err, /cannot be answered|expired/);
  await client.end();
});

test('threat: the requester, whoever it was asked for, an agent and a stranger cannot approve', async () => {
  const delegated = await gateway.issuer.token('olivia', { groups: ['clerks', 'privacy'], kind: 'person', act: { sub: 'clerk-7' } });
  const client = await clientOf(delegated);
  const { id, answer } = await hold(client, 'SELECT ssn FROM patients');
  const agentInRole = await gateway.issuer.token('agent-officer', { groups: ['privacy'], kind: 'agent' });
  const requester = await gateway.issuer.token('clerk-7', { groups: ['privacy'], kind: 'person' });
  const stranger = await gateway.issuer.token('sam', { groups: ['clerks'], kind: 'person' });
  for (const token of [officer, agentInRole, requester, delegated]) assert.equal(await answerApi(token, id, 'approve'), 403);
  assert.equal(await answerApi(stranger, id, 'approve'), 404);
  assert.equal(await stateOf(id), 'pending');
  const other = await gateway.issuer.token('omar', { groups: ['privacy'], kind: 'person' });
  assert.match(await succeeds(other, 'approvals', 'approve', id), /approved/);
  assert.equal(codeOf(await answer), 'rows');
  await client.end();
});

test('a statement that needs two people is released by two, and one of them twice is not two', async () => {
  const client = await clientOf();
  const { id, answer } = await hold(client, "INSERT INTO double_check (body) VALUES ('both') RETURNING body");
  assert.match(await succeeds(officer, 'approvals', 'approve', id), /is pending/);
  assert.equal(await answerApi(officer, id, 'approve'), 409);
  assert.equal((await clinic.direct.query('SELECT 1 FROM double_check')).rowCount, 0);
  assert.equal(await answerApi(await gateway.issuer.token('omar', { groups: ['privacy'], kind: 'person' }), id, 'approve'), 200);
  const result = await answer;
  assert.deepEqual('rows' in result && result.rows, [{ body: 'both' }]);
  await client.end();
});

test('INVARIANT: an approval serves exactly its statement, its parameters, its target user and the person asked for', async () => {
  const sql = 'INSERT INTO ledger (body) VALUES ($1) RETURNING id';
  const lost = async (token: string, text: string, values: readonly unknown[]): Promise<string> => {
    const client = await clientOf(token);
    const waiting = await hold(client, text, values);
    await cutOff(client, waiting);
    return waiting.id;
  };
  /** True when it was held anew. */
  const isHeld = async (token: string, text: string, values: readonly unknown[]): Promise<boolean> => {
    const client = await clientOf(token);
    const seen = await Promise.race([
      once(client, 'notice').then(() => true),
      client.query(text, [...values]).then(
        () => false,
        () => false,
      ),
    ]);
    await client.end();
    return seen;
  };
  const forAlice = await gateway.issuer.token('alice', { groups: ['clerks'], act: { sub: 'clerk-9' } });
  const forBob = await gateway.issuer.token('bob', { groups: ['clerks'], act: { sub: 'clerk-9' } });
  const itself = await gateway.issuer.token('clerk-9', { groups: ['clerks'] });
  const id = await lost(forAlice, sql, ['one']);
  assert.equal(await answerApi(officer, id, 'approve'), 200);
  const others: [string, string, string, readonly unknown[]][] = [
    ['another parameter', forAlice, sql, ['two']],
    ['another statement', forAlice, `${sql}, body`, ['one']],
    ['a literal instead of the parameter', forAlice, "INSERT INTO ledger (body) VALUES ('one') RETURNING id", []],
    ['another agent', clerk, sql, ['one']],
    ['the same agent for Bob', forBob, sql, ['one']],
    ['the same agent for itself', itself, sql, ['one']],
  ];
  for (const [what, token, text, values] of others) assert.equal(await isHeld(token, text, values), true, what);
  assert.equal(await stateOf(id), 'approved');
  assert.equal((await clinic.direct.query('SELECT 1 FROM ledger')).rowCount, 0);
  const client = await clientOf(forAlice);
  assert.equal((await client.query(sql, ['one'])).rowCount, 1);
  assert.equal(await stateOf(id), 'used');
  assert.equal((await hold(client, sql, ['one'])).id.startsWith('apr_'), true);
  await client.end();
});

test('threat: more groups at the retry do not turn what was approved masked into clear text', async () => {
  const policy = `${smallClinicPolicy.replace('roles:\n', 'roles:\n  - { role: clinician, members: [{ issuer: corp, group: clinicians }] }\n').replace('masks:\n', 'masks:\n  - { class: phi.*, mask: clear, roles: [clinician] }\n')}`;
  const own = await startTestGateway({ targets: [clinic.target], policy });
  try {
    const plain = await own.issuer.token('clerk-2', { groups: ['clerks'] });
    const more = await own.issuer.token('clerk-2', { groups: ['clerks', 'clinicians'] });
    const reviewer = await officerOf(own);
    const client = await connect(own, own.port, plain);
    const waiting = await hold(client, 'SELECT ssn FROM patients');
    const { id } = waiting;
    await cutOff(client, waiting, own, reviewer);
    assert.equal((await callApi(own, own.running.api.port, reviewer, `/v1/approvals/${id}/answer`, { verdict: 'approve' })).status, 200);
    const second = await connect(own, own.port, more);
    const held = await hold(second, 'SELECT ssn FROM patients');
    assert.notEqual(held.id, id);
    await second.end();
    const third = await connect(own, own.port, plain);
    assert.deepEqual((await third.query('SELECT ssn FROM patients')).rows[0], { ssn: '***' });
    await third.end();
  } finally {
    await own.close();
  }
});

test('a client that is lost while it waits finds its approval, or takes up the open one, when it asks again', async () => {
  const sql = "INSERT INTO ledger (body) VALUES ('retry') RETURNING body";
  const first = await clientOf();
  const waiting = await hold(first, sql);
  const { id } = waiting;
  await cutOff(first, waiting);
  assert.equal(await stateOf(id), 'pending');
  const second = await clientOf();
  const again = await hold(second, sql);
  assert.equal(again.id, id);
  // A driver that gives up by itself says goodbye; that is no reason to ask the reviewer twice either.
  await second.end();
  await again.answer;
  assert.match(await succeeds(officer, 'approvals', 'approve', id), /approved/);
  assert.equal((await clinic.direct.query(`SELECT 1 FROM ledger WHERE body = 'retry'`)).rowCount, 0);
  const third = await clientOf();
  assert.deepEqual((await third.query(sql)).rows, [{ body: 'retry' }]);
  assert.equal(await stateOf(id), 'used');
  await third.end();
});

test('Ctrl-C, unlike a lost connection, ends the approval', async () => {
  const session = psql(gateway, gateway.port, clerk, ['-c', "INSERT INTO ledger (body) VALUES ('cancelled')"]);
  const id = (await until('the notice', () => /held for approval (apr_[a-z2-7]{26})/.exec(session.err())))[1] ?? '';
  session.kill('SIGINT');
  assert.match((await session.ended).err, /the held statement was cancelled/);
  assert.equal(await stateOf(id), 'cancelled');
  assert.notEqual(await answerApi(officer, id, 'approve'), 200);
});

test('policy check, test and explain', async () => {
  assert.match(await succeeds(officer, 'policy', 'check'), /is good/);
  assert.match(await succeeds(officer, 'policy', 'test'), /pass {2}agents see no social security number\n1 tests, 0 failed/);
  const draft = join(gateway.directory, 'draft.yaml');
  writeFileSync(
    draft,
    smallClinicPolicy
      .replace('masks: { ssn: redact, dob: year }', 'masks: { ssn: clear }')
      .replace('public.patients.dob', 'public.patients.birthday'),
  );
  const failed = await command(officer, 'policy', 'test', draft);
  assert.equal(failed.code, 1);
  assert.match(failed.out, /FAIL {2}agents see no/);
  assert.match((await command(officer, 'policy', 'check', draft)).out, /draft\.yaml:6:\d+ warning .*no such column/);
  writeFileSync(draft, smallClinicPolicy.replace('then: hold', 'then: hodl'));
  const faulty = await command(officer, 'policy', 'check', draft);
  assert.equal(faulty.code, 1);
  assert.match(faulty.out, /draft\.yaml:\d+:\d+ error.*rules/);
  const explained = await succeeds(
    officer,
    'policy',
    'explain',
    'SELECT ssn AS s, id FROM patients WHERE id = 3',
    '--target',
    'clinic',
    '--as',
    'corp/agent-1:ai-agents',
  );
  assert.match(explained, /allow/);
  assert.match(explained, /s\s+public\.patients\.ssn\s+phi\.ssn\s+redact/);
  assert.equal((await command(clerk, 'policy', 'explain', 'DROP SCHEMA public CASCADE; SELECT pg_sleep(1)', '--target', 'clinic')).code, 1);
});

test('session ls, show and replay; audit tail and verify', async () => {
  const client = await clientOf();
  await client.query('SELECT id, ssn FROM patients WHERE id = 11');
  await client.query('SELECT count(*) AS visits FROM visits WHERE kind = $1', ['surgery']);
  await assert.rejects(client.query('SELECT pg_sleep(1)'), { code: '42501' });
  await client.end();
  interface Row {
    id: string;
    closedAt: string | null;
    statements: number;
    denied: number;
  }
  const id = await until('the session is indexed', async () => {
    const { sessions } = JSON.parse(
      (await callApi(gateway, gateway.running.api.port, officer, '/v1/sessions?target=clinic&limit=1')).text,
    ) as { sessions: Row[] };
    const [row] = sessions;
    return row !== undefined && row.closedAt !== null && row.statements > 2 && row.denied === 1 && row.id;
  });
  assert.match(await succeeds(officer, 'session', 'ls'), new RegExp(id));
  const shown = await succeeds(officer, 'session', 'show', id);
  for (const pattern of [/session\.open/, /SELECT id, ssn FROM patients WHERE id = \?/, /deny +SELECT pg_sleep/, /session\.close/])
    assert.match(shown, pattern);
  const identity = join(gateway.directory, 'auditor.age');
  writeFileSync(identity, `${gateway.sealingIdentity.reveal()}\n`, { mode: 0o600 });
  const replayed = await succeeds(officer, 'session', 'replay', id, '--identity', identity, '--purpose', 'incident 12');
  for (const pattern of [/SELECT id, ssn FROM patients WHERE id = 11/, /\*\*\*/, /300/, /surgery/]) assert.match(replayed, pattern);
  assert.doesNotMatch(replayed, /970-00/);
  assert.equal((await command(clerk, 'session', 'replay', id, '--identity', identity, '--purpose', 'curious')).code, 1);

  const tail = (await succeeds(officer, '--json', 'audit', 'tail', '--from', '0', '--no-follow'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { seq: number; type: string });
  assert.deepEqual(
    tail.map(({ seq }) => seq),
    tail.map((_, index) => index),
  );
  assert.ok(tail.some(({ type }) => type === 'payload.unsealed'));
  assert.equal((await command(clerk, 'audit', 'tail', '--no-follow')).code, 1);

  await gateway.running.publishCheckpoint();
  const vkey = join(gateway.directory, 'keys', 'log.vkey');
  const verified = await succeeds(officer, 'audit', 'verify', gateway.running.auditDirectory, '--key', vkey);
  assert.match(verified, /the log is whole and signed/);
});
