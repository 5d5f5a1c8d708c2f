// Mutation of the corpus: its own statements with columns, relations, expressions and clauses exchanged between them,
// wrapped and dropped, on PostgreSQL's parse trees. What cannot be printed again is left out.

import { type Case, readCases } from '../bypass/cases.ts';
import type { Parser } from '../../src/sql/parser.ts';
import type { Catalogue, Column } from './catalogue.ts';
import type { LaneStep } from './lane.ts';
import type { Random } from './random.ts';
import { type Branch, type Slot, type Tree, copyOf, isBranch, isExpression, isSource, put, slotsOf } from './tree.ts';
import type { Unit } from './units.ts';

/** What a lane cannot send, what waits, and what reaches beyond its own transaction and database. */
const unsuitable =
  /stdin|pg_sleep|dblink|fdw|\blo_|advisory|terminate|cancel|listen|notify|\block\b|vacuum|database|\brole\b|user\b|x\d{3,}|@gen|commit|prepared|tablespace|reindex|cluster|checkpoint|system\b.*set|random|clock|program|\bload\b|generate_series\(\s*1\s*,\s*\d{4,}|repeat|txid|xact_id|xmin|backend_pid|nextval|setval/i;

/** `hole` is what gets wrapped. */
const wrappers = [
  'lower(hole)',
  'md5(hole::text)',
  'length(hole::text)',
  'hole::text',
  'hole::int',
  'hole::date',
  "hole || ''",
  "hole::text LIKE '9%'",
  'hole IS NULL',
  'coalesce(hole, hole)',
  "CASE WHEN hole IS NULL THEN 'n' ELSE 'y' END",
  'ARRAY[hole]',
  'ROW(hole, 1)',
  'to_jsonb(hole)',
  'max(hole)',
  'array_agg(hole)',
  'first_value(hole) OVER (ORDER BY hole)',
  'rank() OVER (ORDER BY hole)',
  '(SELECT hole)',
  'EXISTS (SELECT 1 WHERE hole IS NOT NULL)',
  'substr(hole::text, 2, 3)',
  'hole IN (SELECT ssn FROM patients)',
  'hole < hole',
  'pg_typeof(hole)',
  '1 / (length(hole::text) - 11)',
  "format('%s', hole)",
  "concat(hole, 'x')",
  'nullif(hole, hole)',
  'greatest(hole, hole)',
];

/** Statements around a query. */
const frames: readonly ((query: string) => readonly string[])[] = [
  (query) => [`SELECT * FROM (${query}) m LIMIT 40`],
  (query) => [`SELECT m FROM (${query}) m LIMIT 40`],
  (query) => [`SELECT count(*), min(m::text) FROM (${query}) m`],
  (query) => [`WITH patients AS (${query}) SELECT * FROM patients LIMIT 40`],
  (query) => [`EXPLAIN (COSTS OFF) ${query}`],
  (query) => [`EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ${query}`],
  (query) => [`COPY (${query}) TO STDOUT`],
  (query) => [`DECLARE ni_c CURSOR FOR ${query}`, 'FETCH 5 FROM ni_c'],
  (query) => [`CREATE TEMP TABLE ni_kept AS ${query}`, 'SELECT * FROM ni_kept LIMIT 40'],
  (query) => [`(${query}) UNION ALL (${query}) LIMIT 40`],
  (query) => [`SELECT EXISTS (${query})`],
];

interface Seed {
  readonly steps: readonly LaneStep[];
  readonly category: string;
  /** The corpus expects an answer and not a refusal. */
  readonly isAnswered: boolean;
}

export class Mutator {
  readonly #parser: Parser;
  readonly #catalogue: Catalogue;
  readonly #seeds: readonly Seed[];
  readonly #answered: readonly Seed[];
  readonly #expressions: readonly Branch[];
  readonly #sources: readonly Branch[];
  readonly #wrappers: readonly Branch[];

  constructor(parser: Parser, catalogue: Catalogue, files: readonly string[]) {
    this.#parser = parser;
    this.#catalogue = catalogue;
    this.#seeds = files.flatMap((file) => readCases(file)).flatMap(seedsOf);
    this.#answered = this.#seeds.filter(({ isAnswered }) => isAnswered);
    const nodes = this.#seeds
      .flatMap(({ steps }) => steps)
      .flatMap((step) => this.#parse(textOf(step)) ?? [])
      .flatMap((tree) => slotsOf(tree));
    this.#expressions = nodes.filter(({ type }) => isExpression(type)).map(({ node }) => node);
    this.#sources = nodes.filter(({ type }) => isSource(type)).map(({ node }) => node);
    this.#wrappers = wrappers.flatMap((text) => {
      const target = slotsOf(this.#parse(`SELECT ${text}`) ?? {}).find(({ type }) => type === 'ResTarget')?.node['ResTarget'];
      return isBranch(target) && isBranch(target['val']) ? [target['val']] : [];
    });
    if (this.#wrappers.length !== wrappers.length || this.#answered.length === 0) throw new Error('the mutator has nothing to work with');
  }

  /** Null when what came out cannot be sent. */
  mutate(random: Random): Unit | null {
    const { steps, category } = random.pick(random.chance(0.85) ? this.#answered : this.#seeds);
    const at = random.below(steps.length);
    const chosen = steps[at];
    const text = chosen === undefined ? null : this.#mutated(textOf(chosen), random);
    if (chosen === undefined || text === null || unsuitable.test(text)) return null;
    const features = ['mutated', `corpus ${category}`];
    const isQuery = /^\s*(select|with|values|table)\b/i.test(text);
    if (typeof chosen !== 'string') return { steps: [...steps.slice(0, at), { ...chosen, q: text }, ...steps.slice(at + 1)], features };
    const framed = isQuery && random.chance(0.35) ? random.pick(frames)(text) : [text];
    if (steps.length === 1 && framed.length === 1 && isQuery && !/\b(into|insert|update|delete|merge)\b/i.test(text)) {
      const isExtended = random.chance(0.25);
      return {
        steps: [isExtended ? { q: framed[0] ?? '', resultFormats: [1] } : (framed[0] ?? '')],
        features: [...features, ...(isExtended ? ['binary-results'] : [])],
      };
    }
    return { steps: ['BEGIN', ...steps.slice(0, at), ...framed, ...steps.slice(at + 1), 'ROLLBACK'], features };
  }

  #parse(text: string): Tree | null {
    const parsed = this.#parser.parse(text);
    return parsed.ok ? (parsed.tree as unknown as Tree) : null;
  }

  #mutated(text: string, random: Random): string | null {
    const tree = this.#parse(text);
    if (tree === null) return null;
    const changed = copyOf(tree);
    for (
      let count = random.weighted([
        [1, 4],
        [2, 3],
        [3, 1],
      ] as const);
      count > 0;
      count -= 1
    )
      this.#change(changed, random);
    return this.#parser.deparse(changed as never);
  }

  #change(tree: Tree, random: Random): void {
    const slots = slotsOf(tree);
    const of = (test: (type: string) => boolean): Slot | null => {
      const fitting = slots.filter(({ type }) => test(type));
      return fitting.length === 0 ? null : random.pick(fitting);
    };
    const wrap = (node: Tree): Branch => {
      const outer = copyOf({ wrapped: random.pick(this.#wrappers) });
      for (const slot of slotsOf(outer)) if (isHole(slot)) put(slot, copyOf(node));
      return outer['wrapped'] as Branch;
    };
    const fitting = (): Branch => this.#fit(copyOf(random.pick(this.#expressions)), slots, random, true);
    switch (random.below(9)) {
      case 0:
      case 1: {
        const slot = of((type) => type === 'ColumnRef');
        if (slot !== null) put(slot, this.#fit(slot.node, slots, random, random.chance(0.7)));
        return;
      }
      case 2: {
        const slot = of((type) => type === 'RangeVar');
        const relation = slot?.node['RangeVar'];
        if (!isBranch(relation)) return;
        const [schema, name] = `.${random.pick(this.#catalogue.relations).name}`.split('.').slice(-2);
        relation['relname'] = name ?? '';
        if (schema === '') delete relation['schemaname'];
        else relation['schemaname'] = schema ?? '';
        return;
      }
      case 3:
      case 4: {
        const slot = of(isExpression);
        if (slot !== null) put(slot, wrap(slot.node));
        return;
      }
      case 5: {
        const slot = of(isExpression);
        if (slot !== null) put(slot, fitting());
        return;
      }
      case 6: {
        const slot = of(isSource);
        if (slot !== null) put(slot, copyOf(random.pick(this.#sources)));
        return;
      }
      case 7: {
        const select = of((type) => type === 'SelectStmt')?.node['SelectStmt'];
        if (isBranch(select)) this.#extend(select, fitting, random);
        return;
      }
      default: {
        const lists = slots
          .flatMap(({ node }) =>
            Object.values(node)
              .filter(isBranch)
              .flatMap((fields) => Object.values(fields)),
          )
          .filter((field): field is Tree[] => Array.isArray(field) && field.length > 1);
        if (lists.length > 0) {
          const list = random.pick(lists);
          list.splice(random.below(list.length), 1);
        }
      }
    }
  }

  /** Every column in there becomes one of the statement's relations, of the same kind if there is one, a protected one
   *  more often. */
  #fit(node: Branch, slots: readonly Slot[], random: Random, keepsKind: boolean): Branch {
    const visible = this.#visible(slots);
    const outer = { node };
    if (visible.length === 0) return node;
    for (const slot of slotsOf(outer).filter(({ type }) => type === 'ColumnRef')) {
      const reference = slot.node['ColumnRef'];
      const last = isBranch(reference) && Array.isArray(reference['fields']) ? reference['fields'].at(-1) : undefined;
      const string = isBranch(last) ? last['String'] : undefined;
      if (!isBranch(string)) continue;
      const kind = this.#catalogue.relations.flatMap(({ columns }) => columns).find(({ name }) => name === string['sval'])?.kind;
      const alike = keepsKind ? visible.filter(({ column }) => column.kind === kind) : [];
      const from = alike.length > 0 ? alike : visible;
      const hidden = from.filter(({ column }) => column.isProtected);
      const { alias, column } = random.pick(hidden.length > 0 && random.chance(0.7) ? hidden : from);
      put(slot, { ColumnRef: { fields: [alias, column.name].map((sval) => ({ String: { sval } })) } });
    }
    return outer.node;
  }

  /** Columns of the relations that the statement names, by their aliases. */
  #visible(slots: readonly Slot[]): { readonly alias: string; readonly column: Column }[] {
    return slots.flatMap(({ node }) => {
      const range = node['RangeVar'];
      if (!isBranch(range)) return [];
      const alias = isBranch(range['alias']) ? range['alias']['aliasname'] : range['relname'];
      const relation = this.#catalogue.relations.find(({ name }) => name.split('.').at(-1) === range['relname']);
      return relation === undefined ? [] : relation.columns.map((column) => ({ alias: String(alias), column }));
    });
  }

  #extend(select: Branch, expression: () => Branch, random: Random): void {
    const field = random.pick(['targetList', 'whereClause', 'sortClause', 'groupClause', 'fromClause']);
    const list = Array.isArray(select[field]) ? select[field] : [];
    if (field === 'whereClause') select[field] = expression();
    else if (field === 'targetList' && list.length > 0) list.push({ ResTarget: { val: expression() } });
    else if (field === 'sortClause')
      select[field] = [...list, { SortBy: { node: expression(), sortby_dir: 'SORTBY_DEFAULT', sortby_nulls: 'SORTBY_NULLS_DEFAULT' } }];
    else if (field === 'groupClause' && list.length > 0) list.push(expression());
    else if (field === 'fromClause' && list.length > 0) list.push(copyOf(random.pick(this.#sources)));
  }
}

function seedsOf(each: Case): Seed[] {
  if (each.role === 'postgres' || each.startup !== undefined || each.setup !== undefined || each.hard !== undefined) return [];
  return [each.sql, ...(each.control === undefined ? [] : [each.control])].flatMap((all) => {
    const steps = all.filter((step) => typeof step !== 'string' || !/^\s*(begin|rollback|commit|start transaction)\b/i.test(step));
    const sendable = steps.filter((step): step is LaneStep => typeof step === 'string' || isPlainExtended(step));
    const isWhole =
      sendable.length === all.length || (sendable.length === steps.length && sendable.every((step) => typeof step === 'string'));
    if (!isWhole || sendable.length === 0 || sendable.some((step) => unsuitable.test(textOf(step)))) return [];
    return [{ steps: sendable, category: each.category, isAnswered: each.expect !== 'refused' }];
  });
}

function isPlainExtended(step: Exclude<Case['sql'][number], string>): step is Exclude<LaneStep, string> {
  return 'q' in step && step.copyData === undefined && step.portal === undefined && step.parse !== false && step.name === undefined;
}

function textOf(step: LaneStep): string {
  return typeof step === 'string' ? step : step.q;
}

function isHole({ node, type }: Slot): boolean {
  return type === 'ColumnRef' && JSON.stringify(node).includes('"hole"');
}
