// Calls of functions: which may be called, with what, and what comes of it. Aggregates and windows are calls, too.

import {
  AGGREGATE_FUNCTIONS,
  COLLECTING,
  CONTEXT_FUNCTIONS,
  DATE_PART_ARGUMENT,
  DATE_PARTS,
  JOINING,
  PASSING,
  SCALAR_FUNCTIONS,
  TOTAL,
  type Total,
  WINDOW_FUNCTIONS,
} from './functions.ts';
import { isEmpty, list, node, nodeKind, Refusal, tagged } from './nodes.ts';
import { qualify } from './relations.ts';
import { allValues, isCalled, type Scope } from './scope.ts';
import { constant, equalityClass, isOneFamily, made, NULL_VALUE, oneOf, type Taint } from './values.ts';
import { isSmallNumber, joinedValues } from './walk-expression.ts';
import { starColumns } from './walk-star.ts';
import { readWindow } from './walk-window.ts';
import { isBare, nameOf, objectName, relationUnknown, type Walker } from './walker.ts';

interface Argument {
  readonly tree: unknown;
  readonly value: Taint;
}

export function callFunction(held: unknown, scope: Scope, walker: Walker): Taint {
  const fields = node(held, 'Function');
  const path = objectName(fields['name']);
  const isVouched = vouched(path, walker);
  const name = isVouched ? path.join('.') : functionName(fields['name']);
  const { isDistinct, entries, ignoresNulls } = argumentList(fields['args']);
  if (!isVouched && !isKnown(name)) throw unknownFunction(name);
  const given = readArguments(name, entries, scope, walker);
  const values = given.map((each) => each.value);
  const isAggregate = AGGREGATE_FUNCTIONS.has(name) && isEmpty(fields['over']);
  if (isAggregate) {
    walker.block.aggregates = true;
    if (COLLECTING.has(name)) walker.block.collects = true;
  }
  const order = list(fields['within_group']).map((each) => {
    const value = walker.expression(node(each, 'OrderByExpr')['expr'], scope);
    walker.findings.use(value, 'control', 'WITHIN GROUP');
    return value;
  });
  if (!isEmpty(fields['over'])) readWindow(fields['over'], scope, walker);
  const isRows = name === 'COUNT' && !isDistinct && entries.length === 1 && isStar(entries[0]);
  const how = { isRows, isDistinct, ignoresNulls: ignoresNulls || !isEmpty(fields['null_treatment']) };
  // A function that policy vouches for tells nothing but its result, and fails for no value.
  if (isVouched) return walker.findings.make([...values, ...order], null, true, name);
  return result(name, given, [...values, ...order], how, walker);
}

/** Names of the account's own functions that nothing built in has. */
function vouched(path: readonly string[], { env }: Walker): boolean {
  const [only] = path;
  if (path.length === 1 && only !== undefined && isKnown(only)) return false;
  const name = qualify(path, env.context)?.join('.');
  return name !== undefined && env.context.safeFunctions?.has(name) === true;
}

function isStar(entry: unknown): boolean {
  const [kind, held] = tagged(entry, 'argument');
  return kind === 'Unnamed' && held === 'Wildcard';
}

function isKnown(name: string): boolean {
  return SCALAR_FUNCTIONS.has(name) || AGGREGATE_FUNCTIONS.has(name) || WINDOW_FUNCTIONS.has(name) || CONTEXT_FUNCTIONS.has(name);
}

export function unknownFunction(name: string): Refusal {
  return new Refusal({ code: 'function', what: name, remedy: 'Use a built-in function that reads nothing but its arguments.' });
}

/** A function of Snowflake's own has one unquoted name: what is written in quotes or with a schema may be somebody's. */
export function functionName(tree: unknown): string {
  const parts = objectName(tree);
  const [name] = parts;
  if (name === undefined || parts.length > 1) throw unknownFunction(parts.join('.'));
  const [kind, ident] = tagged(list(tree)[0], 'function');
  if (kind !== 'Identifier' || !isEmpty(node(ident, 'Ident')['quote_style'])) throw unknownFunction(name);
  return name;
}

