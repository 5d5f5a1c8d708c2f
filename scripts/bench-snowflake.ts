// Results of Snowflake targets, direct from the fake account and through the gateway: 100,000 rows of 10 columns, 3 of them masked, as JSON
// and as Arrow; and the memory of the gateway while a result of 2 GB passes. The gateway is a process of its own.
//
//   node scripts/bench-snowflake.ts [--rows 100000] [--gigabytes 2] [--runs 5]

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { once } from 'node:events';
import { createGunzip, gzipSync } from 'node:zlib';
import { arrowStream } from '../test/snowflake/fake/arrow.ts';
import { FakeAccount } from '../test/snowflake/fake/account.ts';
import { protectedColumns } from '../test/snowflake/fake/clinic.ts';
import { type Column, columnOf } from '../test/snowflake/fake/rows.ts';
import { onAccount } from '../test/snowflake/run-corpus.ts';
import { policyOf } from '../test/snowflake/corpus/cases.ts';
import { writeSnowflakeGateway } from '../test/support/snowflake-gateway.ts';
import { readCommandLine } from './command-line.ts';

const help = 'usage: node scripts/bench-snowflake.ts [--rows N] [--gigabytes N] [--runs N]\n';
const { values } = readCommandLine(help, {
  options: {
    rows: { type: 'string', default: '100000' },
    gigabytes: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
  },
});
const rows = Number(values.rows);
const chunkRows = 10_000;

const columns: readonly Column[] = [
  columnOf('ID', 'fixed'),
  columnOf('NAME', 'text'),
  columnOf('SSN', 'text'),
  columnOf('NOTES', 'text'),
  columnOf('CITY', 'text'),
  columnOf('AMOUNT', 'fixed', { precision: 12, scale: 2 }),
  columnOf('DAY', 'date'),
  columnOf('SEEN_AT', 'timestamp_ntz'),
  columnOf('RATE', 'real'),
  columnOf('FLAG', 'boolean'),
];

const rowOf = (id: number): string[] => [
  String(id), `Person ${id} Quackenbush`, `9${String(10_000_000 + id).slice(-8)}`, `seen on day ${id}, nothing to report`,
  `City ${id % 100}`, `${id}.50`, String(19_000 + (id % 365)), `17${String(id).padStart(8, '0')}.123456000`, String(id / 8), id % 2 === 0 ? '1' : '0',
]; // prettier-ignore

const account = await FakeAccount.start();
await onAccount(
  account,
  'CREATE TABLE BENCH (ID NUMBER, NAME VARCHAR, SSN VARCHAR, NOTES VARCHAR, CITY VARCHAR, AMOUNT NUMBER(12,2), DAY DATE, SEEN_AT TIMESTAMP_NTZ, RATE FLOAT, FLAG BOOLEAN)',
);
const chunks = Array.from({ length: Math.ceil(rows / chunkRows) }, (_, chunk) => {
  const some = Array.from({ length: Math.min(chunkRows, rows - chunk * chunkRows) }, (_row, index) => rowOf(chunk * chunkRows + index));
  const text = Buffer.from(some.map((row) => JSON.stringify(row)).join(','));
  const [json, arrow] = [text, arrowStream(columns, some)].map((bytes) => gzipSync(bytes, { level: 1 })) as [Buffer, Buffer];
  return { rowCount: some.length, bytes: text.length, json: () => json, arrow: () => arrow };
});
const chunkBytes = chunks[0]?.bytes ?? 1;
const many = Math.ceil((Number(values.gigabytes) * 1e9) / chunkBytes);
const first = chunks.slice(0, 1);
account.answer('SELECT * FROM BENCH', { columns, made: { total: rows, chunks } });
const long = Array.from({ length: many }, () => first).flat();
account.answer('SELECT * FROM BENCH WHERE ID >= 0', { columns, made: { total: many * chunkRows, chunks: long } });

