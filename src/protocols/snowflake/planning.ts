// What a session needs of the planner (planner.ts) and of the masker of results (results/): types only.

import type { MaskSet } from '../../core/decision.ts';
import type { SessionId, Sha256Hex } from '../../core/ids.ts';
import type { TokenSpace } from '../../masking/index.ts';
import type { PlanInput, PlannedOutput, SnowflakePlan, SnowflakeSession } from '../../sql/snowflake/types.ts';
import type { HttpHandler } from '../../transport/http-server.ts';
import type { SnowflakeQueryData } from './protocol.ts';

/** A statement understood for one session at one time. */
export interface PlannedRequest {
  readonly plan: SnowflakePlan;
  /** `MaskSet.id` of the masks that the plan was made with. */
  readonly maskSetId: string;
  readonly catalogueVersion: string;
  /** See `Request.statementSha256`; asked for what is held only. Null: it depends on the session, and is like no other. */
  readonly formSha256: () => Sha256Hex | null;
}

/** The planner of one target. */
export interface SnowflakePlanning {
  /** A catalogue is there. While it is not, plans have the unknown `catalogue`. */
  readonly isReady: boolean;
  plan(input: PlanInput, session: SnowflakeSession, masks: MaskSet): PlannedRequest | Promise<PlannedRequest>;
  /** The catalogue that it was planned with still is the one of the target, as of now. Asked after a wait. */
  stillHolds(planned: PlannedRequest, signal: AbortSignal): Promise<boolean>;
  /** DDL went through: the next plan needs another catalogue. */
  refresh(): void;
}

/** Takes the answer as the client sees it, for the recording. */
export interface RowSink {
  columns(names: readonly string[]): void;
  /** Texts as they are shown; null = NULL. @returns false when no more is wanted */
  row(values: readonly (string | null)[]): boolean;
}

export interface MaskInput {
  /** Of Snowflake's answer. */
  readonly data: SnowflakeQueryData;
  /** Null: a status of Snowflake's own, which passes. */
  readonly outputs: readonly PlannedOutput[] | null;
  /** `https://host/gw/chunks/`: what ids of chunks are put behind. */
  readonly chunkBase: string;
  readonly owner: SessionId;
  readonly tokens: TokenSpace;
  /** Null = it is not recorded. */
  readonly record: RowSink | null;
  readonly signal: AbortSignal;
}

/** One for each adapter. */
export interface ResultMasking {
  /** @throws SallyportError when the answer is not the one that was planned. */
  mask(input: MaskInput): Promise<{ readonly data: SnowflakeQueryData; readonly rows: number; readonly bytes: number }>;
  /** `GET /gw/chunks/<id>`: its id is the whole proof, as drivers send no log-in with it. */
  serveChunk(id: string, ...exchange: Parameters<HttpHandler>): Promise<void>;
  /** The session is over: its chunks are gone. */
  forget(owner: SessionId): void;
  close(): Promise<void>;
}
