// Which rows a held UPDATE or DELETE would change, some of them, before and after: how they are found in its trial run, and what of
// them a reviewer sees. The write returns a key of each row, and those rows are read by it; without a key it returns what is shown. All
// texts are planned as if they came from somebody who sees every class redacted, and name no protected column.
// REFUSES: statements that under such masks are refused or mean something else, because which rows there are, or what is stored
// in them, would then tell protected values.

import type { MaskSet } from '../../core/decision.ts';
import { MASKED_CELL, type NoSample, type RowSample, type SampleCells, type SampleColumn } from '../../core/preview.ts';
import type { Column, Protection, Relation } from '../../sql/catalogue.ts';
import { type Node, type Parser, sameTree } from '../../sql/parser.ts';
import type { PlannedText } from './planner.ts';

const maxColumns = 32;
const maxCellBytes = 256;

/** Every class is redacted, whoever asks: what the reviewer might see in clear is not known. */
export const SAMPLE_MASKS: MaskSet = { id: 'sample', byClass: {} };

export interface SamplePlanDeps {
  readonly parser: Parser;
  readonly protection: Protection;
  /** Plans under `SAMPLE_MASKS`, for no session. */
  readonly plan: (text: string) => PlannedText;
}

export interface SamplePlan {
  /** To send: the write, RETURNING the key of each row, or its cells. */
  readonly write: string;
  /** To send: a write that leaves the same rows as they are, RETURNING the same. For an UPDATE without a key that stays. */
  readonly finder: string | null;
  readonly isDelete: boolean;
  readonly columns: readonly SampleColumn[];
  readonly columnsLeftOut: number;
  /** 0 = there is none, and `write` and `finder` return the cells. */
  readonly keyLength: number;
  /** To send: the key and the cells of so many rows. Its parameters are their keys, one row after the other.
   *  Null: it is not understood. */
  readonly read: (rows: number) => string | null;
}

type Body = Readonly<Record<string, unknown>>;
type Rows = readonly (readonly (string | null)[])[];

/** @param planned for the requester; it has been tried. @param written what it writes */
export function planSample(planned: PlannedText, written: readonly Relation[], deps: SamplePlanDeps): SamplePlan | NoSample {
  const { parser, protection, plan } = deps;
  const [relation, ...others] = written;
  const write = singleWrite(planned.text, parser);
  if (write === null || relation === undefined || others.length > 0) return 'statement';
  const strict = plan(planned.text).plan.forward;
  const isSame = strict === planned.plan.forward || planned.plan.facts.predicateClasses.length === 0;
  if (strict === null || !isSame || protection.hasTellingPartitions(relation.oid)) return 'protected';
  const key = keyOf(relation, write, protection);
  const chosen = chooseColumns(relation, key, write.assigned);
  const columns = chosen.map((column) => describe(column, relation, key, write.assigned, protection));
  const open = columns.filter(({ shown }) => shown !== 'masked');
  // What the statement assigns can be assigned.
  const candidates = key.length > 0 ? key : open.map(({ name }) => name);
  const leftAsItIs = candidates.find((name) => write.assigned.has(name)) ?? candidates[0];
  if (leftAsItIs === undefined) return 'protected';
  const answer = key.length > 0 ? key.map((name) => write.qualified(name)) : open.map((column) => cellSql(column, write.qualified));
  const forward = (text: string | null): string | null => (text === null ? null : plan(text).plan.forward);
  const isFound = write.isDelete || (key.length > 0 && !key.some((name) => write.assigned.has(name)));
  const sent = forward(write.returning(answer, null));
  const finder = isFound ? null : forward(write.returning(answer, leftAsItIs));
  if (sent === null || (finder === null && !isFound)) return 'statement';
  return {
    write: sent,
    finder,
    isDelete: write.isDelete,
    columns,
    columnsLeftOut: relation.columns.length - chosen.length,
    keyLength: key.length,
    read(rows) {
      const { plan: read } = plan(readText(relation, write.isOnly, key, open, rows));
      return read.facts.outputClasses.length > 0 || read.facts.predicateClasses.length > 0 ? null : read.forward;
    },
  };
}

