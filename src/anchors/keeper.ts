// Brings every published checkpoint to the anchors, each at its own pace: while one is on its way, later ones wait and the newest goes
// next, which covers all before it. Nothing in the gateway waits for an anchor once it has started.
// REFUSES: to start on a log that an anchor has seen longer or other than it is.

import { SallyportError } from '../core/error.ts';
import type { AuditLog, Clock, Logger } from '../core/ports.ts';
import { splitNote, treeHeadIn } from '../audit/tlog/index.ts';
import type { Anchor, Checkpoint, Outcome } from './anchor.ts';

const POLL_MS = 1000;
/** How long the start waits for anchors that have to be asked. */
const START_MS = 5000;
/** An anchor that is so much later than it should be is an alarm. */
const BEHIND_MS = 300_000;

export interface AnchorsDeps {
  readonly anchors: readonly Anchor[];
  readonly origin: string;
  /** The newest published one. */
  readonly checkpoint: () => Promise<string | null>;
  readonly audit: Pick<AuditLog, 'append' | 'writable'>;
  readonly clock: Clock;
  /** Time before the next attempt. @param attempts how many have failed, from 1 */
  readonly delayAfter: (attempts: number) => number;
  readonly logger: Logger;
  readonly counted: (anchor: string, outcome: Outcome['kind']) => void;
  /** Default 1000. */
  readonly pollMs?: number;
}

export interface AnchorStatus {
  readonly name: string;
  readonly kind: Anchor['kind'];
  /** Entries under the newest checkpoint that it has; 0 = none since the start. */
  readonly size: number;
  /** For how long there has been a checkpoint that it does not have. */
  readonly lagMs: number;
  /** Wall clock, when it took a checkpoint last; null = not since the start. */
  readonly keptAtMs: number | null;
  /** Alarms that stand. */
  readonly alarms: readonly string[];
}

export interface Anchors {
  /** Gives every anchor the present checkpoint. @throws SP_AUDIT_ROLLED_BACK, SP_CONFIG_INVALID when a file cannot be written */
  start(): Promise<void>;
  status(): readonly AnchorStatus[];
  /** Tries once more to bring the newest checkpoint everywhere, for at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

interface Lane {
  readonly anchor: Anchor;
  size: number;
  keptAtMs: number | null;
  attempts: number;
  nextAtMs: number;
  /** Since when it lacks a checkpoint; null = it has the newest. */
  behindSinceMs: number | null;
  running: Promise<Outcome> | null;
  /** Alarms that stand. */
  readonly alarms: Set<string>;
}

/** Compares the log as it lies on disk with what anchors can be asked about before anything is written.
 *  @param note the checkpoint on disk; null = the log is empty. @throws SP_AUDIT_ROLLED_BACK, SP_CONFIG_INVALID */
export async function compareWithAnchors(anchors: readonly Anchor[], origin: string, note: string | null): Promise<void> {
  const checkpoint = note === null ? null : readCheckpoint(note, origin);
  for (const anchor of anchors) {
    const outcome = await anchor.compare?.(checkpoint);
    if (outcome !== undefined) requireAgreement(anchor, outcome, checkpoint?.size ?? 0);
  }
}

function readCheckpoint(note: string, origin: string): Checkpoint {
  return { note, ...treeHeadIn(splitNote(note).text, origin) };
}

function requireAgreement(anchor: Anchor, outcome: Outcome, size: number): void {
  const { name, kind } = anchor;
  if (outcome.kind === 'shorter') {
    throw new SallyportError(
      'SP_AUDIT_ROLLED_BACK',
      `the audit log ends at entry ${size}, but anchor ${name} has seen ${outcome.size}: the data directory was put back to an older state, or replaced`,
    );
  }
  if (outcome.kind === 'different') {
    throw new SallyportError(
      'SP_AUDIT_ROLLED_BACK',
      `the audit log is not the one that anchor ${name} has seen: it was rewritten, or is another`,
    );
  }
  // A place of our own that cannot be used is a fault of the configuration; one elsewhere may be down.
  if (outcome.kind === 'failed' && kind === 'file')
    throw new SallyportError(
      'SP_CONFIG_INVALID',
      `audit.anchors: the file of anchor ${name} cannot be used (${outcome.fault}); give it a path that can`,
    );
}

