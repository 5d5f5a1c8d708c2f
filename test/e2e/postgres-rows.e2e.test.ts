// Rows over `limits.maxRowBytes`: refused with an error that names the limit, nothing of them passed on or kept in memory, and
// client and database of one mind about what was done. Parameters up to what the protocol can carry.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { type CountingClient, type LimitsGateway, grownBytes, megabyte, startLimitsGateway } from '../support/limits.ts';
import { bind, execute, sync } from '../support/raw-postgres.ts';
import { auditEntries } from '../support/small-clinic.ts';

const maxRowBytes = megabyte;
/** More than the buffers between two processes hold: the database is still sending it when the gateway has seen its header. */
const bigBytes = 40 * megabyte;

let limits: LimitsGateway;

before(async () => {
  limits = await startLimitsGateway({ limits: { maxRowBytes } });
});
after(() => limits?.stop());

/** Five rows, the third of them big. */
const rowsWithBig = `SELECT i, repeat('x', CASE i WHEN 3 THEN ${bigBytes} ELSE 10 END) FROM generate_series(1, 5) i`;
const scratch = async (body: string): Promise<number> => {
  const { rows } = await limits.clinic.direct.query<{ n: number }>('SELECT count(*)::int AS n FROM scratch WHERE body = $1', [body]);
  return rows[0]?.n ?? -1;
};

test('a row over the limit is refused by an error that names it, and the session goes on', async () => {
  const client = await limits.gated();
  assert.equal(await client.query(rowsWithBig), 'T E:54000 Z:I');
  assert.equal(client.rows, 2);
  assert.ok(client.bytes < 10_000);
  const [error] = client.errors();
  assert.equal(error?.['S'], 'ERROR');
  assert.equal(error['M'], `sallyport: a row of the answer is over limits.maxRowBytes of the gateway (${maxRowBytes} bytes)`);
  assert.match(error['H'] ?? '', /^Select fewer or smaller columns.* Session ses_/);
  assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  client.end();
});

test('in a block the block is aborted; what was done in it is undone', async () => {
  const client = await limits.gated();
  assert.equal(await client.query('BEGIN'), 'C Z:T');
  assert.equal(await client.query("INSERT INTO scratch (body) VALUES ('undone')"), 'C Z:T');
  assert.equal(await client.query(rowsWithBig), 'T E:54000 Z:E');
  assert.equal(await client.query('SELECT 1'), 'E:25P02 Z:E');
  assert.equal(await client.query('COMMIT'), 'C Z:I');
  assert.equal(await scratch('undone'), 0);
  assert.equal(await client.query("INSERT INTO scratch (body) VALUES ('behind'); SELECT 1; " + rowsWithBig), 'C T C T E:54000 Z:I');
  assert.equal(await scratch('behind'), 0);
  client.end();
});

test('in a pipeline everything up to the Sync is skipped, and what is behind it runs', async () => {
  const client = await limits.gated();
  client.send(parseMessage('', rowsWithBig, []), bind('', ''), execute(''));
  client.send(parseMessage('', "INSERT INTO scratch (body) VALUES ('skipped')", []), bind('', ''), execute(''), sync());
  client.send(parseMessage('', "INSERT INTO scratch (body) VALUES ('next')", []), bind('', ''), execute(''), sync());
  assert.equal(await client.until('Z', 2), '1 2 E:54000 Z:I 1 2 C Z:I');
  assert.equal(client.rows, 2);
  assert.deepEqual([await scratch('skipped'), await scratch('next')], [0, 1]);
  client.end();
});

test('COPY to the client is refused in the same way', async () => {
  const client = await limits.gated();
  assert.equal(await client.query(`COPY (${rowsWithBig}) TO STDOUT`), 'H E:54000 Z:I');
  assert.equal(client.rows, 2);
  assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  client.end();
});

test('a row of exactly the limit passes, one byte more does not', async () => {
  const client = await limits.gated();
  // Header, number of columns, length of the value.
  const around = 5 + 2 + 4;
  assert.equal(await client.query(`SELECT repeat('x', ${maxRowBytes - around})`), 'T C Z:I');
  assert.equal(client.rows, 1);
  client.end();
  const other = await limits.gated();
  other.send(queryMessage(`SELECT repeat('x', ${maxRowBytes - around + 1})`));
  await Promise.race([other.until('Z'), other.closed()]);
  // What still waited for its record when the session ended is not sent any more: then there is no T.
  assert.match(other.shape.join(' '), /^(T E:54000 Z:I|(T )?E:54000)$/);
  assert.equal(other.rows, 0);
  other.end();
});

