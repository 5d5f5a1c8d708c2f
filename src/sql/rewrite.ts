// Masked stand-ins for relations: `FROM patients` becomes `FROM (SELECT id, <mask> AS ssn ... FROM public.patients)`.
// Made once per relation and mask set; the columns are explicit, so columns added later stay invisible. The same is done
// with system relations that show more than a client may see (system-filters.ts), and where the order of rows would tell.

import { DEFAULT_RESIDUALS } from './plan.ts';
import type { MaskColumn, Residuals } from './plan.ts';
import type { Protection, Relation } from './catalogue.ts';
import type { Parser } from './parser.ts';
import { SallyportError } from '../core/error.ts';
import { systemFilter } from './system-filters.ts';
import { isSystemSchema } from './system-relations.ts';

/** A parse-tree node's fields. */
export type Body = Record<string, unknown>;

/** Columns every table has and `SELECT *` does not show. */
export const SYSTEM_COLUMNS: ReadonlySet<string> = new Set(['ctid', 'tableoid', 'xmin', 'xmax', 'cmin', 'cmax']);

/** Of these, what tells the place of a row. */
export const PLACE_COLUMNS: ReadonlySet<string> = new Set(['ctid', 'tableoid']);

export interface StandInOptions {
  /** `ONLY`: without inheritance children. */
  readonly only: boolean;
  /** TABLESAMPLE clause of the reference as text, moved inside. */
  readonly sample: string | null;
  /** System columns to carry through. */
  readonly system: readonly string[];
}

/** What a relation is shown as, apart from its columns. */
interface Showing {
  /** Which partition a row is in would tell a masked value. */
  readonly hidesPlace: boolean;
  /** The order in which rows come would tell it as well. */
  readonly hidesOrder: boolean;
  /** Condition on the rows, or null. */
  readonly where: string | null;
}

/** A relation that is not shown to this principal as it is: columns are masked, rows filtered or put in another order. */
export class MaskedRelation {
  readonly relation: Relation;
  /** Names of the masked columns. */
  readonly masked: ReadonlySet<string>;
  /** Of these, the columns whose mask depends on the value. */
  readonly keeping: ReadonlySet<string>;
  readonly #expressions: ReadonlyMap<string, string>;
  readonly #showing: Showing;
  readonly #parser: Parser;
  readonly #texts = new Map<string, string>();

  constructor(relation: Relation, expressions: ReadonlyMap<string, string>, showing: Showing, parser: Parser) {
    this.relation = relation;
    this.masked = new Set(expressions.keys());
    const keeping = [...expressions].filter(([, expression]) => !isConstant(expression, parser));
    this.keeping = new Set(keeping.map(([column]) => column));
    this.#expressions = expressions;
    this.#showing = showing;
    this.#parser = parser;
  }

  /** Its rows may be read as a whole only: a sample would tell where they are. */
  get refusesSamples(): boolean {
    return this.#showing.hidesOrder;
  }

  /** Mask of a column; undefined = shown in clear. */
  expression(column: string): string | undefined {
    return this.#expressions.get(column);
  }

  /** The SELECT that stands for the relation, checked to be one. */
  standIn(options: StandInOptions): string {
    const sample = options.sample ?? '';
    const key = `${options.only} ${options.system.join(' ')} ${sample}`;
    let text = this.#texts.get(key);
    if (text === undefined) {
      text = this.#write(options);
      // A sample can be any expression: not kept.
      if (sample === '') this.#texts.set(key, text);
    }
    return text;
  }

  #write(options: StandInOptions): string {
    const columns = this.relation.columns.map((column) => {
      const name = quoteName(column.name);
      const expression = this.#expressions.get(column.name);
      return expression === undefined ? name : `${expression} AS ${name}`;
    });
    for (const name of options.system) {
      const isHidden = this.#showing.hidesPlace && PLACE_COLUMNS.has(name);
      columns.push(`${isHidden ? `NULL::pg_catalog.${name === 'ctid' ? 'tid' : 'oid'}` : name} AS ${name}`);
    }
    const from = `${options.only ? 'ONLY ' : ''}${quoteName(this.relation.schema)}.${quoteName(this.relation.name)}`;
    const text = `SELECT ${columns.join(', ')} FROM ${this.#source(`${from}${options.sample ?? ''}`, options.system)}`;
    const parsed = this.#parser.parse(text);
    const statements = parsed.ok ? (parsed.tree.stmts ?? []) : [];
    if (statements.length !== 1 || statements[0]?.stmt === undefined || !('SelectStmt' in statements[0].stmt)) {
      throw new SallyportError('SP_INTERNAL', `a mask of ${this.relation.qualified} is not an SQL expression`);
    }
    return text;
  }

  /** The relation, its rows filtered or in an order that only shown columns decide. */
  #source(from: string, system: readonly string[]): string {
    const { where, hidesOrder } = this.#showing;
    if (where === null && !hidesOrder) return from;
    const columns = [...this.relation.columns.map(({ name }) => quoteName(name)), ...system].join(', ');
    // WHY OFFSET: conditions of the client must not see rows before the filter has, because they could fail on them.
    const limits = where === null ? ` ORDER BY ${this.#orderKey()}` : ` WHERE ${where} OFFSET 0`;
    return `(SELECT ${columns} FROM ${from}${limits}) AS ${quoteName(this.relation.name)}`;
  }

  /** Equal for rows that look the same, and for no others. */
  #orderKey(): string {
    const { primaryKey, columns } = this.relation;
    if (primaryKey.length > 0 && !primaryKey.some((column) => this.masked.has(column))) return primaryKey.map(quoteName).join(', ');
    const shown = columns.map(({ name }) => this.#expressions.get(name) ?? quoteName(name));
    return `(ROW(${shown.join(', ')})::pg_catalog.text) COLLATE pg_catalog."C"`;
  }
}

