// Functions in FROM: what columns they give, and what those are made from. How many rows they give is told by what they are given, so
// nothing protected goes in.

import { isEmpty, list, node, nodeKind, tagged } from './nodes.ts';
import type { Column, Scope } from './scope.ts';
import { type Family, made, type Taint } from './values.ts';
import type { LeafRows } from './walk-from.ts';
import { functionName, unknownFunction } from './walk-function.ts';
import type { Walker } from './walker.ts';

/** Columns of each, with their types. */
const FUNCTIONS: Readonly<Record<string, readonly (readonly [string, Family])[]>> = {
  FLATTEN: [
    ['SEQ', 'number'],
    ['KEY', 'text'],
    ['PATH', 'text'],
    ['INDEX', 'number'],
    ['VALUE', 'variant'],
    ['THIS', 'variant'],
  ],
  SPLIT_TO_TABLE: [
    ['SEQ', 'number'],
    ['INDEX', 'number'],
    ['VALUE', 'text'],
  ],
  STRTOK_SPLIT_TO_TABLE: [
    ['SEQ', 'number'],
    ['INDEX', 'number'],
    ['VALUE', 'text'],
  ],
  GENERATOR: [],
};

export function readTableFunction(tree: unknown, scope: Scope, walker: Walker): LeafRows {
  const [kind, held] = tagged(tree, 'TABLE');
  if (kind === 'Nested') return readTableFunction(held, scope, walker);
  if (kind !== 'Function') throw nodeKind(`TABLE of ${kind}`);
  const name = functionName((held as { readonly name?: unknown }).name);
  const given = argumentsOf((held as { readonly args?: unknown }).args);
  const columns = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (columns === undefined) throw unknownFunction(name);
  const values = given.map((each) => walker.expression(each, scope));
  for (const each of values) walker.findings.use(each, 'control', name);
  const whole = walker.findings.make(values, null, false, name);
  return {
    columns: columns.map(([column, family]): Column => ({ name: column, value: ofArgument(whole, family) })),
    open: new Set(),
    isUnsure: false,
  };
}

function ofArgument(whole: Taint, family: Family): Taint {
  return { ...made([whole], family, true), isTotal: whole.sources.size === 0 };
}

function argumentsOf(tree: unknown): readonly unknown[] {
  const [kind, held] = tagged(tree, 'arguments');
  if (kind === 'None') return [];
  if (kind !== 'List') throw nodeKind('arguments');
  const { args, clauses, duplicate_treatment: duplicates } = node(held, 'FunctionList');
  if (!isEmpty(clauses) || !isEmpty(duplicates)) throw nodeKind('arguments');
  return list(args).map((each) => {
    const [how, given] = tagged(each, 'argument');
    if (how !== 'Named' && how !== 'Unnamed') throw nodeKind(`argument ${how}`);
    const [what, value] = tagged(how === 'Named' ? node(given, 'Named')['arg'] : given, 'argument');
    if (what !== 'Expr') throw nodeKind('argument');
    return value;
  });
}
