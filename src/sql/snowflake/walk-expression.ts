// Expressions: what each is made from. A node that puts values together says whether that can fail; `findings.make` refuses what
// could fail with a protected value in it.

import { BARE_CONTEXT, MAX_WEIGHT } from './functions.ts';
import { isEmpty, list, node, nodeKind, tagged, textOf } from './nodes.ts';
import type { Scope } from './scope.ts';
import { constant, type Family, familyOf, isOneFamily, NULL_VALUE, oneOf, type Taint } from './values.ts';
import { callFunction } from './walk-function.ts';
import { isBare, nameOf, relationUnknown, type Walker } from './walker.ts';

type Reader = (held: unknown, scope: Scope, walker: Walker) => Taint;

const READERS: Readonly<Record<string, Reader>> = {
  Identifier: (held, scope) => column([held], scope),
  CompoundIdentifier: (held, scope) => column(list(held), scope),
  Value: readValue,
  Nested: (held, scope, walker) => walker.expression(held, scope),
  BinaryOp: readBinary,
  UnaryOp: readUnary,
  Cast: readCast,
  Case: readCase,
  IsNull: (held, scope, walker) => test([held], scope, walker, true),
  IsNotNull: (held, scope, walker) => test([held], scope, walker, true),
  IsTrue: readTruth,
  IsNotTrue: readTruth,
  IsFalse: readTruth,
  IsNotFalse: readTruth,
  IsDistinctFrom: (held, scope, walker) => test(list(held), scope, walker),
  IsNotDistinctFrom: (held, scope, walker) => test(list(held), scope, walker),
  InList: (held, scope, walker) => {
    const { expr, list: entries } = node(held, 'InList');
    return test([expr, ...list(entries)], scope, walker);
  },
  Between: (held, scope, walker) => {
    const { expr, low, high } = node(held, 'Between');
    return test([expr, low, high], scope, walker);
  },
  InSubquery: (held, scope, walker) => {
    const { expr, subquery } = node(held, 'InSubquery');
    return withRows(expr, subquery, scope, walker);
  },
  AnyOp: (held, scope, walker) => readSome(node(held, 'AnyOp'), scope, walker),
  AllOp: (held, scope, walker) => readSome(node(held, 'AllOp'), scope, walker),
  Exists: (held, scope, walker) => {
    walker.query(node(held, 'Exists')['subquery'], scope, 'inner');
    return constant('boolean', false);
  },
  Subquery: readSubquery,
  Like: (held, scope, walker) => readLike(node(held, 'Like'), scope, walker),
  ILike: (held, scope, walker) => readLike(node(held, 'ILike'), scope, walker),
  RLike: (held, scope, walker) => {
    const { expr, pattern } = node(held, 'RLike');
    return combine([expr, pattern], scope, walker, 'boolean', 'RLIKE');
  },
  Extract: (held, scope, walker) => {
    const value = walker.expression(node(held, 'Extract')['expr'], scope);
    return walker.findings.make([value], 'number', value.family === 'date' || value.family === 'timestamp', 'EXTRACT');
  },
  Ceil: readRound,
  Floor: readRound,
  Position: (held, scope, walker) => {
    const { expr, in: text } = node(held, 'Position');
    return combine([expr, text], scope, walker, 'number', 'POSITION');
  },
  Substring: (held, scope, walker) => {
    const { expr, substring_from: from, substring_for: count } = node(held, 'Substring');
    const given = [from, count].filter((each) => !isEmpty(each));
    const value = walker.expression(expr, scope);
    const places = given.map((each) => walker.expression(each, scope));
    return walker.findings.make(
      [value, ...places],
      'text',
      value.family === 'text' && given.every((each) => isSmallNumber(each)),
      'SUBSTR',
    );
  },
  Trim: (held, scope, walker) => {
    const { trim_what: what, expr, trim_characters: characters } = node(held, 'Trim');
    const values = [expr, what, ...list(characters)].filter((each) => !isEmpty(each)).map((each) => walker.expression(each, scope));
    return walker.findings.make(
      values,
      'text',
      values.every((each) => each.family === 'text'),
      'TRIM',
    );
  },
  TypedString: (held) => {
    const { data_type: type } = node(held, 'TypedString');
    // A text that is no date fails wherever it stands.
    return constant(typeFamily(type).family, false);
  },
  Interval: (held, scope, walker) =>
    walker.findings.make([walker.expression(node(held, 'Interval')['value'], scope)], null, false, 'INTERVAL'),
  JsonAccess: readPath,
  Collate: (held, scope, walker) => combine([node(held, 'Collate')['expr']], scope, walker, 'text', 'COLLATE'),
  Tuple: (held, scope, walker) => combine(list(held), scope, walker, null, 'a list of values'),
  Array: (held, scope, walker) => joined(list(node(held, 'Array')['elem']), scope, walker, 'variant'),
  Dictionary: (held, scope, walker) => {
    const entries = list(held).map((each) => node(each, 'DictionaryEntry'));
    const keys = entries.map(({ key }) => textOf(node(key, 'Ident')['value'], 'key'));
    return joined(
      entries.map(({ value }) => value),
      scope,
      walker,
      'variant',
      new Set(keys).size === keys.length,
    );
  },
  Prior: (held, scope, walker) => walker.expression(held, scope),
  Prefixed: (held, scope, walker) => {
    const { prefix, value } = node(held, 'Prefixed');
    if (nameOf(prefix) !== 'CONNECT_BY_ROOT') throw nodeKind('Prefixed');
    return walker.expression(value, scope);
  },
  Function: callFunction,
};

