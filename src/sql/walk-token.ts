// Tokens in conditions. A masked column yields tokens, so comparing it with a token works by itself; here
// - constants are checked, and old tokens replaced by those that the column shows today; parameters are noted for Bind,
// - an equality that all rows must fulfil is applied to the stored column as well, inside the stand-in of its relation, so
//   that its index is used. The comparison with the mask stays: it decides, the other one only finds,
// - the raw target of a write is compared with the value behind the token.
// REFUSES: texts that look like tokens and are none of the class of the column they are compared with.

import type { Column, Relation } from './catalogue.ts';
import { nameList } from './resolve.ts';
import type { Body } from './rewrite.ts';
import {
  arrayValue,
  checkToken,
  constantText,
  setConstantText,
  textTypeOf,
  type TextValue,
  textValue,
  type TokenPlace,
  valueSql,
} from './token-values.ts';
import type { Walker } from './walk.ts';
import { and, type Condition, conditions } from './walk-lookup.ts';
import { type Frame, type FromItem, namedColumn, type StandIn } from './walk-scope.ts';

/** `reference = value`, `reference IN (values)`, `reference = ANY (array)` and their negations. */
interface Comparison {
  readonly test: Body;
  /** Null: the other side is no bare column. */
  readonly reference: Body | null;
  readonly values: readonly unknown[];
  /** The values are the elements of one array parameter. */
  readonly isArray: boolean;
  readonly isEquality: boolean;
}

/** A column that a reference surely means. */
interface Meant {
  readonly relation: Relation;
  readonly column: Column;
  /** Null: the raw target of a write, or a relation that is shown as it is. */
  readonly standIn: StandIn | null;
  readonly isRaw: boolean;
}

const EQUAL: ReadonlySet<string> = new Set(['AEXPR_OP', 'AEXPR_IN', 'AEXPR_OP_ANY', 'AEXPR_NOT_DISTINCT']);
const UNEQUAL: ReadonlySet<string> = new Set(['AEXPR_OP', 'AEXPR_IN', 'AEXPR_OP_ALL', 'AEXPR_DISTINCT', 'AEXPR_NULLIF']);

function comparisonOf(test: Body): Comparison | null {
  const kind = String(test['kind']);
  const operator = nameList(test['name']);
  const name = operator?.at(-1) ?? '';
  if (operator === null || operator.length > 2 || (operator.length === 2 && operator[0] !== 'pg_catalog')) return null;
  const isEquality = (name === '=' && EQUAL.has(kind)) || kind === 'AEXPR_NOT_DISTINCT';
  if (!isEquality && !(name === '<>' && UNEQUAL.has(kind)) && kind !== 'AEXPR_DISTINCT' && kind !== 'AEXPR_NULLIF') return null;
  const left = test['lexpr'] as Body | undefined;
  const right = test['rexpr'];
  if (left === undefined || right === undefined) return null;
  const base = { test, isEquality: isEquality && kind !== 'AEXPR_NOT_DISTINCT' };
  const columnOf = (side: Body): Body | null => (side['ColumnRef'] as Body | undefined) ?? null;
  if (kind === 'AEXPR_IN') {
    const items = ((right as Body)['List'] as Body | undefined)?.['items'];
    return { ...base, reference: columnOf(left), values: Array.isArray(items) ? items : [], isArray: false };
  }
  if (kind === 'AEXPR_OP_ANY' || kind === 'AEXPR_OP_ALL') {
    const listed = ((right as Body)['A_ArrayExpr'] as Body | undefined)?.['elements'];
    if (Array.isArray(listed)) return { ...base, reference: columnOf(left), values: listed, isArray: false };
    const isArray = (right as Body)['ColumnRef'] === undefined;
    return isArray
      ? { ...base, reference: columnOf(left), values: [right], isArray }
      : { ...base, reference: null, values: [left], isArray };
  }
  const [column, value] = left['ColumnRef'] === undefined ? [right as Body, left] : [left, right];
  return { ...base, reference: columnOf(column), values: [value], isArray: false };
}

/** The column that a reference means, when there is no doubt about it. */
function meantBy(reference: Body, frame: Frame): Meant | null {
  const named = namedColumn(reference);
  if (named === null) return null;
  const { name, isQualified } = named;
  for (let at: Frame | null = frame; at !== null; at = at.parent) {
    const { items, target } = named.of(at);
    if (items.some((item) => item.columns === null)) return null;
    const having: readonly FromItem[] = items.filter((item) => item.columns?.has(name) === true);
    const isTarget: boolean = target?.relation.byName.has(name) === true;
    if (having.length + Number(isTarget) > 1) return null;
    const [item] = having;
    const relation: Relation | null = item?.relation ?? (isTarget ? (target?.relation ?? null) : null);
    const column = relation?.byName.get(name);
    if (relation !== null && column !== undefined) return { relation, column, standIn: item?.standIn ?? null, isRaw: item === undefined };
    if (isQualified && (items.length > 0 || target !== null)) return null;
  }
  return null;
}

