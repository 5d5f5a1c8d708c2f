// What recording costs on this disk and this processor: statements (an intent and a result each) posted by 1, 8 and 64 clients,
// durable and buffered, and appends, next to the bare write + fdatasync that bounds them (`x bare`: entries per sync of the bare loop, and
// how often its p99 goes into theirs); then entries verified per second. CPU is of the whole process; `main` is what the gateway's own
// thread spends. `node scripts/bench-audit.ts [directory]`, ~40 s.

import { hash, randomBytes } from 'node:crypto';
import { fdatasyncSync, mkdtempSync, openSync, closeSync, rmSync, writeSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogKey, createSealingIdentity, openAuditLog, verifyLog } from '../src/audit/index.ts';
import type { Durability, OpenAuditLog } from '../src/audit/index.ts';
import type { EntryDraft } from '../src/core/event.ts';
import type { EntryTemplate, TemplateDraft, Ticket } from '../src/core/ports.ts';

const RUN_MS = Number(process.env['BENCH_MS'] ?? 3000);
const dir = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'sallyport-bench-'));

interface Bare {
  readonly perSecond: number;
  readonly p99Ms: number;
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
}

function microseconds(ms: number): string {
  return (ms * 1000).toFixed(0).padStart(6);
}

interface Run {
  readonly name: string;
  readonly inFlight: number;
  /** Entries written by one operation. */
  readonly entries: number;
  /** One operation of client `client`; a promise only when there is something to wait for. */
  readonly operation: (client: number) => Promise<unknown> | null;
  /** Waits for what nobody waited for; its CPU counts. */
  readonly drain?: () => Promise<unknown>;
}

/** @param bare what to compare with; null = this is it. */
async function measure({ name, inFlight, entries, operation, drain }: Run, bare: Bare | null): Promise<Bare> {
  const durations: number[] = [];
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  const mainCpu = process.threadCpuUsage();
  const client = async (number: number): Promise<void> => {
    for (let done = 1; performance.now() - startedMs < RUN_MS; done += 1) {
      const beganMs = performance.now();
      const waiting = operation(number);
      if (waiting !== null) await waiting;
      durations.push(performance.now() - beganMs);
      // As sockets do: other clients get their turn.
      if (waiting === null && done % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_unused, number) => client(number)));
  await drain?.();
  const elapsedMs = performance.now() - startedMs;
  const used = process.cpuUsage(cpu);
  const usedMain = process.threadCpuUsage(mainCpu);
  durations.sort((a, b) => a - b);
  const count = durations.length * entries;
  const perEntry = (usage: NodeJS.CpuUsage): string => ((usage.user + usage.system) / count).toFixed(1).padStart(6);
  const perSecond = (count / elapsedMs) * 1000;
  const p99Ms = quantile(durations, 0.99);
  const ratio =
    bare === null
      ? ''
      : `   x bare ${(perSecond / bare.perSecond).toFixed(1).padStart(5)}, p99 ${(p99Ms / bare.p99Ms).toFixed(1).padStart(5)}`;
  console.log(
    `${name.padEnd(40)} ${String(Math.round(perSecond)).padStart(7)} ${bare === null ? 'syncs' : 'entries'}/s` +
      `   p50 ${microseconds(quantile(durations, 0.5))} us   p99 ${microseconds(p99Ms)} us${ratio}` +
      `   CPU ${perEntry(used)} us each, main ${perEntry(usedMain)}`,
  );
  return { perSecond, p99Ms };
}

/** A unit to compare runs by: processors differ, and so does what else runs on them. */
function hashMicroseconds(): string {
  const header = randomBytes(900);
  const rounds = 50_000;
  const cpu = process.threadCpuUsage();
  for (let round = 0; round < rounds; round += 1) hash('sha256', header, 'binary');
  const used = process.threadCpuUsage(cpu);
  return ((used.user + used.system) / rounds).toFixed(2);
}

