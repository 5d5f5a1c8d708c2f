// Queries: CTE scoping, FROM clauses and the masked stand-ins that replace protected relations there.

import type { Relation } from './catalogue.ts';
import type { Place } from './resolve.ts';
import { nameList, unknown } from './resolve.ts';
import type { Handler } from './walk-handlers.ts';
import { mentionedColumns, restoreDependency } from './walk-group.ts';
import { applyLookups, filterableByOn, filterableIn } from './walk-lookup.ts';
import { applyTokens } from './walk-token.ts';
import type { Replaced } from './walk-group.ts';
import { quoteName } from './rewrite.ts';
import type { Body } from './rewrite.ts';
import { constantText } from './statements-session.ts';
import type { Walker } from './walk.ts';
import { blindFrame, findCte, newFrame } from './walk-scope.ts';
import type { CteScope, Frame, FromItem } from './walk-scope.ts';

const select: Handler = (walker, body, outer) => {
  const frame = newFrame(outer);
  if (body['intoClause'] !== undefined) walker.refuseNode('SelectStmt.intoClause');
  withClause(walker, body, frame, outer);
  for (const arm of ['larg', 'rarg']) {
    const query = body[arm];
    // An arm sees the CTEs of the whole, and the outer query; never the other arm.
    if (query !== undefined) select(walker, query as Body, { ...blindFrame(frame), parent: outer });
  }
  const group = body['groupClause'] as Body[] | undefined;
  const mentioned = group === undefined ? null : mentionedColumns(body);
  fromClause(walker, body, 'fromClause', frame);
  applyLookups(walker, body, 'whereClause', frame, filterableIn(body['fromClause']));
  applyTokens(walker, body, 'whereClause', frame, filterableIn(body['fromClause']));
  walker.fields('SelectStmt', body, frame);
  if (mentioned !== null) restoreDependency(body, replacedItems(walker, frame), mentioned);
  return null;
};

function replacedItems(walker: Walker, frame: Frame): Replaced[] {
  return frame.items.flatMap((item) => {
    const masked = item.replaced && item.relation !== null ? walker.masks.masked(item.relation) : null;
    return masked === null ? [] : [{ item, masked }];
  });
}

/** Walks a WITH clause: `frame` sees all of it; each CTE sees what PostgreSQL lets it see. */
export function withClause(walker: Walker, body: Body, frame: Frame, outer: Frame): void {
  const clause = body['withClause'] as Body | undefined;
  if (clause === undefined) return;
  walker.known('WithClause', clause);
  const ctes = (clause['ctes'] as Body[]).map((each) => each['CommonTableExpr'] as Body);
  if (ctes.some((each) => each === undefined)) {
    walker.refuseNode('WithClause.ctes');
    return;
  }
  const scope: CteScope = { parent: outer.ctes, names: new Map() };
  const renamed = ctes.map((each): [string, string] => [String(each['ctename']), walker.cteName(String(each['ctename']))]);
  const recursive = clause['recursive'] === true;
  if (recursive) for (const [name, ours] of renamed) scope.names.set(name, ours);
  ctes.forEach((cte, index) => {
    // A CTE sees the surrounding query's tables, but nothing of the query it belongs to.
    const inner: Frame = { parent: outer, ctes: scope, items: [], target: null };
    walker.fields('CommonTableExpr', cte, inner);
    walker.child(cte, 'ctequery', inner);
    const [name, ours] = renamed[index] ?? ['', ''];
    walker.editName(cte, 1, quoteName(ours));
    cte['ctename'] = ours;
    scope.names.set(name, ours);
  });
  walker.findings.changed = true;
  frame.ctes = scope;
}

/** Walks a FROM (or USING) list in place. */
export function fromClause(walker: Walker, body: Body, field: string, frame: Frame): void {
  walker.list(body[field], frame);
}

const rangeVar: Handler = (walker, body, frame) => reference(walker, body, frame, null);

const tableSample: Handler = (walker, body, frame) => {
  walker.fields('RangeTableSample', body, frame);
  const method = nameList(body['method']);
  const name = method?.at(-1);
  if (method?.length !== 1 || (name !== 'system' && name !== 'bernoulli')) walker.refuseNode('RangeTableSample.method');
  const inner = (body['relation'] as Body)['RangeVar'] as Body | undefined;
  if (inner === undefined) {
    walker.refuseNode('RangeTableSample.relation');
    return null;
  }
  return reference(walker, inner, frame, body);
};

