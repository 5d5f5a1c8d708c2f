// Export to a SIEM with real receivers: syslog-ng of Debian over TLS, servers that speak HEC and OTLP, files, and kill -9 in between.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import { createLogKey, createSealingIdentity } from '../../src/audit/index.ts';
import { ensureDebianPackages } from '../support/debian.ts';
import { type Received, startHttpDouble } from '../support/http-double.ts';
import { ocsfFaults } from '../support/ocsf.ts';
import { type ExportSetup, type RunningExport, startExport } from '../support/siem-export.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-siem-'));
after(() => rmSync(root, { recursive: true, force: true }));
const origin = 'audit.test/siem';
const key = createLogKey(origin);
const { recipient } = await createSealingIdentity();
const authority = await createAuthority({ name: 'SIEM test CA', nowMs: Date.now() });
const server = await issueServerCertificate(authority, { hosts: ['localhost', '127.0.0.1'], nowMs: Date.now() });
const caFile = join(root, 'ca.crt');
writeFileSync(caFile, authority.certificate);

let directories = 0;
function directory(): string {
  const path = join(root, `d${(directories += 1)}`);
  mkdirSync(path);
  return path;
}

const setupOf = (...siem: object[]): ExportSetup => ({ origin, signingKey: key.signingKey.reveal(), recipient, siem });

async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) if (await condition()) return;
  assert.fail(`it never came to that: ${what}`);
}

const taken = ({ siem }: RunningExport): boolean => siem.status().every(({ lag }) => lag === 0);
const range = (to: number): number[] => Array.from({ length: to }, (_, n) => n);

