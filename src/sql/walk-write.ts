// Writes: INSERT, UPDATE, DELETE, MERGE, at the top or inside WITH. The target stays raw, so its masked columns may not
// be read (WHERE, SET sources, RETURNING); everything else the statement reads is replaced as in a query.
// REFUSES: writes whose success depends on masked values (walk-restrictions.ts), RETURNING where opaque code runs, and
// relations with rules, which may answer any write with rows.

import type { Relation } from './catalogue.ts';
import { nameList } from './resolve.ts';
import type { Handler } from './walk-handlers.ts';
import { PLACE_COLUMNS } from './rewrite.ts';
import type { Body, MaskedRelation } from './rewrite.ts';
import type { Walker } from './walk.ts';
import { fromClause, pin, refuseTelling, resolved, withClause } from './walk-query.ts';
import { applyLookups, filterableIn } from './walk-lookup.ts';
import { applyTokens } from './walk-token.ts';
import { type Assignments, assignedValues, insertedValues, type NewValue } from './token-assignments.ts';
import { storeTokens } from './token-writes.ts';
import type { WriteKind } from './walk-restrictions.ts';
import { refusePartialAssignments, refuseQuestions } from './walk-restrictions.ts';
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
    masked === null
      ? null
      : {
          relation: masked.relation,
          masked: hiddenNames(walker, masked),
          name: [...targetNames(body)][0] ?? masked.relation.name,
          only: (body['relation'] as Body)['inh'] !== true,
          names: targetNames(body),
        };
  const frame = newFrame(outer, target);
  withClause(walker, body, frame, outer);
  if (target === null && relation !== null) {
    const name = [...targetNames(body)][0] ?? relation.name;
    frame.items.push({ name, relation, columns: relation.byName, replaced: false });
  }
  return { frame, relation, target };
}

/** `functionOid` of a rewrite rule among the triggers of a relation. */
const RULE = 0;

/** Masked columns of a target, and what tells them by place. */
export function hiddenNames(walker: Walker, { relation, masked }: MaskedRelation): ReadonlySet<string> {
  return walker.context.protection.hasTellingPartitions(relation.oid) ? new Set([...masked, ...PLACE_COLUMNS]) : masked;
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
  const stored = protection.storedRelations(relation.oid).flatMap((oid) => protection.catalogue.relationByOid(oid) ?? []);
  if (stored.some((each) => each.triggers.some((trigger) => trigger.functionOid === RULE))) {
    walker.findings.refuse({
      code: 'write-of-protected',
      what: `${relation.qualified}: a rule answers the write`,
      remedy: 'Write to a table without rules.',
    });
  }
  refuseTelling(walker, relation);
  if (protection.isOpaqueOnWrite(relation.oid) || protection.touchesProtected(relation.oid) || walker.masks.masked(relation) !== null) {
    walker.findings.sensitive = true;
  }
  return relation;
}

/** Columns a statement writes: whether it works must not depend on masked values, and nothing masked is written through
 *  a view. */
