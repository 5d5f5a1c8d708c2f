// What a gateway bears, in size and number, next to what the database itself answers: large objects, long COPY streams, huge
// rows and messages, parameters, pipelines, prepared statements, slow readers, parked statements. The gateway is a process
// of its own, and its resident memory is measured. SALLYPORT_TEST_LONG=1 runs the full sizes (10 GB, 1 GB rows, 2,000 held).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { message, parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { type CountingClient, type LimitsGateway, grownBytes, megabyte, residentBytes, startLimitsGateway } from '../support/limits.ts';
import { bind, close, describe, execute, sync } from '../support/raw-postgres.ts';
import { callApi, until } from '../support/small-clinic.ts';

const isLong = process.env['SALLYPORT_TEST_LONG'] === '1';
const streamBytes = isLong ? 10_000 * megabyte : 600 * megabyte;
/** Over what the process had before. A gateway that collects instead of passing on is far above it with any of these. */
const boundBytes = 320 * megabyte;
const heldCount = isLong ? 2000 : 200;
/** The goal, on a machine that does nothing else; beside other tests only what polling would take. */
const releaseMs = isLong ? 50 : 3000;

let limits: LimitsGateway;

before(async () => {
  limits = await startLimitsGateway({
    server: { settings: [`max_connections=${heldCount + 100}`] },
    // Rows as large as the database can send.
    limits: { maxSessions: heldCount + 200, maxRowBytes: 1_073_741_824 },
  });
  const owner = await limits.direct();
  await owner.query('CREATE TABLE sink (body text)');
  owner.end();
});
after(() => limits?.stop());

const grown = (work: () => Promise<unknown>): Promise<number> => grownBytes(limits.served.pid, work);

function assertBounded(bytes: number, of = boundBytes): void {
  assert.ok(bytes < of, `resident memory grew by ${Math.round(bytes / megabyte)} MB`);
}

test('large objects: every way in is refused with a reason, by SQL and by FunctionCall, and the session goes on', async () => {
  const client = await limits.gated();
  const ways = [
    'SELECT lo_create(0)',
    "SELECT lo_from_bytea(0, 'abc')",
    'SELECT loread(lo_open(16400, 262144), 10)',
    'SELECT lo_get(16400)',
    "SELECT lo_put(16400, 0, 'x')",
    'SELECT lo_unlink(16400)',
    "SELECT lo_import('/etc/hostname')",
    "SELECT lo_export(16400, '/tmp/never')",
    'SELECT loid, data FROM pg_largeobject',
    'ALTER LARGE OBJECT 16400 OWNER TO sallyport',
    'GRANT SELECT ON LARGE OBJECT 16400 TO PUBLIC',
  ];
  for (const way of ways) {
    assert.equal(await client.query(way), 'E:42501 Z:I', way);
    assert.match(client.errors()[0]?.['M'] ?? '', /^sallyport: .*not provably safe: /, way);
    assert.notEqual(client.errors()[0]?.['H'] ?? '', '', way);
  }
  // What libpq's lo_* functions send: they ask for the OIDs first, then call by number.
  assert.equal(await client.query("SELECT proname, oid FROM pg_catalog.pg_proc WHERE proname IN ('lo_open', 'loread')"), 'T C Z:I');
  client.reset();
  client.send(message('F', (body) => body.int32(952).int16(1).int16(1).int16(2).int32(4).int32(16_400).int32(4).int32(262_144).int16(1)));
  assert.equal(await client.until('Z'), 'E:0A000 Z:I');
  assert.match(client.errors()[0]?.['M'] ?? '', /fast-path function calls are not supported/);
  assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  client.end();
});

test('COPY out of a long stream is byte for byte the database’s, in bounded memory', { timeout: 900_000 }, async () => {
  const text = `COPY (SELECT i, repeat('x', 8000) FROM generate_series(1, ${Math.round(streamBytes / 8000)}) i) TO STDOUT`;
  let most = 0;
  const [direct, gated] = await limits.both(async (client) => {
    most = await grown(() => client.query(text, 800_000));
    return [client.shape.join(' '), client.rows, client.bytes, client.checksum];
  });
  assert.deepEqual(gated, direct);
  assertBounded(most);
});

