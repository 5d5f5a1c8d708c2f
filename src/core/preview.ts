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

export interface EffectPreview {
  /** Rows that the target's planner expects to be returned, or written; null = unknown. */
  readonly estimatedRows: number | null;
  /** Rows that a trial run affected before it was rolled back; null = not counted. */
  readonly affectedRows: number | null;
  /** Null for what was counted, and for statements that write nothing. */
  readonly notCounted: NotCounted | null;
}

/** What of a held statement may reach a target before the answer: nothing, EXPLAIN, or a trial run as well. */
export const APPROVAL_PREVIEWS = ['off', 'estimate', 'run'] as const;
export type ApprovalPreview = (typeof APPROVAL_PREVIEWS)[number];

export const NO_PREVIEW: EffectPreview = { estimatedRows: null, affectedRows: null, notCounted: null };

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
  preview(pass: PreviewPass, signal: AbortSignal): Promise<EffectPreview>;
}
