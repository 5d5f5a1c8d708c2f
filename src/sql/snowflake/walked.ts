// The seam between planning (statements, session, tokens of the text) and walking (one query or change and its lineage).

import type { Effect, RelationUse, Unknown } from '../../core/facts.ts';
import type { Bind, KnownResult, PlanContext, PlannedOutput, SessionChange } from './types.ts';

/** A constant to be replaced: offsets in the text that was walked, which must be those of a string constant, and its new text. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface WalkEnv {
  readonly context: PlanContext;
  /** Of this statement, comments blanked, `IDENTIFIER('a.b')` written as `a.b`; spans of the tree are line/column in it. */
  readonly text: string;
  /** The first is what its first `?` stands for. */
  readonly binds: readonly Bind[];
  /** Results that stand for relations, by one-part names that no relation of the statement has: `_1` for `$1` of `->>`, `_r1` for
   *  TABLE(RESULT_SCAN(...)). They go before everything but CTEs. */
  readonly extra: ReadonlyMap<string, KnownResult>;
}

export interface Walked {
  readonly verb: string;
  readonly effects: readonly Effect[];
  readonly relations: readonly RelationUse[];
  readonly columns: readonly string[];
  readonly shown: readonly string[];
  readonly tested: readonly string[];
  readonly open: readonly string[];
  readonly classes: readonly string[];
  readonly predicateClasses: readonly string[];
  readonly outputs: readonly PlannedOutput[] | null;
  readonly unknowns: readonly Unknown[];
  readonly edits: readonly Edit[];
  /** Replaced binds, by position from 0 in `WalkEnv.binds`. */
  readonly bindEdits: ReadonlyMap<number, Bind>;
  readonly mayTell: boolean;
  readonly unbounded: boolean;
  readonly limit: number | null;
  readonly changes: readonly SessionChange[];
}