interface Given {
  readonly isDistinct: boolean;
  readonly ignoresNulls: boolean;
  readonly entries: readonly unknown[];
}

function argumentList(tree: unknown): Given {
  const [kind, held] = tagged(tree, 'arguments');
  if (kind === 'None') return { isDistinct: false, ignoresNulls: false, entries: [] };
  if (kind === 'Subquery') return { isDistinct: false, ignoresNulls: false, entries: [{ Unnamed: { Expr: { Subquery: held } } }] };
  if (kind !== 'List') throw nodeKind('arguments');
  const { duplicate_treatment: duplicates, args, clauses } = node(held, 'FunctionList');
  const ignores = list(clauses).map((each) => {
    const [clause, how] = tagged(each, 'clause');
    if (clause !== 'IgnoreOrRespectNulls') throw nodeKind(`clause ${clause}`);
    return how === 'IgnoreNulls';
  });
  return { isDistinct: duplicates === 'Distinct', ignoresNulls: ignores.includes(true), entries: list(args) };
}

function readArguments(name: string, entries: readonly unknown[], scope: Scope, walker: Walker): readonly Argument[] {
  return entries.flatMap((entry, index): Argument[] => {
    const [kind, held] = tagged(entry, 'argument');
    const given = kind === 'Named' ? node(held, 'Named')['arg'] : held;
    if (kind !== 'Named' && kind !== 'Unnamed') throw nodeKind(`argument ${kind}`);
    const [what, tree] = tagged(given, 'argument');
    if (what === 'Expr') {
      if (index === DATE_PART_ARGUMENT[name] && isDatePart(tree, name, scope)) return [{ tree, value: constant('text') }];
      return [{ tree, value: walker.expression(tree, scope) }];
    }
    return starArgument(what, tree, scope, walker).map((value) => ({ tree: null, value }));
  });
}

/** A word there is never a column, but for functions that also take numbers and texts there. */
function isDatePart(tree: unknown, name: string, scope: Scope): boolean {
  const [kind, ident] = tagged(tree, 'argument');
  if (kind !== 'Identifier' || !isBare(ident) || !DATE_PARTS.has(nameOf(ident))) return false;
  return DATE_PART_ARGUMENT[name] === 0 || scope.lookup([nameOf(ident)]) === null;
}

/** `f(*)`, `f(t.*)`: every column. */
function starArgument(kind: string, tree: unknown, scope: Scope, walker: Walker): readonly Taint[] {
  if (kind === 'Wildcard') return columnsIn(scope, []);
  if (kind === 'QualifiedWildcard') return columnsIn(scope, objectName(tree));
  if (kind === 'WildcardWithOptions') return starColumns(tree, [], scope, walker, 'inner').map((each) => each.value);
  throw nodeKind(`argument ${kind}`);
}

function columnsIn(scope: Scope, qualifier: readonly string[]): readonly Taint[] {
  const leaves = scope.leaves.filter((leaf) => isCalled(leaf, qualifier));
  if (leaves.length > 0) return leaves.flatMap(allValues);
  if (scope.parent === null) {
    if (qualifier.length === 0) return [];
    throw relationUnknown(qualifier.join('.'));
  }
  return columnsIn(scope.parent, qualifier);
}

interface How {
  /** `COUNT(*)` counts rows. `COUNT(t.*)` does not: it leaves out those with a NULL. */
  readonly isRows: boolean;
  readonly isDistinct: boolean;
  readonly ignoresNulls: boolean;
}

