// Writes: INSERT, UPDATE, DELETE, MERGE, at the top or inside WITH. The target stays raw, so its masked columns may not
// be read (WHERE, SET sources, RETURNING); everything else the statement reads is replaced as in a query.
// REFUSES: writing masked columns of unique keys (duplicates are an oracle), RETURNING where opaque code runs.

import type { Relation } from './catalogue.ts';
import { nameList } from './resolve.ts';
import type { Handler } from './walk-handlers.ts';
import type { Body } from './rewrite.ts';
import type { Walker } from './walk.ts';
import { fromClause, pin, resolved, withClause } from './walk-query.ts';
import { newFrame } from './walk-scope.ts';
import type { Frame, RawTarget } from './walk-scope.ts';

/** Frame of a write whose target is `body.relation`. */
interface Write {
  readonly frame: Frame;
  readonly relation: Relation | null;
  readonly target: RawTarget | null;
}

function openWrite(walker: Walker, body: Body, outer: Frame): Write {
  walker.findings.effect('write');
  walker.findings.writes = true;
  const relation = writeTarget(walker, body['relation'] as Body);
  const masked = relation === null ? null : walker.masks.masked(relation);
  const target: RawTarget | null =
    masked === null ? null : { relation: masked.relation, masked: masked.masked, names: targetNames(body) };
  const frame = newFrame(outer, target);
  withClause(walker, body, frame, outer);
  if (target === null && relation !== null) {
    const name = [...targetNames(body)][0] ?? relation.name;
    frame.items.push({ name, relation, columns: relation.byName, replaced: false });
  }
  return { frame, relation, target };
}

function targetNames(body: Body): Set<string> {
  const relation = body['relation'] as Body;
  const alias = (relation['alias'] as Body | undefined)?.['aliasname'];
  const names = new Set([String(alias ?? relation['relname']), 'excluded', 'old', 'new']);
  const returning = body['returningClause'] as Body | undefined;
  for (const option of (returning?.['options'] ?? []) as Body[]) {
    names.add(String((option['ReturningOption'] as Body | undefined)?.['value']));
  }
  return names;
}

/** Resolves, pins and records the relation a statement writes. */
export function writeTarget(walker: Walker, body: Body): Relation | null {
  walker.known('RangeVar', body);
  const place = resolved(walker, body);
  if (place === null) return null;
  const { relation } = place;
  pin(walker, body, place);
  walker.findings.use(place.temporary ? `pg_temp.${relation.name}` : relation.qualified, 'write');
  if (place.temporary || walker.lenient) return place.temporary ? null : relation;
  const refusal = walker.names.refusedSystemRelation(relation);
  if (refusal !== null || relation.schema === 'pg_catalog' || relation.schema === 'information_schema') {
    walker.findings.refuse({ code: 'system-relation', what: relation.qualified, remedy: 'System relations are read-only here.' });
  }
  const { protection } = walker.context;
  if (protection.isOpaqueOnWrite(relation.oid) || protection.touchesProtected(relation.oid) || walker.masks.masked(relation) !== null) {
    walker.findings.sensitive = true;
  }
  return relation;
}

/** Columns a statement writes: a masked one must not be in a unique key, which would answer whether a value exists.
 *  The keys behind a view are not followed: nothing masked is written through one. */
export function writtenColumns(walker: Walker, relation: Relation | null, columns: readonly string[]): void {
  const masked = relation === null ? null : walker.masks.masked(relation);
  if (relation === null || masked === null) return;
  const hasRows = relation.kind === 'table' || relation.kind === 'partitioned';
  const keys = hasRows ? keyColumns(walker, relation, new Set()) : masked.masked;
  if (columns.some((column) => masked.masked.has(column) && keys.has(column))) walker.refuseWrite(relation, 'key');
}

/** Columns in a unique key of the relation, or of one it shares rows with by inheritance or partitioning. */
function keyColumns(walker: Walker, relation: Relation, seen: Set<number>): Set<string> {
  seen.add(relation.oid);
  const keys = new Set([...relation.primaryKey, ...relation.uniqueKeys.flat()]);
  for (const oid of [...relation.children, ...relation.parents]) {
    const other = seen.has(oid) ? undefined : walker.context.protection.catalogue.relationByOid(oid);
    if (other !== undefined) for (const column of keyColumns(walker, other, seen)) keys.add(column);
  }
  return keys;
}

function targetColumns(targets: unknown): string[] {
  return ((targets ?? []) as Body[]).map((each) => String((each['ResTarget'] as Body | undefined)?.['name']));
}

function returning(walker: Walker, body: Body, write: Write): void {
  const clause = body['returningClause'] as Body | undefined;
  if (clause === undefined) return;
  walker.findings.effect('read');
  const options = (clause['options'] ?? []) as Body[];
  if (options.length > 0 && walker.context.protection.catalogue.serverVersionNum < 180000) {
    walker.findings.refuse({ code: 'server-version', what: 'ReturningOption', remedy: 'Use a construct this server version knows.' });
  }
  if (!walker.lenient && write.relation !== null && walker.context.protection.isOpaqueOnWrite(write.relation.oid)) {
    walker.findings.refuse({
      code: 'write-of-protected',
      what: `${write.relation.qualified}: RETURNING of a table with triggers or defaults of unknown effect`,
      remedy: 'Leave RETURNING out, and SELECT the row afterwards.',
    });
  }
  walker.typedChild(body, 'returningClause', 'ReturningClause', write.frame);
}

