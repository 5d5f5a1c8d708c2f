// What leaves the gateway meets code that nobody here wrote: the OTLP receiver of the OpenTelemetry collector, and a witness that judges
// with transparency-dev's notes, proofs and cosignatures.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAnchors, createProofStore, createWitnessAnchor, type Send } from '../../src/anchors/index.ts';
import { createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import { createLogKey, createSealingIdentity } from '../../src/audit/index.ts';
import { openCheckpoint, openCosignature, parseVerifierKey, parseWitnessKey } from '../../src/audit/tlog/index.ts';
import type { EntryDraft } from '../../src/core/event.ts';
import { systemEgress, post } from '../../src/notify/index.ts';
import { buildReceivers, startGo } from '../support/go.ts';
import { type GrownLog, grownLog } from '../support/grown-log.ts';
import { ocsfFaults } from '../support/ocsf.ts';
import { startExport } from '../support/siem-export.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-receivers-'));
after(() => rmSync(root, { recursive: true, force: true }));
before(() => buildReceivers(root), { timeout: 600_000 });

const range = (to: number): number[] => Array.from({ length: to }, (_, n) => n);

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(20)) if (condition()) return;
  assert.fail(`it never came to that: ${what}`);
}

interface CollectorRecord {
  readonly resource: Record<string, unknown>;
  readonly scope: string;
  readonly nanoseconds: string;
  readonly severity: string;
  readonly number: number;
  readonly event: string;
  readonly body: string;
  readonly attributes: Record<string, unknown>;
}

