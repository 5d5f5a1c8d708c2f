// What a session remembers about one message it sent upstream, until it is answered.

import type { Clock } from '../../core/ports.ts';
import type { Permit } from '../../session/permit.ts';
import { RecordingWriter } from '../../wire/pg-recording.ts';
import type { PlannedText } from './planner.ts';
import type { NameChange, Portal } from './prepared.ts';
import type { NativeError } from './errors.ts';
import type { SessionLimits } from './session-limits.ts';
import type { SubjectIndex } from '../../core/subject.ts';
import { SubjectWatch } from './subject-watch.ts';
import { TokenScan } from './token-scan.ts';

export interface Work {
  /** The request it belongs to; null for messages that carry none of their own (Close). */
  readonly permit: Permit | null;
  readonly planned: PlannedText | null;
  readonly portal: Portal | null;
  /** Name of the statement that a Parse makes. */
  readonly statementName: string | null;
  /** What the session assumed about a name when it was sent. */
  readonly change: NameChange | null;
  /** Its end is the end of a request: the result is recorded. */
  readonly isRequest: boolean;
  readonly recording: RecordingWriter | null;
  /** Null: it touches nobody's data. */
  readonly subjects: SubjectWatch | null;
  readonly startedMs: number;
  /** Index of the statement of `planned` that is running. */
  statement: number;
  /** Statements whose notice was told. */
  noticed: number;
  rows: number;
  bytes: number;
  /** A row was over the limit: it and all behind it are dropped, and its statement is being cancelled. */
  isRowRefused: boolean;
  /** COPY FROM: looks for tokens in the data; null = any data may be copied. */
  readonly tokenScan: TokenScan | null;
  /** Why the gateway has made it fail: told in place of the target's error. */
  refusal: NativeError | null;
  /** SQLSTATE of the error that ended it. */
  fault: string | null;
  /** Its intent stands before its bytes on the way out. */
  isGated: boolean;
  isSettled: boolean;
  /** It has ended, or takes COPY data: it is the client's turn. */
  isTurnOver: boolean;
  /** Called once that is so. */
  wake: (() => void) | null;
}

export function endTurn(work: Work): void {
  work.isTurnOver = true;
  work.wake?.();
  work.wake = null;
}

export interface NewWorkDeps {
  readonly clock: Clock;
  readonly limits: SessionLimits;
  /** Absent: no subject is configured. */
  readonly subjects?: SubjectIndex | undefined;
}

/** A work that has just been sent. */
export function newWork(
  { clock, limits, subjects }: NewWorkDeps,
  of: Pick<Work, 'permit' | 'planned'> & Partial<Pick<Work, 'portal' | 'statementName' | 'change' | 'isRequest'>>,
): Work {
  const isRequest = of.isRequest ?? false;
  // A Parse brings no rows: only what runs is recorded for replay.
  const request = of.permit?.facts.request;
  const isRun = isRequest && request?.action !== 'prepare';
  const isRecorded = isRun && limits.recordRows > 0;
  return {
    permit: of.permit,
    planned: of.planned,
    portal: of.portal ?? null,
    statementName: of.statementName ?? null,
    change: of.change ?? null,
    isRequest,
    recording: isRecorded ? new RecordingWriter({ maxRows: limits.recordRows, maxBytes: limits.recordBytes }) : null,
    subjects: isRun && request !== undefined ? SubjectWatch.of(subjects ?? null, request.target, of.planned, of.portal ?? null) : null,
    startedMs: clock.monotonicMs(),
    statement: 0,
    noticed: 0,
    rows: 0,
    bytes: 0,
    isRowRefused: false,
    tokenScan: of.planned?.plan.statements.some((statement) => statement.refusesTokens === true) === true ? new TokenScan() : null,
    refusal: null,
    fault: null,
    isGated: false,
    isSettled: false,
    isTurnOver: false,
    wake: null,
  };
}