test('COPY in of a long stream arrives whole, in bounded memory', { timeout: 900_000 }, async () => {
  const line = Buffer.alloc(8000, 'y');
  line[line.length - 1] = 10;
  const data = Buffer.from(message('d', (body) => body.bytes(Buffer.concat(Array.from({ length: 8 }, () => line)))));
  const count = Math.round(streamBytes / data.length / 2);
  const client = await limits.gated();
  client.send(queryMessage("COPY sink (body) FROM STDIN WHERE body = 'never'"));
  await client.until('G');
  const most = await grown(async () => {
    for (let index = 0; index < count; index += 1) await client.sent(data);
    client.send(message('c'));
    await client.until('Z', 1, 800_000);
  });
  assert.equal(client.shape.join(' '), 'G C Z:I');
  assert.equal(client.kept.find(({ letter }) => letter === 'C')?.body.toString(), 'COPY 0\0');
  assertBounded(most);
  assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  client.end();
});

test(
  'a row of hundreds of megabytes passes in pieces; one beyond the server’s limit is the server’s own error',
  { timeout: 300_000 },
  async () => {
    const size = isLong ? 1_073_741_800 : 200 * megabyte;
    const client = await limits.gated();
    let shape = '';
    const most = await grown(async () => (shape = await client.query(`SELECT repeat('x', ${size})`, 200_000)));
    assert.deepEqual([shape, client.rows, client.bytes > size], ['T C Z:I', 1, true]);
    assertBounded(most);
    client.end();
    const [direct, gated] = await limits.both(async (each) => [
      await each.query('BEGIN'),
      await each.query(`SELECT repeat('x', 1073741824)`),
      await each.query('ROLLBACK'),
      await each.query('SELECT 1'),
    ]);
    assert.deepEqual(gated, direct);
    assert.match(String(direct), /E:54000 Z:E/);
  },
);

test('a client message over the limit ends that session with 54000 and costs no memory; other sessions go on', async () => {
  const [client, other] = [await limits.gated(), await limits.gated()];
  const most = await grown(async () => {
    client.send(parseMessage('', 'SELECT length($1::text)', [25]));
    client.send(Buffer.from([0x42, 0x3f, 0xff, 0xff, 0xff]), Buffer.alloc(8 * megabyte));
    await client.closed();
  });
  assert.match(client.shape.join(' '), /E:54000$/);
  assert.equal(client.errors().at(-1)?.['S'], 'FATAL');
  assertBounded(most, 64 * megabyte);
  assert.equal(await other.query('SELECT 1'), 'T C Z:I');
  // What is under the limit is served.
  const value = Buffer.alloc(32 * megabyte, 'x');
  const whole = await limits.gated();
  whole.send(parseMessage('', 'SELECT length($1::text)', [25]));
  whole.send(message('B', (body) => body.cString('').cString('').int16(0).int16(1).int32(value.length).bytes(value).int16(0)));
  whole.send(execute(''), sync());
  assert.equal(await whole.until('Z'), '1 2 C Z:I');
  for (const each of [client, other, whole]) each.end();
});

/** Parse, Bind, Execute of one statement with `count` parameters. */
async function withParameters(client: CountingClient, text: string, values: readonly string[]): Promise<string> {
  client.reset();
  client.send(parseMessage('', text, []), bind('', '', values), execute(''), sync());
  return client.until('Z');
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1));

test('thousands of parameters are served; more than a statement may have is refused in sync', { timeout: 300_000 }, async () => {
  const insert = (count: number): string =>
    `INSERT INTO sink (body) VALUES ${numbered(count)
      .map((number) => `($${number})`)
      .join(',')}`;
  const client = await limits.gated();
  assert.equal(await withParameters(client, insert(2000), numbered(2000)), '1 2 C Z:I');
  assert.equal(client.kept.find(({ letter }) => letter === 'C')?.body.toString(), 'INSERT 0 2000\0');
  // One array parameter carries any number of values.
  const ids = numbered(100_000);
  assert.equal(await withParameters(client, 'SELECT id FROM visits WHERE id = ANY($1::int[])', [`{${ids.join(',')}}`]), '1 2 C Z:I');
  assert.equal(client.rows, 600);
  for (const count of [65_535, 100_000]) {
    // The protocol counts parameters in 16 bits: nobody can bind more than 65,535.
    const text = `SELECT id FROM visits WHERE id IN (${numbered(count)
      .map((number) => `$${number}`)
      .join(',')})`;
    const shape = await withParameters(client, text, numbered(Math.min(count, 65_535)));
    assert.match(shape, /^(1 2 C|E:(42501|54000|54023)) Z:I$/, String(count));
    assert.equal(await client.query('SELECT 1'), 'T C Z:I');
  }
  client.end();
});

