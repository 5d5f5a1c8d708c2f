// What a log-in is told: targets without access and targets that do not exist alike, start-up settings by name, and the
// client's own application name whatever the target is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { message, parseFields, parseParameterStatus, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { startupMessage } from '../../src/protocols/postgres/startup.ts';
import { clerkOf, clinicTests, entriesOf } from '../support/clinic-tests.ts';
import { RawPostgres, rows, shape } from '../support/raw-postgres.ts';

const tests = clinicTests();
const { gatewayOf } = tests;

/** Fields of the error that ends the log-in, or null when it succeeds. */
async function logIn(port: number, token: string, parameters: Record<string, string>): Promise<Record<string, string> | null> {
  const raw = await RawPostgres.open(port);
  raw.send(startupMessage(Object.entries({ user: 'raw', ...parameters })));
  const asked = await raw.until('R');
  const early = asked.find(({ type }) => type === 'E'.charCodeAt(0));
  if (early !== undefined) return Object.fromEntries(parseFields(early.body));
  raw.send(message('p', (body) => body.cString(token)));
  const answer = await raw.until('Z');
  raw.socket.destroy();
  const error = answer.find(({ type }) => type === 'E'.charCodeAt(0));
  return error === undefined ? null : Object.fromEntries(parseFields(error.body));
}

test('threat: a principal without access is told the same of a target that exists and of one that does not', async () => {
  const gateway = await gatewayOf({ insecure: true });
  const outsider = await gateway.issuer.token('outsider', { groups: ['strangers'] });
  const [exists, missing] = [
    await logIn(gateway.port, outsider, { database: 'clinic' }),
    await logIn(gateway.port, outsider, { database: 'nowhere' }),
  ];
  assert.deepEqual({ ...exists, M: '' }, { ...missing, M: '' });
  assert.equal(exists?.['C'], '3D000');
  assert.equal(exists?.['S'], 'FATAL');
  assert.equal(exists?.['M'], 'sallyport: database "clinic" does not exist, or you have no access to it');
  assert.equal(missing?.['M'], 'sallyport: database "nowhere" does not exist, or you have no access to it');
  const clerk = await clerkOf(gateway);
  assert.deepEqual(await logIn(gateway.port, clerk, { database: 'nowhere' }), missing);
  // Without a database PostgreSQL takes the user's name; a name is shown back as far as it is printable.
  assert.match((await logIn(gateway.port, clerk, {}))?.['M'] ?? '', /database "raw" does not exist/);
  const odd = await logIn(gateway.port, clerk, { database: `a\n"b\u0007${'x'.repeat(200)}/db` });
  assert.match(odd?.['M'] ?? '', /^sallyport: database "a\?\?b\?x{58}" does not exist/);
  const faults = (await entriesOf(gateway)).filter(({ type }) => type === 'auth.fail').map(({ detail }) => detail?.['fault']);
  assert.deepEqual(faults.toSorted(), ['no-access', ...Array.from({ length: 4 }, () => 'unknown-target')]);
});

test('threat: trying target names is bounded for the one who tries, and costs nobody else a log-in', async () => {
  const gateway = await gatewayOf({ insecure: true });
  const outsider = await gateway.issuer.token('outsider', { groups: ['strangers'] });
  const clerk = await clerkOf(gateway);
  const codes: string[] = [];
  for (let index = 0; index < 24; index += 1) {
    codes.push((await logIn(gateway.port, outsider, { database: index % 2 === 0 ? `guess${index}` : 'clinic' }))?.['C'] ?? 'ok');
  }
  assert.deepEqual(codes, [...Array.from({ length: 20 }, () => '3D000'), ...Array.from({ length: 4 }, () => '53300')]);
  const [exists, missing] = [
    await logIn(gateway.port, outsider, { database: 'clinic' }),
    await logIn(gateway.port, outsider, { database: 'nowhere' }),
  ];
  assert.deepEqual(exists, missing);
  assert.match(exists?.['M'] ?? '', /too many log-ins have failed; the next one has to wait/);
  // No more than was told is recorded, and the clerk at the same address is not shut out.
  const recorded = (await entriesOf(gateway)).filter(({ type }) => type === 'auth.fail').length;
  assert.equal(recorded, 20);
  assert.equal(await logIn(gateway.port, clerk, { database: 'clinic' }), null);
});

