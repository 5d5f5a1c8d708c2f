// Two worlds that differ in protected values alone, and random queries over both: whatever the walker lets through answers the same in
// both, once it is masked as planned. DuckDB stands in for Snowflake: what is tested are the rules of the walker, not the engine.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { contextOf, parsers, relation } from '../support/snowflake-walk.ts';
import { type Known, walk } from '../../src/sql/snowflake/walk.ts';

const QUERIES = 800;
const SEED = 20261121;

const CONTEXT = contextOf(
  { id: 'two', byClass: { ssn: 'token' } },
  [relation('P', 'ID:NUMBER NAME SSN NOTE G:NUMBER'), relation('V', 'ID:NUMBER PID:NUMBER SSN CODE')],
  [
    { class: 'name', pattern: '*.p.name' },
    { class: 'ssn', pattern: '*.*.ssn' },
  ],
);

/** Tokens tell which values are equal: the second world's are other values that are equal where the first's are. */
const SSN = new Map([
  ['111', 'zzzzzz'],
  ['222', '5'],
  ['333', 'AA'],
]);
const NAMES = ['Ann', 'Bob', null, '12', 'Ann'];
const OTHERS = ['x', 'x', 'x', 'Ann', null];

function values(world: 0 | 1): readonly string[] {
  const text = (value: string | null): string => (value === null ? 'NULL' : `'${value}'`);
  const ssn = (value: string): string => text(world === 0 ? value : (SSN.get(value) ?? null));
  const names = world === 0 ? NAMES : OTHERS;
  const people = ['111', '222', '333', '111', '222'].map(
    (value, index) => `(${index}, ${text(names[index] ?? null)}, ${ssn(value)}, '${['a', '7', 'b', 'a', 'x'][index]}', ${index % 2})`,
  );
  const visits = ['111', '333', '333', '222'].map(
    (value, index) => `(${index}, ${index % 3}, ${ssn(value)}, '${['a', '111', 'Ann', '7'][index]}')`,
  );
  return [
    'CREATE TABLE P (ID INTEGER, NAME VARCHAR, SSN VARCHAR, NOTE VARCHAR, G INTEGER)',
    'CREATE TABLE V (ID INTEGER, PID INTEGER, SSN VARCHAR, CODE VARCHAR)',
    `INSERT INTO P VALUES ${people.join(', ')}`,
    `INSERT INTO V VALUES ${visits.join(', ')}`,
  ];
}

async function open(world: 0 | 1): Promise<DuckDBConnection> {
  const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  for (const each of values(world)) await connection.run(each);
  return connection;
}

