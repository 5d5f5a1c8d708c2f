// Casts, and paths into VARIANT: which of them hold every value, so that they cannot fail.

import { isEmpty, list, node, nodeKind, tagged } from './nodes.ts';
import type { Scope } from './scope.ts';
import { type Family, familyOf, NULL_VALUE, type Taint } from './values.ts';
import { nameOf, type Walker } from './walker.ts';

/** @returns the family of a type, and whether it has arguments: a length or scale that a value may not fit in. */
export function typeFamily(type: unknown): { readonly family: Family; readonly isBounded: boolean; readonly name: string } {
  const [kind, held] = tagged(type, 'type');
  if (kind === 'Custom') {
    const [name, parameters] = list(held);
    const [part] = list(name);
    const [tag, ident] = tagged(part, 'type');
    if (tag !== 'Identifier' || list(name).length !== 1) throw nodeKind('type');
    return { family: familyOf(nameOf(ident)), isBounded: list(parameters).length > 0, name: nameOf(ident) };
  }
  const name = kind === 'TimestampNtz' ? 'TIMESTAMP_NTZ' : kind.toUpperCase();
  const isBounded = !isEmpty(held) && !(Array.isArray(held) && held.every((each) => isEmpty(each)));
  return { family: familyOf(name), isBounded, name };
}

/** Casts that hold every value: to a text without a length, to VARIANT, of a date to a timestamp. */
export function readCast(held: unknown, scope: Scope, walker: Walker): Taint {
  const { kind, expr, data_type: type } = node(held, 'Cast');
  const value = walker.expression(expr, scope);
  const { family, isBounded, name } = typeFamily(type);
  const known = value.family !== null && value.family !== 'other' && value.family !== 'binary';
  const isTotal =
    value === NULL_VALUE ||
    (kind === 'TryCast' && value.family === 'text') ||
    (!isBounded && known && (family === 'text' || name === 'VARIANT' || (family === 'timestamp' && value.family === 'date')));
  if (kind !== 'TryCast' && kind !== 'Cast' && kind !== 'DoubleColon') throw nodeKind('Cast.kind');
  return walker.findings.make([value], family, isTotal, `a cast to ${name}`);
}

export function readPath(held: unknown, scope: Scope, walker: Walker): Taint {
  const { value, path } = node(held, 'JsonAccess');
  const base = walker.expression(value, scope);
  const keys = list(node(path, 'JsonPath')['path']).flatMap((step) => {
    const [kind, inner] = tagged(step, 'path');
    if (kind === 'Dot') {
      node(inner, 'Dot');
      return [];
    }
    if (kind !== 'Bracket') throw nodeKind(`path ${kind}`);
    return [node(inner, 'Bracket')['key']];
  });
  const indexes = keys.map((key) => walker.expression(key, scope));
  const isTotal =
    base.family === 'variant' &&
    keys.every((key) => tagged(key, 'path')[0] === 'Value') &&
    indexes.every((each) => each.sources.size === 0);
  return walker.findings.make([base, ...indexes], 'variant', isTotal, 'a path');
}
