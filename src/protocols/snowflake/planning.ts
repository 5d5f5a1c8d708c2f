// What a session needs of the planner of its target (planner.ts): types only.

import type { MaskSet } from '../../core/decision.ts';
import type { Sha256Hex } from '../../core/ids.ts';
import type { PlanInput, SnowflakePlan, SnowflakeProtection, SnowflakeSession } from '../../sql/snowflake/types.ts';

/** A statement understood for one session at one time. */
export interface PlannedRequest {
  readonly plan: SnowflakePlan;
  /** What the plan was made with; answers are compared with it. */
  readonly protection: SnowflakeProtection;
  /** `MaskSet.id` of the masks that the plan was made with. */
  readonly maskSetId: string;
  readonly catalogueVersion: string;
  /** See `Request.statementSha256`; asked for what is held only. Null: it depends on the session, and is like no other. */
  formSha256(): Sha256Hex | null;
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