export function readExpression(tree: unknown, scope: Scope, walker: Walker): Taint {
  const [kind, held] = tagged(tree, 'expression');
  const reader = Object.hasOwn(READERS, kind) ? READERS[kind] : undefined;
  if (reader === undefined) throw nodeKind(kind);
  return walker.deeper(() => reader(held, scope, walker));
}

function column(parts: readonly unknown[], scope: Scope): Taint {
  const names = parts.map((part) => nameOf(part));
  const found = scope.lookup(names);
  if (found !== null) return found;
  const [only] = parts;
  if (parts.length === 1 && isBare(only) && BARE_CONTEXT.has(names[0] ?? '')) return constant(null);
  // The next number of a sequence.
  if (parts.length > 1 && isBare(parts.at(-1)) && names.at(-1) === 'NEXTVAL') return constant('number', false);
  throw relationUnknown(`column ${names.join('.')}`);
}

function readValue(held: unknown, scope: Scope, walker: Walker): Taint {
  const read = walker.constants.read(held);
  if (read !== null) return read.value;
  const [, name] = tagged(node(held, 'Value')['value'], 'Value');
  const found = scope.position(Number(textOf(name, 'Placeholder').slice(1)));
  if (found === null) throw relationUnknown(`column ${String(name)}`);
  return found;
}

function combine(parts: readonly unknown[], scope: Scope, walker: Walker, family: Family | null, where: string): Taint {
  const values = parts.map((each) => walker.expression(each, scope));
  return walker.findings.make(values, family, false, where);
}

/** Comparison: cannot fail between values of one type. */
function test(parts: readonly unknown[], scope: Scope, walker: Walker, isAnyType = false): Taint {
  const values = parts.map((each) => walker.expression(each, scope));
  return walker.findings.make(values, 'boolean', isAnyType || isComparable(values), 'a comparison');
}

function isComparable(values: readonly Taint[]): boolean {
  return isOneFamily(values) && values.every((each) => each.family !== 'variant');
}

function readTruth(held: unknown, scope: Scope, walker: Walker): Taint {
  const value = walker.expression(held, scope);
  return walker.findings.make([value], 'boolean', value.family === 'boolean', 'a test');
}

const COMPARISONS = new Set(['Eq', 'NotEq', 'Lt', 'LtEq', 'Gt', 'GtEq']);
const LOGIC = new Set(['And', 'Or']);
const ARITHMETIC = new Set(['Plus', 'Minus', 'Multiply', 'Divide', 'Modulo']);

function readBinary(held: unknown, scope: Scope, walker: Walker): Taint {
  const { left, op, right } = node(held, 'BinaryOp');
  const [operator] = tagged(op, 'operator');
  if (operator === 'StringConcat') return joined([left, right], scope, walker, 'text');
  if (COMPARISONS.has(operator)) return test([left, right], scope, walker);
  const values = [left, right].map((each) => walker.expression(each, scope));
  if (LOGIC.has(operator)) {
    return walker.findings.make(
      values,
      'boolean',
      values.every((each) => each.family === 'boolean' || each === NULL_VALUE),
      operator.toUpperCase(),
    );
  }
  if (!ARITHMETIC.has(operator)) throw nodeKind(`operator ${operator}`);
  const dates = values.find((each) => each.family === 'date' || each.family === 'timestamp');
  return walker.findings.make(values, dates === undefined ? 'number' : null, false, 'arithmetic');
}