/** Small and repeatable: mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Writer {
  readonly #next: () => number;

  constructor(next: () => number) {
    this.#next = next;
  }

  #pick<T>(choices: readonly T[]): T {
    const found = choices[Math.floor(this.#next() * choices.length)];
    assert.ok(found !== undefined);
    return found;
  }

  #chance(of: number): boolean {
    return this.#next() < of;
  }

  #text(depth: number): string {
    if (depth <= 0 || this.#chance(0.5)) return this.#pick(['p.name', 'p.ssn', 'p.note', 'v.ssn', 'v.code', "'a'", "'111'", 'null']);
    const inner = (): string => this.#text(depth - 1);
    return this.#pick([
      () => `upper(${inner()})`,
      () => `${inner()} || ${inner()}`,
      () => `coalesce(${inner()}, ${inner()})`,
      () => `nullif(${inner()}, ${inner()})`,
      () => `substr(${inner()}, 1, 1)`,
      () => `case when ${this.#condition(depth - 1)} then ${inner()} else ${inner()} end`,
      () => `cast(cast(${inner()} as integer) as varchar)`,
      () => `(select max(x.code) from v x where ${this.#pick(['x.ssn = p.ssn', 'x.id = p.id', 'x.code = p.name'])})`,
      () => `(select x.ssn from v x where x.id = ${this.#pick(['0', 'p.g'])})`,
    ])();
  }

  #condition(depth: number): string {
    const text = (): string => this.#text(depth - 1);
    if (depth <= 0)
      return this.#pick(['p.g = 1', 'p.id < 3', 'p.ssn = v.ssn', "p.note = 'a'", 'p.name is null', 'p.ssn is not null', 'true']);
    return this.#pick([
      () => `${text()} = ${text()}`,
      () => `${text()} < ${text()}`,
      () => `${text()} like '%1%'`,
      () => `${text()} in (${text()}, 'a')`,
      () => `${text()} in (select x.ssn from v x)`,
      () => `not (${this.#condition(depth - 1)})`,
      () => `(${this.#condition(depth - 1)} and ${this.#condition(depth - 1)})`,
      () => `exists (select 1 from v x where ${this.#pick(['x.ssn = p.ssn', 'x.code = p.name', 'x.pid = p.id'])})`,
      () => this.#condition(0),
    ])();
  }

  #item(): string {
    const text = (): string => this.#text(2);
    return this.#pick([
      text,
      text,
      () => this.#pick(['p.id', 'p.ssn', 'p.name', 'p.g', 'v.ssn']),
      () =>
        `row_number() over (partition by ${this.#pick(['p.g', 'p.ssn', 'p.name'])} order by ${this.#pick(['p.id, v.id', 'p.name, p.id, v.id'])})`,
      () => `lag(${text()}) over (order by p.id, v.id)`,
    ])();
  }

  #aggregate(): string {
    const text = (): string => this.#text(1);
    return this.#pick([
      () => 'count(*)',
      () => `count(${text()})`,
      () => `count(distinct ${text()})`,
      () => `max(${text()})`,
      () => `min(${text()})`,
      () => `sum(case when ${this.#condition(1)} then 1 else 0 end)`,
    ])();
  }

  query(): string {
    const from = `p ${this.#pick(['join', 'left join'])} v on ${this.#pick(['p.id = v.pid', 'p.ssn = v.ssn', 'p.name = v.code', 'p.g = v.id'])}`;
    const where = this.#chance(0.5) ? ` where ${this.#condition(2)}` : '';
    if (this.#chance(0.3)) {
      const key = this.#pick(['p.g', 'p.ssn', 'p.name', 'p.note', 'upper(p.ssn)']);
      const having = this.#chance(0.3) ? ` having ${this.#aggregate()} > ${this.#pick(['1', "'a'"])}` : '';
      return `select ${key} as k, ${this.#aggregate()} as a from ${from}${where} group by ${key}${having}`;
    }
    const items = Array.from({ length: 1 + Math.floor(this.#next() * 3) }, (_, index) => `${this.#item()} as c${index}`).join(', ');
    const block = `select ${this.#chance(0.1) ? 'distinct ' : ''}${items} from ${from}${where}`;
    if (this.#chance(0.15)) return `select ${this.#pick(['c0', 'upper(c0)', 'count(c0)', 'count(distinct c0)', '*'])} from (${block}) as d`;
    if (this.#chance(0.1))
      return `select p.ssn as s from ${from}${where} ${this.#pick(['union all', 'union', 'except', 'intersect'])} select ${this.#text(1)} from ${from}`;
    if (this.#chance(0.15)) return `${block} order by ${this.#pick(['p.id, v.id', 'p.name, p.id, v.id', 'p.ssn, p.id, v.id'])} limit 2`;
    return block;
  }
}

/** What the client is shown, in no order; of an error only that there is one. */
async function shown(connection: DuckDBConnection, text: string, plan: Known, world: 0 | 1): Promise<string> {
  const back = new Map([...SSN].map(([value, other]) => [other, value]));
  try {
    const rows = await (await connection.run(text)).getRowsJson();
    const masked = rows.map((row) =>
      row.map((value, index) => {
        const mask = plan.outputs?.[index]?.mask;
        if (mask === 'clear') return value;
        if (mask === 'token') return world === 0 || typeof value !== 'string' ? value : (back.get(value) ?? '?');
        return '***';
      }),
    );
    return masked
      .map((row) => JSON.stringify(row))
      .toSorted()
      .join('\n');
  } catch {
    return 'error';
  }
}

test('what the walker lets through tells nothing of protected values', { timeout: 120_000 }, async () => {
  const writer = new Writer(random(SEED));
  const worlds = [await open(0), await open(1)] as const;
  const counts = { refused: 0, allowed: 0, protectedShown: 0, errors: 0 };
  for (let count = 0; count < QUERIES; count += 1) {
    const text = writer.query();
    const parsed = parsers.parse(text);
    const plan = 'tree' in parsed ? walk(parsed.tree, { context: CONTEXT, text, binds: [], extra: new Map() }) : null;
    if (plan === null || plan.unknowns.length > 0) {
      counts.refused += 1;
      continue;
    }
    counts.allowed += 1;
    if (plan.outputs?.some((each) => each.mask !== 'clear')) counts.protectedShown += 1;
    const [first, second] = [await shown(worlds[0], text, plan, 0), await shown(worlds[1], text, plan, 1)];
    if (first === 'error') counts.errors += 1;
    assert.equal(second, first, text);
  }
  // Neither side is empty: the test tests something.
  assert.ok(counts.allowed > QUERIES / 20 && counts.refused > QUERIES / 20 && counts.protectedShown > QUERIES / 40, JSON.stringify(counts));
  assert.ok(counts.errors < counts.allowed / 2, JSON.stringify(counts));
});
