// What clients are told when a statement cannot be run: the SQLSTATE PostgreSQL has for it, what, why and what next, and
// nothing protected. And messages that are malformed inside a whole frame: skipped and refused as the database does.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { message, parseMessage } from '../../src/protocols/postgres/messages.ts';
import { CountingClient, type LimitsGateway, startLimitsGateway } from '../support/limits.ts';
import { bind, describe, execute, flush, sync } from '../support/raw-postgres.ts';

let limits: LimitsGateway;

before(async () => {
  limits = await startLimitsGateway();
});
after(() => limits?.stop());

const errorOf = async (client: CountingClient, text: string): Promise<Record<string, string>> => {
  await client.query(text);
  return client.errors()[0] ?? {};
};

/** Statements that both sides refuse, and why. */
const wrong: readonly (readonly [text: string, code: string, what: RegExp])[] = [
  ['SELEC 1', '42601', /^sallyport: syntax error at character 1$/],
  ["SELECT 'é', FROM visits", '42601', /^sallyport: syntax error at character 13$/],
  ["SELECT '970-00-0001", '42601', /^sallyport: syntax error/],
  ['SELECT 1 FROM no_such_table', '42P01', /^sallyport: a relation of the statement does not exist$/],
  ['SELECT 1 FROM no_such_schema.visits', '42P01', /^sallyport: relation "visits" does not exist$/],
  ["UPDATE no_such_table SET ssn = '970-00-0001'", '42P01', /does not exist$/],
  ['DROP TABLE no_such_table', '42P01', /does not exist$/],
  ['CREATE TABLE no_such_schema.fresh (id int)', '3F000', /^sallyport: refused: a schema that does not take tables$/],
  ['SELECT no_such_column FROM visits', '42703', /column "no_such_column" does not exist/],
  ['SELECT no_such_column FROM patients WHERE id = 1', '42703', /column "no_such_column" does not exist/],
  ['SELECT p.no_such_column FROM patients p WHERE id = 1', '42703', /column p.no_such_column does not exist/],
  ['SELECT id FROM visits ORDER BY no_such_column LIMIT 1', '42703', /column "no_such_column" does not exist/],
  ["UPDATE patients SET no_such_column = '970-00-0001' WHERE id = 1", '42703', /no_such_column/],
  ["INSERT INTO scratch (no_such_column) VALUES ('970-00-0001')", '42703', /no_such_column/],
];

test('what the database has a SQLSTATE for has the same through the gateway, and leaves a block as the database does', async () => {
  for (const [text, code, what] of wrong) {
    const [direct, gated] = await limits.both(async (client) => {
      const alone = await errorOf(client, text);
      const seen = [alone['C'], await client.query('BEGIN'), await client.query(text), await client.query('ROLLBACK')];
      client.reset();
      client.send(parseMessage('', text, []), bind('', ''), execute(''), sync());
      // Of a statement that is not planned the database notices only when it is run.
      return { seen: [...seen, (await client.until('Z')).replace(/^1 2 /, '')], error: alone };
    });
    assert.deepEqual(gated.seen, direct.seen, text);
    assert.equal(gated.error['C'], code, text);
    assert.match(gated.error['M'] ?? '', what, text);
    assert.doesNotMatch(JSON.stringify(gated.error), /970-/, text);
  }
});

test('a syntax error is where the database says it is, with why and what next', async () => {
  for (const text of ['SELEC 1', "SELECT 'é', FROM visits", 'SELECT (1', 'SELECT 1 +\n  FROM visits']) {
    const [direct, gated] = await limits.both((client) => errorOf(client, text));
    assert.equal(gated['P'], direct['P'], text);
    assert.match(gated['D'] ?? '', /not-understood/);
    assert.match(gated['H'] ?? '', /^Correct the statement; it is not PostgreSQL syntax\. Session ses_/);
  }
});

test('what is too large or too deep says which limit, why and what next, and the session goes on', async () => {
  const client = await limits.gated();
  const cases: readonly (readonly [text: string, code: string, what: RegExp, next: RegExp])[] = [
    [`SELECT '${'x'.repeat(300_000)}'`, '54000', /^sallyport: refused: a statement over 256 KiB or 40000 words$/, /parameters or by COPY/],
    [`SELECT 1${', 1'.repeat(30_000)}`, '54000', /over 256 KiB or 40000 words$/, /several statements/],
    [
      `SELECT ${'('.repeat(500)}1${')'.repeat(500)}`,
      '54001',
      /^sallyport: refused: a statement nested over 400 levels deep$/,
      /fewer brackets/,
    ],
    ['SELECT $65536', '54000', /^sallyport: refused: a statement with over 65535 parameters$/, /an array or by COPY/],
  ];
  for (const [text, code, what, next] of cases) {
    const error = await errorOf(client, text);
    assert.equal(error['C'], code);
    assert.match(error['M'] ?? '', what);
    assert.match(error['H'] ?? '', next);
    assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  }
  client.end();
});

