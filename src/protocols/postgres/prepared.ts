// Protocol-level prepared statements and portals of one session. A portal keeps the plan its statement had at Bind;
// names are only looked up when a client message arrives, never when an answer does.
// INVARIANT: a name stands for what the upstream has under it once everything sent so far is answered. Every change can be
// undone when the upstream refuses it, also when the name has been given to something newer meanwhile (pipelines).

import type { ParameterShape } from '../../core/request.ts';
import type { Permit } from '../../session/permit.ts';
import type { ClientMessage } from './messages.ts';
import type { PlannedText } from './planner.ts';

export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
  readonly planned: PlannedText;
  /** The permit of its Parse; its Describe travels under it. */
  readonly permit: Permit;
  readonly parameterTypes: readonly number[];
}

export interface Portal {
  readonly name: string;
  readonly statement: PreparedStatement;
  /** As of Bind. */
  readonly planned: PlannedText;
  readonly parameters: readonly ParameterShape[];
  readonly parameterBytes: Uint8Array | null;
  /** How many ReadyForQuery were owed or answered at Bind: the portal dies with the next one that ends a transaction. */
  readonly epoch: number;
  isDescribeSent: boolean;
  /** What Describe answered: rows may flow only after `columns`, whose origins were checked. */
  shape: 'unknown' | 'columns' | 'none';
  /** RowDescription of a portal whose rows are looked at. */
  description: Uint8Array | null;
  /** Given at the first Execute, or before its Bind was sent without one; what follows goes on under it. */
  permit: Permit | null;
}

/** @param epoch see `Portal`. */
export function newPortal(
  { portal, parameterLengths, parameterBytes }: Extract<ClientMessage, { kind: 'bind' }>,
  statement: PreparedStatement,
  planned: PlannedText,
  epoch: number,
): Portal {
  return {
    name: portal,
    statement,
    planned,
    parameters: parameterLengths.map((bytes, index) => ({ type: typeName(statement.parameterTypes[index]), bytes })),
    parameterBytes: parameterLengths.length > 0 ? parameterBytes : null,
    epoch,
    isDescribeSent: false,
    shape: 'unknown',
    description: null,
    permit: null,
  };
}

function typeName(oid = 0): string {
  return oid === 0 ? 'unspecified' : String(oid);
}

/** One change of what a name stands for, until the upstream has answered it. */
export interface NameChange {
  /** The upstream has refused or skipped it: the name stands for what it did before, unless it was changed again since. */
  undo(): void;
  /** The upstream has carried it out: nothing goes back behind it. */
  keep(): void;
}

export class Prepared {
  readonly #statements = new Names<PreparedStatement>();
  readonly #portals = new Names<Portal>();

  /** Names in use, those of changes that are not answered yet among them. */
  get size(): number {
    return this.#statements.size + this.#portals.size;
  }

  statement(name: string): PreparedStatement | undefined {
    return this.#statements.get(name);
  }

  portal(name: string): Portal | undefined {
    return this.#portals.get(name);
  }

  addStatement(statement: PreparedStatement): NameChange {
    return this.#statements.change(statement.name, statement);
  }

  addPortal(portal: Portal): NameChange {
    return this.#portals.change(portal.name, portal);
  }

  close(what: 'statement' | 'portal', name: string): NameChange {
    return what === 'statement' ? this.#statements.change(name, undefined) : this.#portals.change(name, undefined);
  }

  /** DEALLOCATE; null = all. */
  deallocate(name: string | null): void {
    if (name === null) this.#statements.clear();
    else this.#statements.delete(name);
  }

  /** A cursor of that name replaced or closed the portal; null = CLOSE ALL. */
  dropPortal(name: string | null): void {
    if (name === null) this.#portals.clear();
    else this.#portals.delete(name);
  }

  /** The transaction is over: portals of messages before ReadyForQuery number `epoch` are gone. */
  transactionEnded(epoch: number): void {
    this.#portals.deleteWhere((portal) => portal.epoch < epoch);
  }
}

interface Version<T> {
  /** Undefined = closed. */
  value: T | undefined;
  /** What the name stood for before; null once the change is answered. */
  before: Version<T> | null;
  isUndone: boolean;
}

/** Names with their unanswered changes, newest first. */
class Names<T> {
  readonly #newest = new Map<string, Version<T>>();

  get size(): number {
    return this.#newest.size;
  }

  get(name: string): T | undefined {
    let version = this.#newest.get(name) ?? null;
    while (version?.isUndone === true) version = version.before;
    return version?.value;
  }

  change(name: string, value: T | undefined): NameChange {
    const version: Version<T> = { value, before: this.#newest.get(name) ?? null, isUndone: false };
    this.#newest.set(name, version);
    return {
      undo: () => {
        version.isUndone = true;
        this.#tidy(name);
      },
      keep: () => {
        version.before = null;
        this.#tidy(name);
      },
    };
  }

  delete(name: string): void {
    for (let version = this.#newest.get(name) ?? null; version !== null; version = version.before) version.value = undefined;
    this.#tidy(name);
  }

  clear(): void {
    for (const name of this.#newest.keys()) this.delete(name);
  }

  deleteWhere(isGone: (value: T) => boolean): void {
    for (const [name, newest] of this.#newest) {
      for (let version: Version<T> | null = newest; version !== null; version = version.before) {
        if (version.value !== undefined && isGone(version.value)) version.value = undefined;
      }
      this.#tidy(name);
    }
  }

  /** Forgets what can never be looked up again. */
  #tidy(name: string): void {
    let version = this.#newest.get(name) ?? null;
    while (version?.isUndone === true) version = version.before;
    if (version === null || (version.value === undefined && version.before === null)) this.#newest.delete(name);
    else this.#newest.set(name, version);
  }
}
