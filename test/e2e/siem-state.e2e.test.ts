// What becomes of a destination over time: a rollback and its reset, retention, a thread that ends, and receivers that misbehave in
// every way while statements go on being recorded.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import { createLogKey, createPruning, createSealingIdentity } from '../../src/audit/index.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { EntryHeader } from '../../src/core/event.ts';
import { startHttpDouble } from '../support/http-double.ts';
import { type ExportSetup, type RunningExport, startExport } from '../support/siem-export.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-siem-state-'));
after(() => rmSync(root, { recursive: true, force: true }));
const origin = 'audit.test/siem-state';
const key = createLogKey(origin);
const { recipient } = await createSealingIdentity();
const authority = await createAuthority({ name: 'SIEM test CA', nowMs: Date.now() });
const server = await issueServerCertificate(authority, { hosts: ['localhost'], nowMs: Date.now() });
const caFile = join(root, 'ca.crt');
writeFileSync(caFile, authority.certificate);
const by = { issuer: 'corp', subject: 'otto', kind: 'person' } as const;

let directories = 0;
function directory(): string {
  const path = join(root, `d${(directories += 1)}`);
  mkdirSync(path);
  return path;
}
const setupOf = (...siem: object[]): ExportSetup => ({ origin, signingKey: key.signingKey.reveal(), recipient, siem });

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(20)) if (await condition()) return;
  assert.fail(`it never came to that: ${what}`);
}
const hasAll = ({ siem, log }: RunningExport): boolean => siem.status().every(({ next }) => next === log.size());
const append = ({ log }: RunningExport, count: number): Promise<number[]> =>
  Promise.all(Array.from({ length: count }, () => log.append({ type: 'auth.fail', detail: { fault: 'test' } })));
const seqsIn = (file: string): number[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { metadata: { sequence: number } }).metadata.sequence)
    : [];
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);
async function entriesOf({ log }: RunningExport): Promise<EntryHeader[]> {
  const list: EntryHeader[] = [];
  for await (const header of log.entries(0, log.size())) list.push(header);
  return list;
}
const codeOf = (code: string) => (error: unknown) => error instanceof SallyportError && error.code === code;

test('after a rollback nothing is sent until an operator resets the destination, which an entry says before it happens', async () => {
  const dir = directory();
  const file = join(dir, 'events.ndjson');
  const setup = setupOf({ name: 'siem', kind: 'file', path: file });
  const first = await startExport(dir, setup);
  await append(first, 20);
  await until('all was taken', () => hasAll(first));
  await first.close();
  const sent = seqsIn(file).length;
  rmSync(join(dir, 'audit'), { recursive: true });

  const second = await startExport(dir, setup);
  try {
    await until('it is told', () => second.siem.status()[0]?.fault === 'log-rolled-back');
    await until('an alarm', async () => (await entriesOf(second)).some(({ detail }) => detail?.['code'] === 'log-rolled-back'));
    await append(second, 50);
    assert.equal(seqsIn(file).length, sent, 'nothing of it is sent');
    const size = second.log.size();
    await assert.rejects(second.siem.reset(by, 'other', 'now'), codeOf('SP_API_NOT_FOUND'));
    await assert.rejects(second.siem.reset(by, 'siem', size + 1), codeOf('SP_API_BAD_REQUEST'));
    assert.equal(second.log.size(), size, 'what is refused changes nothing');

    const { fault, next } = await second.siem.reset(by, 'siem', 'beginning');
    assert.deepEqual([fault, next], [null, 0]);
    await until('all was taken', () => hasAll(second));
    assert.deepEqual(seqsIn(file).slice(sent), range(0, second.log.size()));
    const entry = (await entriesOf(second)).findLast(({ type }) => type === 'config.changed');
    assert.deepEqual(entry?.principal, by);
    assert.deepEqual(entry?.detail, { change: 'siem-reset', destination: 'siem', from: 0, previous: sent, fault: 'log-rolled-back' });

    // Forwards, and two at once: one after the other.
    const size2 = second.log.size();
    await Promise.all([second.siem.reset(by, 'siem', 5), second.siem.reset(by, 'siem', 'now')]);
    await until('the entries of the resets', () => hasAll(second));
    assert.ok(seqsIn(file).includes(size2 + 1));
    const now = (await entriesOf(second)).findLast(({ type }) => type === 'config.changed');
    const { fault: last, since } = second.siem.status()[0] ?? {};
    assert.deepEqual([last, since], [null, now?.detail?.['from']], 'what it has of this log');
  } finally {
    await second.close();
  }
});