interface Write {
  readonly isDelete: boolean;
  readonly isOnly: boolean;
  readonly assigned: ReadonlySet<string>;
  /** A column of the target, quoted. */
  readonly qualified: (column: string) => string;
  /** The same write, RETURNING these expressions and nothing else; null = it cannot be written faithfully.
   *  @param leftAsItIs all that an UPDATE assigns is this column, to itself; null = what it assigns */
  returning(expressions: readonly string[], leftAsItIs: string | null): string | null;
}

/** Null: it is not one UPDATE or DELETE, or another write is in it. */
function singleWrite(text: string, parser: Parser): Write | null {
  const parsed = parser.parse(text);
  const [root, ...more] = parsed.ok ? (parsed.tree.stmts ?? []) : [];
  const [kind, body] = Object.entries((root?.stmt ?? {}) as Readonly<Record<string, Body>>)[0] ?? [];
  if (more.length > 0 || body === undefined || (kind !== 'UpdateStmt' && kind !== 'DeleteStmt')) return null;
  const ctes = ((body['withClause'] as Body | undefined)?.['ctes'] ?? []) as Body[];
  if (ctes.some((each) => (((each['CommonTableExpr'] as Body)['ctequery'] ?? {}) as Body)['SelectStmt'] === undefined)) return null;
  const target = body['relation'] as Body;
  const name = String((target['alias'] as Body | undefined)?.['aliasname'] ?? target['relname']);
  const qualified = (column: string): string => `${quoted(name)}.${quoted(column)}`;
  const targetsOf = (list: string): readonly Body[] | null => {
    const [only] = ((made) => (made.ok ? (made.tree.stmts ?? []) : []))(parser.parse(`SELECT ${list}`));
    return (((only?.stmt ?? {}) as { SelectStmt?: Body }).SelectStmt?.['targetList'] as Body[] | undefined) ?? null;
  };
  const targets = (body['targetList'] ?? []) as Body[];
  return {
    isDelete: kind === 'DeleteStmt',
    isOnly: target['inh'] !== true,
    assigned: new Set(targets.map((each) => String((each['ResTarget'] as Body)['name']))),
    qualified,
    returning(expressions, leftAsItIs) {
      const exprs = targetsOf(expressions.join(', '));
      const itself = leftAsItIs === null ? null : targetsOf(`${qualified(leftAsItIs)} AS ${quoted(leftAsItIs)}`);
      if (exprs === null || (leftAsItIs !== null && itself === null)) return null;
      const changed = { ...body, ...(itself === null ? {} : { targetList: itself }), returningClause: { exprs } };
      const stmt = { [kind]: changed } as unknown as Node;
      const written = parser.deparse({ version: 0, stmts: [{ stmt }] });
      const again = written === null ? null : parser.parse(written);
      return again?.ok === true && sameTree(again.tree.stmts?.[0]?.stmt, stmt) ? written : null;
    },
  };
}

/** Columns that tell rows apart, are never NULL and not protected; those that the write leaves as they are go first. Empty = none. */
function keyOf(relation: Relation, { assigned, isOnly }: Write, protection: Protection): readonly string[] {
  const keys = protection
    .wholeKeys(relation.oid, isOnly)
    .filter((key) =>
      key.every((name) => relation.byName.get(name)?.notNull === true && protection.classesOf(relation.oid, name).length === 0),
    );
  return keys.find((key) => !key.some((name) => assigned.has(name))) ?? keys[0] ?? [];
}

/** The key, what the write assigns, and the others in their order. */
function chooseColumns(relation: Relation, key: readonly string[], assigned: ReadonlySet<string>): readonly Column[] {
  const rank = ({ name }: Column): number => (key.includes(name) ? 0 : assigned.has(name) ? 1 : 2);
  return relation.columns.toSorted((a, b) => rank(a) - rank(b) || a.attnum - b.attnum).slice(0, maxColumns);
}