test('the OpenTelemetry collector takes every entry over TLS; what it refuses comes again', { timeout: 120_000 }, async () => {
  const authority = await createAuthority({ name: 'Receivers', nowMs: Date.now() });
  const server = await issueServerCertificate(authority, { hosts: ['localhost'], nowMs: Date.now() });
  const file = (name: string, text: string): string => {
    writeFileSync(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  const collector = await startGo(join(root, 'otlp'), [file('server.crt', server.certificate), file('server.key', server.key), '2']);
  const { port } = JSON.parse(collector.lines.shift() ?? '') as { port: number };
  const origin = 'audit.test/collector';
  const { recipient } = await createSealingIdentity();
  const directory = join(root, 'log');
  mkdirSync(directory);
  const running = await startExport(directory, {
    origin,
    signingKey: createLogKey(origin).signingKey.reveal(),
    recipient,
    siem: [
      {
        name: 'otel',
        kind: 'otlp',
        url: `https://localhost:${port}/v1/logs`,
        allowPrivate: true,
        ca: file('ca.crt', authority.certificate),
        maxBatch: 20,
      },
    ],
  });
  try {
    const subject = 'Zo\u00eb "\u75c5" \\ | = \u{1f9ea}';
    for (const n of range(60))
      await running.log.append({ type: 'auth.fail', principal: { issuer: 'corp', subject: `${subject} ${n}`, kind: 'person' } });
    await until('all was taken', () => running.siem.status()[0]?.lag === 0);
    assert.equal(running.siem.status()[0]?.failures, 2, 'the two batches that it refused');
    const size = running.log.size();
    await until('all was printed', () => collector.lines.length >= size);
    const records = collector.lines.map((line) => JSON.parse(line) as CollectorRecord);
    assert.deepEqual(
      records.map(({ attributes }) => attributes['sallyport.log.index']),
      range(size),
      'each once, in order, as a number',
    );
    for (const record of records) {
      const event = JSON.parse(record.body) as Record<string, unknown> & { metadata: { event_code: string; uid: string }; time: number };
      assert.deepEqual(ocsfFaults(event), []);
      assert.equal(record.nanoseconds, `${event.time}000000`);
      assert.equal(record.event, `sallyport.${event.metadata.event_code}`);
      assert.equal(record.attributes['sallyport.log.leaf'], event.metadata.uid);
      assert.deepEqual([record.resource['service.name'], record.resource['sallyport.log.origin']], ['sallyport', origin]);
      assert.equal(record.scope, 'sallyport.audit');
    }
    const refused = records.find(({ event }) => event === 'sallyport.auth.fail');
    assert.deepEqual([refused?.severity, refused?.number], ['Medium', 13]);
    const { user } = JSON.parse(refused?.body ?? '') as { user: { name: string } };
    assert.equal(user.name, `corp/${subject} 0`, 'texts arrive as they are');
  } finally {
    await running.close();
    await collector.stop();
  }
});

/** A witness in Go, and what the anchor needs to talk to it. */
async function startWitness(log: GrownLog) {
  const program = await startGo(join(root, 'witness'), [log.vkey]);
  const { url, vkey } = JSON.parse(program.lines.shift() ?? '') as { url: string; vkey: string };
  const rules = { allowPrivate: true, insecure: true, ca: null };
  const send: Send = (path, message, signal) => post(new URL(url + path), message, rules, systemEgress, signal);
  const key = parseWitnessKey(vkey);
  return { ...program, send, key, answers: program.lines };
}

const signal = new AbortController().signal;

test(
  'a witness of others cosigns our checkpoints along our consistency proofs, and both signatures verify',
  { timeout: 60_000 },
  async () => {
    const log = grownLog();
    const witness = await startWitness(log);
    const directory = join(root, 'proofs');
    const settings = { name: 'w', key: witness.key, everyMs: 0 };
    try {
      const anchor = createWitnessAnchor(settings, log, witness.send, createProofStore(directory));
      const sizes = [1, 2, 5, 255, 256, 257, 65_536, 70_000, 70_000];
      for (const size of sizes) assert.deepEqual(await anchor.submit(log.at(size), signal), { kind: 'kept' }, `${size}`);
      assert.deepEqual(
        witness.answers,
        sizes.map(() => '200'),
      );
      const [name = ''] = readdirSync(directory);
      const cosigned = readFileSync(join(directory, name), 'utf8');
      assert.equal(openCheckpoint(cosigned, parseVerifierKey(log.vkey)).size, 70_000);
      assert.ok(Math.abs(openCosignature(cosigned, witness.key) - Date.now() / 1000) < 100);
      // Our proofs were lost: it says what it knows, and we go on from there.
      const anew = createWitnessAnchor(settings, log, witness.send, createProofStore(join(root, 'proofs-anew')));
      assert.deepEqual(await anew.submit(log.at(70_001), signal), { kind: 'kept' });
      assert.deepEqual(witness.answers.slice(sizes.length), ['409', '200']);
    } finally {
      await witness.stop();
    }
  },
);

test('THREAT rollback, THREAT rewritten history: the 409 and 422 of a witness of others are alarms', { timeout: 60_000 }, async () => {
  const log = grownLog();
  const fork = grownLog('b', 900);
  const witness = await startWitness(log);
  const settings = { name: 'w', key: witness.key, everyMs: 0 };
  const entries: EntryDraft[] = [];
  let proofs = 0;
  /** Starts on a log, then runs on another: what is found meanwhile is an alarm. */
  const runOn = async (first: { of: GrownLog; size: number }, then: { of: GrownLog; size: number }): Promise<void> => {
    const before = entries.length;
    let note = first.of.at(first.size).note;
    const anchor = createWitnessAnchor(settings, then.of, witness.send, createProofStore(join(root, `proofs-${(proofs += 1)}`)));
    const keeper = createAnchors({
      anchors: [anchor],
      origin: log.origin,
      checkpoint: async () => note,
      audit: { writable: true, append: async (entry) => entries.push(entry) },
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      delayAfter: () => 1,
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      counted: () => undefined,
      pollMs: 5,
    });
    await keeper.start();
    // Meanwhile another copy of the log went on, as far as the witness knows.
    const other = createWitnessAnchor(settings, log, witness.send, createProofStore(join(root, `proofs-${(proofs += 1)}`)));
    await other.submit(log.at(1000), signal);
    ({ note } = then.of.at(then.size));
    await until('an alarm', () => entries.length > before);
    await keeper.stop(0);
  };
  try {
    await runOn({ of: log, size: 800 }, { of: log, size: 801 });
    assert.deepEqual(entries.at(-1), { type: 'alarm', detail: { code: 'anchor-rollback', anchor: 'w', size: 801, seen: 1000 } });
    assert.ok(witness.answers.includes('409'));
    await assert.rejects(runOn({ of: log, size: 850 }, { of: log, size: 851 }), /SP_AUDIT_ROLLED_BACK|ends at entry 850/);
    await runOn({ of: log, size: 1000 }, { of: fork, size: 1200 });
    assert.deepEqual(entries.at(-1), { type: 'alarm', detail: { code: 'anchor-fork', anchor: 'w', size: 1200 } });
    assert.ok(witness.answers.includes('422'));
  } finally {
    await witness.stop();
  }
});
