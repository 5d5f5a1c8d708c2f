// Names inside expressions: columns, functions, operators, types. Each is resolved and vetted; a column of a table
// that is being written is refused when it is masked, because the target of a write stays raw.

import type { Effect, Unknown } from '../core/facts.ts';
import type { Handler } from './walk-handlers.ts';
import { nameList } from './resolve.ts';
import { constantText } from './statements-session.ts';
import { isReadableSetting, isSettable, refusedOwnSetting } from './settings.ts';
import { quoteName } from './rewrite.ts';
import type { Body } from './rewrite.ts';
import type { Walker } from './walk.ts';
import { conjuncts } from './walk-lookup.ts';
import { compareTokens } from './walk-token.ts';
import { TEXT_FUNCTIONS } from './system-filters.ts';
import type { Frame } from './walk-scope.ts';
import { itemOf, reachOf } from './walk-scope.ts';

const columnRef: Handler = (walker, body, frame) => {
  walker.known('ColumnRef', body);
  const fields = body['fields'] as Body[];
  const star = fields.at(-1)?.['A_Star'] !== undefined;
  const parts = nameList(star ? fields.slice(0, -1) : fields);
  if (parts === null) {
    walker.refuseNode('ColumnRef.fields');
    return null;
  }
  const column = star ? null : (parts.at(-1) ?? null);
  const qualifier = star ? parts : parts.slice(0, -1);
  if (column !== null && qualifier.length > 0) walker.unvetted(walker.names.attribute(column));
  const reach = reachOf({ qualifier, column }, frame);
  if (reach?.kind === 'raw' && !walker.rawLookups.has(body)) walker.refuseWrite(reach.target.relation, 'reads');
  if (reach?.kind === 'item' && column !== null) {
    walker.editName(body, 1, `${quoteName(reach.item)}.${quoteName(column)}`);
    fields.unshift({ String: { sval: reach.item } });
    walker.findings.changed = true;
  }
  dropSchema(walker, body, qualifier);
  return null;
};

/** `public.patients.id` names a stand-in by its alias only: the schema goes. */
function dropSchema(walker: Walker, body: Body, qualifier: readonly string[]): void {
  const fields = body['fields'] as Body[];
  const table = qualifier.at(-1);
  const schema = qualifier.at(-2);
  if (table === undefined || schema === undefined) return;
  const place = walker.names.relation(schema, table);
  if (place === null || place.temporary || walker.masks.masked(place.relation) === null) return;
  walker.editName(body, qualifier.length, quoteName(table));
  fields.splice(0, qualifier.length - 1);
  walker.findings.changed = true;
}

const indirection: Handler = (walker, body, frame) => {
  walker.fields('A_Indirection', body, frame);
  for (const step of body['indirection'] as Body[]) {
    const name = (step['String'] as Body | undefined)?.['sval'];
    if (typeof name === 'string') walker.unvetted(walker.names.attribute(name));
    else walker.node(step, frame);
  }
  return null;
};

const functionCall: Handler = (walker, body, frame) => {
  const args = (body['args'] ?? []) as Body[];
  const names = nameList(body['funcname']);
  if (names === null) {
    walker.refuseNode('FuncCall.funcname');
    return null;
  }
  const own = settingNamed(names, args);
  if (own !== null) walker.findings.refuse(own);
  if (hidesText(walker, names)) {
    walker.list(args, frame);
    walker.findings.changed = true;
    return NULL_TEXT();
  }
  if (!vouchedByArguments(walker, names, args, frame)) {
    walker.unvetted(told(walker.names.function(names), names), ...effectsOfUnvetted(walker, names));
  }
  walker.fields('FuncCall', body, frame);
  return null;
};

/** A setting of the gateway that the call names, and why it is refused. */
function settingNamed(names: readonly string[], args: readonly Body[]): Unknown | null {
  const name = names.at(-1);
  if (name !== 'set_config' && name !== 'current_setting') return null;
  for (const [index, arg] of args.entries()) {
    let value: Body | undefined = arg;
    let wrapped = inner(value);
    // By position or by name, cast to text or not.
    if (index > 0 && value['NamedArgExpr'] === undefined) continue;
    for (; wrapped !== undefined; wrapped = inner(value)) value = wrapped;
    const own = refusedOwnSetting(constantText(value) ?? '');
    if (own !== null) return own;
  }
  return null;
}

function inner(node: Body): Body | undefined {
  return ((node['NamedArgExpr'] ?? node['TypeCast'] ?? node['CollateClause']) as Body | undefined)?.['arg'] as Body | undefined;
}

/** The operator does not want texts of definitions to be shown. */
function hidesText(walker: Walker, names: readonly string[]): boolean {
  if (walker.lenient || walker.context.residuals?.catalogueTexts !== 'hidden') return false;
  return TEXT_FUNCTIONS.has(names.at(-1) ?? '') && (names.length === 1 || names.at(-2) === 'pg_catalog');
}

const NULL_TEXT = (): Body => ({
  TypeCast: {
    arg: { A_Const: { isnull: true } },
    typeName: { names: [{ String: { sval: 'pg_catalog' } }, { String: { sval: 'text' } }], typemod: -1 },
  },
});

/** pg_dump begins with a computed set_config: its users have to be told what is missing. */
function told(reason: Unknown | null, names: readonly string[]): Unknown | null {
  if (reason === null || names.at(-1) !== 'set_config') return reason;
  return { ...reason, remedy: 'Use SET with constants. pg_dump is for principals to whom nothing on the target is masked.' };
}