/** Class of the tokens that a reference shows. `form: other` cannot be reversed, so nothing is done with it. */
function classOf(walker: Walker, { relation, column }: Meant): string | null {
  const found = walker.tokenColumn(relation, column);
  return found?.form === 'text' ? found.className : null;
}

/** Checks the values of a comparison: constants at once, parameters when they are bound.
 *  @returns how to finish the comparison once its sides were walked; null = it stays. */
export function compareTokens(walker: Walker, test: Body, frame: Frame): (() => unknown) | null {
  if (walker.tokens === null) return null;
  const comparison = comparisonOf(test);
  if (comparison === null) return null;
  const meant = comparison.reference === null ? null : meantBy(comparison.reference, frame);
  const className = meant === null ? null : classOf(walker, meant);
  if (meant !== null && className === null) return null;
  const column = meant === null ? '' : `${meant.relation.qualified}.${meant.column.name}`;
  const isRaw = meant?.isRaw === true && comparison.reference !== null && !walker.rawLookups.has(comparison.reference);
  if (isRaw && meant !== null && className !== null) return rawComparison(walker, comparison, meant, className);
  const place: TokenPlace = { className, use: 'compared', column };
  for (const value of comparison.values) check(walker, value, comparison.isArray ? { ...place, isArray: true } : place);
  if (meant !== null) noticed(walker, comparison, column);
  return null;
}

/** @returns the checked token of a constant; null for everything else. */
function check(walker: Walker, node: unknown, place: TokenPlace): string | null {
  const { tokens, findings } = walker;
  const value = textValue(node) ?? arrayValue(node);
  if (value === null || tokens === null) return null;
  if (value.constant === null) {
    walker.noteParameter(value, place);
    return null;
  }
  walker.checkedTokens.add(value.source);
  const text = constantText(value.constant);
  if (text === null) return null;
  const checked = checkToken(text, place, tokens);
  if ('refused' in checked) {
    findings.refuse(checked.refused);
    return null;
  }
  if (checked.text !== text) {
    setConstantText(value.constant, checked.text);
    findings.changed = true;
  }
  return checked.text;
}

/** A condition on tokens says what it means: nobody needs to be told that it saw the mask. */
function noticed(walker: Walker, { values }: Comparison, column: string): void {
  const isToken = (node: unknown): boolean => {
    const { constant } = textValue(node) ?? {};
    const text = constant === null || constant === undefined ? null : constantText(constant);
    return text !== null && walker.tokens?.meansToken(text) === true;
  };
  if (values.length > 0 && values.every(isToken)) walker.findings.comparedByToken.add(column);
}

/** Applies equalities with tokens of a WHERE or ON clause to the stored columns. Stand-ins not in `filterable` may get no
 *  condition from it: rows that fail it may come back another way. */
export function applyTokens(walker: Walker, body: Body, field: string, frame: Frame, filterable: ReadonlySet<unknown>): void {
  if (walker.tokens === null || body[field] === undefined) return;
  for (const condition of conditions(body, field)) pushDown(walker, condition, frame, filterable);
}

function pushDown(walker: Walker, { node }: Condition, frame: Frame, filterable: ReadonlySet<unknown>): void {
  const comparison = comparisonOf((node['A_Expr'] ?? {}) as Body);
  if (comparison?.isEquality !== true || comparison.reference === null) return;
  const meant = meantBy(comparison.reference, frame);
  const className = meant === null ? null : classOf(walker, meant);
  if (meant?.standIn === undefined || meant.standIn === null || className === null || !filterable.has(meant.standIn.select)) return;
  const type = comparedAs(comparison, meant);
  const place: TokenPlace = { className, use: 'opened', column: `${meant.relation.qualified}.${meant.column.name}` };
  const opened = openedValues(walker, comparison, place, type, true);
  if (opened === null) return;
  const own = { ColumnRef: { fields: [{ String: { sval: meant.column.name } }] } };
  const { select } = meant.standIn;
  select['whereClause'] = and(select['whereClause'], equals(own, opened, comparison, walker));
  walker.findings.changed = true;
}