test('a denial stays 42501, also when something is missing beside it', async () => {
  const agent = await limits.files.issuer.token('agent-1', { groups: ['ai-agents'] });
  const client = await CountingClient.open({ port: limits.served.port, password: agent });
  for (const text of ["INSERT INTO scratch (body) VALUES ('x')", 'DROP TABLE no_such_table', 'SELECT pg_read_file($$/etc/passwd$$)']) {
    assert.equal((await errorOf(client, text))['C'], '42501', text);
  }
  client.end();
});

/** A whole frame of type `letter` around a body that does not fit it. */
const malformed = (letter: string, body: Buffer): Uint8Array => message(letter, (writer) => writer.bytes(body));
const broken: readonly Uint8Array[] = [
  // Bind: cut off in the formats, in a value, with an unknown format, and with bytes too many.
  malformed('B', Buffer.from('\0\0\0\x02\0')),
  malformed('B', Buffer.from('\0\0\0\0\0\x01\0\0\0\x09ab\0\0', 'latin1')),
  malformed('B', Buffer.from('\0\0\0\0\0\0\0\0more', 'latin1')),
  malformed('P', Buffer.from('\0SELECT 1')),
  malformed('D', Buffer.from('Xname\0')),
  malformed('E', Buffer.from('\0\0')),
  malformed('C', Buffer.from('S')),
];

test('malformed messages behind an error are skipped up to the Sync, as by the database', async () => {
  for (const one of broken) {
    const [direct, gated] = await limits.both(async (client) => {
      client.send(parseMessage('', 'SELECT 1 / 0', []), bind('', ''), execute(''), flush());
      await client.until('E');
      client.send(one, describe('P', 'nobody'), sync());
      return [await client.until('Z'), await client.query('SELECT 1')];
    });
    assert.deepEqual(gated, direct, Buffer.from(one).toString('latin1'));
    assert.match(String(direct), /E:22012 Z:I,T C Z:I$/);
  }
});

test('the same when the error is still on its way, and when the gateway itself has refused', async () => {
  for (const one of broken) {
    for (const first of ['SELECT 1 / 0', 'SELEC 1']) {
      const [direct, gated] = await limits.both(async (client) => {
        client.send(parseMessage('', first, []), bind('', ''), execute(''), one, execute(''), sync());
        return [(await client.until('Z')).replace(/^1 (2 )?/, ''), await client.query('SELECT 1')];
      });
      assert.deepEqual(gated, direct, `${first} ${Buffer.from(one).toString('latin1')}`);
    }
  }
});

test('a malformed message is refused with 08P01 and skips to the Sync; a block is aborted; nothing of it is sent', async () => {
  for (const one of broken) {
    const client = await limits.gated();
    client.send(one, parseMessage('', "INSERT INTO scratch (body) VALUES ('never')", []), bind('', ''), execute(''), sync());
    assert.equal(await client.until('Z'), 'E:08P01 Z:I');
    assert.match(client.errors()[0]?.['M'] ?? '', /^sallyport: malformed protocol message$/);
    assert.equal(await client.query('BEGIN'), 'C Z:T');
    client.reset();
    client.send(one, sync());
    assert.equal(await client.until('Z'), 'E:08P01 Z:E');
    assert.equal(await client.query('ROLLBACK'), 'C Z:I');
    client.end();
  }
  const { rows } = await limits.clinic.direct.query<{ n: number }>("SELECT count(*)::int AS n FROM scratch WHERE body = 'never'");
  assert.equal(rows[0]?.n, 0);
});

test('what is no message at all ends the session, also while messages are skipped', async () => {
  const client = await limits.gated();
  client.send(parseMessage('', 'SELEC 1', []), flush());
  await client.until('E');
  client.send(malformed('z', Buffer.from('x')), sync());
  await client.closed();
  assert.match(client.shape.join(' '), /E:42601 E:08P01$/);
  client.end();
});
