// A catalogue for unit tests without a database: the system objects of a real PostgreSQL 18 (pg-catalogue.json, rows of
// CATALOGUE_QUERIES as tab-separated text) plus the tables, views, functions ... that a test names.
//
//   testCatalogue({
//     tables: { 'public.patients': { columns: { id: 'integer not null', ssn: 'text' }, primaryKey: ['id'] } },
//     views: { 'public.v': { columns: { id: 'integer' }, sql: 'SELECT id FROM public.patients' } },
//     functions: { 'public.leak(integer)': { returns: 'text' } },
//   })

import { readFileSync } from 'node:fs';
import { buildCatalogue } from '../../src/sql/catalogue-build.ts';
import { CATALOGUE_QUERIES, FIRST_USER_OID } from '../../src/sql/catalogue-queries.ts';
import type { CatalogueQueryName, CatalogueRows, TextRow } from '../../src/sql/catalogue-queries.ts';
import { type Shipped, buildShipped } from '../../src/sql/catalogue-shipped.ts';
import type { Catalogue } from '../../src/sql/catalogue.ts';

/** `type`, then any of `not null`, `default <expression>`, `generated <expression>` in this order. */
export type ColumnText = string;

export interface TestTable {
  readonly columns: Readonly<Record<string, ColumnText>>;
  readonly kind?: 'table' | 'partitioned' | 'foreign';
  readonly primaryKey?: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  /** Inheritance parents or the partition root; list their columns as well. */
  readonly inherits?: readonly string[];
  /** Signatures of functions above. */
  readonly triggers?: readonly string[];
  readonly checks?: readonly TestRestriction[];
  readonly indexExpressions?: readonly (TestRestriction & { readonly unique?: boolean })[];
  /** Foreign keys without an action. */
  readonly references?: readonly { readonly columns: readonly string[]; readonly to: string; readonly at: readonly string[] }[];
  readonly partitionKey?: readonly string[];
  /** Conditions of row security. */
  readonly policies?: readonly TestExpression[];
  /** Foreign keys with an action (ON DELETE CASCADE ...). */
  readonly cascadesFrom?: readonly string[];
  readonly rules?: readonly string[];
  readonly persistence?: 'permanent' | 'temporary';
}

/** Expression text and the user functions it calls (the server knows them from its dependencies). */
export interface TestExpression {
  readonly sql: string;
  readonly uses?: readonly string[];
}

/** An expression over columns of its table. */
export interface TestRestriction extends TestExpression {
  readonly columns?: readonly string[];
}

export interface TestView extends TestExpression {
  readonly columns: Readonly<Record<string, ColumnText>>;
  readonly materialised?: boolean;
}

export interface TestFunction {
  readonly returns?: string;
  readonly volatility?: 'immutable' | 'stable' | 'volatile';
  readonly language?: string;
  readonly kind?: 'function' | 'aggregate' | 'procedure';
  readonly extension?: string;
  readonly returnsSet?: boolean;
  /** How many arguments have a default. */
  readonly defaults?: number;
  /** Support functions of an aggregate, as signatures. */
  readonly runs?: readonly string[];
}

export interface TestObjects {
  readonly schemas?: readonly string[];
  readonly tables?: Readonly<Record<string, TestTable>>;
  readonly views?: Readonly<Record<string, TestView>>;
  /** By signature: `public.leak(integer,text)`. */
  readonly functions?: Readonly<Record<string, TestFunction>>;
  /** `public.|+|` -> signature of its function. */
  readonly operators?: Readonly<Record<string, string>>;
  /** Enums, domains, extension base types, by `schema.name`. */
  readonly types?: Readonly<Record<string, TestType>>;
  readonly casts?: readonly {
    readonly from: string;
    readonly to: string;
    readonly function: string;
    readonly context: 'implicit' | 'assignment' | 'explicit';
  }[];
  readonly serverVersionNum?: number;
  readonly database?: string;
}

export interface TestType {
  readonly kind: 'enum' | 'domain' | 'base';
  readonly base?: string;
  readonly checks?: readonly TestExpression[];
  readonly extension?: string;
}

/** Short names that tests like to write, as `format_type` prints them. */
const ALIASES: Readonly<Record<string, string>> = {
  int: 'integer',
  int4: 'integer',
  int8: 'bigint',
  int2: 'smallint',
  bool: 'boolean',
  timestamptz: 'timestamp with time zone',
  timestamp: 'timestamp without time zone',
  varchar: 'character varying',
  char: 'character',
  float8: 'double precision',
};

const parsed: Readonly<Record<string, string>> = JSON.parse(readFileSync(new URL('pg-catalogue.json', import.meta.url), 'utf8'));

const systemRows = new Map<string, readonly TextRow[]>(
  Object.entries(parsed).map(([name, text]) => [
    name,
    text.split('\n').map((line) => line.split('\t').map((value) => (value === '\\N' ? null : value))),
  ]),
);