/** What an unvetted function may do, at most. */
function effectsOfUnvetted(walker: Walker, names: readonly string[]): Effect[] {
  if (!walker.lenient) return [];
  const schema = names.length > 1 ? (names.at(-2) ?? null) : null;
  const reachable = walker.names.overloads(schema, names.at(-1) ?? '');
  const effects: Effect[] = ['read'];
  if (reachable.some((info) => info.volatility === 'volatile')) effects.push('write', 'ddl');
  if (reachable.some((info) => info.schema === 'pg_catalog' || info.extension !== null)) effects.push('admin');
  return effects;
}

/** Functions that are harmless with some constant arguments only. */
function vouchedByArguments(walker: Walker, names: readonly string[], args: readonly Body[], frame: Frame): boolean {
  const name = names.at(-1);
  if (names.length > 2 || (names.length === 2 && names[0] !== 'pg_catalog')) return false;
  const shadowed = names.length === 1 && walker.names.overloads(null, name ?? '').some((info) => info.schema !== 'pg_catalog');
  if (shadowed) return false;
  const first = constantText(args[0]);
  if (name === 'current_setting') return first === null ? isShownSettingName(args, frame) : isReadableSetting(first);
  if (name === 'set_config') {
    const value = constantText(args[1]);
    return args.length === 3 && first !== null && value !== null && constantText(args[2]) !== null && isSettable(first, value);
  }
  if (name === 'nextval' || name === 'currval') {
    // A sequence takes no value from the statement; moving it on is a write.
    const cast = args[0]?.['TypeCast'] as Body | undefined;
    if ((first ?? constantText(cast?.['arg'] as Body | undefined)) === null || args.length !== 1) return false;
    if (name === 'nextval') walker.findings.effect('write');
    return true;
  }
  return name === 'lastval' && args.length === 0;
}

/** `current_setting(s.name)` with `pg_settings s`: rows of other settings are not there. */
function isShownSettingName(args: readonly Body[], frame: Frame): boolean {
  const [table, column, ...more] = nameList((args[0]?.['ColumnRef'] as Body | undefined)?.['fields']) ?? [];
  if (args.length !== 1 || column !== 'name' || more.length > 0) return false;
  const item = itemOf(table ?? '', frame);
  return item?.relation?.qualified === 'pg_catalog.pg_settings' && item.columns !== null && item.replaced;
}

/** Operators an expression kind uses beside those it names. */
const IMPLIED: Readonly<Record<string, readonly string[]>> = {
  AEXPR_BETWEEN: ['>=', '<='],
  AEXPR_NOT_BETWEEN: ['<', '>'],
  AEXPR_BETWEEN_SYM: ['>=', '<='],
  AEXPR_NOT_BETWEEN_SYM: ['<', '>'],
};

const KINDS = new Set([
  'AEXPR_OP',
  'AEXPR_OP_ANY',
  'AEXPR_OP_ALL',
  'AEXPR_DISTINCT',
  'AEXPR_NOT_DISTINCT',
  'AEXPR_NULLIF',
  'AEXPR_IN',
  'AEXPR_LIKE',
  'AEXPR_ILIKE',
  'AEXPR_SIMILAR',
]);

const expression: Handler = (walker, body, frame) => {
  const kind = String(body['kind']);
  const implied = IMPLIED[kind];
  if (implied !== undefined) for (const name of implied) walker.unvetted(walker.names.operator([name]));
  else if (KINDS.has(kind)) operatorName(walker, body['name']);
  else walker.refuseNode(`A_Expr.${kind}`);
  const finish = compareTokens(walker, body, frame);
  walker.fields('A_Expr', body, frame);
  return finish === null ? null : finish();
};

function operatorName(walker: Walker, value: unknown): void {
  const names = nameList(value);
  if (names === null) walker.refuseNode('A_Expr.name');
  else walker.unvetted(walker.names.operator(names));
}

const typeName: Handler = (walker, body, frame) => {
  const names = nameList(body['names']);
  if (names === null || body['pct_type'] === true || body['setof'] === true) walker.refuseNode('TypeName.names');
  else walker.unvetted(walker.names.type(names));
  walker.fields('TypeName', body, frame);
  return null;
};

const sortBy: Handler = (walker, body, frame) => {
  if (body['useOp'] !== undefined) operatorName(walker, body['useOp']);
  walker.fields('SortBy', body, frame);
  return null;
};

const subLink: Handler = (walker, body, frame) => {
  if (body['operName'] !== undefined) operatorName(walker, body['operName']);
  else if (body['testexpr'] !== undefined) walker.unvetted(walker.names.operator(['=']));
  walker.fields('SubLink', body, frame);
  return null;
};

const caseExpression: Handler = (walker, body, frame) => {
  if (body['arg'] !== undefined) {
    walker.unvetted(walker.names.operator(['=']));
    walker.child(body, 'arg', frame);
  }
  walker.fields('CaseExpr', body, frame);
  return null;
};

/** A comparison may have become several: they stand beside the others. */
const boolean: Handler = (walker, body, frame) => {
  walker.fields('BoolExpr', body, frame);
  if (body['boolop'] === 'AND_EXPR') body['args'] = (body['args'] as unknown[]).flatMap(conjuncts);
  return null;
};

const currentOf: Handler = (walker, body) => {
  walker.known('CurrentOfExpr', body);
  const cursor = body['cursor_name'];
  if (typeof cursor !== 'string' || walker.context.objects.cursor(cursor) === undefined) {
    walker.findings.refuse({ code: 'session-object', what: 'cursor', remedy: 'DECLARE the cursor in this session first.' });
  }
  return null;
};

export const names: Readonly<Record<string, Handler>> = {
  ColumnRef: columnRef,
  A_Indirection: indirection,
  FuncCall: functionCall,
  A_Expr: expression,
  TypeName: typeName,
  SortBy: sortBy,
  SubLink: subLink,
  CaseExpr: caseExpression,
  BoolExpr: boolean,
  CurrentOfExpr: currentOf,
};
