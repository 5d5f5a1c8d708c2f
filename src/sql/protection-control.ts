// Columns that decide a view's output without being its value: `EXISTS (... WHERE code = 'B20') AS hiv`,
// `count(*) FILTER (WHERE ...)`, `rank() OVER (ORDER BY ...)`, `array_agg(id ORDER BY ssn)`, a column of a LATERAL
// sub-select, a NULL that an outer join put there. Lineage calls them predicates of the statement; for a view the output
// itself must carry their classes, through sub-selects and CTEs as well. What a view's own WHERE lets through is the
// DBA's decision.

import type { Catalogue, Relation } from './catalogue.ts';

type Tree = Readonly<Record<string, unknown>>;

/** Sources of control for each output, by position: `schema.relation.column`. Empty when there are none. */
export function controlOf(statement: unknown, catalogue: Catalogue): readonly ReadonlySet<string>[] {
  const names = readNames(statement, catalogue);
  const outputs: Set<string>[] = [];
  for (const select of arms(statement)) {
    const windows = select['windowClause'];
    const entries = fromEntries(select['fromClause'], ctesOf(statement));
    items(select['targetList']).forEach((target, index) => {
      const found = (outputs[index] ??= new Set<string>());
      for (const control of [...controlNodes(target, windows), ...controlOfReferences(target, entries)]) {
        for (const fields of columnRefs(control)) for (const source of place(fields, names)) found.add(source);
      }
    });
  }
  return outputs;
}

/** The SELECT itself, or the arms of its set operation. */
function* arms(statement: unknown): Generator<Tree> {
  const select = field(statement, 'SelectStmt') ?? statement;
  if (!isTree(select)) return;
  if (select['larg'] === undefined) return yield select;
  yield* arms(select['larg']);
  yield* arms(select['rarg']);
}

function* controlNodes(node: unknown, windows: unknown): Generator {
  for (const [name, value] of walk(node)) {
    if (name === 'SubLink' || name === 'agg_filter' || name === 'agg_order') yield value;
    if (name === 'over') {
      yield value;
      if (isTree(value) && (value['name'] !== undefined || value['refname'] !== undefined)) yield windows;
    }
  }
}

/** Nodes that decide what a FROM entry shows, beside its own values, by its name. */
type Entries = ReadonlyMap<string, readonly unknown[]>;

/** The CTEs of a statement: their names and, as one may read another, all of their queries. */
interface Ctes {
  readonly names: ReadonlySet<string>;
  readonly queries: readonly unknown[];
}

function ctesOf(statement: unknown): Ctes {
  const found = [...walk(statement)].flatMap(([name, cte]) => (name === 'CommonTableExpr' ? [cte] : []));
  return { names: new Set(found.map((cte) => String(field(cte, 'ctename') ?? ''))), queries: found.map((cte) => field(cte, 'ctequery')) };
}

/** What decides values anywhere inside a query that stands in FROM. */
function* innerControl(query: unknown): Generator {
  for (const [name, value] of walk(query)) {
    if (name === 'SubLink' || name === 'agg_filter' || name === 'agg_order' || name === 'over' || name === 'windowClause') yield value;
    if (name === 'RangeSubselect' && field(value, 'lateral') === true) yield field(value, 'subquery');
    if (name === 'JoinExpr' && field(value, 'jointype') !== 'JOIN_INNER') yield* joinCondition(value);
  }
}

function* joinCondition(join: unknown): Generator {
  yield field(join, 'quals');
  for (const column of items(field(join, 'usingClause'))) yield { ColumnRef: { fields: [column] } };
}

