// Binds the planned outputs of a statement to the columns that the answer has. The plan comes from lineage; `rowtype` must agree with it in
// number and names, and its origins may not tell of a protected column that the plan does not know.
// REFUSES: every disagreement. Blank origins say nothing: Snowflake leaves them out when it folds constants.

import { SallyportError } from '../../../core/error.ts';
import type { Mask } from '../../../core/mask.ts';
import { longestText, type ValueFamily } from '../../../masking/index.ts';
import type { PlannedOutput, SnowflakeProtection } from '../../../sql/snowflake/types.ts';
import type { SnowflakeRowType } from './query-data.ts';

/** One column of an answer and what is done to it. Plain data: it goes to other threads. */
export interface ColumnPlan {
  readonly name: string;
  /** Lower-case type of `rowtype`. */
  readonly type: string;
  readonly family: ValueFamily;
  readonly scale: number;
  readonly mask: Mask;
  readonly keyClass: string | null;
  readonly shape: 'value' | 'derived';
  /** Column, from 0, with the key of the subject whose dates move together. */
  readonly subject: number | 'class' | null;
}

export interface BoundColumns {
  readonly columns: readonly ColumnPlan[];
  /** What the client is told. */
  readonly rowtype: readonly SnowflakeRowType[];
}

/** The longest VARCHAR there is without asking for more. */
const LONGEST_TEXT = 16_777_216;
const LONGEST_BINARY = 8_388_608;
const DIGEST_BYTES = 32;

const families: Readonly<Record<string, ValueFamily>> = {
  fixed: 'number',
  real: 'float',
  text: 'text',
  boolean: 'boolean',
  date: 'date',
  time: 'time',
  timestamp_ntz: 'timestamp',
  timestamp_ltz: 'timestamp',
  timestamp_tz: 'timestamp',
  variant: 'variant',
  object: 'variant',
  array: 'variant',
  binary: 'binary',
};

/** @param outputs null = a status of Snowflake's own, which passes
 *  @throws SP_LINEAGE_DISAGREEMENT, with nothing of the answer in its text */
export function bindColumns(
  rowtype: readonly SnowflakeRowType[],
  outputs: readonly PlannedOutput[] | null,
  protection: SnowflakeProtection,
): BoundColumns {
  if (outputs !== null && outputs.length !== rowtype.length) {
    throw disagreement(`${rowtype.length} columns were answered, ${outputs.length} were planned`);
  }
  const columns = rowtype.map((column, index): ColumnPlan => {
    const output = outputs?.[index];
    if (typeof column.name !== 'string' || typeof column.type !== 'string') throw malformed('a column without a name or a type');
    if (output !== undefined && output.name !== null && output.name !== column.name) {
      throw disagreement(`column ${index + 1} has another name than was planned`);
    }
    const isClear = output === undefined || output.mask === 'clear';
    if ((output === undefined || output.classes.length === 0) && isProtectedOrigin(column, protection)) {
      throw disagreement(`column ${index + 1} was planned as unprotected, its origin is protected`);
    }
    const subject = output?.subjectOutput ?? null;
    if (typeof subject === 'number' && (!Number.isInteger(subject) || subject < 0 || subject >= rowtype.length)) {
      throw disagreement(`column ${index + 1} has its subject in a column that was not answered`);
    }
    const type = column.type.toLowerCase();
    return {
      name: column.name,
      type,
      family: familyOf(column),
      scale: scaleOf(column),
      mask: isClear ? 'clear' : output.mask,
      keyClass: output?.keyClass ?? null,
      shape: output?.shape ?? 'value',
      subject,
    };
  });
  return { columns, rowtype: rowtype.map((column, index) => described(column, columns[index])) };
}

export function familyOf({ type, fields }: Pick<SnowflakeRowType, 'type' | 'fields'>): ValueFamily {
  const isStructured = (fields?.length ?? 0) > 0;
  const lower = type.toLowerCase();
  return isStructured ? 'other' : ((Object.hasOwn(families, lower) ? families[lower] : undefined) ?? 'other');
}

/** Whether anything of the answer has to be replaced. */
export const isClearOnly = (columns: readonly ColumnPlan[]): boolean => columns.every(({ mask }) => mask === 'clear');

function scaleOf({ scale }: SnowflakeRowType): number {
  if (scale === undefined || scale === null) return 0;
  if (!Number.isInteger(scale) || scale < 0 || scale > 38) throw malformed('a scale that no type has');
  return scale;
}

/** WHY only the same name: an origin names the relation, never the column, and labels are free. */
function isProtectedOrigin({ database, schema, table, name }: SnowflakeRowType, protection: SnowflakeProtection): boolean {
  if (!database || !schema || !table) return false;
  return protection.columns.has(`${database}.${schema}.${table}.${name}`);
}

/** Masks may be NULL, and may be longer than the column. */
function described(column: SnowflakeRowType, plan: ColumnPlan | undefined): SnowflakeRowType {
  if (plan === undefined || plan.mask === 'clear') return column;
  const shown: SnowflakeRowType = { ...column, nullable: true };
  const { length } = column;
  if (typeof length !== 'number') return shown;
  if (plan.family === 'text' && length < longestText(plan.mask)) return { ...shown, length: LONGEST_TEXT, byteLength: LONGEST_TEXT };
  return plan.family === 'binary' && length < DIGEST_BYTES ? { ...shown, length: LONGEST_BINARY, byteLength: LONGEST_BINARY } : shown;
}

export function disagreement(what: string): SallyportError {
  return new SallyportError('SP_LINEAGE_DISAGREEMENT', what);
}

export function malformed(what: string): SallyportError {
  return new SallyportError('SP_UPSTREAM_PROTOCOL', `the answer of the account: ${what}`);
}
