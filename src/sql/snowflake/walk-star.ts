// `*` and `t.*`, with EXCLUDE, RENAME, REPLACE and ILIKE.

import { isEmpty, list, node, nodeKind, Refusal, tagged, textOf } from './nodes.ts';
import { allValues, type Column, isCalled, type Leaf, type Scope } from './scope.ts';
import { columnNames, nameOf, type Position, relationUnknown, type Walker } from './walker.ts';

/** @param qualifier names in front of the star; empty = all. */
export function starColumns(
  options: unknown,
  qualifier: readonly string[],
  scope: Scope,
  walker: Walker,
  position: Position,
): readonly Column[] {
  const { opt_ilike: like, opt_exclude: exclude, opt_replace: replace, opt_rename: rename } = node(options, 'Wildcard');
  const leaves = scope.leaves.filter((leaf) => isCalled(leaf, qualifier));
  if (leaves.length === 0) throw relationUnknown(qualifier.length === 0 ? '*' : qualifier.join('.'));
  if (position === 'inner') for (const leaf of leaves) if (leaf.past !== undefined) mustBeClear(leaf);
  let columns = merge(leaves, scope, qualifier.length === 0);
  if (!isEmpty(like)) {
    const text = textOf(node(like, 'Ilike')['pattern'], 'ILIKE');
    // ILIKE has no escape of its own: what is behind a backslash could be read in two ways.
    if (text.includes('\\')) throw nodeKind('* ILIKE with a backslash');
    const pattern = likePattern(text);
    columns = columns.filter((each) => each.name !== null && pattern.test(each.name));
  }
  const excluded = excludedNames(exclude);
  for (const name of excluded) if (!columns.some((each) => each.name === name)) throw relationUnknown(`column ${name}`);
  columns = columns.filter((each) => each.name === null || !excluded.includes(each.name));
  const replaced = new Map(
    (isEmpty(replace) ? [] : list(node(replace, 'Replaces')['items'])).map((item) => {
      const { expr, column_name: column } = node(item, 'Replace');
      return [nameOf(column), walker.expression(expr, scope)] as const;
    }),
  );
  for (const name of replaced.keys()) if (!columns.some((each) => each.name === name)) throw relationUnknown(`column ${name}`);
  columns = columns.map((each) => ({ ...each, value: (each.name === null ? undefined : replaced.get(each.name)) ?? each.value }));
  const renamed = renames(rename);
  for (const name of renamed.keys()) if (!columns.some((each) => each.name === name)) throw relationUnknown(`column ${name}`);
  return columns.map((each) => ({ ...each, name: (each.name === null ? undefined : renamed.get(each.name)) ?? each.name }));
}

/** Where places count: the order or number of columns is not certain. */
export function mustBeClear(rows: Pick<Leaf, 'columns' | 'past'>): void {
  if (allValues(rows).every((each) => each.hidden.size === 0)) return;
  throw new Refusal({ code: 'node-kind', what: '* of columns in an order that is not certain', remedy: 'Write the columns by name.' });
}

/** Columns of USING and NATURAL come once, first. */
function merge(leaves: readonly Leaf[], scope: Scope, isAll: boolean): readonly Column[] {
  const all = leaves.flatMap((leaf) => leaf.columns);
  if (!isAll || scope.merged.size === 0) return all;
  const first = [...scope.merged].map(([name, value]) => ({ name, value }));
  return [...first, ...all.filter((each) => each.name === null || !scope.merged.has(each.name))];
}

function excludedNames(tree: unknown): readonly string[] {
  if (isEmpty(tree)) return [];
  const [kind, held] = tagged(tree, 'EXCLUDE');
  if (kind === 'Single') return columnNames([held]);
  if (kind === 'Multiple') return columnNames(held);
  throw nodeKind('EXCLUDE');
}

function renames(tree: unknown): ReadonlyMap<string, string> {
  if (isEmpty(tree)) return new Map();
  const [kind, held] = tagged(tree, 'RENAME');
  const items = kind === 'Single' ? [held] : kind === 'Multiple' ? list(held) : null;
  if (items === null) throw nodeKind('RENAME');
  return new Map(
    items.map((item) => {
      const { ident, alias } = node(item, 'Rename');
      return [nameOf(ident), nameOf(alias)];
    }),
  );
}

/** As ILIKE reads it: `%` and `_`. */
function likePattern(pattern: string): RegExp {
  const source = [...pattern].map((part) => {
    if (part === '%') return '[\\s\\S]*';
    if (part === '_') return '[\\s\\S]';
    return part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`, 'i');
}