/** Type of an unspecified parameter there: a list of several takes the column's own. */
function comparedAs({ test, values }: Comparison, { column }: Meant): string {
  return textTypeOf(column, test['kind'] === 'AEXPR_IN' && values.length > 1 ? 'written' : 'compared');
}

/** The values behind the tokens of an equality, each as SQL; those of an array as one. Null when there is nothing to find.
 *  @param mustBeSure a parameter must have the same type wherever it is used: the condition is moved to the front */
function openedValues(walker: Walker, comparison: Comparison, place: TokenPlace, type: string, mustBeSure: boolean): string[] | null {
  const { tokens } = walker;
  const className = place.className ?? '';
  if (tokens === null) return null;
  if (comparison.isArray) {
    const array = arrayValue(comparison.values[0]);
    if (array === null || (mustBeSure && !walker.hasSureType(array.parameter))) return null;
    walker.noteParameter(array, { ...place, isArray: true });
    const elements = `pg_catalog.unnest(${valueSql(array, `${type}[]`, null)}) AS sp_tokens("sp token")`;
    return [`ARRAY(SELECT (${tokens.open('"sp token"::text', className)})::${type} FROM ${elements})`];
  }
  const opened: string[] = [];
  for (const node of comparison.values) {
    const value = textValue(node);
    if (value === null) return null;
    if (value.constant === null) {
      if (mustBeSure && !walker.hasSureType(value.parameter)) return null;
      walker.noteParameter(value, place);
    }
    const text = value.constant === null ? null : constantText(value.constant);
    // No text but a token is equal to one.
    if (value.constant !== null && (text === null || !tokens.meansToken(text))) continue;
    if (text !== null && tokens.isOneWay(text)) return null;
    const token = value.constant === null ? null : check(walker, node, place);
    if (value.constant !== null && token === null) return null;
    opened.push(openSql(walker, value, type, token, className));
  }
  return opened.length === 0 ? null : opened;
}

/** The value behind a token in the type of the column. */
function openSql(walker: Walker, value: TextValue, type: string, token: string | null, className: string): string {
  const given = valueSql(value, type, token);
  const text = walker.tokens?.open(given.endsWith('::text') ? given : `(${given})::text`, className) ?? 'NULL';
  return type === 'text' ? text : `(${text})::${type}`;
}

const equalTo = (left: unknown, right: unknown, kind = 'AEXPR_OP'): unknown => ({
  A_Expr: { kind, name: [{ String: { sval: '=' } }], lexpr: left, rexpr: right },
});

function equals(column: unknown, opened: readonly string[], comparison: Comparison, walker: Walker): unknown {
  const placed = opened.map((sql) => walker.standIns.value(sql));
  if (comparison.isArray) return equalTo(column, placed[0], 'AEXPR_OP_ANY');
  return placed.length === 1 ? equalTo(column, placed[0]) : equalTo(column, { List: { items: placed } }, 'AEXPR_IN');
}

/** A column of the target of a write, compared with tokens only: with the values behind them, byte by byte, as its mask
 *  would be. Everything else about it is refused where the column is walked. */
function rawComparison(walker: Walker, comparison: Comparison, meant: Meant, className: string): (() => unknown) | null {
  const { reference, values } = comparison;
  if (reference === null || !comparison.isEquality) return null;
  const isToken = (node: unknown): boolean => {
    const value = comparison.isArray ? arrayValue(node) : textValue(node);
    const text = value?.constant === null || value === null ? null : constantText(value.constant);
    return value !== null && (value.constant === null || (text !== null && walker.tokens?.meansToken(text) === true));
  };
  if (values.length === 0 || !values.every(isToken)) return null;
  const place: TokenPlace = { className, use: 'opened', column: `${meant.relation.qualified}.${meant.column.name}` };
  const type = comparedAs(comparison, meant);
  const opened = openedValues(walker, comparison, place, type, false);
  const asText = openedValues(walker, comparison, place, 'text', false);
  if (opened === null || asText === null) return null;
  walker.rawLookups.add(reference);
  noticed(walker, comparison, place.column);
  return () => {
    walker.findings.changed = true;
    const column = { ColumnRef: reference };
    return and(equals(column, opened, comparison, walker), equals(exactly(column), asText, comparison, walker));
  };
}

/** Whatever the column's collation or type takes for equal. */
function exactly(column: unknown): unknown {
  const collname = ['pg_catalog', 'C'].map((sval) => ({ String: { sval } }));
  const typeName = { names: [{ String: { sval: 'text' } }], typemod: -1 };
  return { CollateClause: { arg: { TypeCast: { arg: column, typeName } }, collname } };
}
