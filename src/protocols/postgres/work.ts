// What a session remembers about one message it sent upstream, until it is answered.

import { maskFor, type MaskSet } from '../../core/decision.ts';
import type { Clock } from '../../core/ports.ts';
import type { Permit } from '../../session/permit.ts';
import type { RequestResult } from '../../session/gate.ts';
import { RecordingWriter } from '../../wire/pg-recording.ts';
import type { PlannedText } from './planner.ts';
import type { Portal, Undo } from './prepared.ts';
import type { SessionLimits } from './session-limits.ts';

export interface Work {
  /** The request it belongs to; null for messages that carry none of their own (Close). */
  readonly permit: Permit | null;
  readonly planned: PlannedText | null;
  readonly portal: Portal | null;
  /** Takes back what the session assumed when it was sent. */
  readonly undo: Undo | null;
  /** Its end is the end of a request: the result is recorded. */
  readonly isRequest: boolean;
  readonly recording: RecordingWriter | null;
  readonly startedMs: number;
  /** Index of the statement of `planned` that is running. */
  statement: number;
  rows: number;
  bytes: number;
  /** SQLSTATE of the error that ended it. */
  fault: string | null;
  isIntentDurable: boolean;
  isSettled: boolean;
  /** Wakes the session's client side when it ends or when COPY data may flow. */
  wake: (() => void) | null;
}

export interface NewWorkDeps {
  readonly clock: Clock;
  readonly limits: SessionLimits;
}

/** A work that has just been sent. */
export function newWork(
  { clock, limits }: NewWorkDeps,
  of: Pick<Work, 'permit' | 'planned'> & Partial<Pick<Work, 'portal' | 'undo' | 'isRequest'>>,
): Work {
  const isRequest = of.isRequest ?? false;
  // A Parse brings no rows: only what runs is recorded for replay.
  const isRecorded = isRequest && limits.recordRows > 0 && of.permit?.facts.request.action !== 'prepare';
  return {
    permit: of.permit,
    planned: of.planned,
    portal: of.portal ?? null,
    undo: of.undo ?? null,
    isRequest,
    recording: isRecorded ? new RecordingWriter({ maxRows: limits.recordRows, maxBytes: limits.recordBytes }) : null,
    startedMs: clock.monotonicMs(),
    statement: 0,
    rows: 0,
    bytes: 0,
    fault: null,
    isIntentDurable: false,
    isSettled: false,
    wake: null,
  };
}

/** Result of a work as the audit log wants it. */
export function resultOf(work: Work, code: string, masks: MaskSet): RequestResult {
  const outputs = work.planned?.plan.facts.outputs ?? [];
  return {
    rows: work.rows,
    bytes: work.bytes,
    ...(outputs.length === 0
      ? {}
      : {
          columns: outputs.map(({ name, classes }) => ({ name, classes, mask: maskFor(classes, masks) })),
        }),
    code,
  };
}
