// The new values that a write gives to columns, where they are written out: of INSERT and of SET lists.

import type { Body } from './rewrite.ts';

/** A new value of a column, and how to put another expression in its place. */
export interface NewValue {
  readonly node: unknown;
  readonly put: (node: unknown) => void;
}

export type Assignments = ReadonlyMap<string, readonly NewValue[]>;

/** Rows of an INSERT: the values of each column, where they are written out and nothing but their place is asked of them. */
export function insertedValues(columns: readonly string[], source: Body | undefined): Assignments {
  // DEFAULT VALUES.
  if (source === undefined) return new Map();
  const select = source['SelectStmt'] as Body | undefined;
  const found = new Map<string, NewValue[]>();
  const rows = select?.['valuesLists'] as Body[] | undefined;
  const add = (name: string | undefined, value: NewValue): void => {
    const values = name === undefined ? undefined : found.get(name);
    if (values !== undefined) values.push(value);
    else if (name !== undefined) found.set(name, [value]);
  };
  // WHY not sorted ones: `VALUES ... ORDER BY column1 LIMIT 1` would compare the values behind tokens.
  if (rows !== undefined && select?.['sortClause'] === undefined) {
    for (const row of rows) {
      const items = ((row['List'] as Body | undefined)?.['items'] ?? []) as unknown[];
      items.forEach((node, index) => add(columns[index], { node, put: (other) => void (items[index] = other) }));
    }
    return found;
  }
  // Set operations, sorted rows and `*` are expressions like any other.
  const targets = (select?.['op'] === 'SETOP_NONE' ? (select['targetList'] ?? []) : []) as Body[];
  const plain = targets.every((each) => !JSON.stringify(each).includes('"A_Star"')) && targets.length > 0;
  for (const [index, name] of columns.entries()) {
    const target = plain ? (targets[index]?.['ResTarget'] as Body | undefined) : undefined;
    if (target === undefined) add(name, { node: source, put: () => undefined });
    else add(name, { node: target['val'], put: (other) => void (target['val'] = other) });
  }
  return found;
}

/** `SET a = 1, (b, c) = (2, 3)`. */
export function assignedValues(targets: unknown): Assignments {
  const found = new Map<string, NewValue[]>();
  for (const each of (targets ?? []) as Body[]) {
    const target = each['ResTarget'] as Body | undefined;
    if (target === undefined) continue;
    const assign = (target['val'] as Body | undefined)?.['MultiAssignRef'] as Body | undefined;
    const row = ((assign?.['source'] as Body | undefined)?.['RowExpr'] as Body | undefined)?.['args'] as unknown[] | undefined;
    const index = Number(assign?.['colno'] ?? 0) - 1;
    const value: NewValue =
      assign !== undefined && row !== undefined
        ? { node: row[index], put: (other) => void (row[index] = other) }
        : { node: target['val'], put: (other) => void (target['val'] = other) };
    const name = String(target['name']);
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}
