// Masked stand-ins for relations: `FROM patients` becomes `FROM (SELECT id, <mask> AS ssn ... FROM public.patients)`.
// Made once per relation and mask set; the columns are explicit, so columns added later stay invisible.

import type { MaskColumn } from './plan.ts';
import type { Protection, Relation } from './catalogue.ts';
import type { Parser } from './parser.ts';
import { SallyportError } from '../core/error.ts';

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

/** A relation of which at least one column is masked for this principal. */
export class MaskedRelation {
  readonly relation: Relation;
  /** Names of the masked columns. */
  readonly masked: ReadonlySet<string>;
  readonly #expressions: ReadonlyMap<string, string>;
  /** Which partition a row is in would tell a masked value. */
  readonly #hidesPlace: boolean;
  readonly #parser: Parser;
  readonly #texts = new Map<string, string>();

  constructor(relation: Relation, expressions: ReadonlyMap<string, string>, hidesPlace: boolean, parser: Parser) {
    this.relation = relation;
    this.masked = new Set(expressions.keys());
    this.#expressions = expressions;
    this.#hidesPlace = hidesPlace;
    this.#parser = parser;
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
      const isHidden = this.#hidesPlace && PLACE_COLUMNS.has(name);
      columns.push(`${isHidden ? `NULL::pg_catalog.${name === 'ctid' ? 'tid' : 'oid'}` : name} AS ${name}`);
    }
    const from = `${options.only ? 'ONLY ' : ''}${quoteName(this.relation.schema)}.${quoteName(this.relation.name)}`;
    const text = `SELECT ${columns.join(', ')} FROM ${from}${options.sample ?? ''}`;
    const parsed = this.#parser.parse(text);
    const statements = parsed.ok ? (parsed.tree.stmts ?? []) : [];
    if (statements.length !== 1 || statements[0]?.stmt === undefined || !('SelectStmt' in statements[0].stmt)) {
      throw new SallyportError('SP_INTERNAL', `a mask of ${this.relation.qualified} is not an SQL expression`);
    }
    return text;
  }
}

/** Which relations are masked for one principal on one catalogue. */
export class MaskBook {
  readonly protection: Protection;
  readonly #maskColumn: MaskColumn;
  readonly #parser: Parser;
  readonly #relations = new Map<number, MaskedRelation | null>();
  #anyMasked: boolean | null = null;
  #maskedColumns: ReadonlySet<string> | null = null;

  constructor(protection: Protection, maskColumn: MaskColumn, parser: Parser) {
    this.protection = protection;
    this.#maskColumn = maskColumn;
    this.#parser = parser;
  }

  /** True while any protected column of the target is masked for this principal. */
  get anyMasked(): boolean {
    this.#anyMasked ??= this.protection.catalogue.relations.some((relation) => this.masked(relation) !== null);
    return this.#anyMasked;
  }

  masked(relation: Relation): MaskedRelation | null {
    const known = this.#relations.get(relation.oid);
    if (known !== undefined) return known;
    const expressions = new Map<string, string>();
    if (this.protection.isProtected(relation.oid)) {
      for (const column of relation.columns) {
        const classes = this.protection.classesOf(relation.oid, column.name);
        const expression = classes.length === 0 ? null : this.#maskColumn(relation, column, classes);
        if (expression !== null) expressions.set(column.name, expression);
      }
    }
    const masked =
      expressions.size === 0
        ? null
        : new MaskedRelation(relation, expressions, this.protection.hasTellingPartitions(relation.oid), this.#parser);
    this.#relations.set(relation.oid, masked);
    return masked;
  }

  /** Every masked column as lineage names it: `schema.relation.column`. */
  get maskedColumns(): ReadonlySet<string> {
    if (this.#maskedColumns === null) {
      const names = this.protection.catalogue.relations.flatMap((relation) =>
        [...(this.masked(relation)?.masked ?? [])].map((column) => `${relation.qualified}.${column}`),
      );
      this.#maskedColumns = new Set(names);
    }
    return this.#maskedColumns;
  }
}

const books = new WeakMap<Protection, WeakMap<MaskColumn, MaskBook>>();

/** The book for this protection and these masks; kept as long as both are. */
export function maskBook(protection: Protection, maskColumn: MaskColumn, parser: Parser): MaskBook {
  let byMask = books.get(protection);
  if (byMask === undefined) books.set(protection, (byMask = new WeakMap()));
  let book = byMask.get(maskColumn);
  if (book === undefined) byMask.set(maskColumn, (book = new MaskBook(protection, maskColumn, parser)));
  return book;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
