// What the header of a request says about its facts: enough to decide the request again (docs/formats/log.md, "Deciding again").
// Headers are bounded; a list that does not fit is shortened or left out, and `cut` names it: whoever decides again knows then
// that it cannot.

import { maskFor, type MaskSet } from '../core/decision.ts';
import type { ColumnUse, EntryDraft } from '../core/event.ts';
import type { Facts } from '../core/facts.ts';

export type RecordedFacts = NonNullable<EntryDraft['facts']>;

const maxList = 200;
const maxUnknowns = 20;
/** Of `columns` and `open` together, as JSON. */
const maxLineageBytes = 12_000;
/** Of the names of relations. What is longer leaves no room for columns. */
const maxRelationBytes = 12_000;
/** A greater constant could carry a value that belongs into sealed payloads only. */
const maxLimit = 9_999;
// oxlint-disable-next-line no-control-regex -- the audit log refuses such names
const recordable = /^[^\u0000-\u001f\u007f-\u009f]{1,512}$/u;

/** What a decision counted with beside the facts of the statement. */
export interface Circumstances {
  /** By the planner of the target. */
  readonly estimatedRows?: number | undefined;
  readonly session?: RecordedFacts['session'] | undefined;
}

export function recordedFacts(facts: Facts, { estimatedRows, session }: Circumstances = {}): RecordedFacts {
  const cut: string[] = [];
  const bounded = <T>(name: string, list: readonly T[]): readonly T[] => {
    if (list.length <= maxList) return list;
    cut.push(name);
    return list.slice(0, maxList);
  };
  const verbs = bounded('verbs', facts.verbs);
  const relations = bounded('relations', facts.relations);
  const { limit } = facts;
  const isPlainLimit = limit !== null && Number.isInteger(limit) && limit >= 0 && limit <= maxLimit;
  if (limit !== null && !isPlainLimit) cut.push('limit');
  const lineage = lineageOf(facts, relations);
  if (lineage === null) cut.push('columns');
  return {
    verbs,
    effects: facts.effects,
    relations,
    classes: facts.classes,
    outputClasses: facts.outputClasses,
    predicateClasses: facts.predicateClasses,
    unbounded: facts.unbounded,
    unknowns: facts.unknowns.slice(0, maxUnknowns).map(({ code, what }) => ({ code, what })),
    statements: facts.statements,
    ...(isPlainLimit ? { limit } : {}),
    ...lineage,
    ...(estimatedRows === undefined ? {} : { estimatedRows: Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.trunc(estimatedRows))) }),
    ...(session === undefined ? {} : { session }),
    ...(facts.subjects === undefined ? {} : { subjects: facts.subjects.map(({ subject }) => subject) }),
    ...(cut.length === 0 ? {} : { cut }),
  };
}

/** @returns null when it is not known or does not fit. */
function lineageOf({ lineage, columns }: Facts, relations: Facts['relations']): Pick<RecordedFacts, 'columns' | 'open'> | null {
  if (lineage === undefined || bytesOf(relations) > maxRelationBytes) return null;
  const shown = new Set(lineage.shown);
  const tested = new Set(lineage.tested);
  const byRelation = new Map<string, { shown: string[]; tested: string[]; read: string[] }>();
  const names = relations.map(({ name }) => name).toSorted((one, other) => other.length - one.length);
  for (const qualified of new Set([...columns, ...shown, ...tested])) {
    const relation = names.find((name) => qualified.startsWith(`${name}.`)) ?? qualified.slice(0, qualified.lastIndexOf('.'));
    const column = qualified.slice(relation.length + 1);
    if (!recordable.test(relation) || !recordable.test(column)) return null;
    let uses = byRelation.get(relation);
    if (uses === undefined) byRelation.set(relation, (uses = { shown: [], tested: [], read: [] }));
    if (shown.has(qualified)) uses.shown.push(column);
    if (tested.has(qualified)) uses.tested.push(column);
    if (!shown.has(qualified) && !tested.has(qualified)) uses.read.push(column);
  }
  const { open } = lineage;
  if (byRelation.size > maxList || open.length > maxList || !open.every((name) => recordable.test(name))) return null;
  const uses = [...byRelation].map(([relation, { shown: out, tested: control, read }]): ColumnUse => ({
    relation,
    ...(out.length === 0 ? {} : { shown: out }),
    ...(control.length === 0 ? {} : { tested: control }),
    ...(read.length === 0 ? {} : { read }),
  }));
  const found = {
    ...(uses.length === 0 ? {} : { columns: uses }),
    ...(open.length === 0 ? {} : { open }),
  };
  return bytesOf(found) > maxLineageBytes ? null : found;
}

/** Of `sources` of all columns together, as JSON. */
const maxSourceBytes = 12_000;

/** How an answer is shown. A protected column says which base columns it is made from: names of the catalogue, as in `columns` of the
 *  facts, and never the expression, which may hold constants. */
export function recordedColumns(outputs: Facts['outputs'], masks: MaskSet): NonNullable<NonNullable<EntryDraft['result']>['columns']> {
  let bytes = 0;
  return outputs.slice(0, maxList).map(({ name, classes, sources }) => {
    const column = { name, classes, mask: maskFor(classes, masks) };
    if (classes.length === 0 || sources.length === 0 || sources.length > maxList || !sources.every((source) => recordable.test(source)))
      return column;
    bytes += bytesOf(sources);
    return bytes > maxSourceBytes ? column : { ...column, sources };
  });
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
