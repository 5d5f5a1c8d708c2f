// PIVOT and UNPIVOT. Both group and drop rows by every column of what they read, so nothing protected may be in it.

import { isEmpty, list, node, nodeKind, Refusal, tagged } from './nodes.ts';
import { allValues, type Column, type Leaf, Scope } from './scope.ts';
import { constant, made, oneOf, type Taint } from './values.ts';
import { addLeaf, readFactor } from './walk-from.ts';
import { columnNames, nameOf, newBlock, type Walker } from './walker.ts';

function readSource(tree: unknown, outer: Scope, walker: Walker, what: string): { readonly scope: Scope; readonly leaf: Leaf } {
  const scope = new Scope(outer);
  readFactor(tree, scope, walker);
  const [leaf, ...others] = scope.leaves;
  if (leaf === undefined || others.length > 0) throw nodeKind(`${what} of a join`);
  for (const value of allValues(leaf)) {
    if (value.hidden.size === 0) continue;
    throw new Refusal({
      code: 'protected-use',
      what: `${[...value.hidden].sort().join(', ')} in ${what}`,
      remedy: `Select the columns that ${what} needs in a sub-query, without the protected ones.`,
    });
  }
  return { scope, leaf };
}

export function readPivot(tree: unknown, outer: Scope, walker: Walker): void {
  const { table, aggregate_functions: functions, value_column: by, value_source: source, alias } = node(tree, 'Pivot');
  const { scope, leaf } = readSource(table, outer, walker, 'PIVOT');
  const around = walker.block;
  walker.block = newBlock();
  const entries = list(functions).map((each) => node(each, 'AliasedExpr'));
  const [only] = entries;
  if (only === undefined || entries.length > 1 || !isEmpty(only['alias'])) throw nodeKind('PIVOT of several aggregates');
  const aggregate = walker.expression(only['expr'], scope);
  walker.block = around;
  const [kind, held] = tagged(source, 'PIVOT');
  if (kind !== 'List') throw nodeKind(`PIVOT ${kind}`);
  const used = new Set([...columnNames([by]), ...argumentNames(only['expr'])]);
  const values = list(held).map((each): Column => {
    const { expr, alias: name } = node(each, 'AliasedExpr');
    walker.expression(expr, new Scope(null));
    return { name: isEmpty(name) ? null : nameOf(name), value: { ...aggregate, isTotal: false } };
  });
  const kept = leaf.columns.filter((each) => each.name === null || !used.has(each.name));
  for (const each of leaf.columns) walker.findings.test(each.value);
  addLeaf({ columns: [...kept, ...values], open: leaf.open, isUnsure: true }, alias, [], outer);
}

/** Columns that the aggregate is of are no groups. */
function argumentNames(tree: unknown): readonly string[] {
  const found: string[] = [];
  const stack = [tree];
  while (stack.length > 0) {
    const each = stack.pop();
    if (typeof each !== 'object' || each === null) continue;
    const ident = (each as { readonly Identifier?: unknown }).Identifier;
    if (ident !== undefined) found.push(nameOf(ident));
    stack.push(...(Object.values(each) as unknown[]));
  }
  return found;
}

export function readUnpivot(tree: unknown, outer: Scope, walker: Walker): void {
  const { table, value, name, columns, alias } = node(tree, 'Unpivot');
  const { scope, leaf } = readSource(table, outer, walker, 'UNPIVOT');
  const [kind, ident] = tagged(value, 'UNPIVOT');
  if (kind !== 'Identifier') throw nodeKind('UNPIVOT');
  const listed = list(columns).map((each) => {
    const { expr } = node(each, 'AliasedExpr');
    const [tag, column] = tagged(expr, 'UNPIVOT');
    if (tag !== 'Identifier') throw nodeKind('UNPIVOT');
    return { name: nameOf(column), value: walker.expression(expr, scope) };
  });
  const used = new Set(listed.map((each) => each.name));
  const kept = leaf.columns.filter((each) => each.name === null || !used.has(each.name));
  const values: Taint =
    listed.length === 0
      ? oneOf([])
      : made(
          listed.map((each) => each.value),
          null,
          false,
        );
  const made_: readonly Column[] = [
    { name: nameOf(name), value: constant('text') },
    { name: nameOf(ident), value: values },
  ];
  addLeaf({ columns: [...kept, ...made_], open: leaf.open, isUnsure: true }, alias, [], outer);
}