test(
  'a pipeline of 10,000 statements behind one Sync, or with a Sync each, is answered whole to a slow reader',
  { timeout: 300_000 },
  async () => {
    for (const [count, every] of [
      [10_000, 10_000],
      [10_000, 1],
    ] as const) {
      const [direct, gated] = await limits.both(async (client) => {
        const most = await grown(async () => {
          client.send(parseMessage('one', "SELECT $1::int, repeat('z', 200)", [23]), sync());
          await client.until('Z');
          client.reset();
          client.socket.pause();
          const timer = setInterval(() => {
            client.socket.resume();
            setTimeout(() => client.socket.pause(), 2);
          }, 4);
          for (let index = 1; index <= count; index += 1) {
            await client.sent(bind('', 'one', [String(index)]), execute(''), ...(index % every === 0 ? [sync()] : []));
          }
          clearInterval(timer);
          client.socket.resume();
          setTimeout(() => client.socket.resume(), 10);
          await client.until('Z', count / every, 200_000);
        });
        assertBounded(most);
        return [client.rows, client.bytes, client.checksum];
      });
      assert.deepEqual(gated, direct, `a Sync every ${every}`);
    }
  },
);

test('an error in the middle of a long pipeline skips to its Sync, and what follows is answered', { timeout: 120_000 }, async () => {
  const [direct, gated] = await limits.both(async (client) => {
    for (let batch = 0; batch < 20; batch += 1) {
      for (let index = 0; index < 100; index += 1) {
        const text = index === 50 ? 'SELECT 1/0' : 'SELECT 1';
        client.send(parseMessage('', text, []), bind('', ''), execute(''));
      }
      client.send(sync());
    }
    await client.until('Z', 20);
    return [client.shape.join(' '), client.rows];
  });
  assert.ok(String(gated) === String(direct), `${String(gated).slice(-200)} <> ${String(direct).slice(-200)}`);
});

test('INVARIANT: a name given to something else while an error is on its way stands for the newer: a held statement stays held', async () => {
  const client = await limits.gated();
  client.send(parseMessage('x', 'SELECT 7', []), sync());
  await client.until('Z');
  client.reset();
  client.send(parseMessage('late', 'SELECT 1 / (length(public.nap(0.5)) - 5)', []), bind('', 'late'), execute(''));
  client.send(close('S', 'x'), parseMessage('x', 'SELECT 42', []), sync());
  client.send(close('S', 'x'), parseMessage('x', "INSERT INTO ledger (body) VALUES ('unapproved')", []));
  assert.equal(await client.until('Z'), '1 2 E:22012 Z:I');
  client.reset();
  client.send(bind('', 'x'), execute(''), sync());
  assert.match(await client.until('N', 1, 20_000), /N:00000/);
  client.end();
  const { rows } = await limits.clinic.direct.query<{ n: number }>('SELECT count(*)::int AS n FROM ledger');
  assert.equal(rows[0]?.n, 0);
});

test(
  'thousands of prepared statements and portals are kept; one too many is refused in sync, and closing makes room',
  { timeout: 300_000 },
  async () => {
    const client = await limits.gated();
    const count = 10_000;
    const most = await grown(async () => {
      for (let index = 0; index < count; index += 1) await client.sent(parseMessage(`s${index}`, 'SELECT 1', []));
      client.send(sync());
      await client.until('Z', 1, 200_000);
    });
    assert.equal(client.shape.length, count + 1);
    assertBounded(most);
    client.reset();
    client.send(parseMessage('over', 'SELECT 1', []), sync());
    assert.equal(await client.until('Z'), 'E:53400 Z:I');
    client.reset();
    for (let index = 0; index < 5000; index += 1) client.send(close('S', `s${index}`));
    client.send(sync());
    await client.until('Z');
    assert.equal(await client.query('BEGIN'), 'C Z:T');
    client.reset();
    for (let index = 0; index < 4000; index += 1) client.send(bind(`p${index}`, 's9999'));
    client.send(describe('P', 'p0'), execute('p3999'), sync());
    assert.match(await client.until('Z', 1, 120_000), /^(2 ){4000}T C Z:T$/);
    assert.equal(await client.query('COMMIT'), 'C Z:I');
    client.reset();
    client.send(execute('p3999'), sync());
    assert.equal(await client.until('Z'), 'E:34000 Z:I');
    client.end();
  },
);

