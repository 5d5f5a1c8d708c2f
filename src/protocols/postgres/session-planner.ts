// Plans for one session. Outside of transactions that change the catalogue it is the planner of the target. A transaction that
// has made or dropped something has a catalogue of its own: read over the session's connection when a statement needs it
// (`transaction-reader.ts`), private to this session, with a planner and plans of its own, and gone with the transaction.
// INVARIANT: a statement is planned with the catalogue that the target will use for it, or with one that protects no less,
// or it is refused. What was protected stays protected, whatever the transaction calls it.

import type { MaskSet } from '../../core/decision.ts';
import type { Unknown } from '../../core/facts.ts';
import { buildCatalogue } from '../../sql/catalogue-build.ts';
import type { Catalogue, Protection } from '../../sql/catalogue.ts';
import type { PlannedStatement, SessionObjects } from '../../sql/plan.ts';
import type { Tokens } from '../../sql/token-values.ts';
import type { ResultColumn } from './messages.ts';
import { type PlannedText, type Planner, blindPlan } from './planner.ts';
import type { TransactionRows } from './transaction-reader.ts';

/** `idle`: nothing is under way and no block is open. `block`: one is open, and the target has answered everything up to
 *  ReadyForQuery. `failed`: the same, and the block is aborted. `busy`: anything else. */
export type Standing = 'idle' | 'block' | 'failed' | 'busy';

export interface SessionPlannerDeps {
  /** Of the target; its catalogue holds what is committed. */
  readonly shared: Planner;
  readonly standing: () => Standing;
  /** @throws SP_CATALOGUE_UNAVAILABLE */
  readonly read: () => Promise<TransactionRows>;
  /** Looks whether the committed catalogue has changed; see `CatalogueLoader.refresh`. */
  readonly refreshCatalogue: () => Promise<void>;
}

type Objects = SessionObjects & { readonly isEmpty: boolean };

/** Somebody else changes the catalogue again and again while it is read: then it is refused. */
const maxReads = 3;
/** One statement that begins, ends or divides a transaction; the grammar has no other that begins so. */
const CONTROL = /^\s*(begin|start|commit|end|rollback|abort|savepoint|release)\b[^;]*(?:;\s*)?$/i;

const unread: Unknown = {
  code: 'catalogue',
  what: 'changed by this transaction',
  remedy: 'Its changes are read between two statements: send Sync behind them, and this statement after it.',
};
const crowded: Unknown = {
  code: 'catalogue',
  what: 'of too many open transactions',
  remedy: 'Try again when others that change the schema have ended.',
};
const mixed: Unknown = {
  code: 'catalogue',
  what: 'of more than one moment',
  remedy: 'This transaction has changed the schema: send what ends it, or goes back in it, as a statement of its own.',
};

export class SessionPlanner {
  readonly #deps: SessionPlannerDeps;
  /** What the transaction did to the catalogue: nothing, something that is not read yet, what was read, or what no reading
   *  can tell. */
  #phase: 'unchanged' | 'changed' | 'read' | 'unreadable' = 'unchanged';
  #own: Catalogue | null = null;
  #ownPlanner: Planner | null = null;
  /** Why nothing can be planned while the catalogue of the transaction is not known. */
  #refusal = unread;
  /** What was protected in the committed catalogue when the own one was read. */
  #base: Protection | null = null;
  /** The same, from before anything of the transaction was sent. */
  #beganUnder: Protection | null = null;

  constructor(deps: SessionPlannerDeps) {
    this.#deps = deps;
  }

  get isReady(): boolean {
    return this.#deps.shared.isReady;
  }

  /** The transaction has a catalogue of its own, read or not. */
  get hasOwnCatalogue(): boolean {
    return this.#phase !== 'unchanged';
  }

  /** Empty while nothing can be planned. */
  get catalogueVersion(): string {
    return this.#inForce()?.catalogueVersion ?? '';
  }

  /** The transaction's catalogue must be read before the next plan, as soon as the session stands in a block. */
  get mustRead(): boolean {
    return this.#phase === 'changed' || (this.#phase === 'read' && this.#base !== this.#committed);
  }

  /** Needs no catalogue: the text ends or divides a transaction that has one of its own. Nothing must keep a client from
   *  giving back the locks that others, and the gateway itself, may wait for. */
  passesAtOnce(text: string): boolean {
    return this.hasOwnCatalogue && CONTROL.test(text);
  }

