// LIKE and ILIKE, with ANY and ALL. Patterns are texts that are written down; an ESCAPE of the wrong length fails.

import { isEmpty, list, node, nodeKind, tagged } from './nodes.ts';
import type { Scope } from './scope.ts';
import type { Taint } from './values.ts';
import { nameOf, type Walker } from './walker.ts';

export function readLike(fields: Readonly<Record<string, unknown>>, scope: Scope, walker: Walker): Taint {
  const { expr, pattern, escape_char: escape } = fields;
  const value = walker.expression(expr, scope);
  const [kind, entries] = tagged(pattern, 'pattern');
  const patterns = kind === 'Tuple' ? list(entries) : (likeAll(kind, entries) ?? [pattern]);
  const values = patterns.map((each) => walker.expression(each, scope));
  if (!isEmpty(escape)) walker.constants.read(escape);
  const isTotal =
    isEmpty(escape) && [value, ...values].every((each) => each.family === 'text') && values.every((each) => each.sources.size === 0);
  return walker.findings.make([value, ...values], 'boolean', isTotal, 'LIKE');
}

/** `LIKE ALL (...)`: sqlparser reads a function. */
function likeAll(kind: string, held: unknown): readonly unknown[] | null {
  if (kind !== 'Function') return null;
  const { name, args } = node(held, 'Function');
  const [part, ...others] = list(name);
  const [tag, ident] = tagged(part, 'name');
  if (others.length > 0 || tag !== 'Identifier' || nameOf(ident) !== 'ALL') return null;
  const [, inner] = tagged(args, 'arguments');
  return list(node(inner, 'FunctionList')['args']).map((each) => {
    const [how, given] = tagged(each, 'argument');
    const [what, expression] = how === 'Unnamed' ? tagged(given, 'argument') : ['', null];
    if (what !== 'Expr') throw nodeKind('LIKE ALL');
    return expression;
  });
}