function result(name: string, given: readonly Argument[], values: readonly Taint[], how: How, walker: Walker): Taint {
  if (how.isRows) return constant('number');
  if (name === 'COUNT' && how.isDistinct && values.every((each) => isTold(each, walker))) return told(values);
  if (PASSING.has(name) && !how.ignoresNulls) return passed(name, values, walker);
  if (JOINING.has(name)) {
    const isObject = name.startsWith('OBJECT_');
    if (!isObject) return joinedValues(values, walker, name === 'CONCAT' ? 'text' : 'variant');
    return joinedValues(values, walker, 'variant', hasOwnKeys(given));
  }
  if (CONTEXT_FUNCTIONS.has(name)) return walker.findings.make(values, null, false, name);
  const total = Object.hasOwn(TOTAL, name) ? TOTAL[name] : undefined;
  if (total === undefined) return walker.findings.make(values, givesNumber(name), values.length === 0, name);
  const family = total.gives === 'same' ? sameFamily(total, given) : total.gives;
  return walker.findings.make(values, family, fits(total, given), name);
}

function isTold(value: Taint, walker: Walker): boolean {
  return value.hidden.size === 0 || equalityClass(value, walker.findings.masks) !== null;
}

/** How many different values there are is told by their tokens. */
function told(values: readonly Taint[]): Taint {
  return { ...made(values, 'number', true), hidden: new Set() };
}

function passed(name: string, values: readonly Taint[], walker: Walker): Taint {
  const [first, ...others] = values;
  if (first === undefined) return NULL_VALUE;
  const [offset, missing] = others;
  if (offset !== undefined && offset.sources.size > 0) return walker.findings.make(values, first.family, false, name);
  // What stands for a missing row is another value.
  if (missing !== undefined) return walker.findings.make(values, first.family, others.length === 2 && isOneFamily([first, missing]), name);
  return { ...made(values, first.family, true), stored: first.stored };
}

/** Keys are constants, each once: a key that comes twice fails. */
function hasOwnKeys(given: readonly Argument[]): boolean {
  if (given.every((each) => each.tree === null)) return true;
  const keys = given.filter((_, index) => index % 2 === 0).map((each) => literalText(each.tree));
  return !keys.includes(null) && new Set(keys).size === keys.length;
}

function literalText(tree: unknown): string | null {
  if (tree === null) return null;
  const [kind, held] = tagged(tree, 'argument');
  if (kind !== 'Value') return null;
  const [tag, text] = tagged(node(held, 'Value')['value'], 'Value');
  return tag === 'SingleQuotedString' && typeof text === 'string' ? text : null;
}

function sameFamily(total: Total, given: readonly Argument[]): Taint['family'] {
  const same = given.filter((_, index) => 'sex'.includes(letter(total, index)) && letter(total, index) !== 'b').map((each) => each.value);
  return oneOf(same).family;
}

function letter(total: Total, index: number): string {
  return total.takes[index] ?? (total.repeats === true ? (total.takes.at(-1) ?? '') : '');
}

function fits(total: Total, given: readonly Argument[]): boolean {
  if (given.length < total.takes.length - (total.optional ?? 0)) return false;
  if (total.repeats !== true && given.length > total.takes.length) return false;
  const letters = given.map((_, index) => letter(total, index));
  const same = given.filter((_, index) => letters[index] === 's' || letters[index] === 'e').map((each) => each.value);
  return isOneFamily(same) && given.every((each, index) => fitsOne(letters[index] ?? '', each));
}

function fitsOne(kind: string, { tree, value }: Argument): boolean {
  if (kind === 'n') return tree !== null && isSmallNumber(tree);
  if (kind === 'k') return literalText(tree) !== null;
  if (value === NULL_VALUE) return true;
  const { family } = value;
  if (family === null || family === 'other') return false;
  if (kind === 't') return family === 'text';
  if (kind === 'b') return family === 'boolean';
  if (kind === 'd') return family === 'date' || family === 'timestamp';
  if (kind === 'v') return family === 'variant';
  return kind !== 'e' || family !== 'variant';
}

const NUMBERS = new Set('SUM AVG MEDIAN STDDEV VARIANCE ROUND FLOOR CEIL ABS DATEDIFF ROW_NUMBER RANK DENSE_RANK NTILE'.split(' '));

function givesNumber(name: string): 'number' | null {
  return NUMBERS.has(name) ? 'number' : null;
}