function readUnary(held: unknown, scope: Scope, walker: Walker): Taint {
  const { op, expr } = node(held, 'UnaryOp');
  const [operator] = tagged(op, 'operator');
  const value = walker.expression(expr, scope);
  if (operator === 'Not') return walker.findings.make([value], 'boolean', value.family === 'boolean', 'NOT');
  if (operator !== 'Minus' && operator !== 'Plus') throw nodeKind(`operator ${operator}`);
  return walker.findings.make([value], 'number', value.sources.size === 0 && value.family === 'number', 'arithmetic');
}

/** Values put together: what comes of it may grow too long, which fails. So what is added is constant, or of the very same relation. */
export function joinedValues(values: readonly Taint[], walker: Walker, family: Family, isSure = true): Taint {
  const relations = new Set(values.flatMap((each) => [...each.sources]).map((name) => name.slice(0, name.lastIndexOf('.'))));
  const weight = values.reduce((sum, each) => sum + each.weight, 0);
  const isText = family !== 'text' || values.every((each) => each.family === 'text' || each === NULL_VALUE);
  const isKnown = values.every((each) => each.family !== 'other');
  const value = walker.findings.make(
    values,
    family,
    isSure && isText && isKnown && relations.size < 2 && weight <= MAX_WEIGHT,
    'a text or list put together',
  );
  return { ...value, weight };
}

function joined(parts: readonly unknown[], scope: Scope, walker: Walker, family: Family, isSure = true): Taint {
  return joinedValues(
    parts.map((each) => walker.expression(each, scope)),
    walker,
    family,
    isSure,
  );
}

function readLike(fields: Readonly<Record<string, unknown>>, scope: Scope, walker: Walker): Taint {
  const { expr, pattern, escape_char: escape } = fields;
  const value = walker.expression(expr, scope);
  const [kind, entries] = tagged(pattern, 'pattern');
  const patterns = kind === 'Tuple' ? list(entries) : (likeAll(kind, entries) ?? [pattern]);
  const values = patterns.map((each) => walker.expression(each, scope));
  if (!isEmpty(escape)) walker.constants.read(escape);
  const isTotal =
    isEmpty(escape) && [value, ...values].every((each) => each.family === 'text') && values.every((each) => each.sources.size === 0);
  return walker.findings.make([value, ...values], 'boolean', isTotal, 'LIKE');
}

/** `LIKE ALL (...)`: sqlparser reads a function. */
function likeAll(kind: string, held: unknown): readonly unknown[] | null {
  if (kind !== 'Function') return null;
  const { name, args } = node(held, 'Function');
  const [part, ...others] = list(name);
  const [tag, ident] = tagged(part, 'name');
  if (others.length > 0 || tag !== 'Identifier' || nameOf(ident) !== 'ALL') return null;
  const [, inner] = tagged(args, 'arguments');
  return list(node(inner, 'FunctionList')['args']).map((each) => {
    const [how, given] = tagged(each, 'argument');
    const [what, expression] = how === 'Unnamed' ? tagged(given, 'argument') : ['', null];
    if (what !== 'Expr') throw nodeKind('LIKE ALL');
    return expression;
  });
}

function readRound(held: unknown, scope: Scope, walker: Walker): Taint {
  const { expr, field } = node(held, 'Ceil');
  const [kind, scale] = tagged(field, 'Ceil');
  if (kind === 'DateTimeField' && scale !== 'NoDateTime') throw nodeKind('Ceil.field');
  if (kind === 'Scale') walker.constants.read(scale);
  else if (kind !== 'DateTimeField') throw nodeKind('Ceil.field');
  return combine([expr], scope, walker, 'number', 'rounding');
}

function readCase(held: unknown, scope: Scope, walker: Walker): Taint {
  const { operand, conditions, else_result: otherwise } = node(held, 'Case');
  const whens = list(conditions).map((each) => node(each, 'CaseWhen'));
  const tests = whens.map(({ condition }) => walker.expression(condition, scope));
  const subject = isEmpty(operand) ? [] : [walker.expression(operand, scope)];
  const results = [...whens.map(({ result }) => result), ...(isEmpty(otherwise) ? [] : [otherwise])].map((each) =>
    walker.expression(each, scope),
  );
  const isSure = subject.length > 0 ? isComparable([...subject, ...tests]) : tests.every((each) => each.family === 'boolean');
  const isTotal = isSure && isOneFamily(results);
  return walker.findings.make([...subject, ...tests, ...results], oneOf(results).family, isTotal, 'CASE');
}