/** A relation name in FROM, with the TABLESAMPLE clause around it. */
function reference(walker: Walker, body: Body, frame: Frame, sample: Body | null): unknown {
  walker.known('RangeVar', body);
  const name = String(body['relname']);
  const alias = aliasOf(walker, body);
  const visible = alias?.name ?? name;
  const wrap = (range: unknown): unknown => (sample === null ? range : { RangeTableSample: { ...sample, relation: range } });
  const cte = body['schemaname'] === undefined && body['catalogname'] === undefined ? findCte(frame.ctes, name) : null;
  if (cte !== null) {
    frame.items.push({ name: visible, relation: null, columns: null, replaced: false });
    walker.edit(body, `${quoteName(cte)}${body['alias'] === undefined ? ` AS ${quoteName(name)}` : ''}`);
    return wrap({ RangeVar: { ...body, relname: cte, alias: body['alias'] ?? { aliasname: name } } });
  }
  const place = readable(walker, body);
  if (place === null) {
    frame.items.push({ name: visible, relation: null, columns: null, replaced: false });
    return null;
  }
  const { relation } = place;
  walker.findings.use(place.temporary ? `pg_temp.${relation.name}` : relation.qualified, 'read');
  const masked = place.temporary ? null : walker.masks.masked(relation);
  const columns = alias?.renamed === true ? null : relation.byName;
  if (masked === null) {
    frame.items.push({ name: visible, relation, columns, replaced: false } satisfies FromItem);
    pin(walker, body, place);
    return sample === null ? null : wrap({ RangeVar: body });
  }
  walker.findings.changed = true;
  const only = body['inh'] !== true;
  const sampled = sample === null ? null : sampleText(walker, sample);
  if (sample !== null && masked.refusesSamples) {
    walker.findings.refuse({
      code: 'partition',
      what: `${relation.qualified}: a sample tells which partition a row is in, and a protected column chooses that`,
      remedy: 'Leave TABLESAMPLE out.',
    });
  }
  const subquery = walker.standIns.place(
    masked.standIn({ only, sample: sampled, system: relation.kind === 'view' ? [] : walker.systemColumns }),
  );
  const select = subquery['SelectStmt'] as Body;
  frame.items.push({ name: visible, relation, columns, replaced: true, standIn: { select, only } } satisfies FromItem);
  const text = `(${walker.standIns.last})${body['alias'] === undefined ? ` AS ${quoteName(name)}` : ''}`;
  walker.edit(body, text, { dropOnly: only });
  return { RangeSubselect: { subquery, alias: body['alias'] ?? { aliasname: name } } };
}

/** A TABLESAMPLE clause with constant arguments as text. */
function sampleText(walker: Walker, sample: Body): string {
  const number = (node: unknown): string => {
    const text = constantText(node as Body | undefined);
    if (text !== null && /^\d+(\.\d+)?$/.test(text)) return text;
    walker.refuseNode('RangeTableSample.args');
    return '0';
  };
  const args = ((sample['args'] ?? []) as Body[]).map(number).join(', ');
  const repeatable = sample['repeatable'] === undefined ? '' : ` REPEATABLE (${number(sample['repeatable'])})`;
  return ` TABLESAMPLE ${nameList(sample['method'])?.[0] === 'system' ? 'system' : 'bernoulli'} (${args})${repeatable}`;
}

/** Resolves a relation that is read, and applies the rules for system relations and sensitive views. */
export function readable(walker: Walker, body: Body): Place | null {
  const place = resolved(walker, body);
  if (place === null || walker.lenient || place.temporary) return place;
  const refusal = walker.names.refusedSystemRelation(place.relation);
  if (refusal !== null) walker.findings.refuse(refusal);
  const { protection } = walker.context;
  const foreign = place.relation.kind === 'foreign' && protection.isProtected(place.relation.oid);
  if (foreign || protection.touchesProtected(place.relation.oid)) walker.findings.sensitive = true;
  if (foreign || protection.touchesProtected(place.relation.oid) || protection.hasTellingPartitions(place.relation.oid))
    walker.findings.tellingPlan = true;
  refuseTelling(walker, place.relation);
  return place;
}

