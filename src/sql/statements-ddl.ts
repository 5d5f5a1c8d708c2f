// Definitions that can be planned under masks: tables of built-in types, tables made from clean queries, simple changes
// of clean tables, DROP and TRUNCATE. Whether they may run is for policy; here it is only made sure that none of them
// takes protection off a column or copies protected values.

import type { Column, Relation } from './catalogue.ts';
import { nameList, unknown } from './resolve.ts';
import type { StatementPlan } from './statements-plan.ts';
import { inner } from './statements-query.ts';
import type { Node } from './parser.ts';
import type { Body } from './rewrite.ts';
import { newFrame } from './walk-scope.ts';
import { pin, resolved } from './walk-query.ts';
import { writeTarget } from './walk-write.ts';

const CREATE_FIELDS = new Set(['relation', 'tableElts', 'constraints', 'nnconstraints', 'oncommit', 'if_not_exists']);

export function createTable(plan: StatementPlan, body: Body): void {
  if (!plan.lenient) {
    const stranger = Object.keys(body).find((field) => !CREATE_FIELDS.has(field));
    if (stranger !== undefined) plan.walker.refuseNode(`CreateStmt.${stranger}`);
  }
  const frame = newFrame(null);
  const elements = (body['tableElts'] ?? []) as Body[];
  if (!plan.lenient) plan.walker.list(elements, frame);
  const names = elements.flatMap((each) => {
    const column = each['ColumnDef'] as Body | undefined;
    return column === undefined ? [] : [String(column['colname'])];
  });
  created(plan, body['relation'] as Body, names);
}

/** Records a new table; a temporary one becomes known to the session at once. */
function created(plan: StatementPlan, range: Body, columns: readonly string[]): void {
  const name = String(range['relname']);
  const schema = range['schemaname'];
  const temporary = range['relpersistence'] === 't' || schema === 'pg_temp';
  plan.findings.writes = true;
  if (temporary) {
    plan.findings.effect('write');
    plan.findings.use(`pg_temp.${name}`, 'write');
    plan.changes.push({ kind: 'create-temporary', relation: temporaryRelation(name, columns) });
    return;
  }
  plan.findings.effect('ddl');
  const into = typeof schema === 'string' ? schema : plan.context.searchPath[0];
  if (into === undefined || !plan.context.protection.catalogue.hasSchema(into) || /^pg_|^information_schema$/.test(into)) {
    plan.refuse('schema', 'a schema that does not take tables', 'Name an existing schema.');
    return;
  }
  if (schema === undefined) {
    range['schemaname'] = into;
    plan.findings.changed = true;
  }
  plan.findings.use(`${into}.${name}`, 'write');
  plan.changes.push({ kind: 'catalogue-changed' });
}

function temporaryRelation(name: string, names: readonly string[]): Relation {
  const columns = names.map((each, index): Column => ({
    name: each,
    attnum: index + 1,
    typeOid: 0,
    typeName: 'unknown',
    typeSchema: 'pg_catalog',
    notNull: false,
    hasDefault: false,
    generated: null,
  }));
  return {
    oid: 0,
    schema: 'pg_temp',
    name,
    qualified: `pg_temp.${name}`,
    kind: 'table',
    columns,
    byName: new Map(columns.map((column) => [column.name, column])),
    primaryKey: [],
    uniqueKeys: [],
    parents: [],
    children: [],
    definition: null,
    triggers: [],
    rowSecurity: false,
    persistence: 'temporary',
  };
}

const INTO_FIELDS = new Set(['rel', 'colNames', 'onCommit', 'skipData']);

export function createTableAs(plan: StatementPlan, body: Body): void {
  if (body['objtype'] !== 'OBJECT_TABLE') {
    plan.findings.effect('read', 'write', 'ddl');
    plan.changes.push({ kind: 'catalogue-changed' });
    if (!plan.lenient)
      plan.refuse('statement-kind', 'CREATE MATERIALIZED VIEW', 'This statement is only for principals who see the data in clear.');
    return;
  }
  const into = body['into'] as Body;
  const stranger = Object.keys(into).find((field) => !INTO_FIELDS.has(field));
  if (stranger !== undefined && !plan.lenient) plan.walker.refuseNode(`IntoClause.${stranger}`);
  body['query'] = inner(plan, body['query'] as Node);
  const outputs = plan.lineages.at(-1)?.outputs ?? [];
  for (const output of outputs) {
    if (output.sources.some((source) => plan.masks.maskedColumns.has(source))) {
      plan.refuseStore('the new table');
    }
  }
  const named = nameList(into['colNames']) ?? [];
  created(
    plan,
    into['rel'] as Body,
    outputs.map((output, index) => named[index] ?? output.name),
  );
  plan.outputs = [];
}

