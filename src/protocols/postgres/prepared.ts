// Protocol-level prepared statements and portals of one session. A portal keeps the plan its statement had at Bind;
// names are only looked up when a client message arrives, never when an answer does.
// INVARIANT: a name stands for what the upstream has under it. Every change can be undone when the upstream refuses it.

import type { ParameterShape } from '../../core/request.ts';
import type { Permit } from '../../session/permit.ts';
import type { ClientMessage } from './messages.ts';
import type { PlannedText } from './planner.ts';

export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
  readonly planned: PlannedText;
  /** The permit of its Parse; Bind and Describe travel under it. */
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
  /** Given at the first Execute; fetching on under a row limit goes on under it. */
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
    permit: null,
  };
}

function typeName(oid = 0): string {
  return oid === 0 ? 'unspecified' : String(oid);
}

export type Undo = () => void;

export class Prepared {
  readonly #statements = new Map<string, PreparedStatement>();
  readonly #portals = new Map<string, Portal>();

  get size(): number {
    return this.#statements.size + this.#portals.size;
  }

  statement(name: string): PreparedStatement | undefined {
    return this.#statements.get(name);
  }

  portal(name: string): Portal | undefined {
    return this.#portals.get(name);
  }

  addStatement(statement: PreparedStatement): Undo {
    return replace(this.#statements, statement.name, statement);
  }

  addPortal(portal: Portal): Undo {
    return replace(this.#portals, portal.name, portal);
  }

  close(what: 'statement' | 'portal', name: string): Undo {
    return what === 'statement' ? replace(this.#statements, name, undefined) : replace(this.#portals, name, undefined);
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
    for (const [name, portal] of this.#portals) if (portal.epoch < epoch) this.#portals.delete(name);
  }
}

function replace<T>(map: Map<string, T>, name: string, value: T | undefined): Undo {
  const before = map.get(name);
  if (value === undefined) map.delete(name);
  else map.set(name, value);
  return () => {
    if (before === undefined) map.delete(name);
    else map.set(name, before);
  };
}