/** A partition whose rows a protected column chose: being in it tells the value. Or a view that tells the same. */
export function refuseTelling(walker: Walker, relation: Relation): void {
  if (!walker.context.protection.isTellingPartition(relation.oid)) return;
  walker.findings.refuse({
    code: 'partition',
    what: `${relation.qualified}: its rows, or their order, are chosen by a protected column`,
    remedy: 'Use the partitioned table that it belongs to.',
  });
}

/** Finds the relation a RangeVar names; an unknown one is refused. */
export function resolved(walker: Walker, body: Body): Place | null {
  const name = String(body['relname']);
  const schema = body['schemaname'] === undefined ? null : String(body['schemaname']);
  const database = walker.context.protection.catalogue.database;
  const elsewhere = body['catalogname'] !== undefined && body['catalogname'] !== database;
  const place = elsewhere ? null : walker.names.relation(schema, name);
  if (place === null) walker.findings.refuse(unknown('relation', walker.names.known(name)));
  return place;
}

/** Writes the schema it resolved to into a relation name. */
export function pin(walker: Walker, body: Body, place: Place): void {
  if (!place.pinned) walker.findings.changed = true;
  const schema = place.temporary ? 'pg_temp' : place.relation.schema;
  if (body['schemaname'] !== schema) walker.edit(body, `${quoteName(schema)}.${quoteName(place.relation.name)}`);
  body['schemaname'] = schema;
}

function aliasOf(walker: Walker, body: Body): { name: string; renamed: boolean } | null {
  const alias = body['alias'] as Body | undefined;
  if (alias === undefined) return null;
  walker.known('Alias', alias);
  return { name: String(alias['aliasname']), renamed: alias['colnames'] !== undefined };
}

/** A FROM entry whose columns are not known. */
function opaqueItem(walker: Walker, body: Body, frame: Frame): void {
  frame.items.push({ name: aliasOf(walker, body)?.name ?? null, relation: null, columns: null, replaced: false });
}

const subselect: Handler = (walker, body, frame) => {
  walker.fields('RangeSubselect', body, body['lateral'] === true ? frame : blindFrame(frame));
  opaqueItem(walker, body, frame);
  return null;
};

const rangeFunction: Handler = (walker, body, frame) => {
  walker.fields('RangeFunction', body, frame);
  opaqueItem(walker, body, frame);
  return null;
};

const tableFunction: Handler = (walker, body, frame) => {
  walker.fields('RangeTableFunc', body, frame);
  opaqueItem(walker, body, frame);
  return null;
};

const jsonTable: Handler = (walker, body, frame) => {
  walker.fields('JsonTable', body, frame);
  opaqueItem(walker, body, frame);
  return null;
};

const join: Handler = (walker, body, frame) => {
  walker.known('JoinExpr', body);
  if (body['usingClause'] !== undefined || body['isNatural'] === true) walker.unvetted(walker.names.operator(['=']));
  const start = frame.items.length;
  walker.child(body, 'larg', frame);
  walker.child(body, 'rarg', frame);
  // ON sees only the two sides of its own join.
  const own: Frame = { ...frame, items: frame.items.slice(start), target: null };
  applyLookups(walker, body, 'quals', own, filterableByOn(body));
  applyTokens(walker, body, 'quals', own, filterableByOn(body));
  walker.child(body, 'quals', { ...own, target: frame.target });
  // An alias on the join hides the names inside it, and may rename every column.
  if (aliasOf(walker, body) !== null) {
    frame.items.splice(start);
    opaqueItem(walker, body, frame);
  }
  return null;
};

/** FOR UPDATE takes row locks, on the rows of a stand-in's relation too. It names FROM entries, not relations. */
const locking: Handler = (walker, body, frame) => {
  walker.fields('LockingClause', body, frame);
  walker.findings.effect('write');
  return null;
};

export const queries: Readonly<Record<string, Handler>> = {
  SelectStmt: select,
  RangeVar: rangeVar,
  RangeTableSample: tableSample,
  RangeSubselect: subselect,
  RangeFunction: rangeFunction,
  RangeTableFunc: tableFunction,
  JsonTable: jsonTable,
  JoinExpr: join,
  LockingClause: locking,
};
