// From the rows of catalogue-queries.ts to a Catalogue: an immutable snapshot with its indexes.

import { createHash } from 'node:crypto';
import type { Catalogue, Relation } from './catalogue.ts';
import { findDefinitionCode } from './catalogue-code.ts';
import { Functions, vouched } from './catalogue-functions.ts';
import { CATALOGUE_QUERIES, FIRST_USER_OID } from './catalogue-queries.ts';
import type { CatalogueQueryName, CatalogueRows } from './catalogue-queries.ts';
import { buildRelations } from './catalogue-relations.ts';
import { readRestrictions } from './catalogue-restrictions.ts';
import { Types, readTypes } from './catalogue-types.ts';

const NONE: ReadonlySet<string> = new Set();

/** Builds the snapshot. Pure: the same rows give the same catalogue and the same `version`. */
export function buildCatalogue(rows: CatalogueRows): Catalogue {
  const [serverVersion, database] = rows.server[0] ?? [];
  const typesByOid = readTypes(rows);
  const relations = buildRelations(rows, typesByOid);
  const relationByOid = new Map(relations.map((relation) => [relation.oid, relation]));
  const relationsByName = new Map<string, Map<string, Relation>>();
  const schemas = new Set(rows.schemas.map(([name]) => name ?? ''));
  for (const schema of schemas) relationsByName.set(schema, new Map());
  for (const relation of relations) relationsByName.get(relation.schema)?.set(relation.name, relation);

  const functions = new Functions(rows, (oid) => typesByOid.get(oid)?.text ?? 'unknown');
  const code = findDefinitionCode(rows, functions);
  const restrictions = readRestrictions(rows, (oid) => relationByOid.get(oid));
  const types = new Types(rows, typesByOid, functions, code.ofDomain, (oid) =>
    (relationByOid.get(oid)?.columns ?? []).map((column) => column.typeOid),
  );
  const columnNames = new Set(relations.flatMap((relation) => relation.columns.map((column) => column.name)));
  const identifiers = new Set<string>([...schemas, ...columnNames, ...functions.byName.names(), ...types.byName.names(), database ?? '']);
  for (const relation of relations) identifiers.add(relation.name);
  const attributeFunctions = findAttributeFunctions(functions, types);
  const implicitCastFunctions = rows.casts
    .filter(([, , fn, context]) => context !== 'e' && Number(fn) !== 0 && !functions.isVetted(Number(fn)))
    .map(([, , fn]) => functions.signature(Number(fn)));

  return {
    version: hashRows(rows),
    serverVersionNum: Number(serverVersion),
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
      if (byFunction === null || (schema === null && columnNames.has(name))) return null;
      return 'unknown function';
    },
    vetOperator: (schema, name, searchPath, safe = NONE) => functions.vetOperator(schema, name, searchPath, safe),
    vetType(schema, name, searchPath, safe = NONE) {
      const refusal = types.vet(schema, name, searchPath, safe);
      return refusal === undefined ? 'unknown type' : refusal;
    },
    isAttributeFunction: (name, safe = NONE) => (attributeFunctions.get(name) ?? []).some((signature) => !vouched(signature, safe)),
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
    knowsIdentifier: (name) => identifiers.has(name),
  };
}

/** Names of unvetted functions that `p.name` may call: one argument that a row can be given to, directly, through a
 *  polymorphic type, or through a cast from a row type. */
function findAttributeFunctions(functions: Functions, types: Types): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const info of functions.unvetted()) {
    const shape = functions.shape(info.oid);
    const type = types.byOid.get(shape.firstArgType ?? 0);
    if (!shape.takesOne || type === undefined || info.kind === 'procedure') continue;
    // Composite types, domains over them, polymorphic and other pseudo-types; and user types, which a row may be cast to.
    if (!['c', 'd', 'p'].includes(type.kind) && type.oid < FIRST_USER_OID) continue;
    if (['internal', 'cstring'].includes(type.name)) continue;
    found.set(info.name, [...(found.get(info.name) ?? []), info.signature]);
  }
  return found;
}

function hashRows(rows: CatalogueRows): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(CATALOGUE_QUERIES) as CatalogueQueryName[]) hash.update(JSON.stringify([name, rows[name]]));
  return hash.digest('hex').slice(0, 32);
}
