// WITH: each query is walked once, when it is named first or when the statement ends. One that names itself is walked until what is
// known of its columns stays the same.

import { isEmpty, list, node, nodeKind, Refusal, tagged } from './nodes.ts';
import type { Column, Cte, Leaf, Scope } from './scope.ts';
import { findRelation } from './relations.ts';
import { oneOf } from './values.ts';
import { mustBeClear } from './walk-star.ts';
import { nameOf, type Rows, type Walker } from './walker.ts';

type Made = Omit<Leaf, 'path'>;

/** Columns are made from others in turn: more turns than this prove nothing any more. */
const MAX_TURNS = 12;

export function addCtes(tree: unknown, scope: Scope, walker: Walker): void {
  const tables = list(node(tree, 'With')['cte_tables']).map((each) => node(each, 'Cte'));
  const names = tables.map(({ alias }) => nameOf(node(alias, 'TableAlias')['name']));
  if (new Set(names).size !== names.length) throw nodeKind('WITH of one name twice');
  const later = (index: number): Cte => ({
    leaf(): Made {
      throw nodeKind(`WITH: ${names[index] ?? ''} is named before it is made`);
    },
  });
  names.forEach((name, index) => scope.ctes.set(name, later(index)));
  tables.forEach(({ alias, query }, index) => {
    const name = names[index] ?? '';
    const aliases = list(node(alias, 'TableAlias')['columns']).map((each) => nameOf(node(each, 'AliasColumn')['name']));
    if (!namesItself(name, query)) return void scope.ctes.set(name, always(plain(name, aliases, query, scope, walker)));
    // Without UNION it means a table of that name.
    if (!isUnion(query)) {
      if (scope.parent?.cte(name) !== undefined) throw nodeKind(`WITH: ${name} is made around it, too`);
      scope.ctes.delete(name);
      return void scope.ctes.set(name, always(plain(name, aliases, query, scope, walker)));
    }
    if (scope.parent?.cte(name) !== undefined || findRelation([name], walker.env.context) !== undefined) {
      throw nodeKind(`WITH: ${name} is a table, too`);
    }
    const finished = recursive(name, aliases, query, scope, walker);
    scope.ctes.set(name, always(finished));
  });
}

function always(leaf: Made): Cte {
  return { leaf: () => leaf };
}

function isUnion(query: unknown): boolean {
  return tagged(node(query, 'Query')['body'], 'body')[0] === 'SetOperation';
}

function plain(name: string, aliases: readonly string[], query: unknown, scope: Scope, walker: Walker): Made {
  const rows = walker.query(query, scope, 'inner');
  return made(name, aliases, rows);
}

function recursive(name: string, aliases: readonly string[], query: unknown, scope: Scope, walker: Walker): Made {
  const { body } = node(query, 'Query');
  const [, held] = tagged(body, 'body');
  const { left } = node(held, 'SetOperation');
  let known = made(
    name,
    aliases,
    walker.query({ ...(query as object), body: left, order_by: null, limit_clause: null, fetch: null }, scope, 'inner'),
  );
  for (let turn = 0; turn < MAX_TURNS; turn += 1) {
    const before = known;
    scope.ctes.set(name, { leaf: () => before });
    const after = made(name, aliases, walker.query(query, scope, 'inner'));
    known = { ...after, columns: both(before.columns, after.columns) };
    if (isSame(before, known)) return known;
  }
  throw new Refusal({ code: 'too-deep', what: 'WITH RECURSIVE', remedy: 'Write the recursion with fewer columns made from each other.' });
}

function both(before: readonly Column[], after: readonly Column[]): readonly Column[] {
  if (before.length !== after.length) throw nodeKind('WITH RECURSIVE');
  return after.map((each, index) => {
    const value = oneOf([before[index]?.value ?? each.value, each.value]);
    // What a turn adds to, the next adds to again: it grows without a bound.
    const grows = value.hidden.size > 0 && value.stored === null;
    return { ...each, value: grows ? { ...value, isTotal: false } : value };
  });
}

function isSame(before: Made, after: Made): boolean {
  const print = (of: Made): string =>
    of.columns.map(({ value }) => [value.sources.size, value.hidden.size, value.stored, value.isTotal, value.family].join(' ')).join(';');
  return print(before) === print(after) && before.open.size === after.open.size;
}

function made(name: string, aliases: readonly string[], rows: Rows): Made {
  if (aliases.length > 0 && aliases.length !== rows.columns.length) throw nodeKind(`WITH ${name}: columns`);
  if (aliases.length > 0 && rows.isUnsure) mustBeClear(rows);
  const columns = aliases.length === 0 ? rows.columns : rows.columns.map(({ value }, index) => ({ name: aliases[index] ?? null, value }));
  return { columns, open: rows.open, isUnsure: rows.isUnsure };
}

/** Its name stands as a relation somewhere in its own query. */
function namesItself(name: string, query: unknown): boolean {
  const stack = [query];
  while (stack.length > 0) {
    const each = stack.pop();
    if (typeof each !== 'object' || each === null) continue;
    const table = (each as { readonly Table?: { readonly name?: unknown } }).Table;
    if (table !== undefined && !isEmpty(table) && isNamed(table.name, name)) return true;
    stack.push(...(Object.values(each) as unknown[]));
  }
  return false;
}

function isNamed(parts: unknown, name: string): boolean {
  if (!Array.isArray(parts) || parts.length !== 1) return false;
  const [kind, held] = tagged(parts[0], 'name');
  return kind === 'Identifier' ? nameOf(held) === name : true;
}
