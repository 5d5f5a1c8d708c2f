// What is sent as one: a statement, or a few in a transaction that is rolled back. The generator's statements in all the
// ways a client can send them: simple and extended protocol, text and binary, prepared, by cursor, COPY, EXPLAIN, writes.

import type { Value } from '../bypass/cases.ts';
import type { Catalogue, Kind, Relation } from './catalogue.ts';
import { Draft, type Scope, emptyScope, joined } from './draft.ts';
import type { LaneStep } from './lane.ts';
import { Queries } from './queries.ts';
import type { Random } from './random.ts';

export interface Unit {
  readonly steps: readonly LaneStep[];
  readonly features: readonly string[];
}

/** Steps that only frame others. */
export function isScaffold(step: LaneStep): boolean {
  return typeof step === 'string' && /^(BEGIN|ROLLBACK|SAVEPOINT|DEALLOCATE|CLOSE)\b/.test(step);
}

type Form = (draft: Draft, queries: Queries) => readonly LaneStep[];

const inTransaction = (...steps: readonly LaneStep[]): readonly LaneStep[] => ['BEGIN', ...steps, 'ROLLBACK'];

const plain: Form = (_, queries) => [queries.top().sql];

const extended: Form = (draft, queries) => {
  draft.params = [];
  const made = queries.top();
  const { random } = draft;
  const results = random.pick<readonly number[]>([[1], [1], [0], [], made.columns.map(() => random.below(2))]);
  if (results.includes(1)) draft.use('binary-results');
  if (draft.params.length > 0) draft.use('parameters');
  const maxRows = random.chance(0.15) ? 1 + random.below(3) : 0;
  if (maxRows > 0) draft.use('suspended-portal');
  const named = random.chance(0.2) ? { name: 'ni' } : {};
  const describe = random.weighted([
    ['P', 6],
    ['S', 2],
    ['SP', 1],
    ['none', 1],
  ] as const);
  return [{ q: made.sql, params: draft.params, resultFormats: results, maxRows, describe, ...named }];
};

const several: Form = (_, queries) => [`${queries.top().sql}; ${queries.top().sql}`];

const explain: Form = (draft, queries) => {
  const options = draft.random.pick([
    '',
    '',
    '(COSTS OFF) ',
    '(VERBOSE) ',
    '(FORMAT JSON) ',
    '(ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ',
  ]);
  return [`EXPLAIN ${options}${queries.top().sql}`];
};

const copy: Form = (draft, queries) => {
  const options = draft.random.pick(['', '', ' WITH (FORMAT csv, HEADER)', ' WITH (FORMAT binary)', " WITH (DELIMITER '|', NULL 'n')"]);
  if (draft.random.chance(0.25)) {
    const tables = draft.catalogue.relations.filter(({ isTable }) => isTable);
    const { name, columns } = draft.random.pick(tables);
    const list = draft.random.chance(0.5)
      ? `(${draft.random
          .shuffled(columns.map((column) => column.name))
          .slice(0, 3)
          .join(', ')})`
      : '';
    return [`COPY ${name}${list} TO STDOUT${options}`];
  }
  return [`COPY (${queries.top().sql}) TO STDOUT${options}`];
};

const cursor: Form = (draft, queries) => {
  const { random } = draft;
  const how = random.pick(['', 'BINARY ', 'SCROLL ', 'NO SCROLL ']);
  const moves = random.times(1 + random.below(3), () =>
    random.pick(['2', 'NEXT', 'ALL', 'FORWARD 3', ...(how === 'SCROLL ' ? ['BACKWARD 1', 'ABSOLUTE 2', 'LAST', 'PRIOR'] : [])]),
  );
  return inTransaction(
    `DECLARE ni_c ${how}CURSOR FOR ${queries.top().sql}`,
    ...moves.map((move) => `${random.chance(0.85) ? 'FETCH' : 'MOVE'} ${move} FROM ni_c`),
  );
};

const prepared: Form = (draft, queries) => {
  draft.params = [];
  const step = withUsedParams({ q: queries.top().sql, params: draft.params });
  const { q: sql, params = [] } = step;
  const shown = (value: Value): string => (value === null ? 'NULL' : draft.quoted(String(value)));
  const values = params.length > 0 ? `(${params.map(shown).join(', ')})` : '';
  const explains = draft.random.chance(0.1) ? 'EXPLAIN (COSTS OFF) ' : '';
  return ['DEALLOCATE ALL', `PREPARE ni_p AS ${sql}`, `${explains}EXECUTE ni_p${values}`, 'DEALLOCATE ALL'];
};

const afterError: Form = (_, queries) => inTransaction('SAVEPOINT ni_s', queries.top().sql, 'ROLLBACK TO ni_s', queries.top().sql);

const stored: Form = (draft, queries) => {
  const made = queries.top();
  const kept = draft.random.pick([
    'CREATE TEMP TABLE ni_kept AS',
    'CREATE TEMP VIEW ni_kept AS',
    'CREATE TEMP TABLE ni_kept ON COMMIT DROP AS',
  ]);
  return inTransaction(`${kept} ${made.sql}`, 'SELECT * FROM ni_kept LIMIT 40');
};

