// Shifted dates under writes. All dates of a subject move by one number of days; whoever sees the same date under two
// subjects, or one that it has written itself, knows more about that number than it should.
// REFUSES: writes that store a date there, or give a row to another subject.

import type { Column, Relation, Restriction } from './catalogue.ts';
import type { Body } from './rewrite.ts';
import type { Assignments } from './token-assignments.ts';
import { REMEDY_GUESS } from './token-values.ts';
import type { Walker } from './walk.ts';
import type { WriteKind } from './walk-restrictions.ts';

/** Whoever sees a date that it has written knows by how much the dates of its subject are shifted. So it is with a date that
 *  the server fills in, and with one that was given to another subject, by the statement itself or by a foreign key's action. */
export function refuseShifts(walker: Walker, relation: Relation, assignments: Assignments, kind: WriteKind): void {
  if (walker.tokens === null) return;
  const { protection } = walker.context;
  const direct = [...assignments.keys()].flatMap((name) => protection.storedColumns(relation.oid, name));
  const reached = kind === 'insert' ? direct : reachedByActions(walker, protection.storedRelations(relation.oid), direct, kind);
  const written = new Set(reached.map(nameOf));
  for (const oid of new Set([...protection.storedRelations(relation.oid), ...reached.map((each) => each.relation)])) {
    const stored = protection.catalogue.relationByOid(oid);
    for (const column of stored?.columns ?? []) {
      const found = stored === undefined ? null : walker.tokenColumn(stored, column);
      if (stored === undefined || found?.form !== 'shift') continue;
      const own = oid === relation.oid ? assignments.get(column.name) : undefined;
      const isWritten = own?.some(({ node }) => isValue(node, column)) ?? written.has(nameOf({ relation: oid, column: column.name }));
      const isFilled = kind === 'insert' && own === undefined && column.default !== undefined;
      const isMoved = kind !== 'insert' && found.subject !== undefined && isRecomputed(stored, oid, found.subject, written);
      if (isWritten || isFilled || isMoved) refuseGuess(walker, `${stored.qualified}.${column.name}`);
    }
  }
}

interface StoredColumn {
  readonly relation: number;
  readonly column: string;
}

/** Columns that a write gives values to, with those of rows that foreign keys carry it on to. */
function reachedByActions(
  walker: Walker,
  from: readonly number[],
  columns: readonly StoredColumn[],
  kind: WriteKind,
): readonly StoredColumn[] {
  const { catalogue } = walker.context.protection;
  const found = new Map(columns.map((each) => [nameOf(each), each]));
  const add = (relation: number, column: string): void => void found.set(nameOf({ relation, column }), { relation, column });
  const isCarriedOn = (referencing: number, referenced: number): boolean =>
    catalogue.cascades.some((each) => each.referencing === referencing && each.referenced === referenced);
  /** Foreign keys to a relation that have an action. */
  const keysTo = (oid: number): Restriction[] =>
    catalogue
      .restrictionsOn(oid)
      .filter(({ kind: what, target, relation }) => what === 'reference' && target?.relation === oid && isCarriedOn(relation, oid));
  const relations = new Set(kind === 'delete' ? from : []);
  // ON DELETE SET DEFAULT; the rows of ON DELETE CASCADE are gone.
  for (const deleted of relations) {
    for (const { relation, columns: own } of keysTo(deleted)) {
      relations.add(relation);
      for (const name of own) if (catalogue.relationByOid(relation)?.byName.get(name)?.default !== undefined) add(relation, name);
    }
  }
  for (const { relation, column } of found.values()) {
    for (const key of keysTo(relation)) {
      key.target?.columns.forEach((name, index) => name === column && add(key.relation, key.columns[index] ?? ''));
    }
  }
  return [...found.values()];
}

/** The column is written, or generated from what is. A name inside the expression is enough. */
function isRecomputed(relation: Relation, oid: number, column: string, written: ReadonlySet<string>): boolean {
  const generated = relation.byName.get(column)?.generated ?? null;
  return (
    written.has(nameOf({ relation: oid, column })) ||
    (generated !== null &&
      relation.columns.some(({ name }) => generated.includes(name) && written.has(nameOf({ relation: oid, column: name }))))
  );
}

const nameOf = ({ relation, column }: StoredColumn): string => `${relation} ${column}`;

/** Neither NULL nor a default that is NULL. */
export function isValue(node: unknown, column: Column): boolean {
  const body = (node ?? {}) as Body;
  if (body['SetToDefault'] !== undefined) return column.default !== undefined;
  return (body['A_Const'] as Body | undefined)?.['isnull'] !== true;
}

export function refuseGuess(walker: Walker, column: string): void {
  walker.findings.refuse({ code: 'write-of-protected', what: `${column}: what it is shown as would answer a guess`, remedy: REMEDY_GUESS });
}
