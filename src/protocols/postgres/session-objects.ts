// What one session has created so far: prepared statements, cursors, temporary relations. SQL and the protocol share the
// names of statements and of portals: `EXECUTE s` runs what Parse made as `s`, `FETCH FROM p` reads what Bind made as `p`.
// INVARIANT: it never claims an object that the upstream has not, in a way that could change what a name means. When
// a transaction ends badly, what it created is forgotten; forgetting is always safe, remembering wrongly is not.

import type { Facts } from '../../core/facts.ts';
import type { Relation } from '../../sql/catalogue.ts';
import type { SessionChange, SessionObjects } from '../../sql/plan.ts';
import type { PlanTokens } from '../../sql/token-values.ts';
import type { TransactionStatus } from './messages.ts';
import type { PlannedText } from './planner.ts';

/** The same text as it is planned now: itself, a newer plan that forwards the same, or null when it would not. */
export type Renew = (made: PlannedText) => PlannedText | null;

interface Made {
  readonly facts: Facts;
  /** What it asks of its parameters. */
  readonly tokens?: PlanTokens | undefined;
  /** The text that made it; the server keeps what was forwarded then. */
  readonly made: PlannedText | null;
  /** Made by Parse or Bind: the text is the statement itself, not one that makes it. */
  readonly byProtocol: boolean;
}

interface Cursor extends Made {
  readonly hold: boolean;
}

export class LiveObjects implements SessionObjects {
  readonly #renew: Renew;
  #isRenewing = false;
  readonly #prepared = new Map<string, Made>();
  readonly #cursors = new Map<string, Cursor>();
  readonly #temporaries = new Map<string, Relation>();
  /** Created since the transaction began. */
  readonly #fresh = { cursors: new Set<string>(), temporaries: new Set<string>() };
  #hasFailed = false;
  /** A statement changed the catalogue; visible to others once the transaction is over. */
  #hasChangedCatalogue = false;

  constructor(renew: Renew = (made) => made) {
    this.#renew = renew;
  }

  get isEmpty(): boolean {
    return this.#prepared.size === 0 && this.#cursors.size === 0 && this.#temporaries.size === 0;
  }

  /** Something was created that the transaction may still take back. */
  get hasUncommitted(): boolean {
    return this.#fresh.cursors.size > 0 || this.#fresh.temporaries.size > 0;
  }

  /** Undefined also when its text would be planned otherwise today: the server would plan the old rewriting anew, against
   *  the schema of today. */
  prepared(name: string): Facts | undefined {
    return this.#current(this.#prepared, 'prepare', name);
  }

  /** Undefined also when its query would be planned otherwise today: it may show what is masked by now. */
  cursor(name: string): Facts | undefined {
    return this.#current(this.#cursors, 'declare', name);
  }

  #current<T extends Made>(objects: Map<string, T>, kind: 'prepare' | 'declare', name: string): Facts | undefined {
    const found = objects.get(name);
    if (found === undefined || found.made === null) return found?.facts;
    // A text that makes a name and uses it asks for itself.
    if (this.#isRenewing) return undefined;
    this.#isRenewing = true;
    const made = this.#renew(found.made);
    this.#isRenewing = false;
    if (made === found.made) return found.facts;
    if (found.byProtocol) {
      if (made !== null) objects.set(name, { ...found, facts: made.plan.facts, tokens: made.plan.tokens, made });
      return made?.plan.facts;
    }
    const changes = made?.plan.statements.flatMap((statement) => statement.changes) ?? [];
    const change = changes.findLast((each) => each.kind === kind && each.name === name);
    if (change?.kind !== kind) return undefined;
    objects.set(name, { ...found, facts: change.facts, tokens: change.kind === 'prepare' ? change.tokens : undefined, made });
    return change.facts;
  }

  /** Asked right after `prepared`, which brings it up to date. */
  tokens(name: string): PlanTokens | undefined {
    return this.#prepared.get(name)?.tokens;
  }

  temporary(name: string): Relation | undefined {
    return this.#temporaries.get(name);
  }

  /** The upstream confirmed a statement of the text `made`. */
  apply(change: SessionChange, made: PlannedText | null = null): void {
    switch (change.kind) {
      case 'prepare':
        this.#prepared.set(change.name, { facts: change.facts, tokens: change.tokens, made, byProtocol: false });
        return;
      case 'deallocate':
        if (change.name === null) this.#prepared.clear();
        else this.#prepared.delete(change.name);
        return;
      case 'declare':
        this.#cursors.set(change.name, { facts: change.facts, made, byProtocol: false, hold: change.hold });
        this.#fresh.cursors.add(change.name);
        return;
      case 'close':
        if (change.name === null) this.#cursors.clear();
        else this.#cursors.delete(change.name);
        return;
      case 'discard-all':
        this.#prepared.clear();
        this.#cursors.clear();
        this.#temporaries.clear();
        return;
      case 'create-temporary':
        this.#temporaries.set(change.relation.name, change.relation);
        this.#fresh.temporaries.add(change.relation.name);
        return;
      case 'drop-temporary':
        this.#temporaries.delete(change.name);
        return;
      case 'catalogue-changed':
        this.#hasChangedCatalogue = true;
    }
  }

  /** The upstream confirmed the Parse of a named statement. Until then the name must be unknown: `closed` it when the
   *  Parse is sent. */
  parsed(name: string, made: PlannedText): void {
    if (name !== '') this.#prepared.set(name, { facts: made.plan.facts, tokens: made.plan.tokens, made, byProtocol: true });
  }

  /** Same for the Bind of a named portal; `made` is the plan it was bound with. */
  bound(name: string, made: PlannedText): void {
    if (name === '') return;
    this.#cursors.set(name, { facts: made.plan.facts, made, byProtocol: true, hold: false });
    this.#fresh.cursors.add(name);
  }

  /** Protocol-level Close shares the name spaces of SQL. */
  closed(what: 'statement' | 'portal', name: string): void {
    if (what === 'statement') this.#prepared.delete(name);
    else this.#cursors.delete(name);
  }

  /** Command tag of a confirmed statement: `ROLLBACK` also stands for ROLLBACK TO and for a COMMIT that failed. */
  completed(tag: string): void {
    if (tag === 'ROLLBACK') this.#forgetFresh();
    else if (tag === 'COMMIT') this.#committed();
  }

  failed(): void {
    this.#hasFailed = true;
  }

  /** @returns true when the catalogue must be read again before the next plan. */
  ready(status: TransactionStatus): boolean {
    if (status === 'I') {
      if (this.#hasFailed) this.#forgetFresh();
      this.#committed();
      this.#hasFailed = false;
    }
    const mustRefresh = this.#hasChangedCatalogue;
    if (status === 'I') this.#hasChangedCatalogue = false;
    return mustRefresh;
  }

  #forgetFresh(): void {
    for (const name of this.#fresh.cursors) this.#cursors.delete(name);
    for (const name of this.#fresh.temporaries) this.#temporaries.delete(name);
    this.#fresh.cursors.clear();
    this.#fresh.temporaries.clear();
  }

  #committed(): void {
    this.#fresh.cursors.clear();
    this.#fresh.temporaries.clear();
    for (const [name, cursor] of this.#cursors) if (!cursor.hold) this.#cursors.delete(name);
  }
}