/** By server version. */
const shippedOf = new Map<string, Shipped>();

/** Rows of a server that has the system objects and `objects`; for tests that change single rows. */
export function testCatalogueRows(objects: TestObjects = {}): CatalogueRows {
  const rows = Object.fromEntries(Object.keys(CATALOGUE_QUERIES).map((name) => [name, [...(systemRows.get(name) ?? [])]])) as Record<
    CatalogueQueryName,
    TextRow[]
  >;
  rows.server = [[String(objects.serverVersionNum ?? 180004), objects.database ?? 'clinic']];
  let nextOid = FIRST_USER_OID;
  const oid = (): string => String(nextOid++);
  const types = new Map<string, string>(rows.types.map((row) => [row[3] ?? '', row[0] ?? '']));
  const relations = new Map<string, string>();
  const functions = new Map<string, string>();
  for (const row of rows.functions) {
    const name = `${row[1]}.${row[2]}`;
    functions.set(name, row[0] ?? '');
  }

  const split = (qualified: string): [string, string] => {
    const dot = qualified.indexOf('.');
    if (dot < 1) throw new Error(`${qualified}: write schema.name`);
    const schema = qualified.slice(0, dot);
    if (!rows.schemas.some(([name]) => name === schema)) rows.schemas.push([schema]);
    return [schema, qualified.slice(dot + 1)];
  };
  const typeOid = (written: string): string => {
    const array = written.endsWith('[]') ? '[]' : '';
    const bare = (array ? written.slice(0, -2) : written).replace(/\(.*\)/, '').trim();
    const name = (ALIASES[bare] ?? bare) + array;
    const found = types.get(name) ?? types.get(`public.${name}`);
    if (found === undefined) throw new Error(`no type ${written}`);
    return found;
  };
  const addType = (schema: string, name: string, kind: string, relation: string, base: string, extension: string | null): string => {
    const id = oid();
    const array = oid();
    rows.types.push([id, schema, name, `${schema}.${name}`, kind, relation, '0', 'f', base, extension]);
    rows.types.push([array, schema, `_${name}`, `${schema}.${name}[]`, 'b', '0', id, 't', '0', extension]);
    types.set(`${schema}.${name}`, id).set(`${schema}.${name}[]`, array);
    return id;
  };
  const functionOid = (signature: string): string => {
    const found = functions.get(signature) ?? functions.get(signature.replace(/\(.*/, ''));
    if (found === undefined) throw new Error(`no function ${signature}`);
    return found;
  };
  const use = (catalogue: string, object: string, expression: TestExpression): void => {
    for (const signature of expression.uses ?? []) rows.uses.push([catalogue, object, 'pg_proc', functionOid(signature)]);
  };

  for (const schema of objects.schemas ?? []) split(`${schema}.x`);
  const later: (() => void)[] = [];
  for (const [qualified, type] of Object.entries(objects.types ?? {})) {
    const [schema, name] = split(qualified);
    const id = addType(
      schema,
      name,
      { enum: 'e', domain: 'd', base: 'b' }[type.kind],
      '0',
      type.base === undefined ? '0' : typeOid(type.base),
      type.extension ?? null,
    );
    for (const check of type.checks ?? []) {
      later.push(() => {
        const constraint = oid();
        rows.constraints.push([constraint, '0', id, 'c', '0', 'f', check.sql]);
        use('pg_constraint', constraint, check);
      });
    }
  }

  const everyRelation: [string, TestTable | TestView][] = [...Object.entries(objects.tables ?? {}), ...Object.entries(objects.views ?? {})];
  for (const [qualified] of everyRelation) {
    const [schema, name] = split(qualified);
    const id = oid();
    relations.set(qualified, id);
    addType(schema, name, 'c', id, '0', null);
  }

  for (const [signature, fn] of Object.entries(objects.functions ?? {})) {
    const [schema, rest] = split(signature);
    const [, name = '', args = ''] = /^(.*)\((.*)\)$/.exec(rest) ?? [];
    if (name === '') throw new Error(`${signature}: write schema.name(types)`);
    const id = oid();
    functions.set(signature, id);
    const argOids = args
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean)
      .map(typeOid);
    rows.functions.push([
      id,
      schema,
      name,
      { function: 'f', aggregate: 'a', procedure: 'p' }[fn.kind ?? 'function'],
      (fn.volatility ?? 'volatile').slice(0, 1),
      fn.language ?? 'sql',
      fn.returnsSet === true ? 't' : 'f',
      'f',
      argOids.join(' '),
      String(fn.defaults ?? 0),
      'f',
      fn.returns === undefined ? typeOid('void') : typeOid(fn.returns),
      fn.extension ?? null,
    ]);
    if (fn.kind === 'aggregate') later.push(() => rows.aggregates.push([id, (fn.runs ?? []).map(functionOid).join(' ')]));
  }
  for (const [qualified, signature] of Object.entries(objects.operators ?? {})) {
    const [schema, name] = split(qualified);
    rows.operators.push([oid(), schema, name, functionOid(signature)]);
  }
  for (const cast of objects.casts ?? [])
    rows.casts.push([typeOid(cast.from), typeOid(cast.to), functionOid(cast.function), cast.context.slice(0, 1)]);

  const addColumns = (relation: string, columns: Readonly<Record<string, ColumnText>>): void => {
    Object.entries(columns).forEach(([name, text], index) => {
      const [, written = '', notNull, word, expression] = /^(.*?)(\s+not null)?(?:\s+(default|generated)\s+(.*))?$/s.exec(text) ?? [];
      const modified = /\(.*\)/.test(written) ? written.trim() : null;
      const number = String(index + 1);
      rows.columns.push([
        relation,
        number,
        name,
        typeOid(written.trim()),
        modified,
        notNull === undefined ? 'f' : 't',
        word === undefined ? 'f' : 't',
        word === 'generated' ? 's' : '',
      ]);
      if (expression === undefined) return;
      const id = oid();
      rows.defaults.push([id, relation, number, expression]);
      // User functions are written with their schema, as the server prints them.
      for (const [signature, fn] of functions) {
        if (signature.includes('(') && expression.includes(`${signature.slice(0, signature.indexOf('('))}(`))
          rows.uses.push(['pg_attrdef', id, 'pg_proc', fn]);
      }
    });
  };

  for (const [qualified, table] of Object.entries(objects.tables ?? {})) {
    const [schema, name] = split(qualified);
    const id = relations.get(qualified) ?? '';
    rows.relations.push([
      id,
      schema,
      name,
      { table: 'r', partitioned: 'p', foreign: 'f' }[table.kind ?? 'table'],
      table.persistence === 'temporary' ? 't' : 'p',
      'f',
      typeOid(qualified),
      null,
    ]);
    addColumns(id, table.columns);
    const names = Object.keys(table.columns);
    const numbers = (columns: readonly string[] = [], of = names): string => columns.map((column) => of.indexOf(column) + 1).join(' ');
    const index = (columns: readonly string[], primary: boolean): void => {
      rows.indexes.push([oid(), id, 't', primary ? 't' : 'f', numbers(columns), String(columns.length), '', 't', '']);
    };
    if (table.primaryKey !== undefined) index(table.primaryKey, true);
    for (const columns of table.unique ?? []) index(columns, false);
    for (const parent of table.inherits ?? []) rows.inheritance.push([id, relations.get(parent) ?? '']);
    for (const signature of table.triggers ?? []) rows.triggers.push([oid(), id, 'trigger', functionOid(signature)]);
    for (const rule of table.rules ?? []) rows.rules.push([oid(), id, rule]);
    for (const check of table.checks ?? []) {
      const constraint = oid();
      rows.constraints.push([constraint, id, '0', 'c', '0', 'f', check.sql, numbers(check.columns)]);
      use('pg_constraint', constraint, check);
    }
    for (const expression of table.indexExpressions ?? []) {
      const indexOid = oid();
      const isUnique = expression.unique === true ? 't' : 'f';
      rows.indexes.push([indexOid, id, 'f', 'f', '0', '1', expression.sql, isUnique, numbers(expression.columns)]);
      use('pg_class', indexOid, expression);
    }
    for (const { columns, to, at } of table.references ?? []) {
      const target = Object.keys(objects.tables?.[to]?.columns ?? {});
      rows.constraints.push([oid(), id, '0', 'f', relations.get(to) ?? '', 'f', null, numbers(columns), numbers(at, target)]);
    }
    if (table.partitionKey !== undefined) rows.partitionKeys.push([id, numbers(table.partitionKey), null]);
    for (const policy of table.policies ?? []) {
      const policyOid = oid();
      rows.policies.push([policyOid, id, policy.sql]);
      use('pg_policy', policyOid, policy);
    }
    for (const parent of table.cascadesFrom ?? []) rows.constraints.push([oid(), id, '0', 'f', relations.get(parent) ?? '', 't', null]);
  }
  for (const [qualified, view] of Object.entries(objects.views ?? {})) {
    const [schema, name] = split(qualified);
    const id = relations.get(qualified) ?? '';
    rows.relations.push([id, schema, name, view.materialised === true ? 'm' : 'v', 'p', 'f', typeOid(qualified), view.sql]);
    addColumns(id, view.columns);
    const rule = oid();
    rows.rules.push([rule, id, '_RETURN']);
    use('pg_rewrite', rule, view);
  }
  for (const each of later) each();
  return rows;
}

export function testCatalogue(objects: TestObjects = {}): Catalogue {
  const rows = testCatalogueRows(objects);
  const version = rows.server[0]?.[0] ?? '';
  let shipped = shippedOf.get(version);
  if (shipped === undefined) shippedOf.set(version, (shipped = buildShipped(rows, Number(version))));
  return buildCatalogue(rows, shipped);
}