const policy = policyOf({ ...protectedColumns, 'PUBLIC.BENCH': ['NAME', 'SSN', 'NOTES'] }, ['bench']);
const { gateway: files } = await writeSnowflakeGateway({ targets: [{ name: 'bench', account }], policy });
/** As the launcher sets them. */
const wasmFlags = ['--liftoff-only', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'];
const child = spawn(process.execPath, [...wasmFlags, 'scripts/bench/snowflake-gateway.ts', files.configFile], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
child.once('exit', (code) => {
  if (code !== null && code !== 0) process.exit(code);
});
const [line] = (await once(child.stdout, 'data')) as [Buffer];
const gateUrl = `http://127.0.0.1:${Number(line.toString())}`;
const token = await files.issuer.token('bench', { groups: ['testers'] }, { expiresInS: 7200 });

interface Side {
  readonly url: string;
  readonly account: string;
  readonly token: string;
}

const sides: Readonly<Record<'direct' | 'gate', Side>> = {
  direct: { url: account.url, account: account.account, token: account.oauthToken },
  gate: { url: gateUrl, account: 'bench', token },
};

async function post(side: Side, path: string, body: unknown, session?: string): Promise<Record<string, unknown>> {
  const headers = {
    'content-type': 'application/json',
    ...(session === undefined ? {} : { authorization: `Snowflake Token="${session}"` }),
  };
  const response = await fetch(`${side.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const reply = (await response.json()) as { success: boolean; message: string; data: Record<string, unknown> };
  if (!reply.success) throw new Error(reply.message);
  return reply.data;
}

/** Milliseconds from the statement to the last byte of the last part, four parts at a time as drivers fetch them, unpacked. */
async function measure(side: Side, app: string, text: string): Promise<{ ms: number; bytes: number }> {
  const { token: session } = (await post(side, `/session/v1/login-request?requestId=${randomUUID()}`, {
    data: {
      CLIENT_APP_ID: app,
      CLIENT_APP_VERSION: '4.7.1',
      ACCOUNT_NAME: side.account,
      LOGIN_NAME: 'bench',
      AUTHENTICATOR: 'OAUTH',
      TOKEN: side.token,
    },
  })) as { token: string };
  const startedMs = performance.now();
  const data = await post(side, `/queries/v1/query-request?requestId=${randomUUID()}`, { sqlText: text, parameters: {} }, session);
  const waiting = [...(data['chunks'] as { url: string }[])];
  const headers = (data['chunkHeaders'] ?? {}) as Record<string, string>;
  let bytes = 0;
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const size = await sizeOf(next.url, headers);
      bytes += size;
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  const ms = performance.now() - startedMs;
  await post(side, '/session?delete=true', {}, session);
  return { ms, bytes };
}

function sizeOf(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`a part: ${response.statusCode}`));
      let size = 0;
      // Drivers look at the bytes, not at the headers.
      const isZipped = response.headers['content-encoding'] === 'gzip' || new URL(url).port !== new URL(gateUrl).port;
      const plain = isZipped ? response.pipe(createGunzip()) : response;
      plain
        .on('data', (part: Buffer) => (size += part.length))
        .on('end', () => resolve(size))
        .on('error', reject);
    }).on('error', reject);
  });
}

/** MB, now. */
const rssOf = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;

try {
  for (const [format, app] of [
    ['JSON', 'JavaScript'],
    ['Arrow', 'PythonConnector'],
  ] as const) {
    const times: Record<'direct' | 'gate', number[]> = { direct: [], gate: [] };
    for (const side of ['direct', 'gate'] as const) await measure(sides[side], app, 'SELECT * FROM BENCH');
    for (let run = 0; run < Number(values.runs); run += 1)
      for (const side of ['direct', 'gate'] as const) times[side].push((await measure(sides[side], app, 'SELECT * FROM BENCH')).ms);
    const [direct, gate] = [median(times.direct), median(times.gate)];
    console.log(
      `${format}: ${rows} rows x ${columns.length}, 3 masked: direct ${direct.toFixed(0)} ms, gate ${gate.toFixed(0)} ms = ${((direct / gate) * 100).toFixed(0)} % of direct`,
    );
  }
  if (many > 0) {
    const pid = child.pid ?? 0;
    const before = rssOf(pid);
    let most = before;
    const timer = setInterval(() => (most = Math.max(most, rssOf(pid))), 100);
    const { ms, bytes } = await measure(sides.gate, 'JavaScript', 'SELECT * FROM BENCH WHERE ID >= 0');
    clearInterval(timer);
    console.log(
      `${(bytes / 1e9).toFixed(2)} GB of JSON in ${(ms / 1000).toFixed(1)} s; RSS of the gateway ${before.toFixed(0)} MB before, ${most.toFixed(0)} MB at most`,
    );
  }
} finally {
  child.kill();
  await files.close();
  await account.close();
}