const insert: Handler = (walker, body, outer) => {
  const write = openWrite(walker, body, outer);
  const { frame, relation } = write;
  // The rows to insert see the CTEs, not the target.
  const source: Frame = { parent: outer, ctes: frame.ctes, items: [], target: null };
  walker.child(body, 'selectStmt', source);
  const columns = body['cols'] === undefined ? (relation?.columns.map((column) => column.name) ?? []) : targetColumns(body['cols']);
  if (body['selectStmt'] !== undefined) writtenColumns(walker, relation, columns);
  walker.fields('InsertStmt', body, frame);
  conflict(walker, body, write);
  returning(walker, body, write);
  return null;
};

function conflict(walker: Walker, body: Body, { frame, relation, target }: Write): void {
  const clause = body['onConflictClause'] as Body | undefined;
  if (clause === undefined) return;
  const infer = clause['infer'] as Body | undefined;
  if (target !== null) {
    const elements = ((infer?.['indexElems'] ?? []) as Body[]).map((each) => (each['IndexElem'] as Body | undefined)?.['name']);
    const onMasked = elements.some((name) => typeof name !== 'string' || target.masked.has(name));
    if (infer?.['conname'] !== undefined || onMasked) walker.refuseWrite(target.relation, 'key');
  }
  walker.typedChild(body, 'onConflictClause', 'OnConflictClause', frame);
  shareSources(clause['targetList']);
  writtenColumns(walker, relation, targetColumns(clause['targetList']));
}

/** Foreign keys with an action write to the relations that refer to this one. */
function cascade(walker: Walker, relation: Relation | null, seen: Set<number> = new Set()): void {
  if (relation === null || seen.has(relation.oid)) return;
  seen.add(relation.oid);
  const { catalogue } = walker.context.protection;
  for (const { referencing, referenced } of catalogue.cascades) {
    const other = referenced === relation.oid ? catalogue.relationByOid(referencing) : undefined;
    if (other === undefined) continue;
    walker.findings.use(other.qualified, 'write');
    cascade(walker, other, seen);
  }
}

const update: Handler = (walker, body, outer) => {
  const write = openWrite(walker, body, outer);
  cascade(walker, write.relation);
  fromClause(walker, body, 'fromClause', write.frame);
  walker.fields('UpdateStmt', body, write.frame);
  shareSources(body['targetList']);
  writtenColumns(walker, write.relation, targetColumns(body['targetList']));
  returning(walker, body, write);
  return null;
};

/** `SET (a, b) = (SELECT ...)`: the tree holds the source once per column, and all must stay the same. */
function shareSources(targets: unknown): void {
  let source: unknown;
  for (const target of (targets ?? []) as Body[]) {
    const value = (target['ResTarget'] as Body | undefined)?.['val'] as Body | undefined;
    const assign = value?.['MultiAssignRef'] as Body | undefined;
    if (assign === undefined) continue;
    if (assign['colno'] === 1) source = assign['source'];
    else assign['source'] = source;
  }
}

/** Only the first column's copy of the source is walked; `shareSources` gives it to the others. */
const multiAssign: Handler = (walker, body, frame) => {
  walker.known('MultiAssignRef', body);
  if (body['colno'] === 1) walker.child(body, 'source', frame);
  return null;
};

const remove: Handler = (walker, body, outer) => {
  const write = openWrite(walker, body, outer);
  cascade(walker, write.relation);
  fromClause(walker, body, 'usingClause', write.frame);
  walker.fields('DeleteStmt', body, write.frame);
  returning(walker, body, write);
  return null;
};

const merge: Handler = (walker, body, outer) => {
  const write = openWrite(walker, body, outer);
  walker.findings.effect('read');
  cascade(walker, write.relation);
  walker.child(body, 'sourceRelation', write.frame);
  walker.fields('MergeStmt', body, write.frame);
  for (const each of (body['mergeWhenClauses'] ?? []) as Body[]) {
    const clause = each['MergeWhenClause'] as Body | undefined;
    shareSources(clause?.['targetList']);
    const inserts = clause?.['commandType'] === 'CMD_INSERT';
    const all = inserts && clause?.['targetList'] === undefined && clause?.['values'] !== undefined;
    const columns = all ? (write.relation?.columns.map((column) => column.name) ?? []) : targetColumns(clause?.['targetList']);
    writtenColumns(walker, write.relation, columns);
  }
  returning(walker, body, write);
  return null;
};

/** A key column of ON CONFLICT. */
const indexElement: Handler = (walker, body, frame) => {
  walker.fields('IndexElem', body, frame);
  return null;
};

const returningClause: Handler = (walker, body, frame) => {
  walker.fields('ReturningClause', body, frame);
  for (const option of (body['options'] ?? []) as Body[]) {
    const fields = option['ReturningOption'] as Body | undefined;
    if (fields === undefined || Object.keys(fields).some((field) => !['option', 'value', 'location'].includes(field))) {
      walker.refuseNode('ReturningClause.options');
    }
  }
  return null;
};

/** A type reference of a foreign key: only tables that may be read may be referred to. */
const constraint: Handler = (walker, body, frame) => {
  walker.fields('Constraint', body, frame);
  const referenced = body['pktable'] as Body | undefined;
  if (referenced === undefined) return null;
  const place = resolved(walker, referenced);
  if (place === null) return null;
  pin(walker, referenced, place);
  if (place.temporary) return null;
  // Whether a key exists in a masked column could be told from a foreign key to it.
  const masked = walker.masks.masked(place.relation)?.masked;
  const columns = nameList(body['pk_attrs']) ?? place.relation.primaryKey;
  if (columns.some((column) => masked?.has(column) === true)) walker.refuseWrite(place.relation, 'key');
  return null;
};

export const writes: Readonly<Record<string, Handler>> = {
  InsertStmt: insert,
  UpdateStmt: update,
  DeleteStmt: remove,
  MergeStmt: merge,
  MultiAssignRef: multiAssign,
  IndexElem: indexElement,
  ReturningClause: returningClause,
  Constraint: constraint,
};