  /** A client message is about to be planned. */
  next(): void {
    if (this.#deps.standing() === 'idle') this.#beganUnder = this.#committed;
  }

  /** Never throws. */
  plan(text: string, masks: MaskSet, objects: Objects): PlannedText {
    const { shared } = this.#deps;
    if (!this.hasOwnCatalogue) return shared.plan(text, masks, objects);
    const planner = this.#inForce();
    if (planner === null) {
      const planned = shared.plan(text, masks, objects);
      return movesNoData(planned) ? planned : blindPlan(text, masks, this.#refusal);
    }
    const planned = planner.plan(text, masks, objects);
    if (planned.plan.forward === null || !isMixed(planned)) return planned;
    return this.#isSameThroughout(planned, shared.plan(text, masks, objects)) ? planned : blindPlan(text, masks, mixed);
  }

  /** Catalogue, policy or masks have changed since. */
  isStale(planned: PlannedText, masks: MaskSet): boolean {
    return this.#inForce()?.isStale(planned, masks) ?? true;
  }

  /** See `Planner.tokens`. */
  tokens(masks: MaskSet): Tokens | null {
    return this.#deps.shared.tokens(masks);
  }

  /** See `Planner.exposesProtected`. */
  exposesProtected(columns: readonly ResultColumn[], masks: MaskSet): boolean {
    const { shared } = this.#deps;
    return (this.#own === null ? shared : (this.#ownPlanner ?? shared)).exposesProtected(columns, masks);
  }

  /** The target has carried out a statement of `planned`, and answered with this command tag.
   *  @returns true when a transaction with a catalogue of its own was committed. */
  completed(tag: string, statement: PlannedStatement | undefined, planned: PlannedText | null): boolean {
    // ROLLBACK stands for ROLLBACK TO as well, and for a COMMIT that failed; EXECUTE may be any of them.
    if (tag === 'COMMIT' || (tag === 'ROLLBACK' && (statement?.transaction === 'rollback' || statement?.transaction === 'commit'))) {
      const wasChanged = this.hasOwnCatalogue;
      this.#end();
      return wasChanged && tag === 'COMMIT';
    }
    const changes =
      statement?.changes.some(({ kind }) => kind === 'catalogue-changed') === true ||
      (statement?.verb === 'EXECUTE' && planned?.hasChanges === true);
    const mayChange = tag === 'ROLLBACK' || statement?.verb === 'EXECUTE' || runsCode(planned);
    if (changes || (mayChange && this.hasOwnCatalogue)) this.#changed();
    return false;
  }

  /** No transaction is open any more. */
  ended(): void {
    if (this.hasOwnCatalogue) this.#end();
  }

  /** Reads what the transaction sees. Never rejects: what could not be read is refused by `plan`. */
  async read(): Promise<void> {
    const { shared, read, refreshCatalogue } = this.#deps;
    this.#changed();
    this.#ownPlanner ??= shared.forTransaction(() => this.#own);
    this.#refusal = this.#ownPlanner === null ? crowded : unread;
    if (this.#ownPlanner === null) return;
    for (let left = maxReads; left > 0; left -= 1) {
      const base = this.#committed;
      if (base === null) return;
      try {
        const { rows, readsCommitted } = await read();
        // What somebody else committed meanwhile may be in one half of the rows only, and what was committed since the
        // transaction began is in force, whether its snapshot shows it or not.
        await refreshCatalogue();
        if (base !== this.#committed) continue;
        if (!readsCommitted && base !== this.#beganUnder) {
          this.#phase = 'unreadable';
          return;
        }
        this.#own = buildCatalogue(rows);
        this.#base = base;
        this.#phase = 'read';
      } catch {
        // The phase says it.
      }
      return;
    }
  }

  /** Null: not known. */
  #inForce(): Planner | null {
    const { shared, standing } = this.#deps;
    if (!this.hasOwnCatalogue) return shared;
    // Carries out nothing but the end of the block, or a step back in it.
    if (standing() === 'failed') return shared;
    if (this.#phase === 'read' && !this.mustRead) return this.#ownPlanner;
    return this.#protectsNothing ? shared : null;
  }

  get #protectsNothing(): boolean {
    return this.#committed?.columns.size === 0;
  }

  /** Another object whenever the committed catalogue, or what is protected in it, has changed. */
  get #committed(): Protection | null {
    const { shared } = this.#deps;
    return shared.isReady ? shared.protection() : null;
  }

  /** A text in which the catalogue in force changes on the way: it must mean the same under both that can be told. Where it
   *  goes back in the transaction, what is in force then cannot be told: it must name nothing. */
  #isSameThroughout(planned: PlannedText, committed: PlannedText): boolean {
    if (this.#protectsNothing) return true;
    const one = planned.plan;
    const other = committed.plan;
    const goesBack = one.statements.some(({ verb }) => verb === 'ROLLBACK TO' || verb === 'EXECUTE');
    if (goesBack && one.facts.relations.length > 0) return false;
    return one.forward === other.forward && JSON.stringify([one.facts, one.statements]) === JSON.stringify([other.facts, other.statements]);
  }

  #changed(): void {
    if (this.#phase !== 'unreadable') this.#phase = 'changed';
  }

  #end(): void {
    if (this.#ownPlanner !== null) this.#deps.shared.release(this.#ownPlanner);
    this.#phase = 'unchanged';
    this.#own = null;
    this.#refusal = unread;
    this.#ownPlanner = null;
    this.#base = null;
  }
}

/** A transaction ends, or goes back, in the midst of it. */
function isMixed({ isControl, plan }: PlannedText): boolean {
  return (
    plan.statements.length > 1 && !isControl && plan.statements.some(({ transaction, verb }) => transaction !== null || verb === 'EXECUTE')
  );
}

/** Whatever its names mean by now, it neither answers with data nor stores any: control of transactions and of the session, and
 *  definitions. Facts about names may be of the committed catalogue, as they are for later statements of one text. */
function movesNoData({ plan }: PlannedText): boolean {
  const { effects, relations, classes } = plan.facts;
  return (
    effects.every((effect) => effect === 'ddl' || effect === 'admin') &&
    (effects.length > 0 || relations.length === 0) &&
    classes.length === 0
  );
}

/** Code that is not known may change the catalogue. */
function runsCode(planned: PlannedText | null): boolean {
  const effects = planned?.plan.facts.effects ?? [];
  return effects.includes('call') || effects.includes('admin');
}