export function createAnchors(deps: AnchorsDeps): Anchors {
  const { origin, clock, audit, logger, counted } = deps;
  const lanes = deps.anchors.map((anchor): Lane => ({
    anchor,
    size: 0,
    keptAtMs: null,
    attempts: 0,
    nextAtMs: 0,
    behindSinceMs: null,
    running: null,
    alarms: new Set(),
  }));
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | null = null;

  const alarm = async ({ anchor, alarms }: Lane, code: string, detail: Record<string, string | number>): Promise<void> => {
    if (alarms.has(code)) return;
    alarms.add(code);
    logger.error({ anchor: anchor.name, ...detail }, `audit anchor: ${code}`);
    if (audit.writable) await audit.append({ type: 'alarm', detail: { code, anchor: anchor.name, ...detail } });
  };

  const submit = (lane: Lane, checkpoint: Checkpoint, signal: AbortSignal): Promise<Outcome> => {
    lane.running ??= lane.anchor
      .submit(checkpoint, signal)
      .then((outcome) => {
        counted(lane.anchor.name, outcome.kind);
        const nowMs = clock.monotonicMs();
        if (outcome.kind === 'kept') {
          lane.size = checkpoint.size;
          lane.keptAtMs = clock.nowMs();
          lane.attempts = 0;
          lane.nextAtMs = nowMs + lane.anchor.everyMs;
          lane.behindSinceMs = null;
        } else {
          lane.attempts += 1;
          lane.nextAtMs = nowMs + deps.delayAfter(lane.attempts);
        }
        return outcome;
      })
      .finally(() => (lane.running = null));
    return lane.running;
  };

  const settle = async (lane: Lane, outcome: Outcome, size: number): Promise<void> => {
    // Nothing is wrong with the log, but until now nobody could have told: an entry each time. Of a log that begins nobody knew.
    if (outcome.kind === 'kept' && outcome.forgot === true && size > 1) {
      await alarm(lane, 'anchor-forgot', { size });
      lane.alarms.delete('anchor-forgot');
    }
    if (outcome.kind === 'shorter') return alarm(lane, 'anchor-rollback', { size, seen: outcome.size });
    if (outcome.kind === 'different') return alarm(lane, 'anchor-fork', { size });
    if (outcome.kind === 'kept' && lane.alarms.delete('anchor-behind') && audit.writable)
      await audit.append({ type: 'alarm', detail: { code: 'anchor-caught-up', anchor: lane.anchor.name, size } });
  };

  const newest = async (): Promise<Checkpoint | null> => {
    const note = await deps.checkpoint();
    return note === null ? null : readCheckpoint(note, origin);
  };

  const look = async (): Promise<void> => {
    const checkpoint = await newest();
    if (checkpoint === null) return;
    const nowMs = clock.monotonicMs();
    for (const lane of lanes) {
      if (lane.size >= checkpoint.size) continue;
      lane.behindSinceMs ??= nowMs;
      if (nowMs - lane.behindSinceMs > BEHIND_MS + lane.anchor.everyMs) await alarm(lane, 'anchor-behind', { size: lane.size });
      if (lane.running !== null || nowMs < lane.nextAtMs) continue;
      submit(lane, checkpoint, stopping.signal)
        .then((outcome) => settle(lane, outcome, checkpoint.size))
        .catch(failed);
    }
  };
  const failed = (cause: unknown): void =>
    logger.error({ fault: cause instanceof SallyportError ? cause.code : 'unknown' }, 'audit anchors: an attempt was not recorded');

  return {
    async start() {
      const checkpoint = await newest();
      if (checkpoint !== null) {
        const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(START_MS)]);
        const outcomes = await Promise.all(lanes.map((lane) => submit(lane, checkpoint, signal)));
        for (const [at, lane] of lanes.entries()) {
          const { anchor } = lane;
          const outcome = outcomes[at];
          if (outcome === undefined) continue;
          requireAgreement(anchor, outcome, checkpoint.size);
          if (outcome.kind === 'kept') await settle(lane, outcome, checkpoint.size);
          if (outcome.kind === 'failed') {
            logger.warn({ anchor: anchor.name, fault: outcome.fault }, 'audit anchor: could not be asked at the start; it is tried again');
            await audit.append({ type: 'alarm', detail: { code: 'anchor-not-asked', anchor: anchor.name, fault: outcome.fault } });
          }
        }
      }
      timer = setInterval(() => void look().catch(failed), deps.pollMs ?? POLL_MS);
      timer.unref();
    },
    status: () =>
      lanes.map(({ anchor, size, behindSinceMs, keptAtMs, alarms }) => ({
        name: anchor.name,
        kind: anchor.kind,
        size,
        lagMs: behindSinceMs === null ? 0 : clock.monotonicMs() - behindSinceMs,
        keptAtMs,
        alarms: [...alarms],
      })),
    async stop(graceMs) {
      if (timer !== null) clearInterval(timer);
      const cut = setTimeout(() => stopping.abort(), graceMs);
      await Promise.allSettled(lanes.flatMap(({ running }) => running ?? []));
      const checkpoint = await newest().catch(() => null);
      if (checkpoint !== null) {
        const due = lanes.filter(({ anchor, size }) => anchor.kind !== 'tsa' && size < checkpoint.size);
        await Promise.allSettled(due.map((lane) => submit(lane, checkpoint, stopping.signal)));
      }
      clearTimeout(cut);
      stopping.abort();
    },
  };
}