/** Writes. Keys are given, so that no sequence moves. */
const writes: Form = (draft, queries) => {
  const { random } = draft;
  const tables = draft.catalogue.relations.filter(({ isWritable }) => isWritable);
  const table = random.chance(0.5) ? random.pick(tables) : (tables.find(({ name }) => name === 'scratch') ?? random.pick(tables));
  const alias = 'w0';
  const scope: Scope = {
    columns: table.columns.map(({ name, kind, isProtected, samples }) => ({ sql: `${alias}.${name}`, kind, isProtected, samples })),
    rows: [{ alias, fields: table.columns.map(({ name, kind }) => ({ name, kind })) }],
  };
  const expression = (kind: Kind, over: Scope): string => queries.expressions.of(kind, over, 2);
  const returning = random.chance(0.6)
    ? ` RETURNING ${random.chance(0.2) ? '*' : `${queries.expressions.any(scope, 2)} AS r1, ${queries.expressions.plain(scope)}`}`
    : '';
  const where = random.chance(0.8) ? ` WHERE ${expression('bool', scope)}` : '';
  const column = random.pick(table.columns);
  const text = random.pick<() => string>([
    () => `INSERT INTO ${table.name} AS ${alias}${inserted(draft, queries, table)}${returning}`,
    () => `INSERT INTO ${table.name} AS ${alias}${inserted(draft, queries, table)}${returning}`,
    () => `UPDATE ${table.name} AS ${alias} SET ${column.name} = ${expression(column.kind, scope)}${where}${returning}`,
    () => {
      const from = queries.sources.from(emptyScope, 1);
      return `UPDATE ${table.name} AS ${alias} SET ${column.name} = ${expression(column.kind, joined(scope, from.scope))} FROM ${from.sql} WHERE ${expression('bool', joined(scope, from.scope))}${returning}`;
    },
    () => `DELETE FROM ${table.name} AS ${alias}${where}${returning}`,
    () => {
      const from = queries.sources.from(emptyScope, 1);
      return `DELETE FROM ${table.name} AS ${alias} USING ${from.sql} WHERE ${expression('bool', joined(scope, from.scope))}${returning}`;
    },
    () => merged(draft, queries, table, scope),
    () =>
      `WITH ni_w AS (UPDATE ${table.name} AS ${alias} SET ${column.name} = ${alias}.${column.name}${where} RETURNING ${queries.expressions.plain(scope)} AS x1) SELECT * FROM ni_w`,
  ])();
  draft.use(/^\w+/.exec(text)?.[0].toLowerCase() ?? '');
  const after = random.chance(0.5) ? [`SELECT * FROM ${table.name} LIMIT 30`] : [];
  return inTransaction(text, ...after);
};

function inserted(draft: Draft, queries: Queries, table: Relation): string {
  const { random } = draft;
  const columns = table.columns.filter((column, index) => index === 0 || !column.isProtected || random.chance(0.3));
  const names = columns.map(({ name }) => name).join(', ');
  const conflict = random.weighted([
    ['', 6],
    [' ON CONFLICT DO NOTHING', 2],
    [` ON CONFLICT (id) DO UPDATE SET ${columns.at(-1)?.name ?? ''} = excluded.${columns.at(-1)?.name ?? ''}`, 2],
  ] as const);
  if (random.chance(0.4)) {
    const values = columns.map(({ kind }, index) =>
      index === 0 ? String(random.pick([1, 900, 901])) : queries.expressions.of(kind, emptyScope, 1),
    );
    return `(${names}) VALUES (${values.join(', ')})${conflict}`;
  }
  return `(${names}) ${queries.top(columns.map(({ kind }) => kind)).sql}${conflict}`;
}

function merged(draft: Draft, queries: Queries, table: Relation, scope: Scope): string {
  const { random } = draft;
  draft.use('merge');
  const from = queries.sources.from(emptyScope, 0, false);
  const all = joined(scope, from.scope);
  const column = random.pick(table.columns);
  const condition = random.chance(0.5) ? ` AND ${queries.expressions.of('bool', all, 1)}` : '';
  const then = random.pick([`UPDATE SET ${column.name} = ${queries.expressions.of(column.kind, all, 1)}`, 'DELETE', 'DO NOTHING']);
  return `MERGE INTO ${table.name} AS w0 USING ${from.sql} ON ${queries.expressions.of('bool', all, 1)} WHEN MATCHED${condition} THEN ${then}`;
}

const forms = [
  ['plain', plain, 46],
  ['extended', extended, 20],
  ['several', several, 2],
  ['explain', explain, 5],
  ['copy', copy, 5],
  ['cursor', cursor, 4],
  ['prepared', prepared, 4],
  ['savepoint', afterError, 2],
  ['stored', stored, 2],
  ['write', writes, 10],
] as const satisfies readonly (readonly [string, Form, number])[];

export const formNames: readonly string[] = forms.map(([name]) => name);

const hostileShare = 0.05;

/** The same numbers give the same unit. */
export function generate(random: Random, catalogue: Catalogue): Unit {
  const draft = new Draft(random, catalogue);
  draft.isHostile = random.chance(hostileShare);
  const [name, form] = random.weighted(forms.map((each) => [each, each[2]] as const));
  draft.use(name);
  const steps = form(draft, new Queries(draft));
  return { steps: steps.map((step) => (typeof step === 'string' ? step : withUsedParams(step))), features: [...draft.features] };
}

/** Expressions that were made and not used have left values behind. */
function withUsedParams(step: Exclude<LaneStep, string>): Exclude<LaneStep, string> {
  const { params = [] } = step;
  const used = [...new Set([...step.q.matchAll(/\$(\d+)::/g)].map((match) => Number(match[1])))].sort((a, b) => a - b);
  const q = step.q.replaceAll(/\$(\d+)::/g, (_, number: string) => `$${used.indexOf(Number(number)) + 1}::`);
  return { ...step, q, params: used.map((number) => params[number - 1] ?? null) };
}
