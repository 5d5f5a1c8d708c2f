// Relations, columns, functions and operators that the generator writes statements about, as the loaded database has
// them; of each protected column a few values of the first world, to guess right with.

import type pg from 'pg';
import type { CorpusPolicy } from '../bypass/cases.ts';

/** What the generator tells types apart by. */
export type Kind =
  | 'int'
  | 'big'
  | 'num'
  | 'text'
  | 'bool'
  | 'date'
  | 'ts'
  | 'json'
  | 'bytea'
  | 'ints'
  | 'tsv'
  | 'float'
  | 'range'
  | 'texts'
  | 'mood';

export interface Column {
  readonly name: string;
  readonly kind: Kind;
  readonly isProtected: boolean;
  /** As text. */
  readonly samples: readonly string[];
}

export interface Relation {
  /** With its schema unless that is `public`. */
  readonly name: string;
  readonly isTable: boolean;
  readonly isWritable: boolean;
  readonly columns: readonly Column[];
}

export interface Callable {
  readonly name: string;
  readonly args: readonly Kind[];
  readonly result: Kind;
}

export interface Catalogue {
  readonly relations: readonly Relation[];
  readonly functions: readonly Callable[];
  /** Binary ones. */
  readonly operators: readonly Callable[];
}

const kinds: Readonly<Record<string, Kind>> = {
  integer: 'int',
  bigint: 'big',
  numeric: 'num',
  text: 'text',
  character: 'text',
  boolean: 'bool',
  date: 'date',
  'timestamp with time zone': 'ts',
  jsonb: 'json',
  bytea: 'bytea',
  'integer[]': 'ints',
  tsvector: 'tsv',
  short_code: 'text',
  'double precision': 'float',
  daterange: 'range',
  'text[]': 'texts',
  mood: 'mood',
};

/** What protected columns of extra.sql flow into. */
const extraDerived: Readonly<Record<string, readonly string[]>> = {
  'public.visits': ['diary_size'],
  'public.v_visits': ['loud', 'born', 'postcode'],
};

/** Slow, sized by their argument, random, or about the server and not about data. */
const unsuitable =
  /^(pg_|lo_|has_|txid_|inet_|query_to|cursor_to|table_to|schema_to|database_to|(repeat|lpad|rpad|dyn|factorial|generate_series|gen_salt|crypt|dblink.*|random.*|numeric_fac|set_config|nextval|setval|currval|array_fill|hashtext\w*|pgp_.*|connectby|crosstab.*|normal_rand|get_raw_page|.*_support|to_reg.*|current_setting|ts_debug|ts_stat|timeofday|pseudo_encrypt|binary_upgrade.*|json_populate.*|set_limit|postgres_fdw.*|show_limit|convert|ts_token_type|ts_parse)$)/;

export async function readCatalogue(client: pg.Client, policy: CorpusPolicy): Promise<Catalogue> {
  const { rows } = await client.query<{ relation: string; relkind: string; attname: string; type: string }>(`
    SELECT CASE nspname WHEN 'public' THEN '' ELSE nspname || '.' END || relname AS relation, relkind, attname,
      format_type(atttypid, NULL) AS type
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON attrelid = c.oid
    WHERE nspname IN ('public', 'legacy', 'reporting') AND relkind IN ('r', 'p', 'v', 'm') AND attnum > 0 AND NOT attisdropped
    ORDER BY 1, attnum`);
  const derived = (policy as CorpusPolicy & { readonly derived?: CorpusPolicy['protected'] }).derived ?? {};
  const relations: Relation[] = [];
  for (const name of new Set(rows.map(({ relation }) => relation))) {
    const full = name.includes('.') ? name : `public.${name}`;
    const hidden = new Set([...(policy.protected[full] ?? []), ...(derived[full] ?? []), ...(extraDerived[full] ?? [])]);
    const own = rows.filter(({ relation }) => relation === name);
    const relkind = own[0]?.relkind ?? '';
    const columns: Column[] = [];
    for (const { attname, type } of own) {
      const kind = kinds[type];
      if (kind === undefined) continue;
      const isProtected = hidden.has(attname);
      const found = isProtected
        ? await client.query<{ v: string }>(`SELECT ${attname}::text AS v FROM ${name} WHERE ${attname} IS NOT NULL LIMIT 4`)
        : null;
      columns.push({ name: attname, kind, isProtected, samples: found?.rows.map(({ v }) => v) ?? [] });
    }
    relations.push({ name, isTable: relkind !== 'v', isWritable: relkind === 'r' || relkind === 'p', columns });
  }
  return { relations, functions: await readFunctions(client), operators: await readOperators(client) };
}

const kindOf = (type: string): Kind | undefined => kinds[type];

function callable(name: string, args: readonly string[], result: string): Callable | null {
  const argKinds = args.map(kindOf).filter((kind) => kind !== undefined);
  const resultKind = kindOf(result);
  return argKinds.length === args.length && resultKind !== undefined ? { name, args: argKinds, result: resultKind } : null;
}

async function readFunctions(client: pg.Client): Promise<readonly Callable[]> {
  const { rows } = await client.query<{ name: string; args: string[]; result: string }>(`
    SELECT quote_ident(proname) AS name, ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) t)::text[] AS args,
      format_type(prorettype, NULL) AS result
    FROM pg_proc WHERE prokind = 'f' AND NOT proretset AND provolatile <> 'v' AND provariadic = 0 AND pronargs BETWEEN 1 AND 3
      AND pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace)
    ORDER BY 1, proargtypes::text`);
  return rows.flatMap(({ name, args, result }) => (unsuitable.test(name) ? [] : (callable(name, args, result) ?? [])));
}

async function readOperators(client: pg.Client): Promise<readonly Callable[]> {
  const { rows } = await client.query<{ name: string; args: string[]; result: string }>(`
    SELECT oprname AS name, ARRAY[format_type(oprleft, NULL), format_type(oprright, NULL)] AS args, format_type(oprresult, NULL) AS result
    FROM pg_operator WHERE oprkind = 'b' AND oprnamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace)
    ORDER BY 1, oprleft::text, oprright::text`);
  return rows.flatMap(({ name, args, result }) => callable(name, args, result) ?? []);
}