/** Entries with texts that every format has to escape. */
async function append({ log }: RunningExport, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const principal = { issuer: 'corp', subject: `Zoë=|\\ "病" ${n}`, kind: 'person' as const };
    await log.append({ type: 'auth.fail', principal, detail: { fault: 'expired', address: '10.1.2.3' } });
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function startSyslogNg(dir: string, port: number): Promise<{ readonly file: string; stop(): Promise<void> }> {
  const file = join(dir, 'received.log');
  writeFileSync(join(dir, 'server.crt'), server.certificate);
  writeFileSync(join(dir, 'server.key'), server.key, { mode: 0o600 });
  writeFileSync(
    join(dir, 'syslog-ng.conf'),
    `@version: 3.38
options { keep-hostname(yes); use-dns(no); log-msg-size(65536); };
source s { syslog(ip("127.0.0.1") port(${port}) transport("tls")
  tls(key-file("${dir}/server.key") cert-file("${dir}/server.crt") peer-verify(optional-untrusted))); };
destination d { file("${file}" template("\${LEVEL} \${FACILITY} \${HOST} \${PROGRAM} \${MSGID} \${.SDATA.meta.sequenceId} \${MSG}\\n")); };
log { source(s); destination(d); };
`,
  );
  const process_: ChildProcess = spawn(
    'syslog-ng',
    ['-F', '--no-caps', '-f', `${dir}/syslog-ng.conf`, '-R', `${dir}/persist`, '-p', `${dir}/pid`, '-c', `${dir}/control`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  process_.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until('syslog-ng listens', async () => {
    if (process_.exitCode !== null) assert.fail(`syslog-ng ended: ${said}`);
    return canConnect(port);
  });
  return {
    file,
    async stop() {
      process_.kill('SIGTERM');
      if (process_.exitCode === null) await once(process_, 'exit');
    },
  };
}

async function canConnect(port: number): Promise<boolean> {
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}

test('syslog-ng takes every entry over TLS, in order, each as one RFC 5424 message with CEF', { timeout: 300_000 }, async () => {
  ensureDebianPackages(['syslog-ng-core']);
  const dir = directory();
  const port = await freePort();
  const item = { name: 'siem', kind: 'syslog', host: 'localhost', port, allowPrivate: true, ca: caFile, maxBatch: 40 };
  const running = await startExport(dir, setupOf(item));
  let ng: Awaited<ReturnType<typeof startSyslogNg>> | null = null;
  try {
    await append(running, 60);
    await until('it is down', () => running.siem.status()[0]?.fault === 'unreachable');
    ng = await startSyslogNg(dir, port);
    const { file } = ng;
    await until('all was taken', () => taken(running));
    // Each of these means something to CEF, to a line of text, or to who counts octets as characters.
    await running.log.append({
      type: 'request.denied',
      session: 'ses_a',
      decision: 'deny',
      statement: {
        normalised: 'SELECT a = $1\r\nFROM "t|\\" -- <13>1 \u75c5\u{1f9ea}\u2028 x="',
        fingerprint: 'f',
        bytes: 60,
        parameters: [],
      },
    });
    await append(running, 30);
    await until('the rest was taken', () => taken(running));
    const size = running.log.size();
    const lines = (): string[] => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);
    await until('all was written', () => lines().length >= size);
    assert.deepEqual(
      lines().map((line) => Number(/externalId=(\d+) /.exec(line)?.[1])),
      range(size),
    );
    const [first = ''] = lines().filter((line) => line.includes('auth.fail'));
    assert.match(
      first,
      /^warning \S+ main sallyport auth\.fail \d+ CEF:0\|Sallyport\|Sallyport\|[^|]+\|auth\.fail\|Log-in refused\|6\|rt=\d+ /,
    );
    assert.ok(first.includes('suser=corp/Zoë\\=|\\\\ "病" 0 '), first);
    const denied = lines().find((line) => line.includes('request.denied')) ?? '';
    assert.ok(denied.endsWith(' msg=SELECT a \\= $1\\r\\nFROM "t|\\\\" -- <13>1 \u75c5\u{1f9ea}  x\\="'), denied);
    assert.ok(first.includes('src=10.1.2.3 ') && first.includes('outcome=failure reason=expired '), first);
  } finally {
    await running.close();
    await ng?.stop();
  }
});

test('THREAT false receiver: a syslog server with a certificate of somebody else gets nothing', { timeout: 300_000 }, async () => {
  ensureDebianPackages(['syslog-ng-core']);
  const dir = directory();
  const port = await freePort();
  const other = join(dir, 'other.crt');
  writeFileSync(other, (await createAuthority({ name: 'Other', nowMs: Date.now() })).certificate);
  const ng = await startSyslogNg(dir, port);
  const running = await startExport(dir, setupOf({ name: 'siem', kind: 'syslog', host: 'localhost', port, allowPrivate: true, ca: other }));
  try {
    await until('it was refused', () => running.siem.status()[0]?.fault === 'tls-failed');
    assert.equal(existsSync(ng.file) ? readFileSync(ng.file, 'utf8') : '', '');
    assert.equal(running.siem.status()[0]?.next, 0);
  } finally {
    await running.close();
    await ng.stop();
  }
});

test('THREAT server-side request forgery: a receiver on a private address is refused until `allowPrivate` says so', async () => {
  const double = await startHttpDouble(server);
  const running = await startExport(directory(), setupOf({ name: 'siem', kind: 'https', url: `${double.url}/in`, ca: caFile }));
  try {
    await until('it was refused', () => running.siem.status()[0]?.fault === 'address-refused');
    assert.equal(double.received.length, 0);
  } finally {
    await running.close();
    await double.close();
  }
});

test(
  'Splunk: the collector gets events with token and channel, and a batch counts when the indexer acknowledges it',
  { timeout: 120_000 },
  async () => {
    const double = await startHttpDouble(server);
    let asked = 0;
    double.answer = ({ path, body }, response) => {
      if (path.startsWith('/services/collector/ack')) {
        const { acks } = JSON.parse(body) as { acks: number[] };
        asked += 1;
        return void response.end(JSON.stringify({ acks: Object.fromEntries(acks.map((id) => [id, asked > 2])) }));
      }
      response.end(JSON.stringify({ text: 'Success', code: 0, ackId: double.received.length }));
    };
    const item = {
      name: 'siem',
      kind: 'splunk-hec',
      url: double.url,
      token: { env: 'hec-token' },
      index: 'phi',
      ack: true,
      allowPrivate: true,
      ca: caFile,
    };
    const running = await startExport(directory(), setupOf(item));
    try {
      await append(running, 5);
      await until('all was taken', () => taken(running));
      assert.ok(asked > 2, 'nothing counts before the indexer has it');
      const sent = double.received.filter(({ path }) => path === '/services/collector/event');
      for (const { headers } of sent) {
        assert.equal(headers.authorization, 'Splunk hec-token');
        assert.match(String(headers['x-splunk-request-channel']), /^[0-9a-f-]{36}$/);
      }
      const events = sent.flatMap(({ body }) =>
        body.split('\n').map((line) => JSON.parse(line) as { event: Record<string, unknown>; index: string }),
      );
      assert.deepEqual(
        events.flatMap(({ event }) => ocsfFaults(event)),
        [],
      );
      assert.deepEqual(
        events.map(({ event }) => (event['metadata'] as { sequence: number }).sequence),
        range(running.log.size()),
      );
      assert.ok(events.every(({ index }) => index === 'phi'));
    } finally {
      await running.close();
      await double.close();
    }
  },
);

/** The shape of ExportLogsServiceRequest in proto-JSON (opentelemetry-proto 1.x), nothing else allowed. */
const anyValue = z.union([z.strictObject({ stringValue: z.string() }), z.strictObject({ intValue: z.string().regex(/^\d+$/) })]);
const attributes = z.array(z.strictObject({ key: z.string().min(1), value: anyValue }));
const nanoseconds = z.string().regex(/^\d{19}$/);
const otlpShape = z.strictObject({
  resourceLogs: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeLogs: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string(), version: z.string() }),
          logRecords: z.array(
            z.strictObject({
              timeUnixNano: nanoseconds,
              observedTimeUnixNano: nanoseconds,
              severityNumber: z.int().min(1).max(24),
              severityText: z.string(),
              eventName: z.string(),
              body: z.strictObject({ stringValue: z.string() }),
              attributes,
            }),
          ),
        }),
      ),
    }),
  ),
});

