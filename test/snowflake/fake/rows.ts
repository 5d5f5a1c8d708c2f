// Rows as Snowflake sends them: one text per cell, and the descriptions of columns (`rowtype`).

import { type DuckDBResult, DuckDBTypeId } from '@duckdb/node-api';

export type SnowflakeType =
  | 'fixed'
  | 'real'
  | 'text'
  | 'boolean'
  | 'date'
  | 'time'
  | 'timestamp_ntz'
  | 'timestamp_ltz'
  | 'timestamp_tz'
  | 'binary'
  | 'variant'
  | 'object'
  | 'array';

export interface Column {
  readonly name: string;
  readonly type: SnowflakeType;
  readonly nullable: boolean;
  readonly precision: number | null;
  readonly scale: number | null;
  readonly length: number | null;
  readonly byteLength: number | null;
  /** '' = blank. */
  readonly database: string;
  readonly schema: string;
  readonly table: string;
}

/** As in the JSON of `rowset`. */
export type Cell = string | null;

export interface Rows {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

const textLength = 16_777_216;

export function columnOf(name: string, type: SnowflakeType, more: Partial<Column> = {}): Column {
  const blank = {
    name,
    type,
    nullable: true,
    precision: null,
    scale: null,
    length: null,
    byteLength: null,
    database: '',
    schema: '',
    table: '',
  };
  if (type === 'fixed') return { ...blank, precision: 38, scale: 0, ...more };
  if (type === 'text') return { ...blank, length: textLength, byteLength: textLength, ...more };
  if (type === 'binary') return { ...blank, length: 8_388_608, byteLength: 8_388_608, ...more };
  if (type === 'time' || type.startsWith('timestamp')) return { ...blank, precision: 0, scale: 9, ...more };
  return { ...blank, ...more };
}

/** The element of `rowtype`, with the fields that drivers look for. */
export const rowtypeOf = (column: Column): Record<string, unknown> => ({
  name: column.name,
  database: column.database,
  schema: column.schema,
  table: column.table,
  nullable: column.nullable,
  type: column.type,
  byteLength: column.byteLength,
  length: column.length,
  precision: column.precision,
  scale: column.scale,
  collation: null,
});

/** A label as Snowflake makes it of an expression: the text in capitals. */
const labelOf = (name: string): string =>
  /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? name : name.replaceAll('"', '').replace('count_star()', 'COUNT(*)').toUpperCase();

/** Of the answer's column. `labels` are the true ones where known. */
export function columnsOf(result: DuckDBResult, labels: readonly (string | null)[] = []): Column[] {
  return result.columnNames().map((name, index) => {
    const label = labels[index] ?? labelOf(name);
    const type = result.columnType(index) as { typeId: DuckDBTypeId; width?: number; scale?: number };
    switch (result.columnTypeId(index)) {
      case DuckDBTypeId.DECIMAL:
        return columnOf(label, 'fixed', { precision: type.width ?? 38, scale: type.scale ?? 0 });
      case DuckDBTypeId.TINYINT:
      case DuckDBTypeId.SMALLINT:
      case DuckDBTypeId.INTEGER:
      case DuckDBTypeId.BIGINT:
      case DuckDBTypeId.UTINYINT:
      case DuckDBTypeId.USMALLINT:
      case DuckDBTypeId.UINTEGER:
      case DuckDBTypeId.UBIGINT:
      case DuckDBTypeId.HUGEINT:
      case DuckDBTypeId.UHUGEINT:
        return columnOf(label, 'fixed');
      case DuckDBTypeId.FLOAT:
      case DuckDBTypeId.DOUBLE:
        return columnOf(label, 'real');
      case DuckDBTypeId.BOOLEAN:
        return columnOf(label, 'boolean');
      case DuckDBTypeId.DATE:
        return columnOf(label, 'date');
      case DuckDBTypeId.TIME:
        return columnOf(label, 'time');
      case DuckDBTypeId.TIMESTAMP:
        return columnOf(label, 'timestamp_ntz');
      case DuckDBTypeId.TIMESTAMP_TZ:
        return columnOf(label, 'timestamp_tz');
      case DuckDBTypeId.BLOB:
        return columnOf(label, 'binary');
      case DuckDBTypeId.LIST:
      case DuckDBTypeId.ARRAY:
        return columnOf(label, 'array');
      case DuckDBTypeId.STRUCT:
      case DuckDBTypeId.MAP:
        return columnOf(label, 'object');
      default:
        return columnOf(label, result.columnLogicalType(index).alias === 'JSON' ? 'variant' : 'text');
    }
  });
}

/** Cells of all rows, as `columns` describes them. */
export async function cellsOf(result: DuckDBResult, columns: readonly Column[]): Promise<Cell[][]> {
  const rows = await result.getRows();
  return rows.map((row) => row.map((value, index) => cellOf(value, columns[index] as Column)));
}

function cellOf(value: unknown, column: Column): Cell {
  if (value === null || value === undefined) return null;
  const given = value as { micros?: bigint; days?: number; bytes?: Uint8Array };
  switch (column.type) {
    case 'boolean':
      return value === true ? '1' : '0';
    case 'date':
      return String(given.days);
    case 'time':
    case 'timestamp_ntz':
    case 'timestamp_ltz':
      return seconds(given.micros ?? 0n, column.scale ?? 9);
    case 'timestamp_tz':
      return `${seconds(given.micros ?? 0n, column.scale ?? 9)} 1440`;
    case 'binary':
      return Buffer.from(given.bytes ?? [])
        .toString('hex')
        .toUpperCase();
    case 'real':
      return typeof value === 'number' ? realText(value) : String(value);
    default:
      return String(value);
  }
}

const realText = (value: number): string =>
  Number.isNaN(value) ? 'NaN' : value === Infinity ? 'inf' : value === -Infinity ? '-inf' : String(value);

/** Seconds with `scale` digits, negative before 1970. */
function seconds(micros: bigint, scale: number): string {
  const sign = micros < 0n ? '-' : '';
  const size = micros < 0n ? -micros : micros;
  const digits = (size % 1_000_000n).toString().padStart(6, '0').padEnd(9, '0').slice(0, scale);
  return `${sign}${size / 1_000_000n}${scale === 0 ? '' : `.${digits}`}`;
}

/** A cell as a constant of DuckDB, so that a result can be read again as a relation. */
export function cellSql(cell: Cell, column: Column): string {
  if (cell === null) return 'NULL';
  const text = `'${cell.replaceAll("'", "''")}'`;
  switch (column.type) {
    case 'fixed':
      return `CAST(${text} AS DECIMAL(${column.precision ?? 38},${column.scale ?? 0}))`;
    case 'real':
      return `CAST(${text} AS DOUBLE)`;
    case 'boolean':
      return cell === '1' ? 'TRUE' : 'FALSE';
    case 'date':
      return `(DATE '1970-01-01' + ${cell})`;
    case 'time':
      return `CAST(MAKE_TIMESTAMP(${micros(cell)}) AS TIME)`;
    case 'timestamp_ntz':
      return `MAKE_TIMESTAMP(${micros(cell)})`;
    case 'timestamp_ltz':
    case 'timestamp_tz':
      return `MAKE_TIMESTAMPTZ(${micros(cell.split(' ')[0] ?? '0')})`;
    case 'binary':
      return `UNHEX(${text})`;
    case 'variant':
    case 'object':
    case 'array':
      return `CAST(${text} AS JSON)`;
    default:
      return text;
  }
}

function micros(cell: string): string {
  const [whole = '0', fraction = ''] = cell.replace('-', '').split('.');
  const size = BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6) || '0');
  return String(cell.startsWith('-') ? -size : size);
}

const duckTypes: Readonly<Record<SnowflakeType, string>> = {
  fixed: 'DECIMAL',
  real: 'DOUBLE',
  text: 'VARCHAR',
  boolean: 'BOOLEAN',
  date: 'DATE',
  time: 'TIME',
  timestamp_ntz: 'TIMESTAMP',
  timestamp_ltz: 'TIMESTAMPTZ',
  timestamp_tz: 'TIMESTAMPTZ',
  binary: 'BLOB',
  variant: 'JSON',
  object: 'JSON',
  array: 'JSON',
};

export const duckType = (column: Column): string =>
  column.type === 'fixed' ? `DECIMAL(${column.precision ?? 38},${column.scale ?? 0})` : duckTypes[column.type];