/** @returns the family of a type, and whether it has arguments: a length or scale that a value may not fit in. */
export function typeFamily(type: unknown): { readonly family: Family; readonly isBounded: boolean; readonly name: string } {
  const [kind, held] = tagged(type, 'type');
  if (kind === 'Custom') {
    const [name, parameters] = list(held);
    const [part] = list(name);
    const [tag, ident] = tagged(part, 'type');
    if (tag !== 'Identifier' || list(name).length !== 1) throw nodeKind('type');
    return { family: familyOf(nameOf(ident)), isBounded: list(parameters).length > 0, name: nameOf(ident) };
  }
  const name = kind === 'TimestampNtz' ? 'TIMESTAMP_NTZ' : kind.toUpperCase();
  const isBounded = !isEmpty(held) && !(Array.isArray(held) && held.every((each) => isEmpty(each)));
  return { family: familyOf(name), isBounded, name };
}

/** Casts that hold every value: to a text without a length, to VARIANT, of a date to a timestamp. */
function readCast(held: unknown, scope: Scope, walker: Walker): Taint {
  const { kind, expr, data_type: type } = node(held, 'Cast');
  const value = walker.expression(expr, scope);
  const { family, isBounded, name } = typeFamily(type);
  const known = value.family !== null && value.family !== 'other' && value.family !== 'binary';
  const isTotal =
    value === NULL_VALUE ||
    (kind === 'TryCast' && value.family === 'text') ||
    (!isBounded && known && (family === 'text' || name === 'VARIANT' || (family === 'timestamp' && value.family === 'date')));
  if (kind !== 'TryCast' && kind !== 'Cast' && kind !== 'DoubleColon') throw nodeKind('Cast.kind');
  return walker.findings.make([value], family, isTotal, `a cast to ${name}`);
}

function readPath(held: unknown, scope: Scope, walker: Walker): Taint {
  const { value, path } = node(held, 'JsonAccess');
  const base = walker.expression(value, scope);
  const keys = list(node(path, 'JsonPath')['path']).flatMap((step) => {
    const [kind, inner] = tagged(step, 'path');
    if (kind === 'Dot') {
      node(inner, 'Dot');
      return [];
    }
    if (kind !== 'Bracket') throw nodeKind(`path ${kind}`);
    return [node(inner, 'Bracket')['key']];
  });
  const indexes = keys.map((key) => walker.expression(key, scope));
  const isTotal =
    base.family === 'variant' &&
    keys.every((key) => tagged(key, 'path')[0] === 'Value') &&
    indexes.every((each) => each.sources.size === 0);
  return walker.findings.make([base, ...indexes], 'variant', isTotal, 'a path');
}

/** Its one value; that there are more rows fails. */
function readSubquery(held: unknown, scope: Scope, walker: Walker): Taint {
  const rows = walker.query(held, scope, 'inner');
  const [first, ...others] = rows.columns;
  if (first === undefined || others.length > 0) throw nodeKind('a sub-query of several columns');
  for (const name of rows.open) walker.block.perRow.add(name);
  return { ...first.value, isTotal: false };
}

function withRows(expr: unknown, subquery: unknown, scope: Scope, walker: Walker): Taint {
  const value = walker.expression(expr, scope);
  const rows = walker.query(subquery, scope, 'inner');
  return walker.findings.make([value, ...rows.columns.map((each) => each.value)], 'boolean', false, 'IN');
}

function readSome(fields: Readonly<Record<string, unknown>>, scope: Scope, walker: Walker): Taint {
  const { left, right } = fields;
  const [kind, held] = tagged(right, 'ANY');
  if (kind !== 'Subquery') throw nodeKind('ANY');
  return withRows(left, held, scope, walker);
}

/** `SUBSTR(x, 1, 3)`: literals only, a number of a column may be out of range. */
export function isSmallNumber(tree: unknown): boolean {
  const [kind, held] = tagged(tree, 'expression');
  if (kind === 'UnaryOp') return node(held, 'UnaryOp')['op'] === 'Minus' && isSmallNumber(node(held, 'UnaryOp')['expr']);
  if (kind !== 'Value') return false;
  const [tag, number] = tagged(node(held, 'Value')['value'], 'Value');
  return tag === 'Number' && /^\d{1,6}$/.test(textOf(list(number)[0], 'Number'));
}
