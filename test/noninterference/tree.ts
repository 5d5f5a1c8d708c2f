// PostgreSQL's parse trees as plain data: where expressions, relations and lists stand in them, so that any of them can
// be replaced. Used to mutate statements and to shrink them.

export type Tree = { [key: string]: Tree } | Tree[] | string | number | boolean;
export type Branch = { [key: string]: Tree };

/** A place in a tree. */
export interface Slot {
  readonly holder: Branch | Tree[];
  readonly key: string | number;
  readonly node: Branch;
  /** Name of the node, `ColumnRef`. */
  readonly type: string;
}

const expressionTypes = new Set([
  'ColumnRef',
  'A_Const',
  'FuncCall',
  'A_Expr',
  'TypeCast',
  'SubLink',
  'CaseExpr',
  'CoalesceExpr',
  'BoolExpr',
  'NullTest',
  'BooleanTest',
  'A_Indirection',
  'RowExpr',
  'A_ArrayExpr',
  'MinMaxExpr',
  'CollateClause',
  'ParamRef',
  'SQLValueFunction',
  'XmlExpr',
  'XmlSerialize',
  'JsonObjectConstructor',
  'JsonArrayConstructor',
  'JsonIsPredicate',
  'JsonFuncExpr',
  'GroupingFunc',
]);

const sourceTypes = new Set(['RangeVar', 'RangeSubselect', 'RangeFunction', 'JoinExpr', 'RangeTableSample']);

export const isExpression = (type: string): boolean => expressionTypes.has(type);
export const isSource = (type: string): boolean => sourceTypes.has(type);

export function isBranch(tree: Tree | undefined): tree is Branch {
  return typeof tree === 'object' && !Array.isArray(tree);
}

/** The one key of `{ ColumnRef: ... }`, or null. */
export function typeOf(tree: Tree | undefined): string | null {
  if (!isBranch(tree)) return null;
  const keys = Object.keys(tree);
  const only = keys.length === 1 ? (keys[0] ?? '') : '';
  return /^[A-Z]/.test(only) ? only : null;
}

/** All nodes, outer before inner. */
export function slotsOf(tree: Tree): Slot[] {
  const found: Slot[] = [];
  const visit = (holder: Branch | Tree[]): void => {
    const entries: [string | number, Tree][] = Array.isArray(holder) ? [...holder.entries()] : Object.entries(holder);
    for (const [key, node] of entries) {
      if (typeof node !== 'object') continue;
      const type = typeOf(node);
      if (type !== null && isBranch(node)) found.push({ holder, key, node, type });
      visit(node);
    }
  };
  if (typeof tree === 'object') visit(tree);
  return found;
}

export function put({ holder, key }: Pick<Slot, 'holder' | 'key'>, node: Tree): void {
  if (Array.isArray(holder)) holder[Number(key)] = node;
  else holder[key] = node;
}

export function copyOf<T extends Tree>(tree: T): T {
  return structuredClone(tree);
}

/** Number of nodes and fields. */
export function sizeOf(tree: Tree): number {
  if (typeof tree !== 'object') return 1;
  const parts = Array.isArray(tree) ? tree : Object.values(tree);
  return parts.reduce<number>((sum, part) => sum + sizeOf(part), 1);
}
