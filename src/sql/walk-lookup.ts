// Look-ups of protected columns (`predicates: equality`): `mrn = 'M123'` or `mrn = $1` among the conditions that all rows
// must fulfil is applied to the stored column, inside the stand-in of its relation, so that the index of the column is
// used; in its old place stands TRUE. Every other use of the column sees the mask. A write's target stays raw, so there
// the equality just stays. Only constants and parameters, only with a whole key (protection-keys.ts), and only where the
// rows that fail the equality cannot reach the result in another way: never below the nullable side of an outer join.
// REFUSES: an equality that reads like a look-up but cannot be one, while its mask is a constant: it would find nothing.

import type { Column, Relation } from './catalogue.ts';
import { isHarmlessValue, parameterOf, textOf } from './lookup-values.ts';
import { nameList } from './resolve.ts';
import type { Body } from './rewrite.ts';
import { quoteName } from './rewrite.ts';
import { textTypeOf, textValue, valueSql } from './token-values.ts';
import type { Walker } from './walk.ts';
import { type Frame, type FromItem, namedColumn, type RawTarget, type StandIn } from './walk-scope.ts';

/** Guesses come in bulk, look-ups do not. */
export const MAX_LOOKUPS = 16;

const TRUE = { A_Const: { boolval: { boolval: true } } };

/** `column = value` among the conditions of a clause. */
interface Equality {
  readonly column: Column;
  readonly test: Body;
  readonly reference: Body;
  readonly value: Body;
  /** Puts a condition in its place. */
  readonly put: (node: unknown) => void;
}

/** What a clause says of one relation. */
interface Owner {
  readonly relation: Relation;
  readonly name: string;
  /** Null = the raw target of a write. */
  readonly standIn: StandIn | null;
  readonly only: boolean;
  readonly equalities: Equality[];
}

/** Applies the look-ups of a WHERE or ON clause. Stand-ins not in `filterable` may get no condition from it. */
export function applyLookups(walker: Walker, body: Body, field: string, frame: Frame, filterable: ReadonlySet<unknown>): void {
  if (!walker.context.protection.hasLookups || walker.lenient || body[field] === undefined) return;
  const owners = new Map<FromItem | RawTarget, Owner>();
  for (const { node, put } of conditions(body, field)) {
    const pair = equalSides(node);
    if (pair === null) continue;
    const owner = ownerOf(walker, pair.reference, frame, owners);
    if (owner !== null) owner.owner.equalities.push({ ...pair, column: owner.column, put });
  }
  for (const owner of owners.values()) {
    if (owner.standIn === null || filterable.has(owner.standIn.select)) keyed(walker, owner, frame);
    else
      for (const each of owner.equalities)
        refuse(walker, owner, each, 'Write it in the ON clause of the outer join, or use an inner join.');
  }
}

/** Stand-ins in a FROM clause (or one side of a join) whose rows all conditions on the whole must fulfil. */
export function filterableIn(node: unknown, found: Set<unknown> = new Set()): Set<unknown> {
  if (Array.isArray(node)) {
    for (const each of node) filterableIn(each, found);
    return found;
  }
  const entry = (node ?? {}) as Body;
  const sub = entry['RangeSubselect'] as Body | undefined;
  if (sub !== undefined) found.add((sub['subquery'] as Body)['SelectStmt']);
  const join = entry['JoinExpr'] as Body | undefined;
  if (join === undefined) return found;
  const type = join['jointype'];
  if (type === 'JOIN_INNER' || type === 'JOIN_LEFT') filterableIn(join['larg'], found);
  if (type === 'JOIN_INNER' || type === 'JOIN_RIGHT') filterableIn(join['rarg'], found);
  return found;
}

/** Those that the ON clause of a join decides about: it keeps all rows of the other side of an outer join. */
export function filterableByOn(join: Body): Set<unknown> {
  const found = new Set<unknown>();
  const type = join['jointype'];
  if (type === 'JOIN_INNER' || type === 'JOIN_RIGHT') filterableIn(join['larg'], found);
  if (type === 'JOIN_INNER' || type === 'JOIN_LEFT') filterableIn(join['rarg'], found);
  return found;
}

export interface Condition {
  readonly node: Body;
  readonly put: (node: unknown) => void;
}

/** What AND joins at the top of a clause. */
export function conditions(holder: Body, key: string): Condition[] {
  const node = holder[key] as Body;
  const both = node['BoolExpr'] as Body | undefined;
  if (both?.['boolop'] !== 'AND_EXPR') return [{ node, put: (other) => void (holder[key] = other) }];
  const args = both['args'] as Body[];
  return args.flatMap((_, index) => conditions(args as unknown[] & Body, String(index)));
}

