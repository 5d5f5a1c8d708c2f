// Conditions that decide which rows there are. What they compare is looked at here, so that equality of whole values can be told from
// every other test: tokens tell equality anyway, and policy may allow look-ups.

import type { Constant } from './constants.ts';
import { isEmpty, list, node, tagged } from './nodes.ts';
import type { Scope } from './scope.ts';
import { equalityClass, NULL_VALUE, oneOf, shownAs, type Taint } from './values.ts';
import type { Walker } from './walker.ts';

const EQUALITY = new Set(['Eq', 'NotEq']);

export function readPredicate(tree: unknown, scope: Scope, walker: Walker, where: string): void {
  const [kind, held] = tagged(tree, where);
  const again = (each: unknown): void => walker.deeper(() => readPredicate(each, scope, walker, where));
  if (kind === 'Nested') return again(held);
  if (kind === 'UnaryOp' && node(held, 'UnaryOp')['op'] === 'Not') return again(node(held, 'UnaryOp')['expr']);
  if (kind === 'BinaryOp') {
    const { left, op, right } = node(held, 'BinaryOp');
    if (op === 'And' || op === 'Or') {
      again(left);
      return again(right);
    }
    if (EQUALITY.has(tagged(op, 'operator')[0])) return compare(left, right, scope, walker, where);
  }
  if (kind === 'InList') {
    const { expr, list: entries } = node(held, 'InList');
    for (const each of list(entries)) compare(expr, each, scope, walker, where);
    return;
  }
  if (kind === 'InSubquery') {
    const { expr, subquery } = node(held, 'InSubquery');
    return compareRows(expr, subquery, scope, walker, where);
  }
  if (kind === 'AnyOp') {
    const { left, compare_op: op, right } = node(held, 'AnyOp');
    const [tag, subquery] = tagged(right, where);
    if (tag === 'Subquery' && op === 'Eq') return compareRows(left, subquery, scope, walker, where);
  }
  if (kind === 'IsNull' || kind === 'IsNotNull') {
    // Tokens tell which values are missing, and so does comparing with constants.
    const value = walker.expression(held, scope);
    return walker.findings.mayCompare(value) ? walker.findings.test(value) : walker.findings.use(value, 'equality', where);
  }
  if (kind === 'Exists') {
    walker.query(node(held, 'Exists')['subquery'], scope, 'inner');
    return;
  }
  walker.findings.use(walker.expression(tree, scope), 'control', where);
}

function compare(left: unknown, right: unknown, scope: Scope, walker: Walker, where: string): void {
  const [leftKind, leftParts] = tagged(left, where);
  const [rightKind, rightParts] = tagged(right, where);
  if (leftKind === 'Tuple' && rightKind === 'Tuple') {
    const [a, b] = [list(leftParts), list(rightParts)];
    if (a.length === b.length) return a.forEach((each, index) => compare(each, b[index], scope, walker, where));
  }
  if (leftKind === 'Nested') return compare(leftParts, right, scope, walker, where);
  if (rightKind === 'Nested') return compare(left, rightParts, scope, walker, where);
  const [a, b] = [walker.expression(left, scope), walker.expression(right, scope)];
  const [constantA, constantB] = [constantOf(left, walker), constantOf(right, walker)];
  if (a.hidden.size > 0 && constantB !== null) return compareConstant(a, constantB, walker, where);
  if (b.hidden.size > 0 && constantA !== null) return compareConstant(b, constantA, walker, where);
  compareValues([a, b], walker, where);
}

/** Columns are equal where their tokens are: under one key, and without a cast. */
export function compareValues(values: readonly Taint[], walker: Walker, where: string): void {
  const all = oneOf(values);
  if (all.hidden.size === 0) return values.forEach((each) => walker.findings.test(each));
  const classes = new Set(values.map((each) => equalityClass(each, walker.findings.masks)));
  const methods = new Set(values.map((each) => shownAs(each, walker.findings.masks).mask));
  const families = new Set(values.map((each) => each.family));
  const isTold = classes.size === 1 && !classes.has(null) && methods.size === 1 && families.size === 1 && !families.has(null);
  if (isTold) return values.forEach((each) => walker.findings.test(each));
  const whole = walker.findings.make(values, 'boolean', families.size === 1 && !families.has(null) && !families.has('number'), where);
  walker.findings.use(whole, 'control', where);
}

function compareRows(left: unknown, subquery: unknown, scope: Scope, walker: Walker, where: string): void {
  const parts = tagged(left, where);
  const lefts = parts[0] === 'Tuple' ? list(parts[1]) : [left];
  const rows = walker.query(subquery, scope, 'inner');
  const values = lefts.map((each) => walker.expression(each, scope));
  if (values.length !== rows.columns.length || rows.isUnsure) {
    return walker.findings.use(oneOf([...values, ...rows.columns.map((each) => each.value)]), 'control', where);
  }
  values.forEach((each, index) => compareValues([each, rows.columns[index]?.value ?? each], walker, where));
}

function constantOf(tree: unknown, walker: Walker): Constant | null {
  const [kind, held] = tagged(tree, 'constant');
  if (kind !== 'Value' || isEmpty(held)) return null;
  return walker.constants.read(held);
}

function compareConstant(value: Taint, given: Constant, walker: Walker, where: string): void {
  const { findings } = walker;
  if (given.value === NULL_VALUE) return findings.test(value);
  const { mask, keyClass } = shownAs(value, findings.masks);
  if (value.stored !== null && mask === 'token' && keyClass !== null && value.family === 'text' && isText(given)) {
    if (walker.constants.open(given, keyClass)) return findings.test(value);
  }
  if (findings.mayCompare(value) && isOfItsType(value, given)) return findings.test(value);
  findings.use(findings.make([value, given.value], 'boolean', isOfItsType(value, given), where), 'control', where);
}

function isText(given: Constant): boolean {
  return given.family === 'text' || given.family === null;
}

const SHAPES: Readonly<Partial<Record<string, RegExp>>> = {
  // A number with more places may not fit beside the column's.
  number: /^\d{1,15}(?:\.\d{1,6})?$/,
  date: /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])$|^\d{4}-(?:0[13-9]|1[0-2])-(?:29|30)$|^\d{4}-(?:0[13578]|1[02])-31$/,
};

/** It is the constant that is cast, and its cast cannot fail: else what fails tells whether rows were looked at. */
function isOfItsType(value: Taint, given: Constant): boolean {
  const { texts } = given;
  if (texts === undefined) return value.family === given.family;
  if (value.family === 'text') return given.family === 'text';
  const shape = value.family === null ? undefined : SHAPES[value.family];
  return shape !== undefined && texts.every((each) => each === null || shape.test(each));
}
