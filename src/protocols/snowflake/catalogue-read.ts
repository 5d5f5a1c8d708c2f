// Reads what a catalogue is made of over one session of the gateway: INFORMATION_SCHEMA of each database, then the definition of each
// view. A definition that the gateway's role may not see is left out: that view may not be read through the gate.

import { SallyportError } from '../../core/error.ts';
import {
  buildSnowflakeCatalogue,
  type CatalogueRows,
  type ColumnRow,
  type DefinitionRow,
  SNOWFLAKE_CATALOGUE_QUERIES,
  type TableRow,
} from '../../sql/snowflake/index.ts';
import type { SnowflakeCatalogue } from '../../sql/snowflake/types.ts';
import type { Envelope, JsonObject } from './protocol.ts';
import type { SnowflakeQueryData, SnowflakeRow } from './results/index.ts';
import type { SnowflakeUpstream } from './upstream.ts';

export interface CatalogueReadPorts {
  readonly connection: Pick<SnowflakeUpstream, 'own'>;
  /** Rows of an answer that did not fit into it, of all its chunks in order. */
  readonly chunkRows: (data: SnowflakeQueryData, signal: AbortSignal) => Promise<readonly SnowflakeRow[]>;
}

type Row = Readonly<Record<string, string | null>>;

/** Definitions that are asked for at a time. */
const concurrency = 8;
const maxRelations = 100_000;

/** @throws SP_UPSTREAM_PROTOCOL when a database cannot be read, and what the connection throws */
export async function readCatalogue(
  ports: CatalogueReadPorts,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<SnowflakeCatalogue> {
  const ofTables: TableRow[][] = [];
  const ofColumns: ColumnRow[][] = [];
  for (const database of databases) {
    ofTables.push((await rowsOf(ports, SNOWFLAKE_CATALOGUE_QUERIES.tables(database), signal)).map(tableOf));
    ofColumns.push((await rowsOf(ports, SNOWFLAKE_CATALOGUE_QUERIES.columns(database), signal)).map(columnOf));
  }
  const tables = ofTables.flat();
  if (tables.length > maxRelations) throw new SallyportError('SP_UPSTREAM_PROTOCOL', `more than ${maxRelations} relations`);
  const rows: CatalogueRows = { databases, tables, columns: ofColumns.flat(), definitions: [] };
  const { relations } = buildSnowflakeCatalogue(rows);
  const defined = relations.filter(({ kind }) => SNOWFLAKE_CATALOGUE_QUERIES.definedKinds.has(kind));
  const definitions: DefinitionRow[] = [];
  const queue = defined.values();
  const work = async (): Promise<void> => {
    for (const { database, schema, name, kind } of queue) {
      const ddl = await definitionOf(ports, SNOWFLAKE_CATALOGUE_QUERIES.definition({ database, schema, name, kind }), signal);
      if (ddl !== null) definitions.push({ database, schema, name, ddl });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return buildSnowflakeCatalogue({ ...rows, definitions });
}

function tableOf(row: Row): TableRow {
  return { ...nameOf(row), TABLE_TYPE: textOf(row, 'TABLE_TYPE'), IS_DYNAMIC: row['IS_DYNAMIC'] ?? null };
}

function columnOf(row: Row): ColumnRow {
  return {
    ...nameOf(row),
    COLUMN_NAME: textOf(row, 'COLUMN_NAME'),
    ORDINAL_POSITION: textOf(row, 'ORDINAL_POSITION'),
    DATA_TYPE: textOf(row, 'DATA_TYPE'),
    IS_NULLABLE: textOf(row, 'IS_NULLABLE'),
  };
}

function nameOf(row: Row): Pick<TableRow, 'TABLE_CATALOG' | 'TABLE_SCHEMA' | 'TABLE_NAME'> {
  return {
    TABLE_CATALOG: textOf(row, 'TABLE_CATALOG'),
    TABLE_SCHEMA: textOf(row, 'TABLE_SCHEMA'),
    TABLE_NAME: textOf(row, 'TABLE_NAME'),
  };
}

function textOf(row: Row, label: string): string {
  const text = row[label];
  if (typeof text !== 'string') throw new SallyportError('SP_UPSTREAM_PROTOCOL', `a row of the catalogue without ${label}`);
  return text;
}

async function definitionOf({ connection }: CatalogueReadPorts, text: string, signal: AbortSignal): Promise<string | null> {
  const { success, data } = await connection.own(text, signal, JSON_ANSWERS);
  const rowset = success ? (data as SnowflakeQueryData | null)?.rowset : undefined;
  return rowset?.length === 1 ? (rowset[0]?.[0] ?? null) : null;
}

async function rowsOf(ports: CatalogueReadPorts, text: string, signal: AbortSignal): Promise<Row[]> {
  const answer = await ports.connection.own(text, signal, JSON_ANSWERS);
  const data = dataOf(answer);
  const labels = data.rowtype?.map(({ name }) => name) ?? [];
  const inline = data.rowset;
  if (labels.length === 0 || inline === undefined || inline === null)
    throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'a catalogue query gave no rows');
  const rest = (data.chunks ?? []).length === 0 ? [] : await ports.chunkRows(data, signal);
  const rows = [...inline, ...rest];
  // Rows that are missing would be relations and columns that nobody protects.
  if (data.total !== undefined && data.total !== rows.length) {
    throw new SallyportError('SP_UPSTREAM_PROTOCOL', `a catalogue query has ${data.total} rows and gave ${rows.length}`);
  }
  return rows.map((row) => {
    if (row.length !== labels.length) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'a row of the catalogue has another length');
    return Object.fromEntries(labels.map((label, index) => [label, row[index] ?? null]));
  });
}

function dataOf({ success, code, data }: Envelope): SnowflakeQueryData {
  // The account's text is not repeated: it may quote what it likes.
  if (!success || data === null) throw new SallyportError('SP_UPSTREAM_PROTOCOL', `a catalogue query failed (${code ?? 'no code'})`);
  return data;
}

/** Arrow is for clients. */
const JSON_ANSWERS: JsonObject = { JAVASCRIPT_QUERY_RESULT_FORMAT: 'JSON' };
