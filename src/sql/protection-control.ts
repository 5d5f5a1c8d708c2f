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
  return decided(statement, ctesOf(statement)).map(({ control }) => {
    const found = new Set<string>();
    for (const fields of columnRefs(control)) for (const source of place(fields, names)) found.add(source);
    return found;
  });
}

/** An output and the nodes that decide it. */
interface Decided {
  readonly name: string;
  readonly control: readonly unknown[];
}

/** Outputs of a query, in order. */
function decided(query: unknown, ctes: Ctes): Decided[] {
  const outputs: { name: string; control: unknown[] }[] = [];
  for (const select of arms(query)) {
    const entries = fromEntries(select['fromClause'], ctes);
    const add = (target: unknown, index: number): void => {
      const name = field(field(target, 'ResTarget'), 'name') ?? field(items(field(columnOf(target), 'fields')).at(-1), 'String');
      const output = (outputs[index] ??= { name: String(isTree(name) ? name['sval'] : (name ?? '')), control: [] });
      output.control.push(...controlNodes(target, select['windowClause']), ...controlOfReferences(target, entries));
    };
    items(select['targetList']).forEach(add);
    for (const list of items(select['valuesLists'])) items(field(field(list, 'List'), 'items')).forEach(add);
  }
  return outputs;
}

function columnOf(target: unknown): unknown {
  return field(field(field(target, 'ResTarget'), 'val'), 'ColumnRef');
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

/** Nodes that decide a column of a FROM entry, beside its own values; null = any column. By name of the entry. */
type Entries = ReadonlyMap<string, (column: string | null) => readonly unknown[]>;

/** The CTEs of a statement by name. */
type Ctes = ReadonlyMap<string, unknown>;

function ctesOf(statement: unknown): Ctes {
  const found = new Map<string, unknown>();
  for (const [name, cte] of walk(statement)) if (name === 'CommonTableExpr') found.set(String(field(cte, 'ctename') ?? ''), cte);
  return found;
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
  const found = new Map<string, (column: string | null) => readonly unknown[]>();
  /** `outer`: conditions under which the entry is there at all. */
  const visit = (node: unknown, outer: readonly unknown[]): void => {
    const [entry] = isTree(node) ? Object.entries(node) : [];
    const [type, body] = entry ?? ['', undefined];
    const alias = field(body, 'alias');
    const name = String(field(alias, 'aliasname') ?? field(body, 'relname') ?? '');
    if (type === 'JoinExpr') {
      const kind = field(body, 'jointype');
      const condition = [...joinCondition(body)];
      visit(field(body, 'larg'), kind === 'JOIN_RIGHT' || kind === 'JOIN_FULL' ? [...outer, ...condition] : outer);
      visit(field(body, 'rarg'), kind === 'JOIN_LEFT' || kind === 'JOIN_FULL' ? [...outer, ...condition] : outer);
      // Its columns are those of both sides, renamed perhaps.
      const inside = fromEntries([field(body, 'larg'), field(body, 'rarg')], ctes);
      const all = [...[...inside.values()].flatMap((control) => control(null)), ...(kind === 'JOIN_INNER' ? [] : condition), ...outer];
      if (alias !== undefined) found.set(name, () => all);
      return;
    }
    const relname = String(field(body, 'relname') ?? '');
    const cte = type === 'RangeVar' && field(body, 'schemaname') === undefined ? ctes.get(relname) : undefined;
    const query = cte === undefined ? field(body, 'subquery') : field(cte, 'ctequery');
    if (query === undefined) {
      // Of a function, its arguments' sub-selects.
      const control = [...outer, ...innerControl(body)];
      found.set(name, () => control);
    } else if (field(body, 'lateral') === true || outer.length > 0) {
      // Its WHERE decides a value of a row that is there anyway.
      found.set(name, () => [query, ...outer]);
    } else {
      const isRecursive = cte !== undefined && [...walk(query)].some(([, value]) => field(value, 'relname') === relname);
      found.set(name, isRecursive ? () => [...innerControl(query)] : columnControl(query, [alias, cte], ctes));
    }
  };
  for (const node of items(from)) visit(node, []);
  return found;
}

/** Control of a sub-select's columns by the name they have outside of it. */
function columnControl(query: unknown, renamedBy: readonly unknown[], ctes: Ctes): (column: string | null) => readonly unknown[] {
  const outputs = decided(query, ctes);
  const lists = renamedBy.map((by) => items(field(by, 'colnames') ?? field(by, 'aliascolnames')));
  const renamed = lists.find((list) => list.length > 0) ?? [];
  const names = outputs.map(({ name }, index) => String(field(field(renamed[index], 'String'), 'sval') ?? name));
  return (column) => {
    const index = column === null ? -1 : names.indexOf(column);
    return index === -1 ? outputs.flatMap(({ control }) => control) : (outputs[index]?.control ?? []);
  };
}

/** Control of the columns an output names; of every entry when it does not say which. */
function* controlOfReferences(target: unknown, entries: Entries): Generator {
  for (const fields of columnRefs(target)) {
    const column = fields.at(-1) ?? '';
    const entry = fields.length > 1 ? entries.get(fields.at(-2) ?? '') : undefined;
    if (entry !== undefined) yield* entry(column === '*' ? null : column);
    // A column without its table, or a whole row.
    else if (entries.has(column)) yield* entries.get(column)?.(null) ?? [];
    else for (const each of entries.values()) yield* each(fields.length > 1 ? null : column);
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
