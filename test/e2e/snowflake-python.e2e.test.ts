// The Python connector, of the old and the new core, on the fake account itself and through a gateway: Arrow, pandas, binds, asynchronous
// execution. Skipped with its reason where pip reaches no registry.

import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { FakeAccount } from '../snowflake/fake/account.ts';
import { clientsPolicy } from '../snowflake/policy.ts';
import { type SnowflakeGateway, startSnowflakeGateway } from '../support/snowflake-gateway.ts';
import { connectorVersions, pythonConnector, runPython } from '../support/snowflake-python.ts';

let account: FakeAccount;
let gate: SnowflakeGateway;
let agent: string;
/** Requests to the storage that this process made, the gateway in it. */
let ownRequests = 0;

subscribe('http.client.request.start', (message) => {
  const { request } = message as { request: ClientRequest };
  if (request.getHeader('host') === account.storage.host) ownRequests += 1;
});

before(async () => {
  account = await FakeAccount.start();
  account.sizes.inlineRows = 10;
  account.sizes.chunkRows = 26;
  gate = await startSnowflakeGateway({ targets: [{ name: 'clinic', account }], policy: clientsPolicy(['clinic']) });
  agent = await gate.gateway.issuer.token('agent', { groups: ['agents'] }, { expiresInS: 3600 });
});

after(async () => {
  await gate?.close();
  await account?.close();
});

const program = `
show(cursor.execute('SELECT id, ssn, dob FROM patients WHERE id < %s ORDER BY id', (3,)).fetchall())
show(cursor.execute('SELECT * FROM shapes ORDER BY id').fetchall())
show(cursor.execute('SELECT genome_id, raw, barcode, markers FROM lab_results WHERE id = 1').fetchall())
rows = cursor.execute('SELECT p.id, p.ssn, p.name FROM patients p, clinics c').fetchall()
show([len(rows), sorted(set(row[1] for row in rows))[0]])
frame = cursor.execute('SELECT p.id, p.ssn FROM patients p, clinics c').fetch_pandas_all()
show([list(frame.shape), list(frame.columns), frame['SSN'].iloc[0], str(frame['ID'].sum())])
show(cursor.execute('SELECT id, ssn FROM patients WHERE FALSE').fetchall())
show([column.name for column in cursor.describe('SELECT id, ssn FROM patients')])
cursor.execute('CREATE TEMPORARY TABLE mine (a NUMBER, b VARCHAR)')
cursor.executemany('INSERT INTO mine (a, b) VALUES (%s, %s)', [(1, 'x'), (2, 'y')])
show(cursor.rowcount)
cursor.execute('SELECT 1 AS a; SELECT COUNT(*) AS n FROM clinics', num_statements=2)
first = cursor.fetchall()
cursor.nextset()
show([first, cursor.fetchall()])
cursor.execute_async('SELECT id, ssn FROM patients ORDER BY id LIMIT 2')
query = cursor.sfqid
while connection.is_still_running(connection.get_query_status(query)): time.sleep(0.05)
cursor.get_results_from_sfqid(query)
show(cursor.fetchall())
try:
    cursor.execute("SELECT id FROM patients WHERE ssn = '970-78-9909'")
    show(cursor.fetchall())
except errors.ProgrammingError as error:
    show([error.errno, error.sqlstate])
`;

const shapes = [
  [1, 7, '12.50', '1234567890123456789012345678.0123456789', 0.125, true, '2024-02-29', '13:14:15.123000', '2024-02-29 13:14:15.123456'],
  [2, -7, '-0.01', '-1.5000000000', -1e300, false, '1900-01-01', '00:00:00', '1900-01-01 00:00:00'],
  [3, null, null, null, null, null, null, null, null],
];

for (const version of connectorVersions) {
  for (const way of ['direct', 'gate'] as const) {
    for (const format of ['ARROW', 'JSON'] as const) {
      // pandas needs Arrow.
      if (format === 'JSON' && way === 'direct') continue;
      test(`Python connector ${version}, ${way}, ${format}`, async (context) => {
        const found = await pythonConnector(version);
        if ('missing' in found) return context.skip(found.missing);
        const isDirect = way === 'direct';
        const fetches = account.storage.fetches.length;
        const ownBefore = ownRequests;
        const connection = {
          account: isDirect ? account.account : 'clinic',
          user: isDirect ? account.user : 'agent',
          host: '127.0.0.1',
          port: isDirect ? account.port : gate.port,
          protocol: 'http',
          authenticator: 'oauth',
          token: isDirect ? account.oauthToken : agent,
          ...(format === 'JSON' ? { session_parameters: { PYTHON_CONNECTOR_QUERY_RESULT_FORMAT: 'JSON' } } : {}),
        };
        const text = format === 'JSON' ? withoutPandas(program) : program;
        const shown = await runPython(found.python, connection, text);
        const [rows, types, kinds, parts, frame, none, described, inserted, several, later, refusal] = shown as unknown[][];
        const ssn = isDirect ? '970-78-9909' : /9909$/;
        assert.equal(rows?.length, 2);
        sameOrLike((rows as unknown[][])[0]?.[1], ssn);
        assert.equal((rows as unknown[][])[0]?.[2], isDirect ? '1931-07-27' : null);
        assert.deepEqual(
          (types as unknown[][]).map((row) => row.slice(0, 9)),
          shapes,
        );
        if (isDirect) assert.match(JSON.stringify(kinds), /913-68-1855/);
        else assert.deepEqual(kinds, [[null, '"***"', null, '"***"']]);
        assert.equal(parts?.[0], 110);
        if (format === 'ARROW') {
          assert.deepEqual((frame as unknown[]).slice(0, 2), [
            [110, 2],
            ['ID', 'SSN'],
          ]);
          sameOrLike(frame?.[2], ssn);
        }
        assert.deepEqual(none, []);
        assert.deepEqual(described, ['ID', 'SSN']);
        assert.equal(inserted, 2);
        assert.deepEqual(several, [[[1]], [[5]]]);
        sameOrLike((later as unknown[][])[0]?.[1], ssn);
        assert.deepEqual(refusal, isDirect ? [[1]] : [3001, '42501']);
        const own = account.storage.fetches.slice(fetches);
        assert.ok(own.length > 0);
        if (!isDirect)
          for (const each of shown.map((value) => JSON.stringify(value))) assert.ok(!/\d{3}-\d{2}-\d{4}|Quackenbush/.test(each), each);
        // Whatever the storage served was asked for by this process, which is the gateway's.
        assert.equal(ownRequests - ownBefore, isDirect ? 0 : own.length);
      });
    }
  }
}

function withoutPandas(text: string): string {
  const kept = text
    .split('\n')
    .map((line) => (line.startsWith('frame = ') ? 'frame = None' : line.includes('frame.shape') ? 'show(None)' : line));
  return kept.join('\n');
}

function sameOrLike(given: unknown, expected: string | RegExp): void {
  if (typeof expected === 'string') assert.equal(given, expected);
  else assert.match(String(given), expected);
}
