// How fast the audit log is on this disk: durable appends with 1 and 64 in flight, next to the bare fdatasync loop that
// bounds them, and entries verified per second. `node scripts/bench-audit.ts [directory]`; takes about 15 seconds.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogKey, createSealingIdentity, openAuditLog, verifyLog } from '../src/audit/index.ts';
import type { EntryDraft } from '../src/core/event.ts';

const RUN_MS = 3000;
const dir = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'sallyport-bench-'));

function quantile(sorted: readonly number[], part: number): string {
  return (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(2);
}

function report(name: string, durations: number[], elapsedMs: number): void {
  durations.sort((a, b) => a - b);
  const perSecond = Math.round((durations.length / elapsedMs) * 1000);
  console.log(
    `${name.padEnd(44)} ${String(perSecond).padStart(7)}/s   p50 ${quantile(durations, 0.5)} ms   p99 ${quantile(durations, 0.99)} ms`,
  );
}

async function measure(name: string, inFlight: number, operation: () => Promise<unknown>): Promise<void> {
  const durations: number[] = [];
  const startedMs = performance.now();
  const worker = async (): Promise<void> => {
    while (performance.now() - startedMs < RUN_MS) {
      const beganMs = performance.now();
      await operation();
      durations.push(performance.now() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  report(name, durations, performance.now() - startedMs);
}

const draft: EntryDraft = {
  type: 'request.intent',
  principal: { issuer: 'corp', subject: 'agent-7', kind: 'agent' },
  session: 'ses_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  resource: { target: 'clinic', objects: ['public.patients', 'public.visits'] },
  action: 'query',
  decision: 'allow',
  rules: ['analysts read masked'],
  statement: { normalised: 'select p.name, v.at from patients p join visits v on v.patient = p.id limit $1', bytes: 79, parameters: [] },
};
const payloads = [{ kind: 'statement', bytes: randomBytes(300) }] as const;

try {
  const bare = await open(join(dir, 'bare'), 'w');
  const record = randomBytes(600);
  let position = 0;
  await measure('bare write + fdatasync of 600 bytes, 1', 1, async () => {
    await bare.write(record, 0, record.length, position);
    position += record.length;
    await bare.datasync();
  });
  await bare.close();

  const origin = 'audit.example.org/bench';
  const key = createLogKey(origin);
  const { recipient } = await createSealingIdentity();
  const log = await openAuditLog({
    dir: join(dir, 'audit'),
    origin,
    replica: 'bench',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (length) => randomBytes(length) },
    logger: console,
  });
  await measure('append, 1 in flight', 1, () => log.append(draft));
  await measure('append with a sealed payload, 1 in flight', 1, () => log.append(draft, payloads));
  await measure('append, 64 in flight', 64, () => log.append(draft));
  await measure('append with a sealed payload, 64 in flight', 64, () => log.append(draft, payloads));
  await log.close();

  const startedMs = performance.now();
  const verdict = await verifyLog(join(dir, 'audit'), { vkey: key.vkey });
  const elapsedMs = performance.now() - startedMs;
  const perSecond = Math.round((verdict.size / elapsedMs) * 1000);
  console.log(
    `verify: ${verdict.ok ? 'ok' : 'FAILED'}, ${verdict.size} entries and ${verdict.payloads.present} payloads, ${perSecond} entries/s`,
  );
} finally {
  rmSync(dir, { recursive: true, force: true });
}