interface Sides {
  readonly test: Body;
  readonly reference: Body;
  readonly value: Body;
}

/** A column on one side of `=`, something that is no column on the other. */
function equalSides(node: Body): Sides | null {
  const test = node['A_Expr'] as Body | undefined;
  const operator = nameList(test?.['name']);
  if (test?.['kind'] !== 'AEXPR_OP' || operator?.at(-1) !== '=') return null;
  if (operator.length > 2 || (operator.length === 2 && operator[0] !== 'pg_catalog')) return null;
  const left = test['lexpr'] as Body | undefined;
  const right = test['rexpr'] as Body | undefined;
  if (left === undefined || right === undefined) return null;
  const [column, value] = left['ColumnRef'] === undefined ? [right, left] : [left, right];
  const reference = column['ColumnRef'] as Body | undefined;
  return reference === undefined || textOf(value) === null ? null : { test, reference, value };
}

/** The relation whose column is surely meant, when it may be looked up there or is part of its keys. */
function ownerOf(
  walker: Walker,
  reference: Body,
  frame: Frame,
  owners: Map<FromItem | RawTarget, Owner>,
): { readonly owner: Owner; readonly column: Column } | null {
  const named = namedColumn(reference);
  if (named === null) return null;
  const { name } = named;
  const { items, target } = named.of(frame);
  const having = [
    ...items.filter((item) => item.columns?.has(name) === true),
    ...(target?.relation.byName.has(name) === true ? [target] : []),
  ];
  const [found, ...others] = having;
  if (found === undefined || others.length > 0) return null;
  const standIn = 'standIn' in found ? (found.standIn ?? null) : null;
  const relation = found.relation;
  const column = relation?.byName.get(name);
  if (relation === null || column === undefined || (standIn === null && found !== target)) return null;
  if (items.some((item) => item.columns === null)) {
    // A sub-select beside it may have a column of that name, too.
    if (isLookup(walker, relation, column)) refuseLookup(walker, relation, column, 'Write the table in front of the column.');
    return null;
  }
  let owner = owners.get(found);
  if (owner === undefined) {
    const only = standIn?.only ?? target?.only ?? false;
    owners.set(found, (owner = { relation, name: found.name ?? relation.name, standIn, only, equalities: [] }));
  }
  return { owner, column };
}

/** A masked column that policy lets be looked up. */
function isLookup(walker: Walker, relation: Relation, column: Column): boolean {
  return (
    walker.masks.masked(relation)?.masked.has(column.name) === true && walker.context.protection.allowsLookup(relation.oid, column.name)
  );
}

/** Applies what the keys of one relation allow. */
function keyed(walker: Walker, owner: Owner, frame: Frame): void {
  const { relation, only, equalities } = owner;
  const masked = walker.masks.masked(relation);
  const lookups = equalities.filter((each) => isLookup(walker, relation, each.column));
  if (masked === null || lookups.length === 0) return;
  const usable = lookups.filter((each) => whyNot(walker, owner, each) === null);
  const given = new Set(
    equalities.filter((each) => !masked.masked.has(each.column.name) || usable.includes(each)).map((each) => each.column.name),
  );
  const keys = walker.context.protection.wholeKeys(relation.oid, only).filter((key) => key.every((column) => given.has(column)));
  for (const each of lookups) {
    const key = keys.find((columns) => columns.includes(each.column.name));
    const why = whyNot(walker, owner, each) ?? (key === undefined ? 'Give the whole key: every column of a unique index.' : null);
    if (why !== null || key === undefined) refuse(walker, owner, each, why ?? '');
    else apply(walker, owner, each, key, frame);
  }
}

/** Why an equality cannot be applied to the stored column, as a remedy; null = it can. '' = it means the mask. */
function whyNot(walker: Walker, { relation, standIn }: Owner, { column, value }: Equality): string | null {
  // A token is compared with tokens (walk-token.ts).
  if (walker.tokenColumn(relation, column)?.form === 'other' && walker.tokens?.holdsToken(textOf(value) ?? '') === true) return '';
  if (tokensOf(walker, relation, column) !== null && walker.tokens?.meansToken(textOf(value) ?? '') === true) return '';
  if (!isHarmlessValue(column, value)) return "Compare with a plain constant or parameter of the column's type.";
  const parameter = parameterOf(value);
  if (parameter === null || standIn === null || walker.hasSureType(parameter)) return null;
  return 'Use a parameter of its own, or cast it to the same type wherever it is used.';
}