test('an address with too many wrong tokens is told that it has to wait, not that there are too many sessions', async () => {
  const gateway = await gatewayOf({ insecure: true });
  const clerk = await clerkOf(gateway);
  for (let index = 0; index < 20; index += 1) {
    assert.equal((await logIn(gateway.port, `wrong ${index}`, { database: 'clinic' }))?.['C'], '28P01');
  }
  const refused = await logIn(gateway.port, clerk, { database: 'clinic' });
  assert.equal(refused?.['C'], '53300');
  assert.match(refused?.['M'] ?? '', /too many log-ins have failed/);
  assert.match(refused?.['H'] ?? '', /Wait a minute/);
});

test('settings of the gateway itself are refused by name at start-up, whatever way they are given', async () => {
  const gateway = await gatewayOf({ insecure: true });
  for (const parameters of [
    { 'sallyport.token_key': 'x' },
    { 'SALLYPORT.other': 'x' },
    { options: '-c sallyport.token_key=x' },
    { options: '--sallyport.token_key=x' },
    { options: '-csallyport.other=x' },
  ]) {
    const refused = await logIn(gateway.port, await clerkOf(gateway), { database: 'clinic', ...parameters });
    assert.equal(refused?.['C'], '0A000');
    assert.match(refused?.['M'] ?? '', /^sallyport: start-up parameter "sallyport\.[a-z_]+" is not accepted$/i);
    assert.match(refused?.['H'] ?? '', /Remove this parameter/);
    assert.doesNotMatch(JSON.stringify(refused), /"x"|=x/);
  }
});

test('every spelling of UTF-8 that clients use is accepted, at start-up and later; any other encoding is refused', async () => {
  const gateway = await gatewayOf({ insecure: true });
  const clerk = await clerkOf(gateway);
  for (const name of ['UTF8', 'utf-8', 'UNICODE', 'unicode', "'Unicode'"]) {
    const client = await RawPostgres.logIn(gateway.port, clerk, { client_encoding: name });
    client.send(queryMessage("SELECT 'Ærøskøbing é 漢'"));
    assert.deepEqual(rows(await client.until('Z')), [['Ærøskøbing é 漢']], name);
    for (const text of ["SET client_encoding TO 'UNICODE'", 'SET client_encoding = utf8', "SET NAMES 'unicode'", 'RESET client_encoding']) {
      client.send(queryMessage(text));
      assert.match(shape(await client.until('Z')), /^(S )?C (S )?Z:I$/, text);
      client.send(queryMessage("SELECT 'é'"));
      assert.deepEqual(rows(await client.until('Z')), [['é']], text);
    }
    client.send(queryMessage("SET client_encoding TO 'LATIN1'"));
    assert.equal(shape(await client.until('Z')), 'E:42501 Z:I');
    client.socket.destroy();
  }
  for (const name of ['LATIN1', 'SQL_ASCII', 'unicodes', 'utf16']) {
    assert.equal((await logIn(gateway.port, clerk, { database: 'clinic', client_encoding: name }))?.['C'], '0A000', name);
  }
});

test('a client is always told its own application name, whatever the target knows the session by', async () => {
  const gateway = await gatewayOf({ insecure: true });
  const client = await RawPostgres.logIn(gateway.port, await clerkOf(gateway), { application_name: 'mine' });
  /** What the client is told of its application name while `texts` run. */
  const told = async (...texts: string[]): Promise<string[]> => {
    for (const text of texts) client.send(queryMessage(text));
    const frames = await client.until('Z', texts.length);
    assert.ok(!Buffer.concat(frames.map(({ bytes }) => Buffer.from(bytes))).includes('sallyport ses_'));
    return frames
      .filter(({ type }) => type === 'S'.charCodeAt(0))
      .map(({ body }) => parseParameterStatus(body))
      .filter(({ name }) => name === 'application_name')
      .map(({ value }) => value);
  };
  assert.deepEqual(await told('BEGIN', "SET application_name = 'other'", 'ROLLBACK'), ['other', 'mine']);
  assert.deepEqual(await told("SET application_name = 'other'"), ['other']);
  assert.deepEqual(await told('BEGIN', "SET LOCAL application_name = 'third'", 'COMMIT'), ['third', 'other']);
  assert.deepEqual(await told('BEGIN', "SET application_name = 'third'", 'ROLLBACK'), ['third', 'other']);
  assert.deepEqual(await told('RESET application_name'), ['mine']);
  assert.deepEqual(await told("SET application_name = 'other'", 'DISCARD ALL'), ['other', 'mine']);
  // The target still leads to the session.
  const { rowCount } = await tests.clinic.direct.query("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'sallyport ses_%'");
  assert.ok((rowCount ?? 0) > 0);
  client.socket.destroy();
});
