// Writes as questions: whether a key, a check or a foreign key is broken tells about masked values, whatever the message
// says. Refused are writes that could ask; which rows exist and what they hold is then never in the outcome.

import type { Relation, Restriction } from './catalogue.ts';
import type { Body } from './rewrite.ts';
import { isAnsweredByTokens } from './token-writes.ts';
import type { Walker } from './walk.ts';

export type WriteKind = 'insert' | 'update' | 'delete';

/** `SET markers[3] = 1`, `SET raw['a']['b'] = '1'`, `SET c.n = 2`: the rest of the value is read, and whether it has that
 *  place decides whether the statement fails. */
export function refusePartialAssignments(walker: Walker, relation: Relation | null, targets: unknown): void {
  const masked = relation === null ? undefined : walker.masks.masked(relation)?.masked;
  for (const each of (targets ?? []) as Body[]) {
    const target = each['ResTarget'] as Body | undefined;
    const steps = (target?.['indirection'] ?? []) as unknown[];
    if (relation !== null && steps.length > 0 && masked?.has(String(target?.['name'])) === true) walker.refuseWrite(relation, 'reads');
  }
}

/** Refuses a write of `columns` of `relation` whose success depends on masked values other than those it writes itself.
 *  Views are followed to what they store. @param byToken columns that get nothing but tokens */
export function refuseQuestions(
  walker: Walker,
  relation: Relation | null,
  columns: readonly string[],
  kind: WriteKind,
  byToken: ReadonlySet<string> = new Set(),
): void {
  if (relation === null || walker.lenient) return;
  const { protection } = walker.context;
  const written = new Map<number, Set<string>>();
  for (const oid of kind === 'update' ? [] : protection.storedRelations(relation.oid)) written.set(oid, new Set());
  for (const column of columns) {
    for (const stored of protection.storedColumns(relation.oid, column)) {
      let names = written.get(stored.relation);
      if (names === undefined) written.set(stored.relation, (names = new Set()));
      names.add(stored.column);
    }
  }
  const asks = [...written].some(([oid, names]) =>
    relatives(walker, oid).some((each) => isQuestion(walker, each, withImplied(each, names, kind), kind, byToken)),
  );
  if (asks) walker.refuseWrite(relation, 'key');
}

/** With the columns that the server fills: generated ones, and on INSERT those with a default. A sequence makes up a new
 *  value, which tells nothing. */
function withImplied(relation: Relation, written: ReadonlySet<string>, kind: WriteKind): ReadonlySet<string> {
  const found = new Set(written);
  if (kind === 'delete') return found;
  for (const { name, generated, default: text } of relation.columns) {
    const isFilled = kind === 'insert' && text !== undefined && !/^nextval\('[^']*'::regclass\)$/.test(text);
    // A name inside the expression is enough: it may be quoted, or the row may be meant.
    const isComputed =
      generated !== null && (kind === 'insert' || /\.\*/.test(generated) || [...written].some((each) => generated.includes(each)));
    if (isFilled || isComputed) found.add(name);
  }
  return found;
}

/** The relation and those it shares rows with by inheritance or partitioning: their restrictions hold as well. */
function relatives(walker: Walker, oid: number): Relation[] {
  const { catalogue } = walker.context.protection;
  const found = new Set([oid]);
  for (const each of found) {
    const relation = catalogue.relationByOid(each);
    for (const next of [...(relation?.children ?? []), ...(relation?.parents ?? [])]) found.add(next);
  }
  return [...found].flatMap((each) => catalogue.relationByOid(each) ?? []);
}

function isQuestion(
  walker: Walker,
  relation: Relation,
  written: ReadonlySet<string>,
  kind: WriteKind,
  byToken: ReadonlySet<string>,
): boolean {
  const { catalogue } = walker.context.protection;
  return catalogue.restrictionsOn(relation.oid).some((restriction) => {
    const isWritten = (columns: readonly string[]): boolean => kind !== 'delete' && columns.some((column) => written.has(column));
    const hidden = hiddenOf(walker, restriction);
    const unwritten = hidden.own.some((column) => !written.has(column));
    switch (restriction.kind) {
      case 'key':
        // Another row's value is compared, even where this one writes its own.
        if (isAnsweredByTokens(walker, restriction, hidden.own, byToken)) return false;
        return (isWritten(restriction.columns) || (kind === 'insert' && restriction.nullsEqual === true)) && hidden.own.length > 0;
      case 'check':
        // What was never validated may fail for values that are there already, whatever is written beside them.
        return kind === 'update' && (isWritten(restriction.columns) || restriction.unvalidated === true) && unwritten;
      case 'reference': {
        const refers =
          restriction.relation === relation.oid &&
          isWritten(restriction.columns) &&
          (hidden.target || unwritten) &&
          !isAnsweredByTokens(walker, restriction, hidden.own, byToken);
        const target = restriction.target?.relation === relation.oid ? restriction.target.columns : [];
        const isReferred = target.length > 0 && (kind === 'delete' || (kind === 'update' && isWritten(target)));
        return refers || (isReferred && (hidden.own.length > 0 || hidden.target || mayFail(walker, restriction.relation)));
      }
    }
  });
}

/** A row may break a check that was never validated when a foreign key's action touches it. */
function mayFail(walker: Walker, oid: number): boolean {
  return walker.context.protection.catalogue
    .restrictionsOn(oid)
    .some((each) => each.kind === 'check' && each.unvalidated === true && hiddenOf(walker, each).own.length > 0);
}

/** Masked columns among those a restriction reads. */
function hiddenOf(
  walker: Walker,
  { relation, columns, target }: Restriction,
): { readonly own: readonly string[]; readonly target: boolean } {
  const masked = (oid: number): ReadonlySet<string> => {
    const found = walker.context.protection.catalogue.relationByOid(oid);
    return (found === undefined ? null : walker.masks.masked(found))?.masked ?? new Set();
  };
  const own = masked(relation);
  return {
    own: columns.filter((column) => own.has(column)),
    target: target !== null && target.columns.some((column) => masked(target.relation).has(column)),
  };
}
