// From the rows of catalogue-queries.ts to a Catalogue: an immutable snapshot with its indexes.

import { createHash } from 'node:crypto';
import type { Catalogue, Relation } from './catalogue.ts';
import { findDefinitionCode } from './catalogue-code.ts';
import { Functions, vouched } from './catalogue-functions.ts';
import { CATALOGUE_QUERIES } from './catalogue-queries.ts';
import type { CatalogueQueryName, CatalogueRows } from './catalogue-queries.ts';
import { buildRelations } from './catalogue-relations.ts';
import { readRestrictions } from './catalogue-restrictions.ts';
import { type Shipped, buildShipped, withoutShipped } from './catalogue-shipped.ts';
import { type TypeInfo, Types, findAttributeFunctions, readTypes } from './catalogue-types.ts';

const NONE: ReadonlySet<string> = new Set();

/** Builds the snapshot. Pure: the same rows give the same catalogue and the same `version`.
 *  @param shipped of the same snapshot; then the rows may be without what it stands for */
export function buildCatalogue(every: CatalogueRows, shipped = buildShipped(every, versionNum(every))): Catalogue {
  const rows = withoutShipped(every, shipped);
  const database = rows.server[0]?.[1];
  const ownTypes = readTypes(rows);
  const typeByOid = (oid: number): TypeInfo | undefined => ownTypes.get(oid) ?? shipped.types.get(oid);
  const relations = buildRelations(rows, typeByOid, shipped.relations);
  const relationByOid = new Map(relations.map((relation) => [relation.oid, relation]));
  const relationsByName = new Map<string, Map<string, Relation>>();
  const schemas = new Set(rows.schemas.map(([name]) => name ?? ''));
  for (const schema of schemas) relationsByName.set(schema, new Map());
  for (const relation of relations) relationsByName.get(relation.schema)?.set(relation.name, relation);

  const functions = new Functions(rows, (oid) => typeByOid(oid)?.text ?? 'unknown', versionNum(rows), shipped.functions);
  const code = findDefinitionCode(rows, functions);
  const restrictions = readRestrictions(rows, (oid) => relationByOid.get(oid));
  const types = new Types(rows, [...ownTypes.values()], typeByOid, shipped.typesByName, functions, code.ofDomain, (oid) =>
    (relationByOid.get(oid)?.columns ?? []).map((column) => column.typeOid),
  );
  const own = relations.slice(shipped.relations.length);
  const columnNames = new Set(own.flatMap((relation) => relation.columns.map((column) => column.name)));
  const identifiers = new Set<string>([...schemas, ...columnNames, ...functions.byName.names(), ...types.byName.names(), database ?? '']);
  for (const relation of own) identifiers.add(relation.name);
  const attributeFunctions = findAttributeFunctions(functions, typeByOid);
  const implicitCastFunctions = rows.casts
    .filter(([, , fn, context]) => context !== 'e' && Number(fn) !== 0 && !functions.isVetted(Number(fn)))
    .map(([, , fn]) => functions.signature(Number(fn)));

  return {
    version: versionOf(rows, shipped),
    serverVersionNum: versionNum(rows),
    database: database ?? '',
    relations,
    implicitCastFunctions,
    cascades: code.cascades,
    restrictionsOn: (oid) => restrictions.of.get(oid),
    partitionKeyOf: (oid) => restrictions.partitionKeys.get(oid) ?? null,
    policiesOf: (oid) => restrictions.policies.get(oid),
    relation: (schema, name) => relationsByName.get(schema)?.get(name),
    relationByOid: (oid) => relationByOid.get(oid),
    resolveRelation(name, searchPath) {
      const path = searchPath.includes('pg_catalog') ? searchPath : ['pg_catalog', ...searchPath];
      for (const schema of path) {
        const found = relationsByName.get(schema)?.get(name);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    hasSchema: (name) => schemas.has(name),
    functions: (schema, name) => functions.byName.get(schema, name),
    vetFunction(schema, name, searchPath, safe = NONE) {
      const byFunction = functions.vet(schema, name, searchPath, safe);
      if (byFunction !== undefined && byFunction !== null) return byFunction;
      // A call with one argument may be a cast to a type of that name.
      const byType = types.vet(schema, name, searchPath, safe);
      if (byType !== undefined) return byType;
      if (byFunction === null || (schema === null && (columnNames.has(name) || shipped.columnNames.has(name)))) return null;
      return 'unknown function';
    },
    vetOperator: (schema, name, searchPath, safe = NONE) => functions.vetOperator(schema, name, searchPath, safe),
    vetType(schema, name, searchPath, safe = NONE) {
      const refusal = types.vet(schema, name, searchPath, safe);
      return refusal === undefined ? 'unknown type' : refusal;
    },
    isAttributeFunction: (name, safe = NONE) =>
      [attributeFunctions, shipped.attributeFunctions].some((those) =>
        (those.get(name) ?? []).some((signature) => !vouched(signature, safe)),
      ),
    codeOnRead: (oid) => code.onRead.get(oid),
    codeOnWrite: (oid) => [
      ...code.onWrite.get(oid),
      ...(relationByOid.get(oid)?.columns ?? []).flatMap((column) => types.codeOf(column.typeOid)),
    ],
    codeOfColumn(oid, name) {
      const number = relationByOid.get(oid)?.byName.get(name)?.attnum;
      return code.ofColumn
        .get(oid)
        .filter((use) => use.number === number)
        .map((use) => use.code);
    },
    rowTypesIn: (oid) => types.rowTypesIn(oid),
    knowsIdentifier: (name) => identifiers.has(name) || shipped.identifiers.has(name),
  };
}

const versionNum = (rows: CatalogueRows): number => Number(rows.server[0]?.[0] ?? 0);

/** @param rows without what is shipped */
function versionOf(rows: CatalogueRows, shipped: Shipped): string {
  const hash = createHash('sha256').update(shipped.hash);
  for (const name of Object.keys(CATALOGUE_QUERIES) as CatalogueQueryName[]) hash.update(JSON.stringify([name, rows[name]]));
  return hash.digest('hex').slice(0, 32);
}