test(
  'OTLP: records have the published proto-JSON shape; a batch that the collector took in part is not taken',
  { timeout: 120_000 },
  async () => {
    const double = await startHttpDouble(server);
    let isFirst = true;
    double.answer = (_received, response) => {
      response.end(isFirst ? JSON.stringify({ partialSuccess: { rejectedLogRecords: '1', errorMessage: 'no' } }) : '{}');
      isFirst = false;
    };
    const item = { name: 'siem', kind: 'otlp', url: `${double.url}/v1/logs`, token: { env: 'abc' }, allowPrivate: true, ca: caFile };
    const running = await startExport(directory(), setupOf(item));
    try {
      await append(running, 5);
      await until('all was taken', () => taken(running));
      assert.equal(running.siem.status()[0]?.failures, 1);
      const seqs: number[] = [];
      for (const { headers, body } of double.received.slice(1)) {
        assert.equal(headers.authorization, 'Bearer abc');
        const request = otlpShape.parse(JSON.parse(body));
        const records = request.resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
        for (const record of records) {
          const event = JSON.parse(record.body.stringValue) as { metadata: { sequence: number } };
          assert.deepEqual(ocsfFaults(event as unknown as Record<string, unknown>), []);
          seqs.push(event.metadata.sequence);
        }
      }
      assert.deepEqual(seqs, range(running.log.size()));
    } finally {
      await running.close();
      await double.close();
    }
  },
);

test('INVARIANT: a destination that never answers makes nobody wait, and its lag is a metric', { timeout: 120_000 }, async () => {
  const double = await startHttpDouble(server);
  double.answer = () => undefined;
  const running = await startExport(
    directory(),
    setupOf({ name: 'siem', kind: 'https', url: `${double.url}/in`, allowPrivate: true, ca: caFile }),
  );
  try {
    await double.until(1);
    await append(running, 300);
    const metrics = await running.registry.metrics();
    const lag = Number(/sallyport_siem_lag_entries\{destination="siem"\} (\d+)/.exec(metrics)?.[1]);
    assert.equal(lag, running.log.size());
    assert.equal(double.received.length, 1, 'one batch is under way, and nothing is piled up');
  } finally {
    await running.close();
    await double.close();
  }
});

test('THREAT killed gateway: rounds of kill -9 under load lose no entry on the way to the SIEM', { timeout: 300_000 }, async () => {
  const dir = directory();
  const double = await startHttpDouble(server);
  const file = join(dir, 'events.ndjson');
  const batches: number[][] = [];
  const seqsOf = ({ body }: Pick<Received, 'body'>): number[] =>
    body
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { metadata: { sequence: number } }).metadata.sequence);
  double.answer = (received, response) => {
    batches.push(seqsOf(received));
    response.end('ok');
  };
  const setup = setupOf(
    { name: 'https', kind: 'https', url: `${double.url}/in`, allowPrivate: true, ca: caFile, maxBatch: 50 },
    { name: 'file', kind: 'file', path: file, maxBatch: 50, maxBytes: 1_000_000, keep: 1000 },
  );
  writeFileSync(join(dir, 'setup.json'), JSON.stringify(setup));
  for (let round = 0; round < 6; round += 1) {
    const before = batches.length;
    const child = spawn(process.execPath, [join(import.meta.dirname, '../support/siem-export.ts'), dir, join(dir, 'setup.json')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await until('some batches', () => batches.length >= before + 2 + round);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const running = await startExport(dir, setup);
  try {
    await until('all was taken', () => taken(running), 120_000);
    const size = running.log.size();
    assertNoGap(batches.flat(), size);
    const files = [file, ...range(1000).map((n) => `${file}.${n + 1}`)].filter((path) => existsSync(path)).toReversed();
    assertNoGap(
      files.flatMap((path) => seqsOf({ body: readFileSync(path, 'utf8') })),
      size,
    );
  } finally {
    await running.close();
    await double.close();
  }
});

/** Everything came, in order; what came again is what came last before. */
function assertNoGap(seqs: readonly number[], size: number): void {
  let next = 0;
  for (const seq of seqs) {
    assert.ok(seq <= next, `${seq} came where ${next} was due`);
    next = Math.max(next, seq + 1);
  }
  assert.equal(next, size);
}
