// What initdb made, most of a catalogue, ready to be used by one catalogue after the other: it is read and built again only when
// the rows that it is made of have changed.

import { createHash } from 'node:crypto';
import type { Relation } from './catalogue.ts';
import { ByName, Functions } from './catalogue-functions.ts';
import { type CatalogueRows, FIRST_USER_OID, SHIPPED_QUERIES, type ShippedQueryName, type TextRow } from './catalogue-queries.ts';
import { buildRelations } from './catalogue-relations.ts';
import { type TypeInfo, findAttributeFunctions, nameTypes, readTypes } from './catalogue-types.ts';

/** Rows of SHIPPED_QUERIES, of one snapshot. */
export type ShippedRows = Readonly<Record<ShippedQueryName, readonly TextRow[]>>;

export interface Shipped {
  /** Objects below this OID are in here. 0 = none: what initdb made was changed so that it uses what it did not make. Then it can
   *  change without a change of its own rows, and belongs to each catalogue anew. */
  readonly below: number;
  readonly hash: string;
  readonly types: ReadonlyMap<number, TypeInfo>;
  readonly typesByName: ByName<TypeInfo>;
  readonly functions: Functions;
  readonly relations: readonly Relation[];
  /** Of relations. */
  readonly columnNames: ReadonlySet<string>;
  /** Names of relations, columns, functions and types. */
  readonly identifiers: ReadonlySet<string>;
  readonly attributeFunctions: ReadonlyMap<string, readonly string[]>;
}

const NOTHING = { relations: [], columns: [], functions: [], operators: [], types: [] } as const satisfies ShippedRows;
/** What rows of the catalogue say beyond those five lists. */
const ELSEWHERE = { defaults: [], inheritance: [], indexes: [], triggers: [], rules: [], aggregates: [] } as const;

/** Pure. @param rows with or without rows of objects that initdb did not make, which do not count */
export function buildShipped(rows: ShippedRows, serverVersionNum: number): Shipped {
  const shipped = partOf(rows, (oid) => oid < FIRST_USER_OID);
  return isSelfContained(shipped) ? build(shipped, FIRST_USER_OID, serverVersionNum) : build(NOTHING, 0, serverVersionNum);
}

/** The rows that `shipped` does not stand for. */
export function withoutShipped(rows: CatalogueRows, { below }: Shipped): CatalogueRows {
  return { ...rows, ...partOf(rows, (oid) => oid >= below) };
}

function partOf(rows: ShippedRows, isIn: (oid: number) => boolean): ShippedRows {
  const those = (of: readonly TextRow[]): readonly TextRow[] => of.filter(([oid]) => isIn(Number(oid)));
  return {
    relations: those(rows.relations),
    columns: those(rows.columns),
    functions: those(rows.functions),
    operators: those(rows.operators),
    types: those(rows.types),
  };
}

/** Names nothing that is not in it. Fails closed: an object is believed to be shipped by its OID only. */
function isSelfContained(rows: ShippedRows): boolean {
  const isShipped = (oid: string | null | undefined): boolean => Number(oid) < FIRST_USER_OID;
  return (
    rows.functions.every((row) => isShipped(row[11]) && (row[8] ?? '').split(' ').every(isShipped)) &&
    rows.operators.every((row) => isShipped(row[3])) &&
    rows.types.every((row) => isShipped(row[5]) && isShipped(row[6]) && isShipped(row[8])) &&
    // Expressions are objects of their own.
    rows.columns.every((row) => isShipped(row[3]) && row[6] === 'f' && (row[7] ?? '') === '')
  );
}

function build(rows: ShippedRows, below: number, serverVersionNum: number): Shipped {
  const types = readTypes(rows);
  const typesByName = nameTypes(types.values(), new ByName());
  const functions = new Functions({ ...rows, ...ELSEWHERE }, (oid) => types.get(oid)?.text ?? 'unknown', serverVersionNum);
  const relations = buildRelations({ ...rows, ...ELSEWHERE }, (oid) => types.get(oid));
  const columnNames = new Set(relations.flatMap(({ columns }) => columns.map(({ name }) => name)));
  const hash = createHash('sha256');
  for (const name of Object.keys(SHIPPED_QUERIES) as ShippedQueryName[]) hash.update(JSON.stringify([name, rows[name]]));
  return {
    below,
    hash: hash.digest('hex'),
    types,
    typesByName,
    functions,
    relations,
    columnNames,
    identifiers: new Set([...columnNames, ...relations.map(({ name }) => name), ...functions.byName.names(), ...typesByName.names()]),
    attributeFunctions: findAttributeFunctions(functions, (oid) => types.get(oid)),
  };
}
