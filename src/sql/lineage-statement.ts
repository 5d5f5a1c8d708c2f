// Lineage of a whole statement. What wraps a query (EXPLAIN, PREPARE, DECLARE, COPY, CREATE TABLE AS, views) has the
// lineage of the query inside. Never throws: a tree that is not understood gets the conservative answer.

import type { IntoClause, Node, SelectStmt } from '@pgsql/types';
import { constantLimit } from './lineage-bounds.ts';
import { copyIn, copyOut, storeNew } from './lineage-change.ts';
import { Evidence, type LineageEvidence } from './lineage-evidence.ts';
import { expression } from './lineage-expression.ts';
import { everythingNamed } from './lineage-fallback.ts';
import { query } from './lineage-query.ts';
import { newBlock, newScope, noRows, type Rows, type Walk } from './lineage-scope.ts';
import type { Lineage, LineageContext, StatementLineage } from './lineage.ts';

export const lineage: StatementLineage = (statement, context) => {
  try {
    return analyse(statement, context);
  } catch {
    return everythingNamed(statement, context);
  }
};

function analyse(statement: Node, context: LineageContext): Lineage {
  const walk: Walk = {
    context,
    columns: new Set(),
    predicates: new Set(),
    writes: new Map(),
    evidence: context.wantsEvidence === true ? new Evidence() : null,
    listed: new Map(),
    block: newBlock(),
    steps: 0,
  };
  const found = statementRows(walk, statement);
  if (found === null) return everythingNamed(statement, context);
  const sorted = (values: Iterable<string>): readonly string[] => [...values].sort();
  return {
    outputs: found.rows.columns.map(({ name, value }) => {
      const [origin = null] = value.origins;
      return { name, sources: sorted(value.sources), origin: value.origins.length === 1 && value.sources.size === 1 ? origin : null };
    }),
    columns: sorted(walk.columns),
    predicates: sorted(walk.predicates),
    writes: [...walk.writes]
      .map(([column, sources]) => ({ column, sources: sorted(sources) }))
      .sort((a, b) => (a.column < b.column ? -1 : 1)),
    unboundedRelations: sorted(new Set([...found.rows.rowwise, ...found.rows.collected].map((instance) => instance.relation))),
    limit: found.limit,
    ...(walk.evidence === null ? {} : { evidence: evidenceOf(walk.evidence, found.rows) }),
  };
}

function evidenceOf(evidence: Evidence, { columns, exact }: Rows): LineageEvidence {
  const shown = columns.map(({ value: { origins, sources } }) => {
    const names = new Set(origins.map(({ instance, column }) => `${instance.relation}.${column}`));
    return names.size === sources.size && [...sources].every((source) => names.has(source)) ? origins : [];
  });
  const { readings, shared, compared, required, stored, inserted, changedWithin, upserts, mixesRows } = evidence;
  return { readings, shared, compared, required, stored, inserted, changedWithin, upserts, mixesRows, outputs: exact ? shown : null };
}

interface Found {
  readonly rows: Rows;
  readonly limit: number | null;
}

/** Statements that neither read nor write relations by name are empty; null = not understood. */
function statementRows(walk: Walk, node: Node): Found | null {
  const inner = (statement: Node | undefined): Found | null => (statement === undefined ? null : statementRows(walk, statement));
  if ('SelectStmt' in node) {
    const rows = query(walk, node, null, []);
    const into = intoClause(node.SelectStmt);
    if (into?.rel !== undefined) storeNew(walk, into.rel, into.colNames, rows);
    return { rows, limit: constantLimit(node.SelectStmt) };
  }
  if ('InsertStmt' in node || 'UpdateStmt' in node || 'DeleteStmt' in node || 'MergeStmt' in node) {
    const rows = query(walk, node, null, []);
    // Of an INSERT nothing is read; those before it are in its WITH.
    if (!('InsertStmt' in node)) walk.evidence?.answersChange();
    return { rows, limit: null };
  }
  if ('RawStmt' in node) return inner(node.RawStmt.stmt);
  if ('ExplainStmt' in node) return inner(node.ExplainStmt.query);
  if ('PrepareStmt' in node) return inner(node.PrepareStmt.query);
  if ('DeclareCursorStmt' in node) return inner(node.DeclareCursorStmt.query);
  if ('ViewStmt' in node) return inner(node.ViewStmt.query);
  if ('CreateTableAsStmt' in node) {
    const found = inner(node.CreateTableAsStmt.query);
    const { into } = node.CreateTableAsStmt;
    if (found !== null && into?.rel !== undefined) storeNew(walk, into.rel, into.colNames, found.rows);
    return found;
  }
  if ('CopyStmt' in node) {
    const { relation, query: source, attlist, is_from: isFrom, whereClause } = node.CopyStmt;
    if (relation === undefined) return inner(source);
    if (isFrom !== true) return { rows: copyOut(walk, relation, attlist), limit: null };
    copyIn(walk, relation, attlist, whereClause);
    return { rows: noRows, limit: null };
  }
  if ('ExecuteStmt' in node || 'CallStmt' in node) {
    const parameters = 'ExecuteStmt' in node ? (node.ExecuteStmt.params ?? []) : (node.CallStmt.funccall?.args ?? []);
    const scope = newScope(null, []);
    for (const parameter of parameters) expression(walk, parameter, scope);
    return { rows: noRows, limit: null };
  }
  return null;
}

/** SELECT INTO may stand in the first arm of set operations. */
function intoClause(stmt: SelectStmt): IntoClause | undefined {
  let arm: SelectStmt | undefined = stmt;
  while (arm !== undefined && arm.intoClause === undefined) arm = arm.larg;
  return arm?.intoClause;
}
