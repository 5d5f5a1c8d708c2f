// Columns that a definition names with their types and constants only: nothing in them is made from other data.

import type { Reader } from './statement-text.ts';
import type { SnowflakeColumn } from './types.ts';

const TYPES: Readonly<Record<string, string>> = {
  NUMBER: 'NUMBER',
  DECIMAL: 'NUMBER',
  NUMERIC: 'NUMBER',
  INT: 'NUMBER',
  INTEGER: 'NUMBER',
  BIGINT: 'NUMBER',
  SMALLINT: 'NUMBER',
  TINYINT: 'NUMBER',
  BYTEINT: 'NUMBER',
  FLOAT: 'FLOAT',
  FLOAT4: 'FLOAT',
  FLOAT8: 'FLOAT',
  DOUBLE: 'FLOAT',
  REAL: 'FLOAT',
  VARCHAR: 'TEXT',
  CHAR: 'TEXT',
  CHARACTER: 'TEXT',
  STRING: 'TEXT',
  TEXT: 'TEXT',
  NVARCHAR: 'TEXT',
  BINARY: 'BINARY',
  VARBINARY: 'BINARY',
  BOOLEAN: 'BOOLEAN',
  DATE: 'DATE',
  DATETIME: 'TIMESTAMP_NTZ',
  TIME: 'TIME',
  TIMESTAMP: 'TIMESTAMP_NTZ',
  TIMESTAMP_NTZ: 'TIMESTAMP_NTZ',
  TIMESTAMP_LTZ: 'TIMESTAMP_LTZ',
  TIMESTAMP_TZ: 'TIMESTAMP_TZ',
  VARIANT: 'VARIANT',
  OBJECT: 'OBJECT',
  ARRAY: 'ARRAY',
};
const NAMES: ReadonlySet<string> = new Set(Object.keys(TYPES));
const CONSTANTS: ReadonlySet<string> = new Set(['NULL', 'TRUE', 'FALSE', 'CURRENT_TIMESTAMP', 'CURRENT_DATE', 'CURRENT_TIME']);

/** `a INT, b TEXT DEFAULT 'x'` of ALTER TABLE ... ADD COLUMN, to the end of the statement; null where there is anything but names, types
 *  and constants. */
export function addedColumns(reader: Reader): SnowflakeColumn[] | null {
  const columns: SnowflakeColumn[] = [];
  do {
    const column = columnOf(reader);
    if (column === null) return null;
    columns.push(column);
  } while (reader.take(','));
  return reader.isAtEnd ? columns : null;
}

function columnOf(reader: Reader): SnowflakeColumn | null {
  const name = reader.name(1)?.[0];
  const word = reader.takeOneOf(NAMES);
  if (name === undefined || word === null) return null;
  if (word === 'DOUBLE') reader.take('PRECISION');
  if (reader.take('(')) {
    do if (reader.takeKind('number') === null) return null;
    while (reader.take(','));
    if (!reader.take(')')) return null;
  }
  let isNullable = true;
  for (;;) {
    if (reader.take('NOT', 'NULL') || reader.take('PRIMARY', 'KEY')) isNullable = false;
    else if (reader.take('DEFAULT')) {
      if (!takeConstant(reader)) return null;
    } else if (reader.take('COMMENT')) {
      if (reader.takeKind('string') === null) return null;
    } else if (!reader.take('NULL') && !reader.take('UNIQUE') && !takeIdentity(reader)) break;
  }
  return { name, type: TYPES[word] ?? 'TEXT', isNullable };
}

function takeIdentity(reader: Reader): boolean {
  if (!reader.take('AUTOINCREMENT') && !reader.take('IDENTITY')) return false;
  if (reader.word === '(') reader.skipBrackets();
  if (reader.take('START')) reader.takeKind('number');
  if (reader.take('INCREMENT')) reader.takeKind('number');
  if (!reader.take('ORDER')) reader.take('NOORDER');
  return true;
}

function takeConstant(reader: Reader): boolean {
  reader.take('-');
  if (reader.takeKind('number') !== null || reader.takeKind('string') !== null) return true;
  return reader.takeOneOf(CONSTANTS) !== null && (reader.take('(', ')') || true);
}