test('retention waits for what a destination has not got; what went without it is told before anything after it', async () => {
  const dir = directory();
  const file = join(dir, 'events.ndjson');
  const double = await startHttpDouble(server);
  double.answer = (_received, response) => void response.writeHead(503).end();
  const item = { name: 'siem', kind: 'https', url: `${double.url}/in`, allowPrivate: true, ca: caFile };
  const setup = setupOf(item, { name: 'local', kind: 'file', path: file });
  const warned: unknown[] = [];
  const pruned = async (running: RunningExport, wantedFrom?: () => number): Promise<number> =>
    createPruning({
      dir: join(dir, 'audit'),
      headersMs: 86_400_000,
      log: running.log,
      clock: { nowMs: () => Date.now() + 10 * 86_400_000, monotonicMs: () => performance.now() },
      logger: { info: () => undefined, warn: (fields) => warned.push(fields), error: () => undefined },
      ...(wantedFrom === undefined ? {} : { wantedFrom }),
    }).run(new AbortController().signal);

  const running = await startExport(dir, setup);
  await append(running, 600);
  await until('one has all', () => running.siem.status()[1]?.lag === 0);
  assert.equal(await pruned(running, () => running.siem.wantedFrom()), 0);
  assert.equal(running.log.firstIndex, 0);
  assert.equal(warned.length, 1, 'and it is said');
  double.answer = (_received, response) => void response.end('ok');
  await until('all was taken', () => hasAll(running));
  assert.ok((await pruned(running, () => running.siem.wantedFrom())) >= 512);
  await append(running, 300);
  await until('the rest was taken', () => hasAll(running));
  await running.close();
  const received = double.received.length;

  // Out of the configuration for a while.
  const without = await startExport(dir, setupOf());
  await append(without, 600);
  await pruned(without);
  const { firstIndex } = without.log;
  await without.close();
  const last = Math.max(...seqsIn(file));
  assert.ok(firstIndex > last + 1);
  const again = await startExport(dir, setup);
  try {
    await until('all was taken', () => hasAll(again));
    const seqs = seqsIn(file);
    assert.deepEqual(seqs, [...range(0, last + 1), ...range(firstIndex, again.log.size())]);
    const told: EntryHeader[] = [];
    for await (const header of again.log.entries(firstIndex, again.log.size())) if (header.type === 'alarm') told.push(header);
    assert.deepEqual(
      told.map(({ detail }) => detail),
      ['siem', 'local'].map((destination) => ({ code: 'siem-entries-pruned', destination, from: last + 1, to: firstIndex })),
    );
    assert.ok(double.received.length > received);
  } finally {
    await again.close();
    await double.close();
  }
});

/** Takes connections and does with them what the test says. */
async function startTcp(handle: (socket: Socket) => void): Promise<{ server: Server; port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    handle(socket);
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return {
    server: listening,
    port: (listening.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      listening.close();
    },
  };
}

test('INVARIANT: receivers that hang, close, refuse, crawl or have a false certificate cost statements nothing and memory little', async () => {
  const dir = directory();
  const silent = await startTcp((socket) => void socket.resume());
  const closing = await startTcp((socket) => socket.destroy());
  const busy = await startHttpDouble(server);
  busy.answer = (_received, response) => void response.writeHead(429, { 'retry-after': '1' }).end();
  const failing = await startHttpDouble(server);
  failing.answer = (_received, response) => void response.writeHead(500).end('x'.repeat(1000));
  const slow = await startHttpDouble(server);
  slow.answer = (_received, response) => void setTimeout(() => response.end('ok'), 500);
  const foreign = await issueServerCertificate(await createAuthority({ name: 'Other', nowMs: Date.now() }), {
    hosts: ['localhost'],
    nowMs: Date.now(),
  });
  const false_ = await startHttpDouble(foreign);
  const to = (name: string, port: number) => ({ name, kind: 'https', url: `https://localhost:${port}/in`, allowPrivate: true, ca: caFile });
  const filled = await startExport(dir, setupOf());
  for (let n = 0; n < 20; n += 1) await append(filled, 1000);
  await filled.close();

  const running = await startExport(
    dir,
    setupOf(
      to('silent', silent.port),
      to('closing', closing.port),
      to('busy', busy.port),
      to('failing', failing.port),
      to('slow', slow.port),
      to('false', false_.port),
      { name: 'file', kind: 'file', path: join(dir, 'events.ndjson') },
    ),
  );
  try {
    const startedRss = process.memoryUsage().rss;
    const before = performance.eventLoopUtilization();
    await until('the good one has all', async () => {
      await running.log.append({ type: 'auth.ok' });
      return (running.siem.status().find(({ name }) => name === 'file')?.next ?? 0) > 20_000;
    });
    const { utilization } = performance.eventLoopUtilization(before);
    assert.ok(utilization < 0.6, `the thread of statements was busy for ${utilization} of the time`);
    assert.ok(process.memoryUsage().rss - startedRss < 300e6, 'batches do not pile up');
    await until('each has its fault', () => running.siem.status().filter(({ fault }) => fault !== null).length >= 4);
    const faults = new Map(running.siem.status().map(({ name, fault }) => [name, fault]));
    assert.equal(faults.get('closing'), 'unreachable');
    assert.equal(faults.get('busy'), 'status-429');
    assert.equal(faults.get('failing'), 'status-500');
    assert.equal(faults.get('false'), 'tls-failed');
    assert.equal(faults.get('file'), null);
    assert.equal(false_.received.length, 0, 'nothing is sent to who cannot show who it is');
  } finally {
    await running.close();
    silent.close();
    closing.close();
    await Promise.all([busy.close(), failing.close(), slow.close(), false_.close()]);
  }
});