test('a reader of 20 KB/s, and one that never reads, hold up the database and not the gateway’s memory', { timeout: 120_000 }, async () => {
  const [slow, never] = [await limits.gated(), await limits.gated()];
  const text = "SELECT i, repeat('x', 1000) FROM generate_series(1, 2000000) i";
  const most = await grown(async () => {
    for (const client of [slow, never]) {
      client.socket.pause();
      client.send(queryMessage(text));
    }
    const endMs = performance.now() + 3000;
    while (performance.now() < endMs) {
      slow.socket.resume();
      await new Promise((resolve) => setTimeout(resolve, 1));
      slow.socket.pause();
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  });
  assertBounded(most, 64 * megabyte);
  const waits = await limits.clinic.direct.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND application_name LIKE 'sallyport ses%'",
  );
  assert.equal((waits.rows[0] as { n: number }).n, 2);
  // Others are served meanwhile, and the stuck ones can still be cancelled.
  const other = await limits.gated();
  assert.equal(await other.query('SELECT 1'), 'T C Z:I');
  other.end();
  await slow.cancel(limits.served.port);
  slow.socket.resume();
  assert.match(await slow.until('Z'), /E:57014 Z:I$/);
  never.end();
  slow.end();
  await until('the statement of the client that went away has ended', async () => {
    const { rows } = await limits.clinic.direct.query(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND application_name LIKE 'sallyport ses%'",
    );
    return (rows[0] as { n: number }).n === 0;
  });
});

test('hundreds of held statements wait at little cost and run at once when approved', { timeout: 600_000 }, async (t) => {
  const clients: CountingClient[] = [];
  while (clients.length < heldCount) {
    clients.push(...(await Promise.all(Array.from({ length: Math.min(20, heldCount - clients.length) }, () => limits.gated()))));
  }
  const idle = residentBytes(limits.served.pid);
  for (const client of clients) client.send(queryMessage("INSERT INTO ledger (body) VALUES ('held')"));
  const startedMs = performance.now();
  const pending = async (): Promise<{ id: string }[]> => {
    const { status, text } = await callApi(limits.files, limits.served.apiPort, officer, '/v1/approvals?state=pending&limit=500');
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { approvals: { id: string }[] }).approvals;
  };
  const officer = await limits.files.issuer.token('olivia', { groups: ['privacy'], kind: 'person' });
  await Promise.all(clients.map((client) => client.until('N', 1, 300_000)));
  const parkedMs = performance.now() - startedMs;
  const parked = residentBytes(limits.served.pid) - idle;
  t.diagnostic(`${heldCount} held in ${Math.round(parkedMs)} ms, ${Math.round(parked / megabyte)} MB`);
  assertBounded(parked, 100 * megabyte);
  const waits: number[] = [];
  for (const { id } of (await pending()).slice(0, 20)) {
    const answered = Promise.race(clients.filter((client) => !client.shape.includes('Z:I')).map((client) => client.until('Z', 1, 30_000)));
    const { status, text } = await callApi(limits.files, limits.served.apiPort, officer, `/v1/approvals/${id}/answer`, {
      verdict: 'approve',
    });
    const approvedMs = performance.now();
    assert.equal(status, 200, text);
    await answered;
    waits.push(performance.now() - approvedMs);
  }
  waits.sort((a, b) => a - b);
  t.diagnostic(`released ${waits[10]?.toFixed(1)} ms after approval (median), ${waits.at(-1)?.toFixed(1)} ms at most`);
  assert.ok((waits[10] ?? Number.POSITIVE_INFINITY) < releaseMs, `${waits[10]} ms`);
  for (const client of clients) client.end();
});
