// Some rows of one relation, for recognisers of protected data: on a short-lived connection of the gateway's own that reads only, waits for
// no lock and runs for two seconds at most.
// REFUSES: whatever runs code of owners when it is read: views, foreign tables (also as a part), row security, generated columns,
// types that are not the server's own.

import type { StoredColumn } from '../../core/ports.ts';
import type { Catalogue, Column, Relation } from '../../sql/catalogue.ts';
import { isSystemSchema } from '../../sql/system-relations.ts';
import { PreviewConnection } from './preview-connection.ts';
import type { UpstreamConnection } from './upstream.ts';

const maxRows = 200;
const maxChars = 200;
const statementMs = 2_000;
/** Above this the rows come from all over the relation, below it from its beginning. */
const largeRows = 20_000;

export const SAMPLE_SETTINGS: readonly (readonly [string, string])[] = [
  ['default_transaction_read_only', 'on'],
  ['lock_timeout', '100'],
  ['statement_timeout', String(statementMs)],
  ['idle_in_transaction_session_timeout', '3000'],
  ['application_name', 'sallyport check'],
  ['jit', 'off'],
];

const KINDS: Readonly<Record<string, StoredColumn['kind']>> = {
  text: 'text',
  'character varying': 'text',
  character: 'text',
  name: 'text',
  citext: 'text',
  smallint: 'number',
  integer: 'number',
  bigint: 'number',
  numeric: 'number',
  date: 'date',
  'timestamp without time zone': 'date',
  'timestamp with time zone': 'date',
  inet: 'ip',
  cidr: 'ip',
  bytea: 'binary',
};

const storedKinds: ReadonlySet<Relation['kind']> = new Set(['table', 'partitioned', 'matview']);

export function storedColumns(catalogue: Catalogue): StoredColumn[] {
  return catalogue.relations
    .filter(({ kind, schema, parents }) => storedKinds.has(kind) && !isSystemSchema(schema) && parents.length === 0)
    .flatMap(({ schema, name, columns }) =>
      columns.map((column) => ({ schema, relation: name, column: column.name, type: column.typeName, kind: kindOf(column) })),
    );
}

function kindOf({ typeName, typeSchema, baseType }: Column): StoredColumn['kind'] {
  const { typeName: name, typeSchema: schema } = baseType ?? { typeName, typeSchema };
  if (schema !== 'pg_catalog' && name !== 'citext') return 'other';
  return KINDS[name.replace(/\([\d,]+\)/, '').trim()] ?? 'other';
}

/** Reading it reads its parts and children as well. */
function isStoredHere(catalogue: Catalogue, { kind, children }: Relation): boolean {
  if (!storedKinds.has(kind)) return false;
  return children.every((oid) => {
    const child = catalogue.relationByOid(oid);
    return child !== undefined && isStoredHere(catalogue, child);
  });
}

/** See `TargetAnalyst.sample`. @param connect with `SAMPLE_SETTINGS` */
export async function sampleRows(
  catalogue: Catalogue,
  { schema, relation: name }: { readonly schema: string; readonly relation: string },
  wanted: readonly string[],
  connect: (signal: AbortSignal) => Promise<UpstreamConnection>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]> | null> {
  const relation = catalogue.relation(schema, name);
  if (relation === undefined || relation.rowSecurity || !isStoredHere(catalogue, relation)) return null;
  const columns = wanted.flatMap((each) => {
    const column = relation.byName.get(each);
    if (column === undefined || column.generated !== null || column.typeSchema !== 'pg_catalog') return [];
    const kind = kindOf(column);
    return kind === 'text' || kind === 'number' ? [column] : [];
  });
  if (columns.length === 0) return new Map();
  const limited = AbortSignal.any([signal, AbortSignal.timeout(3 * statementMs)]);
  const connection = new PreviewConnection(await connect(limited), limited, maxRows);
  try {
    const rows = await read(connection, relation, columns);
    if (rows === null) return null;
    return new Map(columns.map((column, index) => [column.name, rows.flatMap((row) => row[index] ?? [])]));
  } finally {
    connection.close();
  }
}

type Rows = readonly (readonly (string | null)[])[];

async function read(connection: PreviewConnection, relation: Relation, columns: readonly Column[]): Promise<Rows | null> {
  const estimate = await connection.own(`SELECT reltuples::pg_catalog.int8 FROM pg_catalog.pg_class WHERE oid = ${relation.oid}`);
  const count = Number(estimate.rows[0]?.[0] ?? Number.NaN);
  const list = columns.map(({ name }) => `pg_catalog.left(${quoted(name)}::pg_catalog.text, ${maxChars})`).join(', ');
  const from = `${quoted(relation.schema)}.${quoted(relation.name)}`;
  const plain = `SELECT ${list} FROM ${from} LIMIT ${maxRows}`;
  if (relation.kind !== 'partitioned' && count > largeRows) {
    // Blocks at random, of which many more rows come than are needed; a sparse relation may give none.
    const percent = Math.min(100, (100 * 20 * maxRows) / count);
    const sampled = await connection.own(`SELECT ${list} FROM ${from} TABLESAMPLE SYSTEM (${percent.toFixed(6)}) LIMIT ${maxRows}`);
    if (sampled.fault === null && sampled.rows.length > 0) return sampled.rows;
  }
  const { rows, fault } = await connection.own(plain);
  return fault === null ? rows : null;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