/** SELECT INTO is CREATE TABLE AS; the deparser knows only the latter in full. */
export function selectInto(plan: StatementPlan, body: Body): void {
  const { intoClause, ...select } = body;
  const statement = { query: { SelectStmt: select }, into: intoClause, objtype: 'OBJECT_TABLE' } as Body;
  plan.verb = 'SELECT INTO';
  plan.findings.changed = true;
  createTableAs(plan, statement);
  const node: unknown = { CreateTableAsStmt: statement };
  plan.node = node as Node;
}

const PLAIN_CHANGES = new Set(['AT_AddColumn', 'AT_DropColumn', 'AT_SetNotNull', 'AT_DropNotNull', 'AT_ColumnDefault']);

export function alterTable(plan: StatementPlan, body: Body): void {
  plan.findings.effect('ddl');
  plan.findings.writes = true;
  plan.changes.push({ kind: 'catalogue-changed' });
  const range = body['relation'] as Body;
  if (plan.lenient) {
    plan.useIfKnown(range);
    return;
  }
  const place = resolved(plan.walker, range);
  if (place === null) return;
  const { relation } = place;
  pin(plan.walker, range, place);
  plan.findings.use(place.temporary ? `pg_temp.${relation.name}` : relation.qualified, 'write');
  const { protection } = plan.context;
  const plain =
    relation.kind === 'table' &&
    relation.parents.length === 0 &&
    relation.children.length === 0 &&
    body['objtype'] === 'OBJECT_TABLE' &&
    (place.temporary || !(protection.isProtected(relation.oid) || protection.isOpaqueOnWrite(relation.oid)));
  const commands = ((body['cmds'] ?? []) as Body[]).map((each) => (each['AlterTableCmd'] ?? {}) as Body);
  if (!plain || commands.some((command) => !PLAIN_CHANGES.has(String(command['subtype'])))) {
    plan.refuse('statement-kind', 'AlterTableStmt', 'Only columns of unprotected tables can be changed here.');
    return;
  }
  for (const command of commands) {
    if (command['def'] !== undefined) plan.walker.child(command, 'def', newFrame(null));
  }
}

/** Kinds of DROP whose names are relations of the catalogue; indexes are not in it. */
const RELATION_TYPES = new Set(['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_FOREIGN_TABLE', 'OBJECT_SEQUENCE']);

export function drop(plan: StatementPlan, body: Body): void {
  const type = String(body['removeType']);
  plan.verb = `DROP ${type.replace('OBJECT_', '').replaceAll('_', ' ').replace('MATVIEW', 'MATERIALIZED VIEW')}`;
  plan.findings.writes = true;
  let permanent = !RELATION_TYPES.has(type);
  if (RELATION_TYPES.has(type)) {
    for (const object of body['objects'] as Body[]) permanent = dropRelation(plan, object, body['missing_ok'] === true) || permanent;
  } else if (type === 'OBJECT_SCHEMA') {
    dropSchemas(plan, body['objects'] as Body[]);
  }
  plan.findings.effect(permanent ? 'ddl' : 'write');
  if (permanent) plan.changes.push({ kind: 'catalogue-changed' });
}

/** @returns false for a temporary relation. */
function dropRelation(plan: StatementPlan, object: Body, missingOk: boolean): boolean {
  const items = (object['List'] as Body | undefined)?.['items'] as Body[] | undefined;
  const names = nameList(items) ?? [];
  const name = names.at(-1) ?? '';
  const place = names.length > 2 ? null : plan.walker.names.relation(names.at(-2) ?? null, name);
  if (place === null) {
    if (!missingOk) plan.findings.refuse(unknown('relation', plan.walker.names.known(name)));
    return true;
  }
  const { relation, temporary } = place;
  plan.findings.use(temporary ? `pg_temp.${relation.name}` : relation.qualified, 'write');
  if (!place.pinned && items !== undefined) {
    items.splice(0, items.length, { String: { sval: temporary ? 'pg_temp' : relation.schema } }, { String: { sval: relation.name } });
    plan.findings.changed = true;
  }
  if (temporary) plan.changes.push({ kind: 'drop-temporary', name: relation.name });
  return !temporary;
}

function dropSchemas(plan: StatementPlan, objects: readonly Body[]): void {
  const names = new Set(objects.map((each) => (each['String'] as Body | undefined)?.['sval']));
  for (const relation of plan.context.protection.catalogue.relations) {
    if (names.has(relation.schema)) plan.findings.use(relation.qualified, 'write');
  }
}

export function truncate(plan: StatementPlan, body: Body): void {
  plan.findings.effect('write', 'ddl');
  plan.findings.writes = true;
  // Which tables CASCADE empties is not in the catalogue.
  if (body['behavior'] === 'DROP_CASCADE') plan.refuse('statement-kind', 'TRUNCATE CASCADE', 'Name every table to be emptied.');
  for (const each of body['relations'] as Body[]) {
    const range = each['RangeVar'] as Body | undefined;
    if (range === undefined) plan.walker.refuseNode('TruncateStmt.relations');
    else writeTarget(plan.walker, range);
  }
}
