// OVER: what rows are looked at together, and in what order, is told by the result.

import { isEmpty, list, node, nodeKind, Refusal, tagged } from './nodes.ts';
import type { Scope } from './scope.ts';
import { nameOf, type Walker } from './walker.ts';

export function readWindow(tree: unknown, scope: Scope, walker: Walker): void {
  const [kind, held] = tagged(tree, 'OVER');
  if (kind === 'NamedWindow') return named(held, walker);
  if (kind !== 'WindowSpec') throw nodeKind('OVER');
  readSpec(held, scope, walker);
}

/** Windows of the WINDOW clause are read where they are made. */
function named(ident: unknown, walker: Walker): void {
  const name = nameOf(ident);
  if (!walker.block.windows.has(name)) throw nodeKind(`window ${name}`);
}

export function readSpec(tree: unknown, scope: Scope, walker: Walker): void {
  const { window_name: base, partition_by: partition, order_by: order, window_frame: frame } = node(tree, 'WindowSpec');
  if (!isEmpty(base)) named(base, walker);
  for (const each of list(partition)) walker.findings.use(walker.expression(each, scope), 'equality', 'PARTITION BY');
  for (const each of list(order)) {
    walker.findings.use(walker.expression(node(each, 'OrderByExpr')['expr'], scope), 'control', 'ORDER BY of a window');
  }
  if (isEmpty(frame)) return;
  const { start_bound: start, end_bound: end } = node(frame, 'WindowFrame');
  for (const bound of [start, end]) {
    if (isEmpty(bound)) continue;
    const [kind, held] = tagged(bound, 'frame');
    if (kind === 'CurrentRow') continue;
    if (kind !== 'Preceding' && kind !== 'Following') throw nodeKind(`frame ${kind}`);
    if (!isEmpty(held)) mustBeConstant(held, scope, walker, 'frame');
  }
}

/** Bounds, limits and places in time are constants. */
export function mustBeConstant(tree: unknown, scope: Scope, walker: Walker, where: string): void {
  const value = walker.expression(tree, scope);
  if (value.sources.size === 0) return;
  throw new Refusal({ code: 'node-kind', what: `${where} made from a column`, remedy: 'Write a constant there.' });
}
