// Columns that decide a view's output without being its value: `EXISTS (... WHERE code = 'B20') AS hiv`,
// `count(*) FILTER (WHERE ...)`, `rank() OVER (ORDER BY ...)`. Lineage calls them predicates of the statement; for a
// view the output itself must carry their classes. What a view's own WHERE lets through is the DBA's decision.

import type { Catalogue, Relation } from './catalogue.ts';

type Tree = Readonly<Record<string, unknown>>;

/** Sources of control for each output, by position: `schema.relation.column`. Empty when there are none. */
export function controlOf(statement: unknown, catalogue: Catalogue): readonly ReadonlySet<string>[] {
  const names = readNames(statement, catalogue);
  const outputs: Set<string>[] = [];
  for (const select of arms(statement)) {
    const windows = select['windowClause'];
    items(select['targetList']).forEach((target, index) => {
      const found = (outputs[index] ??= new Set<string>());
      for (const control of controlNodes(target, windows)) {
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

function* controlNodes(node: unknown, windows: unknown): Generator<unknown> {
  for (const [name, value] of walk(node)) {
    if (name === 'SubLink' || name === 'agg_filter') yield value;
    if (name === 'over') {
      yield value;
      if (isTree(value) && (value['name'] !== undefined || value['refname'] !== undefined)) yield windows;
    }
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