const columns = ['id', 'name', 'born', 'diagnosis'].map((name) => ({ name, classes: ['person.name'], mask: 'partial' }));
const common = {
  principal: { issuer: 'corp', subject: 'agent-7', kind: 'agent' },
  resource: { target: 'clinic', objects: ['public.patients', 'public.visits'] },
  action: 'execute',
} as const;
const normalised = 'select p.name, v.at from patients p join visits v on v.patient = p.id where p.id = $1 limit $2';
const intentFields = {
  type: 'request.intent',
  ...common,
  decision: 'allow',
  rules: ['analysts read masked'],
  policy: { sha256: 'a'.repeat(64) },
  facts: {
    verbs: ['select'],
    effects: ['read'],
    relations: [
      { name: 'public.patients', access: 'read' },
      { name: 'public.visits', access: 'read' },
    ],
    classes: ['person.name', 'health.diagnosis'],
    outputClasses: ['person.name'],
    predicateClasses: [],
    unbounded: false,
    unknowns: [],
  },
} as const satisfies EntryDraft;
const statement = { normalised, fingerprint: 'b'.repeat(32) };
const intentDraft: Omit<TemplateDraft, 'session'> = { ...intentFields, statement };
const parameters = [{ kind: 'parameters', bytes: randomBytes(10) }] as const;
const rows = [{ kind: 'result', bytes: randomBytes(100) }] as const;
const shapes = [{ type: 'int4', bytes: 4 }] as const;

/** Statements of one session: an intent, and a result that is waited for. */
function statements(log: OpenAuditLog, session: string): () => Promise<void> | null {
  const intent: EntryTemplate = log.template({ ...intentDraft, session }, [{ kind: 'statement', bytes: Buffer.from(normalised) }]);
  const result: EntryTemplate = log.template({ type: 'request.result', session, ...common, result: { columns } });
  let n = 0;
  return () => {
    const asked: Ticket = log.post(intent, { n: n++, statement: { bytes: 97, parameters: shapes } }, parameters);
    const settled = log.post(result, { n: n++, intent: asked, result: { rows: 1, bytes: 100, code: 'ok', ms: 0.25 } }, rows);
    return log.isRecorded(settled) ? null : log.recorded(settled);
  };
}

const draft: EntryDraft = { ...intentFields, statement: { ...statement, bytes: 97, parameters: shapes } };

function open(durability: Durability, key: ReturnType<typeof createLogKey>, recipient: string): Promise<OpenAuditLog> {
  return openAuditLog({
    dir: join(dir, durability),
    origin: 'audit.example.org/bench',
    replica: 'bench',
    signingKey: key.signingKey,
    recipients: [recipient],
    durability,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (length) => randomBytes(length) },
    logger: console,
  });
}

try {
  console.log(`SHA-256 of 900 bytes: ${hashMicroseconds()} us CPU; load of the machine: ${loadavg()[0]?.toFixed(1)}`);
  const file = openSync(join(dir, 'bare'), 'w');
  const record = randomBytes(2200);
  let position = 0;
  const loop: Run = {
    name: 'bare write + fdatasync of 2200 bytes',
    inFlight: 1,
    entries: 1,
    operation: () => {
      position += writeSync(file, record, 0, record.length, position);
      fdatasyncSync(file);
      return null;
    },
  };
  const bare = await measure(loop, null);
  closeSync(file);

  const key = createLogKey('audit.example.org/bench');
  const { recipient } = await createSealingIdentity();
  for (const durability of ['durable', 'buffered'] as const) {
    const log = await open(durability, key, recipient);
    for (const inFlight of [1, 8, 64]) {
      const clients = Array.from({ length: inFlight }, (_, at) => statements(log, `ses_${durability}_${inFlight}_${at}`));
      const run: Run = {
        name: `statements, ${durability}, ${inFlight} in flight`,
        inFlight,
        entries: 2,
        operation: (client) => clients[client]?.() ?? null,
        drain: () => log.append({ type: 'alarm' }),
      };
      await measure(run, bare);
    }
    if (durability === 'durable') {
      for (const inFlight of [1, 64])
        await measure(
          { name: `append, ${inFlight} in flight`, inFlight, entries: 1, operation: () => log.append(draft, parameters) },
          bare,
        );
    }
    await log.close();

    const startedMs = performance.now();
    const verdict = await verifyLog(join(dir, durability), { vkey: key.vkey });
    const perSecond = Math.round((verdict.size / (performance.now() - startedMs)) * 1000);
    console.log(
      `verify: ${verdict.ok ? 'ok' : `FAILED ${verdict.problems[0]?.what}`}, ${verdict.size} entries and ${verdict.payloads.present} payloads, ${perSecond} entries/s`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