test('a statement that came to its end before it could be cancelled ends the session: nothing that stands is told as undone', async () => {
  // A portal that is asked for one row has ended with it.
  const portal = await limits.gated();
  portal.send(parseMessage('', `SELECT repeat('x', ${2 * megabyte}) FROM generate_series(1, 3)`, []), bind('', ''), execute('', 1), sync());
  await portal.closed();
  // What still waited for its record when the session ended is not sent any more.
  assert.match(portal.shape.join(' '), /^(1 2 )?E:54000$/);
  assert.equal(portal.errors()[0]?.['S'], 'FATAL');
  assert.match(portal.errors()[0]?.['M'] ?? '', /a row of the answer is over limits\.maxRowBytes of the gateway/);
  // A write with RETURNING has written all of its rows before it answers the first.
  for (const size of [megabyte + 1, 3 * megabyte, bigBytes]) {
    const client = await limits.gated();
    const body = `returning ${size}`;
    client.send(queryMessage(`INSERT INTO scratch (body) VALUES ('${body}') RETURNING repeat('x', ${size})`));
    await Promise.race([client.until('Z'), client.closed()]);
    const isUndone = client.shape.join(' ') === 'T E:54000 Z:I';
    if (!isUndone) {
      assert.match(client.shape.join(' '), /^(T )?E:54000$/);
      assert.equal(client.errors()[0]?.['S'], 'FATAL');
    }
    assert.equal(await scratch(body), isUndone ? 0 : 1, body);
    client.end();
  }
});

test('a row near the largest there can be costs the gateway no memory', { timeout: 300_000 }, async () => {
  const client = await limits.gated();
  let shape = '';
  const most = await grownBytes(limits.served.pid, async () => {
    shape = await client.query(`SELECT repeat('x', ${900 * megabyte})`, 200_000);
  });
  assert.equal(shape, 'T E:54000 Z:I');
  assert.ok(most < 96 * megabyte, `resident memory grew by ${Math.round(most / megabyte)} MB`);
  client.end();
});

test('what was refused is recorded as such, with the rows that did pass', async () => {
  const officer = await limits.files.issuer.token('olivia', { groups: ['privacy'], kind: 'person' });
  const entries = await auditEntries(limits.files, limits.served.apiPort, officer);
  const refused = entries.filter(({ type, result }) => type === 'request.result' && result?.code === '54000');
  assert.ok(refused.length >= 5);
  assert.ok(refused.some(({ result }) => result?.rows === 2 && result.bytes < 10_000));
  const intents = entries.filter(({ type }) => type === 'request.intent').length;
  assert.equal(entries.filter(({ type }) => type === 'request.result').length, intents);
});

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1));
const marks = (count: number): string[] => numbered(count).map((number) => `$${number}`);

async function withParameters(client: CountingClient, text: string, values: readonly string[]): Promise<string> {
  client.reset();
  client.send(parseMessage('', text, []), bind('', '', values), execute(''), sync());
  return client.until('Z', 1, 120_000);
}

test('65,535 parameters are served, in bounded time and memory; more are refused in sync', { timeout: 300_000 }, async () => {
  const client = await limits.gated();
  const single = `INSERT INTO scratch (body) VALUES ${marks(65_535)
    .map((mark) => `(${mark})`)
    .join(',')}`;
  const wide = `INSERT INTO visits (id, patient_id, cost) SELECT * FROM (VALUES ${Array.from(
    { length: 21_845 },
    (_, row) => `($${row * 3 + 1}::int,$${row * 3 + 2}::int,$${row * 3 + 3}::numeric)`,
  ).join(',')}) v WHERE false`;
  const list = `SELECT id FROM visits WHERE id IN (${marks(65_535).join(',')})`;
  let longestMs = 0;
  const other = await limits.gated();
  const most = await grownBytes(limits.served.pid, async () => {
    for (let round = 0; round < 3; round += 1) {
      const inserted = withParameters(client, single, numbered(65_535));
      const startMs = performance.now();
      assert.equal(await other.query('SELECT 1'), 'T C Z:I');
      longestMs = Math.max(longestMs, performance.now() - startMs);
      assert.equal(await inserted, '1 2 C Z:I');
      assert.equal(client.kept.find(({ letter }) => letter === 'C')?.body.toString(), 'INSERT 0 65535\0');
    }
    assert.equal(await withParameters(client, list, numbered(65_535)), '1 2 C Z:I');
    assert.equal(client.rows, 600);
  });
  // Others wait while it is planned; on a machine that does nothing else that is a quarter of a second.
  assert.ok(longestMs < 10_000, `another session waited ${longestMs} ms`);
  assert.ok(most < 400 * megabyte, `resident memory grew by ${Math.round(most / megabyte)} MB`);
  // Casts are words of their own: their number is bounded as ever.
  assert.match(await withParameters(client, wide, numbered(65_535)), /^E:54000 Z:I$/);
  for (const text of [
    `SELECT id FROM visits WHERE id IN (${marks(65_536).join(',')})`,
    `SELECT id FROM visits WHERE id IN (${marks(100_000).join(',')})`,
    'SELECT id FROM visits WHERE id = $70000::int',
  ]) {
    assert.equal(await withParameters(client, text, numbered(65_535)), 'E:54000 Z:I');
    assert.match(client.errors()[0]?.['M'] ?? '', /^sallyport: refused: a statement with over 65535 parameters$/);
    assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  }
  // Fewer values than the statement has parameters: the database's own error.
  assert.equal(await withParameters(client, list, numbered(10)), '1 E:08P01 Z:I');
  assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  for (const each of [client, other]) each.end();
});
