// Functions in FROM: what columns they give, and what those are made from. How many rows they give is told by what they are given, so
// nothing protected goes in.

import { isEmpty, list, node, nodeKind, Refusal, tagged } from './nodes.ts';
import { resultColumns } from './relations.ts';
import type { Column, Scope } from './scope.ts';
import { type Family, made, type Taint } from './values.ts';
import type { LeafRows } from './walk-from.ts';
import { relationLeaf } from './walk-from.ts';
import { functionName, unknownFunction } from './walk-function.ts';
import { identifierParts, nameOf, type Walker } from './walker.ts';

interface Given {
  readonly name: string | null;
  readonly tree: unknown;
}

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
  if (kind === 'Value') return relationLeaf(identifierParts(tree, walker), walker).leaf;
  if (kind !== 'Function') throw nodeKind(`TABLE of ${kind}`);
  const name = functionName((held as { readonly name?: unknown }).name, walker);
  const given = argumentsOf((held as { readonly args?: unknown }).args);
  if (name === 'RESULT_SCAN') return readResult(given, walker);
  const columns = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (columns === undefined) throw unknownFunction(name);
  const values = given.map((each) => walker.expression(each.tree, scope));
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

function argumentsOf(tree: unknown): readonly Given[] {
  const [kind, held] = tagged(tree, 'arguments');
  if (kind === 'None') return [];
  if (kind !== 'List') throw nodeKind('arguments');
  // Of LATERAL FLATTEN the list is in a list.
  const { args, clauses, duplicate_treatment: duplicates } = node(held, 'FunctionList');
  if (!isEmpty(clauses) || !isEmpty(duplicates)) throw nodeKind('arguments');
  return list(args).map((each) => {
    const [how, given] = tagged(each, 'argument');
    const fields = how === 'Named' ? node(given, 'Named') : null;
    if (how !== 'Named' && how !== 'Unnamed') throw nodeKind(`argument ${how}`);
    const [what, tree] = tagged(fields === null ? given : fields['arg'], 'argument');
    if (what !== 'Expr') throw nodeKind('argument');
    return { name: fields === null ? null : nameOf(fields['name']), tree };
  });
}

/** An answer that was given before. Snowflake keeps it unmasked; what is known of its columns holds again. */
function readResult(given: readonly Given[], walker: Walker): LeafRows {
  const { session } = walker.env.context;
  const [first, ...others] = given;
  if (first === undefined || others.length > 0) throw nodeKind('RESULT_SCAN');
  const id = queryId(first.tree, walker);
  const result = id === null ? undefined : session.result(id);
  if (result === undefined || result.outputs === null) {
    throw new Refusal({
      code: 'session-object',
      what: 'RESULT_SCAN',
      remedy: 'Read results of queries that this session ran, by their id.',
    });
  }
  return { columns: resultColumns({ outputs: result.outputs }, walker.env.context), open: new Set(), isUnsure: false };
}

function queryId(tree: unknown, walker: Walker): string | null {
  const [kind, held] = tagged(tree, 'RESULT_SCAN');
  if (kind === 'Value') return walker.constants.read(held)?.texts?.[0] ?? null;
  if (kind !== 'Function') return null;
  const { name, args } = node(held, 'Function');
  if (functionName(name, walker) !== 'LAST_QUERY_ID') return null;
  const given = argumentsOf(args);
  // Of another place than the last, nothing is known here.
  return given.length === 0 ? walker.env.context.session.lastQueryId : null;
}