export function writtenColumns(
  walker: Walker,
  relation: Relation | null,
  columns: readonly string[],
  kind: WriteKind,
  byToken: ReadonlySet<string> = new Set(),
): void {
  if (relation === null) return;
  const masked = walker.masks.masked(relation)?.masked;
  const isStored = relation.kind === 'table' || relation.kind === 'partitioned';
  if (!isStored && columns.some((column) => masked?.has(column) === true)) walker.refuseWrite(relation, 'key');
  refuseQuestions(walker, relation, columns, kind, byToken);
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
  if (write.target !== null && walker.masks.masked(write.target.relation)?.refusesSamples === true) {
    walker.findings.refuse({
      code: 'write-of-protected',
      what: `${write.target.relation.qualified}: RETURNING shows the rows partition by partition, and a protected column chooses those`,
      remedy: 'Leave RETURNING out, and SELECT the rows afterwards.',
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
  // DEFAULT VALUES name no column, but every column is filled.
  const byToken = storeTokens(walker, relation, insertedValues(columns, body['selectStmt'] as Body | undefined), 'insert');
  writtenColumns(walker, relation, body['selectStmt'] === undefined ? [] : columns, 'insert', byToken);
  walker.fields('InsertStmt', body, frame);
  conflict(walker, body, write, byToken);
  returning(walker, body, write);
  return null;
};

function conflict(walker: Walker, body: Body, { frame, relation, target }: Write, byToken: ReadonlySet<string>): void {
  const clause = body['onConflictClause'] as Body | undefined;
  if (clause === undefined) return;
  const infer = clause['infer'] as Body | undefined;
  if (target !== null) {
    const elements = ((infer?.['indexElems'] ?? []) as Body[]).map((each) => (each['IndexElem'] as Body | undefined)?.['name']);
    const onMasked = elements.some((name) => typeof name !== 'string' || (target.masked.has(name) && !byToken.has(name)));
    if (infer?.['conname'] !== undefined || onMasked) walker.refuseWrite(target.relation, 'key');
  }
  walker.typedChild(body, 'onConflictClause', 'OnConflictClause', frame);
  shareSources(clause['targetList']);
  refusePartialAssignments(walker, relation, clause['targetList']);
  writtenColumns(walker, relation, targetColumns(clause['targetList']), 'update', assigned(walker, relation, clause['targetList']));
}

/** Opens tokens in a SET list. @returns columns that get nothing but tokens. */
function assigned(walker: Walker, relation: Relation | null, targets: unknown): ReadonlySet<string> {
  return storeTokens(walker, relation, assignedValues(targets), 'update');
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
  applyLookups(walker, body, 'whereClause', write.frame, filterableIn(body['fromClause']));
  applyTokens(walker, body, 'whereClause', write.frame, filterableIn(body['fromClause']));
  walker.fields('UpdateStmt', body, write.frame);
  shareSources(body['targetList']);
  refusePartialAssignments(walker, write.relation, body['targetList']);
  writtenColumns(walker, write.relation, targetColumns(body['targetList']), 'update', assigned(walker, write.relation, body['targetList']));
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
  refuseQuestions(walker, write.relation, [], 'delete');
  storeTokens(walker, write.relation, new Map(), 'delete');
  fromClause(walker, body, 'usingClause', write.frame);
  applyLookups(walker, body, 'whereClause', write.frame, filterableIn(body['usingClause']));
  applyTokens(walker, body, 'whereClause', write.frame, filterableIn(body['usingClause']));
  walker.fields('DeleteStmt', body, write.frame);
  returning(walker, body, write);
  return null;
};

const merge: Handler = (walker, body, outer) => {
  const write = openWrite(walker, body, outer);
  walker.findings.effect('read');
  cascade(walker, write.relation);
  walker.child(body, 'sourceRelation', write.frame);
  // What does not match may be inserted: the condition must not take rows out of the source.
  applyLookups(walker, body, 'joinCondition', write.frame, new Set());
  walker.fields('MergeStmt', body, write.frame);
  for (const each of (body['mergeWhenClauses'] ?? []) as Body[]) {
    const clause = each['MergeWhenClause'] as Body | undefined;
    if (clause?.['matchKind'] === 'MERGE_WHEN_NOT_MATCHED_BY_SOURCE') since17(walker, 'MergeWhenClause.matchKind');
    shareSources(clause?.['targetList']);
    const inserts = clause?.['commandType'] === 'CMD_INSERT';
    const all = inserts && clause?.['targetList'] === undefined && clause?.['values'] !== undefined;
    const columns = all ? (write.relation?.columns.map((column) => column.name) ?? []) : targetColumns(clause?.['targetList']);
    if (!inserts) refusePartialAssignments(walker, write.relation, clause?.['targetList']);
    const kind = inserts ? 'insert' : clause?.['commandType'] === 'CMD_DELETE' ? 'delete' : 'update';
    const values = inserts ? mergedValues(columns, clause?.['values']) : assignedValues(clause?.['targetList']);
    writtenColumns(walker, write.relation, columns, kind, storeTokens(walker, write.relation, values, kind));
  }
  if (body['returningClause'] !== undefined) since17(walker, 'MergeStmt.returningClause');
  returning(walker, body, write);
  return null;
};

/** `INSERT (columns) VALUES (values)` of a MERGE. */
function mergedValues(columns: readonly string[], values: unknown): Assignments {
  const list = (values ?? []) as unknown[];
  const at = (index: number): NewValue => ({ node: list[index], put: (node) => void (list[index] = node) });
  return new Map(columns.flatMap((name, index) => (index < list.length ? [[name, [at(index)]] as const] : [])));
}

function since17(walker: Walker, what: string): void {
  if (walker.context.protection.catalogue.serverVersionNum >= 170000) return;
  walker.findings.refuse({ code: 'server-version', what, remedy: 'Use a construct this server version knows.' });
}

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