function describe(
  { name, typeName, baseType }: Column,
  { oid }: Relation,
  key: readonly string[],
  assigned: ReadonlySet<string>,
  protection: Protection,
): SampleColumn {
  const classes = protection.classesOf(oid, name);
  const type = baseType?.typeName ?? typeName;
  return {
    name,
    type: typeName,
    classes: [...classes],
    shown: classes.length > 0 ? 'masked' : type === 'bytea' ? 'length' : 'value',
    isKey: key.includes(name),
    isAssigned: assigned.has(name),
  };
}

/** Values of these are short. */
const SHORT = /^(smallint|integer|bigint|oid|real|double precision|boolean|uuid|date|interval|time(stamp)?( with(out)? time zone)?)$/;

/** @param reference SQL of the column */
function cellSql({ name, type, shown }: SampleColumn, reference: (name: string) => string): string {
  if (shown === 'length') return `pg_catalog.octet_length(${reference(name)})`;
  return SHORT.test(type) ? reference(name) : `pg_catalog.left(${reference(name)}::pg_catalog.text, ${maxCellBytes + 1})`;
}

function readText(relation: Relation, isOnly: boolean, key: readonly string[], columns: readonly SampleColumn[], rows: number): string {
  const wanted = Array.from({ length: rows }, (_, row) => {
    const parts = key.map((name, index) => `${quoted(name)} = $${row * key.length + index + 1}`);
    return `(${parts.join(' AND ')})`;
  });
  const answer = [...key.map(quoted), ...columns.map((column) => cellSql(column, quoted))];
  const from = `${isOnly ? 'ONLY ' : ''}${quoted(relation.schema)}.${quoted(relation.name)}`;
  return `SELECT ${answer.join(', ')} FROM ${from} WHERE ${wanted.join(' OR ')}`;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Bind: text parameters. */
export function textParameters(values: readonly (string | null)[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const int = (value: number, bytes: 2 | 4): void => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeIntBE(value, 0, bytes);
    parts.push(buffer);
  };
  int(0, 2);
  int(values.length, 2);
  for (const value of values) {
    const text = Buffer.from(value ?? '');
    int(value === null ? -1 : text.length, 4);
    parts.push(text);
  }
  return Buffer.concat(parts);
}

/** @param before @param after rows of keys and cells; null = there are none */
export function sampleOf(plan: SamplePlan, before: Rows, after: Rows | null): RowSample {
  const { columns, columnsLeftOut, keyLength } = plan;
  const idOf = (row: Rows[number]): string => JSON.stringify(row.slice(0, keyLength));
  const cells = (row: Rows[number]): SampleCells => {
    const values = row.slice(keyLength);
    return columns.map(({ shown }) => (shown === 'masked' ? MASKED_CELL : clipped(values.shift() ?? null)));
  };
  const isPaired = plan.finder === null;
  const later = isPaired ? new Map((after ?? []).map((row) => [idOf(row), cells(row)])) : new Map<string, SampleCells>();
  const alone = isPaired ? [] : (after ?? []);
  const rows = [
    ...before.map((row) => ({ before: cells(row), after: later.get(idOf(row)) ?? null })),
    ...alone.map((row) => ({ before: null, after: cells(row) })),
  ];
  return { columns: [...columns], columnsLeftOut, isPaired, rows };
}

/** At most `maxCellBytes` of UTF-8; an ellipsis stands for the rest. */
function clipped(value: string | null): string | null {
  if (value === null || Buffer.byteLength(value) <= maxCellBytes) return value;
  // `stream`: a character that is cut in two is left out.
  return `${new TextDecoder().decode(Buffer.from(value).subarray(0, maxCellBytes), { stream: true })}…`;
}
