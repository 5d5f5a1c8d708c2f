// What the language of policies says, through the whole gateway: included files, conditions on the session, and rules that would
// take too long. With workers, every thread loads the same included files.

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import { clerkOf, clinicTests, entriesOf } from '../support/clinic-tests.ts';
import type { TestGateway } from '../support/gateway.ts';
import { connect, smallClinicPolicy } from '../support/small-clinic.ts';

const tests = clinicTests();
const { gatewayOf } = tests;

const included = smallClinicPolicy.replace('version: 1\n', 'version: 1\ninclude: [teams/]\n');
const rule = (name: string, when: string, say: string): string =>
  `  - { name: ${name}, when: ${JSON.stringify(when)}, then: deny, say: ${say} }\n`;

/** A gateway whose policy includes a file of these rules. */
async function gatewayWith(rules: string, limits: Readonly<Record<string, number>> = {}): Promise<TestGateway> {
  const gateway = await gatewayOf({ policy: included, start: false, limits });
  mkdirSync(join(gateway.directory, 'teams'));
  writeFileSync(join(gateway.directory, 'teams', 'rules.yaml'), `version: 1\nrules:\n${rules}`);
  return gateway;
}

async function outcome(client: pg.Client, sql: string): Promise<string> {
  try {
    await client.query(sql);
    return 'allowed';
  } catch (fault) {
    return (fault as Error).message;
  }
}

test('a rule of an included file counts the statements of each session, however they are asked', async () => {
  const gateway = await gatewayWith(rule('enough', 'session.statements > 4', 'That is enough.'));
  await gateway.restart();
  const client = await connect(gateway, gateway.port, await clerkOf(gateway));
  const sql = 'SELECT count(*) FROM visits';
  assert.equal(await outcome(client, sql), 'allowed');
  assert.equal(await outcome(client, `${sql}; ${sql}`), 'allowed');
  await client.query({ name: 'kept', text: sql });
  // Prepared once, executed again and refused: preparing does not count, and no decision was kept from before.
  await assert.rejects(client.query({ name: 'kept', text: sql }), /That is enough/);
  assert.match(await outcome(client, sql), /That is enough/);
  await client.end();
  const other = await connect(gateway, gateway.port, await clerkOf(gateway));
  assert.equal(await outcome(other, sql), 'allowed');
  await other.end();
  const denied = (await entriesOf(gateway)).filter(({ type }) => type === 'request.denied');
  assert.deepEqual(
    denied.map(({ rules }) => rules),
    [['enough'], ['enough']],
  );
});

test('a rule that would take too long for a statement denies it at once, and the session goes on', async () => {
  const pairs = 'request.columns.exists(a, request.columns.exists(b, request.columns[size(a)] == a + b))';
  const gateway = await gatewayWith(rule('pairs', pairs, 'No.'));
  await gateway.restart();
  const client = await connect(gateway, gateway.port, await clerkOf(gateway));
  await assert.rejects(client.query('SELECT * FROM visits v JOIN patients p ON p.id = v.patient_id WHERE p.id = 7'), { code: '42501' });
  assert.equal(await outcome(client, 'SELECT 1'), 'allowed');
  await client.end();
  const denied = (await entriesOf(gateway)).find(({ type }) => type === 'request.denied');
  assert.deepEqual(denied?.rules, ['pairs']);
});

test('workers load the included files too', async () => {
  const gateway = await gatewayWith(rule('none', "principal.kind == 'agent' && 'write' in request.effects", 'Read only.'), { workers: 2 });
  await gateway.restart();
  for (let each = 0; each < 4; each++) {
    const client = await connect(gateway, gateway.port, await clerkOf(gateway));
    assert.match(await outcome(client, "INSERT INTO scratch (body) VALUES ('x')"), /Read only/);
    await client.end();
  }
});

test('a gateway does not start on an include that is missing, goes round, or leads out of the folder', async () => {
  const broken = async (text: string, prepare: (directory: string) => void = () => undefined): Promise<RegExp | string> => {
    const gateway = await gatewayOf({ policy: smallClinicPolicy.replace('version: 1\n', `version: 1\n${text}`), start: false });
    prepare(gateway.directory);
    return gateway.restart().then(
      () => 'it started',
      (fault: unknown) => (fault as Error).message,
    );
  };
  assert.match(String(await broken('include: [teams/]\n')), /policy\.yaml:\d+:\d+ include\[0\]: there is no such folder/);
  assert.match(String(await broken('include: [policy.yaml]\n')), /include\[0\]: the file includes itself/);
  assert.match(String(await broken('include: [../policy.yaml]\n')), /leaves the folder of this file/);
  const link = (directory: string): void => symlinkSync('/etc/hostname', join(directory, 'link.yaml'));
  assert.match(String(await broken('include: [link.yaml]\n', link)), /link\.yaml: leads out of the folder of the policy/);
});