/** How every token begins. */
const TOKEN_START = 'tok_';

/** Class of the tokens that the column shows, if it does. */
function tokensOf(walker: Walker, relation: Relation, column: Column): string | null {
  const found = walker.tokenColumn(relation, column);
  return found?.form === 'text' ? found.className : null;
}

function apply(walker: Walker, owner: Owner, each: Equality, key: readonly string[], frame: Frame): void {
  const { standIn } = owner;
  const { column, test, reference, value } = each;
  const { findings } = walker;
  findings.lookups += 1;
  if (findings.lookups > MAX_LOOKUPS) {
    findings.refuse({ code: 'node-kind', what: `more than ${MAX_LOOKUPS} look-ups`, remedy: 'Send the look-ups in several statements.' });
  }
  // The planner knows one column to be unique, but estimates several from what is stored in them.
  if (key.length > 1) findings.tellingPlan = true;
  const sought = tokenOrValue(walker, owner, each);
  if (standIn === null) {
    walker.rawLookups.add(reference);
    if (sought === null) return;
    test['lexpr'] = { ColumnRef: reference };
    test['rexpr'] = sought;
    findings.changed = true;
    return;
  }
  walker.unvetted(walker.names.operator(nameList(test['name']) ?? []));
  walker.node(value, frame);
  const own = { ColumnRef: { fields: [{ String: { sval: column.name } }] } };
  const equal = { A_Expr: { kind: 'AEXPR_OP', name: test['name'], lexpr: own, rexpr: sought ?? value } };
  standIn.select['whereClause'] = and(standIn.select['whereClause'], equal);
  // Of a token the comparison with the mask decides.
  each.put(sought === null ? TRUE : or(not(startsLikeToken(value)), { A_Expr: test }));
  findings.changed = true;
}

/** A parameter may hold a token instead of the value. Null: it is the value. */
function tokenOrValue(walker: Walker, { relation }: Owner, { column, value }: Equality): Body | null {
  const className = tokensOf(walker, relation, column);
  const found = textValue(value);
  if (className === null || walker.tokens === null || found === null || found.constant !== null) return null;
  walker.noteParameter(found, { className, use: 'opened', column: `${relation.qualified}.${column.name}` });
  const type = textTypeOf(column, 'compared');
  const given = valueSql(found, type, null);
  const opened = walker.tokens.open(`(${given})::text`, className);
  return walker.standIns.value(`COALESCE((${opened})::${found.cast ?? type}, ${given})`);
}

/** One AND for all: nested ones are printed without the brackets that would keep them apart. */
export const and = (left: unknown, right: unknown): unknown =>
  left === undefined ? right : { BoolExpr: { boolop: 'AND_EXPR', args: [left, right].flatMap(conjuncts) } };

export function conjuncts(node: unknown): unknown[] {
  const both = (node as Body)['BoolExpr'] as Body | undefined;
  return both?.['boolop'] === 'AND_EXPR' ? (both['args'] as unknown[]) : [node];
}
const or = (...args: readonly unknown[]): unknown => ({ BoolExpr: { boolop: 'OR_EXPR', args } });
const not = (arg: unknown): unknown => ({ BoolExpr: { boolop: 'NOT_EXPR', args: [arg] } });

function startsLikeToken(value: Body): unknown {
  const start = { A_Const: { sval: { sval: TOKEN_START } } };
  const funcname = ['pg_catalog', 'starts_with'].map((sval) => ({ String: { sval } }));
  return { FuncCall: { funcname, args: [value, start], funcformat: 'COERCE_EXPLICIT_CALL' } };
}

/** Refuses an equality that would compare with a constant mask. One with a mask that tells values apart stays. */
function refuse(walker: Walker, { relation, standIn }: Owner, { column }: Equality, remedy: string): void {
  if (standIn === null || remedy === '' || !isLookup(walker, relation, column)) return;
  const expression = walker.masks.masked(relation)?.expression(column.name) ?? '';
  if (!expression.includes(quoteName(column.name))) refuseLookup(walker, relation, column, remedy);
}

function refuseLookup(walker: Walker, relation: Relation, column: Column, remedy: string): void {
  walker.findings.refuse({ code: 'node-kind', what: `look-up of ${relation.qualified}.${column.name}`, remedy });
}
