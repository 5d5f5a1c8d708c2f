// Tokens as new values: in VALUES, in SET, of ON CONFLICT and MERGE. A constant is checked and opened in its place, a
// parameter when it is bound; both are opened by the target. The writer does not know the value, so a write by token may not
// depend on it: no check, trigger, length or partition of the column may tell anything about it. Keys and foreign keys may
// be asked by token, because tokens can be compared anyway, and only by token.
// REFUSES: tokens inside of expressions that end up in a column of tokens, where they would be stored as they are; and values
// that the writer knows, where it is shown a keyed stand-in for them: it could tell by it who else has the same value. Where
// policy allows look-ups, it may ask that anyway.

import type { Column, Relation, Restriction } from './catalogue.ts';
import type { Body, MaskBook } from './rewrite.ts';
import type { Assignments, NewValue } from './token-assignments.ts';
import { isValue, refuseGuess, refuseShifts } from './token-shifts.ts';
import {
  checkToken,
  constantText,
  setConstantText,
  textTypeOf,
  type TextValue,
  textValue,
  type TokenColumn,
  type TokenPlace,
  valueSql,
} from './token-values.ts';
import type { Walker } from './walk.ts';
import type { WriteKind } from './walk-restrictions.ts';

const NONE: ReadonlySet<string> = new Set();

/** Opens the tokens among new values, and refuses values whose stand-in would answer a guess.
 *  @returns columns that get nothing but tokens and NULL. */
export function storeTokens(walker: Walker, relation: Relation | null, assignments: Assignments, kind: WriteKind): ReadonlySet<string> {
  if (walker.tokens === null || relation === null) return NONE;
  refuseShifts(walker, relation, assignments, kind);
  const byToken = new Set<string>();
  for (const [name, values] of assignments) {
    const column = relation.byName.get(name);
    const found = column === undefined ? null : walker.tokenColumn(relation, column);
    if (column === undefined || found === null || found.form === 'shift') continue;
    const takesPlain = walker.context.protection.allowsLookup(relation.oid, name);
    if (found.form === 'digest') {
      if (!takesPlain && values.some(({ node }) => isValue(node, column))) refuseGuess(walker, `${relation.qualified}.${name}`);
      continue;
    }
    const place = placeOf(walker, relation, column, found, takesPlain);
    const all = values.map((value) => store(walker, column, value, place, takesPlain));
    if (place.use !== 'none' && all.every((each) => each)) byToken.add(name);
  }
  return byToken;
}

/** What the column asks of its new values. */
function placeOf(walker: Walker, relation: Relation, column: Column, { className, form }: TokenColumn, takesPlain: boolean): TokenPlace {
  const isOpen = form === 'text' && mayStore(walker, relation, column);
  const isAsked = restrictionsOn(walker, relation).some(({ kind, columns }) => kind !== 'check' && columns.includes(column.name));
  const limit = lengthOf(column);
  return {
    className,
    use: !isOpen ? 'none' : isAsked || !takesPlain ? 'only' : 'stored',
    column: `${relation.qualified}.${column.name}`,
    ...(isOpen && limit < longestOf(walker, className) ? { limit } : {}),
    ...(form === 'text' ? {} : { inside: true }),
  };
}

/** @returns true for a token, for NULL, and for a parameter that will be one of them. */
function store(walker: Walker, column: Column, { node, put }: NewValue, place: TokenPlace, takesPlain: boolean): boolean {
  const { tokens, findings } = walker;
  const value = textValue(node);
  if (tokens === null || ((node ?? {}) as Body)['SetToDefault'] !== undefined) return false;
  const text = value === null || value.constant === null ? null : constantText(value.constant);
  const isNull = value?.constant?.['isnull'] === true;
  const mayBeToken = value !== null && (value.constant === null ? place.use !== 'none' : text !== null && tokens.meansToken(text));
  if (!takesPlain && !mayBeToken && !isNull) {
    refuseGuess(walker, place.column);
    return false;
  }
  if (value === null) {
    findings.refusesOtherTokens = true;
    return false;
  }
  if (value.constant === null) {
    walker.noteParameter(value, place);
    if (place.use === 'none') return false;
    put(walker.standIns.value(openOrKeep(walker, value, column, place)));
    findings.changed = true;
    return place.use === 'only';
  }
  // A plain value is stored as it is, unless a key makes it a question (walk-restrictions.ts).
  const checked = text === null ? null : checkToken(text, { ...place, use: place.use === 'only' ? 'stored' : place.use }, tokens);
  if (checked === null) return isNull;
  if ('refused' in checked) findings.refuse(checked.refused);
  if ('refused' in checked || !tokens.meansToken(checked.text)) return false;
  setConstantText(value.constant, checked.text);
  const type = value.cast ?? textTypeOf(column, 'written');
  const opened = tokens.open(valueSql(value, type, checked.text), place.className ?? '');
  put(walker.standIns.value(`(${opened})::${type}`));
  findings.changed = true;
  return true;
}

/** COPY FROM takes its values past the gateway. @returns true when they must be looked through for tokens. */
export function copyTokens(walker: Walker, relation: Relation, columns: readonly string[]): boolean {
  refuseShifts(walker, relation, new Map(columns.map((name) => [name, [{ node: null, put: () => undefined }]])), 'insert');
  let mayHoldTokens = false;
  for (const name of columns) {
    const column = relation.byName.get(name);
    const found = column === undefined ? null : walker.tokenColumn(relation, column);
    if (found === null || found.form === 'shift') continue;
    if (!walker.context.protection.allowsLookup(relation.oid, name)) refuseGuess(walker, `${relation.qualified}.${name}`);
    mayHoldTokens = true;
  }
  return mayHoldTokens;
}