function fromEntries(from: unknown, ctes: Ctes): Entries {
  const found = new Map<string, unknown[]>();
  const add = (name: string, control: readonly unknown[]): void => void found.set(name, [...(found.get(name) ?? []), ...control]);
  /** `outer`: conditions under which the entry is there at all. */
  const visit = (node: unknown, outer: readonly unknown[]): void => {
    const join = field(node, 'JoinExpr');
    const subselect = field(node, 'RangeSubselect');
    const [body] = isTree(node) ? Object.values(node) : [];
    const alias = field(field(body, 'alias'), 'aliasname');
    const name = String(alias ?? field(body, 'relname') ?? '');
    if (join !== undefined) {
      const type = field(join, 'jointype');
      const condition = [...joinCondition(join)];
      visit(field(join, 'larg'), type === 'JOIN_RIGHT' || type === 'JOIN_FULL' ? [...outer, ...condition] : outer);
      visit(field(join, 'rarg'), type === 'JOIN_LEFT' || type === 'JOIN_FULL' ? [...outer, ...condition] : outer);
      if (alias !== undefined)
        add(name, [...fromEntries([field(join, 'larg'), field(join, 'rarg')], ctes).values()].flat().concat(condition));
      return;
    }
    if (subselect !== undefined) {
      const query = field(subselect, 'subquery');
      // Under an outer join or LATERAL, its WHERE decides a value of a row that is there anyway.
      const whole = field(subselect, 'lateral') === true || outer.length > 0 ? [query] : [];
      add(name, [...innerControl(query), ...whole, ...outer]);
      return;
    }
    const isCte = field(body, 'schemaname') === undefined && ctes.names.has(String(field(body, 'relname') ?? ''));
    const inCtes = isCte ? ctes.queries.flatMap((query) => (outer.length > 0 ? [query] : [...innerControl(query)])) : [];
    add(name, [...outer, ...inCtes]);
  };
  for (const node of items(from)) visit(node, []);
  return found;
}

/** Control of the entries an output names; of all of them when it does not say which. */
function* controlOfReferences(target: unknown, entries: Entries): Generator {
  for (const fields of columnRefs(target)) {
    // Of `t.c` and of a whole row `t`, the first part names the entry.
    const named = entries.get(fields.length > 1 ? (fields.at(-2) ?? '') : (fields[0] ?? ''));
    yield* named ?? [...entries.values()].flat();
  }
}

function* columnRefs(node: unknown): Generator<readonly string[]> {
  for (const [name, value] of walk(node)) {
    if (name === 'ColumnRef') yield items(field(value, 'fields')).map((part) => String(field(field(part, 'String'), 'sval') ?? '*'));
  }
}

interface Names {
  /** Alias or name of a range variable -> relations it stands for anywhere in the tree. */
  readonly byAlias: ReadonlyMap<string, readonly Relation[]>;
  readonly all: readonly Relation[];
}

function readNames(statement: unknown, catalogue: Catalogue): Names {
  const byAlias = new Map<string, Relation[]>();
  const all: Relation[] = [];
  for (const [name, range] of walk(statement)) {
    if (name !== 'RangeVar') continue;
    const schema = field(range, 'schemaname');
    const relname = String(field(range, 'relname') ?? '');
    const relation = typeof schema === 'string' ? catalogue.relation(schema, relname) : catalogue.resolveRelation(relname, []);
    if (relation === undefined) continue;
    const alias = String(field(field(range, 'alias'), 'aliasname') ?? relname);
    byAlias.set(alias, [...(byAlias.get(alias) ?? []), relation]);
    all.push(relation);
  }
  return { byAlias, all };
}

/** Columns a reference may mean: of the relation it is qualified with, else of every relation that has one of that name. */
function place(fields: readonly string[], names: Names): readonly string[] {
  const column = fields.at(-1) ?? '';
  const qualifier = fields.at(-2);
  const relations = (qualifier === undefined ? undefined : names.byAlias.get(qualifier)) ?? names.all;
  return relations.flatMap((relation) =>
    relation.columns
      .filter((each) => each.name === column || column === '*' || names.byAlias.has(column))
      .map((each) => `${relation.qualified}.${each.name}`),
  );
}

function* walk(node: unknown): Generator<[string, unknown]> {
  if (Array.isArray(node)) for (const item of node) yield* walk(item);
  else if (isTree(node)) {
    for (const [name, value] of Object.entries(node)) {
      yield [name, value];
      yield* walk(value);
    }
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function field(node: unknown, name: string): unknown {
  return isTree(node) ? node[name] : undefined;
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
