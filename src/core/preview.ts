// What a held statement would do, found out without doing it. For the people who answer only: nothing of it goes to the
// requester, to the audit log or to notifications. A preview that cannot be had is no reason to refuse or to let through.

/** Why the rows that a write would affect were not counted. */
export const NOT_COUNTED = [
  /** The target is configured without trial runs. */
  'switched-off',
  /** Not one single INSERT, UPDATE or DELETE. */
  'statement',
  /** It depends on the session: an open transaction, a temporary table, a prepared statement, a cursor. */
  'session',
  /** Its values must be translated on the way. */
  'tokens',
  /** The planner expects more rows than a trial run may touch. */
  'too-many-rows',
  /** A trial run could leave something behind, or run code: */
  'trigger',
  'rule',
  'view',
  'foreign-table',
  'default',
  'volatile-function',
  'cascade',
  'deferred-constraint',
  'code',
  /** Somebody holds a lock, it takes too long, or too many previews are asked for at once. */
  'busy',
  /** The target refused the trial run: so it may refuse the statement. */
  'failed',
] as const;
export type NotCounted = (typeof NOT_COUNTED)[number];

/** Why there is no sample of the rows that an UPDATE or DELETE was tried on. */
export const NO_SAMPLE = [
  /** It is not one single UPDATE or DELETE of one table. */
  'statement',
  /** Which rows it changes, or what it stores in them, depends on protected values, or there is nothing else in them. */
  'protected',
  /** The target refused to show it, or had no time. */
  'failed',
] as const;
export type NoSample = (typeof NO_SAMPLE)[number];

export interface EffectPreview {
  /** Rows that the target's planner expects to be returned, or written; null = unknown. */
  readonly estimatedRows: number | null;
  /** Rows that a trial run affected before it was rolled back; null = not counted. */
  readonly affectedRows: number | null;
  /** Null for what was counted, and for statements that write nothing. */
  readonly notCounted: NotCounted | null;
  /** Whether rows were sampled, or why not; null where there was nothing to sample: no row, no trial run, no UPDATE or DELETE. */
  readonly sampling: 'taken' | NoSample | null;
}

export interface SampleColumn {
  readonly name: string;
  /** As the database writes it. */
  readonly type: string;
  /** Classes it is protected by, sorted; empty = none. */
  readonly classes: readonly string[];
  /** `masked`: it was not read. `length`: its number of bytes. */
  readonly shown: 'value' | 'length' | 'masked';
  readonly isKey: boolean;
  /** The statement says what its new value is. */
  readonly isAssigned: boolean;
}

/** One for each column: text of at most 256 bytes and an ellipsis for what was cut off; null = NULL. */
export type SampleCells = readonly (string | null)[];

/** Stands for every value of a protected column, NULL too. */
export const MASKED_CELL = '***';

/** Some of the rows that a held UPDATE or DELETE would change, as the people who may answer see them. Never stored, logged or sent
 *  anywhere else: it holds values of unprotected columns. At most 5 rows and 32 columns. */
export interface RowSample {
  readonly columns: readonly SampleColumn[];
  /** How many columns of the table there are beside these. */
  readonly columnsLeftOut: number;
  /** `before` and `after` are of one row. Otherwise each entry has one of them: the rows have no unprotected key that stays as it is. */
  readonly isPaired: boolean;
  /** `after` is null for a row that is deleted. */
  readonly rows: readonly { readonly before: SampleCells | null; readonly after: SampleCells | null }[];
}

/** What a preview found: what may be stored with the approval, and what may not. */
export interface Previewed {
  readonly preview: EffectPreview;
  readonly sample: RowSample | null;
}

/** What of a held statement may reach a target before the answer: nothing, EXPLAIN, or a trial run as well. */
export const APPROVAL_PREVIEWS = ['off', 'estimate', 'run'] as const;
export type ApprovalPreview = (typeof APPROVAL_PREVIEWS)[number];

export const NO_PREVIEW: EffectPreview = { estimatedRows: null, affectedRows: null, notCounted: null, sampling: null };

const mintMark = Symbol('minted');

/** The proof that a preview was recorded: without one no byte of a held statement reaches a target. */
export class PreviewPass {
  readonly #isMinted: true;

  private constructor(mark: symbol) {
    if (mark !== mintMark) throw new Error('a pass is minted by the gate');
    this.#isMinted = true;
  }

  /** INVARIANT: called by `gate.ts` only, after the `approval.preview` entry is durable. */
  static mint(): PreviewPass {
    return new PreviewPass(mintMark);
  }

  static isGenuine(pass: PreviewPass): boolean {
    return #isMinted in pass && pass.#isMinted;
  }
}

/** Previews one request. Bounded in time; never rejects: what could not be found is unknown. */
export interface EffectPreviewer {
  preview(pass: PreviewPass, signal: AbortSignal): Promise<Previewed>;
}