/** The value behind a parameter that is a token, and the parameter itself when it is none. */
function openOrKeep(walker: Walker, value: TextValue, column: Column, { className }: TokenPlace): string {
  const type = textTypeOf(column, 'written');
  const given = valueSql(value, type, null);
  const opened = walker.tokens?.open(`(${given})::text`, className ?? '') ?? 'NULL';
  return `COALESCE((${opened})::${value.cast ?? type}, ${given})`;
}

/** Nothing about the column may tell whether the value behind a token has some property. */
function mayStore(walker: Walker, relation: Relation, column: Column): boolean {
  const { protection } = walker.context;
  const { catalogue } = protection;
  if (column.baseType !== undefined || (relation.kind !== 'table' && relation.kind !== 'partitioned')) return false;
  const isQuiet = relatives(walker, relation).every((each) => {
    const key = catalogue.partitionKeyOf(each.oid);
    return (
      each.triggers.length === 0 &&
      !protection.isOpaqueOnWrite(each.oid) &&
      !each.rowSecurity &&
      (key === null || (key.expressions === null && !key.columns.includes(column.name))) &&
      !each.columns.some(({ generated }) => generated !== null && (generated.includes(column.name) || generated.includes('.*')))
    );
  });
  if (!isQuiet) return false;
  return !restrictionsOn(walker, relation).some((each) => each.kind === 'check' && each.columns.includes(column.name));
}

/** Characters that fit into a column of texts. */
function lengthOf({ typeName }: Column): number {
  const limit = /^(?:character varying|character)\((\d+)\)$/.exec(typeName)?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}

const longest = new WeakMap<MaskBook, Map<string, number>>();

/** The longest value that a token of the class can stand for; found once for each class under the same masks. */
function longestOf(walker: Walker, className: string): number {
  let known = longest.get(walker.masks);
  if (known === undefined) longest.set(walker.masks, (known = new Map()));
  let found = known.get(className);
  if (found === undefined) known.set(className, (found = findLongest(walker, className)));
  return found;
}

function findLongest(walker: Walker, className: string): number {
  let longest = 0;
  for (const relation of walker.context.protection.catalogue.relations) {
    if (walker.masks.masked(relation) === null) continue;
    for (const column of relation.columns) {
      const found = walker.tokenColumn(relation, column);
      if (found?.className === className && found.form === 'text') longest = Math.max(longest, lengthOf(column));
    }
  }
  return longest;
}

/** The relation and those it shares rows with. */
function relatives(walker: Walker, relation: Relation): Relation[] {
  const found = new Set([relation]);
  for (const each of found) {
    for (const oid of [...each.children, ...each.parents]) {
      const next = walker.context.protection.catalogue.relationByOid(oid);
      if (next !== undefined) found.add(next);
    }
  }
  return [...found];
}

function restrictionsOn(walker: Walker, relation: Relation): Restriction[] {
  const { catalogue } = walker.context.protection;
  return relatives(walker, relation).flatMap((each) => catalogue.restrictionsOn(each.oid).filter((one) => one.relation === each.oid));
}

/** Types whose equality is that of their tokens. */
const exactTypes: ReadonlySet<number> = new Set([25, 1042, 1043]);

/** A key or foreign key tells a write by token no more than a comparison of tokens would.
 *  @param hidden masked columns that the restriction reads */
export function isAnsweredByTokens(
  walker: Walker,
  restriction: Restriction,
  hidden: readonly string[],
  byToken: ReadonlySet<string>,
): boolean {
  const { catalogue } = walker.context.protection;
  const relation = catalogue.relationByOid(restriction.relation);
  if (relation === undefined || byToken.size === 0 || !hidden.every((name) => byToken.has(name) && isExact(relation.byName.get(name))))
    return false;
  if (restriction.kind === 'key') return restriction.folds !== true && isPlainKey(walker, relation, restriction);
  const { target } = restriction;
  const referenced = catalogue.relationByOid(target?.relation ?? -1);
  if (restriction.kind !== 'reference' || target === null || referenced === undefined) return false;
  const masked = walker.masks.masked(referenced)?.masked;
  const keys = catalogue.restrictionsOn(referenced.oid).filter((each) => each.kind === 'key' && each.relation === referenced.oid);
  if (keys.some((key) => key.folds === true && target.columns.some((name) => key.columns.includes(name)))) return false;
  return target.columns.every((name, index) => {
    if (masked?.has(name) !== true) return true;
    const own = relation.byName.get(restriction.columns[index] ?? '');
    const other = referenced.byName.get(name);
    if (own === undefined || other === undefined || !byToken.has(own.name) || !isExact(other)) return false;
    const [mine, its] = [walker.tokenColumn(relation, own), walker.tokenColumn(referenced, other)];
    return mine?.form === 'text' && its?.form === 'text' && mine.className === its.className;
  });
}

const isExact = (column: Column | undefined): boolean => column !== undefined && exactTypes.has(column.typeOid);

/** Every index with these columns is over the columns themselves, and not over expressions of them. */
function isPlainKey(walker: Walker, relation: Relation, { columns }: Restriction): boolean {
  const same = (other: readonly string[]): boolean => other.length === columns.length && other.every((name) => columns.includes(name));
  const all = walker.context.protection.catalogue
    .restrictionsOn(relation.oid)
    .filter((each) => each.kind === 'key' && each.relation === relation.oid && same(each.columns));
  return all.length <= relation.uniqueKeys.filter(same).length;
}