/** True when a mask shows nothing of the value. */
function isConstant(expression: string, parser: Parser): boolean {
  const parsed = parser.parse(`SELECT ${expression}`);
  return parsed.ok && !JSON.stringify(parsed.tree.stmts ?? []).includes('"ColumnRef"');
}

/** Which relations are masked for one principal on one catalogue. */
export class MaskBook {
  readonly protection: Protection;
  readonly #maskColumn: MaskColumn;
  readonly #residuals: Residuals;
  readonly #parser: Parser;
  readonly #relations = new Map<number, MaskedRelation | null>();
  #anyMasked: boolean | null = null;
  #maskedColumns: ReadonlySet<string> | null = null;
  #keepingColumns: ReadonlySet<string> | null = null;

  constructor(protection: Protection, maskColumn: MaskColumn, residuals: Residuals, parser: Parser) {
    this.protection = protection;
    this.#maskColumn = maskColumn;
    this.#residuals = residuals;
    this.#parser = parser;
  }

  /** True while any protected column of the target is masked for this principal. */
  get anyMasked(): boolean {
    this.#anyMasked ??= this.protection.catalogue.relations.some((relation) => this.#expressionsOf(relation).size > 0);
    return this.#anyMasked;
  }

  masked(relation: Relation): MaskedRelation | null {
    let known = this.#relations.get(relation.oid);
    if (known === undefined) this.#relations.set(relation.oid, (known = this.#maskedNow(relation)));
    return known;
  }

  #maskedNow(relation: Relation): MaskedRelation | null {
    const { protection } = this;
    if (isSystemSchema(relation.schema)) {
      const filter = this.anyMasked ? systemFilter(relation, this.#residuals.catalogueTexts === 'hidden') : null;
      const showing = { hidesPlace: false, hidesOrder: false, where: filter?.where ?? null };
      return filter === null ? null : new MaskedRelation(relation, filter.columns, showing, this.#parser);
    }
    const expressions = this.#expressionsOf(relation);
    const hidesPlace = protection.hasTellingPartitions(relation.oid) && this.anyMasked;
    const hidesOrder = hidesPlace && this.#residuals.partitionOrder === 'hidden';
    if (expressions.size === 0 && !hidesOrder) return null;
    return new MaskedRelation(relation, expressions, { hidesPlace, hidesOrder, where: null }, this.#parser);
  }

  #expressionsOf(relation: Relation): ReadonlyMap<string, string> {
    const expressions = new Map<string, string>();
    if (!this.protection.isProtected(relation.oid)) return expressions;
    for (const column of relation.columns) {
      const classes = this.protection.classesOf(relation.oid, column.name);
      const expression = classes.length === 0 ? null : this.#maskColumn(relation, column, classes);
      if (expression !== null) expressions.set(column.name, expression);
    }
    return expressions;
  }

  /** Every masked column as lineage names it: `schema.relation.column`. */
  get maskedColumns(): ReadonlySet<string> {
    return (this.#maskedColumns ??= this.#namesOf(({ masked }) => masked));
  }

  /** Of these, the columns whose mask depends on the value. */
  get keepingColumns(): ReadonlySet<string> {
    return (this.#keepingColumns ??= this.#namesOf(({ keeping }) => keeping));
  }

  #namesOf(columns: (masked: MaskedRelation) => Iterable<string>): ReadonlySet<string> {
    const { relations } = this.protection.catalogue;
    return new Set(
      relations.flatMap((relation) => {
        const masked = this.masked(relation);
        return masked === null ? [] : [...columns(masked)].map((column) => `${relation.qualified}.${column}`);
      }),
    );
  }
}

const books = new WeakMap<Protection, WeakMap<MaskColumn, WeakMap<Residuals, MaskBook>>>();

/** The book for this protection and these masks; kept as long as both are. */
export function maskBook(
  protection: Protection,
  maskColumn: MaskColumn,
  parser: Parser,
  residuals: Residuals = DEFAULT_RESIDUALS,
): MaskBook {
  let byMask = books.get(protection);
  if (byMask === undefined) books.set(protection, (byMask = new WeakMap()));
  let byResiduals = byMask.get(maskColumn);
  if (byResiduals === undefined) byMask.set(maskColumn, (byResiduals = new WeakMap()));
  let book = byResiduals.get(residuals);
  if (book === undefined) byResiduals.set(residuals, (book = new MaskBook(protection, maskColumn, residuals, parser)));
  return book;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
