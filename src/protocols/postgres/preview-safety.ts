// Whether a write may be tried: run, counted and rolled back. Rolling back undoes rows; it does not undo what sequences,
// foreign servers, volatile functions and code of triggers did. What is not proven harmless is not tried.

import { NOT_COUNTED, type NotCounted } from '../../core/preview.ts';

/** Names that a parse tree calls or uses, and whether it stores a default. */
export interface TreeUses {
  readonly functions: ReadonlySet<string>;
  readonly operators: ReadonlySet<string>;
  /** INSERT, or `SET column = DEFAULT`. */
  readonly storesDefaults: boolean;
}

/** @param tree of a parsed text; any JSON */
export function usesOf(tree: unknown): TreeUses {
  const functions = new Set<string>();
  const operators = new Set<string>();
  let storesDefaults = false;
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if (Array.isArray(node)) return node.forEach(visit);
    for (const [kind, value] of Object.entries(node)) {
      if (kind === 'FuncCall') add(functions, value, 'funcname');
      else if (kind === 'A_Expr') add(operators, value, 'name');
      else if (kind === 'SubLink') add(operators, value, 'operName');
      else if (kind === 'SortBy') add(operators, value, 'useOp');
      else if (kind === 'SetToDefault' || kind === 'InsertStmt') storesDefaults = true;
      visit(value);
    }
  };
  visit(tree);
  return { functions, operators, storesDefaults };
}

/** Adds the last part of a name. */
function add(names: Set<string>, node: unknown, field: string): void {
  const parts = (node as Readonly<Record<string, unknown>>)[field];
  if (!Array.isArray(parts)) return;
  const last = parts.at(-1) as { String?: { sval?: string } } | undefined;
  if (last?.String?.sval !== undefined) names.add(last.String.sval);
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const names = (of: Iterable<string>): string => `ARRAY[${[...of].map(literal).join(', ')}]::pg_catalog.text[]`;
const oids = (of: Iterable<number>): string => `ARRAY[${[...of].join(', ')}]::pg_catalog.oid[]`;

/** Takes the locks of the write now or never, so that nothing that is asked for below changes before the end of the transaction. */
export function lockQuery(written: Iterable<{ readonly schema: string; readonly name: string }>): string {
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  const tables = [...written].map(({ schema, name }) => `${quoted(schema)}.${quoted(name)}`);
  return `LOCK TABLE ${tables.join(', ')} IN ROW EXCLUSIVE MODE NOWAIT`;
}

/** Of an expression as text: it calls something of a loose function's name. */
const callsLoose = (expression: string): string =>
  `EXISTS (SELECT FROM pg_catalog.regexp_matches(${expression}, '([[:alnum:]_$]+)"?\\(', 'g') m JOIN loose ON loose.name = m[1])`;

/** One row for each reason, one column. A function is loose when it is volatile or not PostgreSQL's own: what an owner declares of
 *  it may be untrue, and vouching for it says what it shows, not what it does. @param read all relations of the statement, those written among them */
export function safetyQuery(written: ReadonlySet<number>, read: ReadonlySet<number>, uses: TreeUses): string {
  const defaults = `
    UNION ALL SELECT 'default' FROM pg_catalog.pg_attribute a JOIN written w ON w.oid = a.attrelid WHERE a.attidentity <> ''
    UNION ALL SELECT 'default' FROM pg_catalog.pg_attrdef d JOIN written w ON w.oid = d.adrelid
      WHERE ${callsLoose('pg_catalog.pg_get_expr(d.adbin, d.adrelid)')}
    UNION ALL SELECT 'default' FROM pg_catalog.pg_attribute a JOIN written w ON w.oid = a.attrelid
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE t.typtype = 'd' AND ${callsLoose("coalesce(t.typdefault, '')")}`;
  return `WITH RECURSIVE written(oid) AS (
      SELECT pg_catalog.unnest(${oids(written)})
      UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN written w ON w.oid = i.inhparent),
    used(oid) AS (SELECT oid FROM written UNION SELECT pg_catalog.unnest(${oids(read)})),
    loose(oid, name) AS (SELECT p.oid, p.proname::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.provolatile = 'v' OR p.oid >= 16384)
    SELECT 'foreign-table' FROM pg_catalog.pg_class c JOIN used u ON u.oid = c.oid WHERE c.relkind = 'f'
    UNION ALL SELECT 'view' FROM pg_catalog.pg_class c JOIN used u ON u.oid = c.oid WHERE c.relkind = 'v'
    UNION ALL SELECT 'code' FROM pg_catalog.pg_class c JOIN used u ON u.oid = c.oid WHERE c.relrowsecurity
    UNION ALL SELECT 'rule' FROM pg_catalog.pg_rewrite r JOIN written w ON w.oid = r.ev_class WHERE r.ev_type <> '1'
    UNION ALL SELECT 'trigger' FROM pg_catalog.pg_trigger t JOIN written w ON w.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL SELECT 'cascade' FROM pg_catalog.pg_constraint c JOIN written w ON w.oid = c.confrelid
      WHERE c.contype = 'f' AND (c.confupdtype IN ('c', 'n', 'd') OR c.confdeltype IN ('c', 'n', 'd'))
    UNION ALL SELECT 'deferred-constraint' FROM pg_catalog.pg_constraint c JOIN written w ON w.oid IN (c.conrelid, c.confrelid)
      WHERE c.condeferrable
    UNION ALL SELECT 'code' FROM pg_catalog.pg_constraint c JOIN written w ON w.oid = c.conrelid
      WHERE c.contype = 'c' AND ${callsLoose('pg_catalog.pg_get_expr(c.conbin, c.conrelid)')}
    UNION ALL SELECT 'code' FROM pg_catalog.pg_constraint c
      WHERE c.contypid <> 0 AND c.contype = 'c' AND ${callsLoose('pg_catalog.pg_get_expr(c.conbin, 0)')}
    UNION ALL SELECT 'code' FROM pg_catalog.pg_attrdef d JOIN written w ON w.oid = d.adrelid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> ''
      WHERE ${callsLoose('pg_catalog.pg_get_expr(d.adbin, d.adrelid)')}
    UNION ALL SELECT 'code' FROM pg_catalog.pg_index i JOIN written w ON w.oid = i.indrelid
      WHERE ${callsLoose("pg_catalog.concat(pg_catalog.pg_get_expr(i.indexprs, i.indrelid), ' ', pg_catalog.pg_get_expr(i.indpred, i.indrelid))")}
    UNION ALL SELECT 'volatile-function' FROM loose WHERE loose.name = ANY (${names(uses.functions)})
    UNION ALL SELECT 'volatile-function' FROM pg_catalog.pg_operator o JOIN loose ON loose.oid = o.oprcode
      WHERE o.oprname = ANY (${names(uses.operators)})
    UNION ALL SELECT 'volatile-function' FROM pg_catalog.pg_cast c JOIN loose ON loose.oid = c.castfunc
      WHERE c.oid >= 16384${uses.storesDefaults ? defaults : ''}`;
}

/** The first of the reasons the target named, in the order of the vocabulary; null = none. */
export function firstReason(rows: readonly (readonly (string | null)[])[]): NotCounted | null {
  const named = new Set(rows.map(([reason]) => reason));
  return NOT_COUNTED.find((reason) => named.has(reason)) ?? (rows.length > 0 ? 'code' : null);
}
