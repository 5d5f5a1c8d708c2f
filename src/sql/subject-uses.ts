// Whose data a statement touches: by which values it asks for rows, in which result columns keys come back, and whether that is
// everybody. Closed is claimed only where every reading of the subject's rows is tied to a key that is shown or given:
// INVARIANT: what is not understood is not closed.

import type { KeyFamily, SubjectConstant, SubjectUse } from '../core/facts.ts';
import { canonicalKey } from '../core/subject-value.ts';
import type { LineageEvidence, Side } from './lineage-evidence.ts';
import type { Instance, Origin } from './lineage-scope.ts';
import type { Node } from './parser.ts';
import type { PlanContext } from './plan.ts';
import { constantText } from './statements-session.ts';
import type { Key, SubjectColumns } from './subject-columns.ts';
import { arrayElements } from './subject-values.ts';

export interface FoundSubjects {
  readonly uses: readonly SubjectUse[];
  readonly constants: readonly SubjectConstant[];
}

type Parameter = SubjectUse['parameters'][number];

/** Values that a node spells: `isWhole` when those are all that it can be. */
interface Spelt {
  readonly constants: readonly SubjectConstant[];
  readonly parameters: readonly Parameter[];
  readonly isWhole: boolean;
}

export const NO_SUBJECTS: FoundSubjects = { uses: [], constants: [] };

/** @param evidence null: not known. @param isAnswer the rows of the lineage are what the client gets, column by column */
export function findSubjects(
  evidence: LineageEvidence | null,
  isAnswer: boolean,
  context: PlanContext,
  parameters: () => ReadonlyMap<number, readonly object[]>,
): FoundSubjects {
  const { subjects } = context;
  if (subjects === undefined || evidence === null) return NO_SUBJECTS;
  const relations = new Set([...evidence.readings, ...evidence.stored].map(({ relation }) => relation));
  const uses: SubjectUse[] = [];
  const constants: SubjectConstant[] = [];
  for (const subject of subjects.names) {
    const touched = [...relations].filter((relation) => subjects.touches(subject, relation));
    if (touched.length === 0) continue;
    const one = new OneUse(subject, subjects, context);
    one.read(evidence, touched, isAnswer);
    // The type of a parameter is that of its first use: elsewhere than beside a key it may be one that rounds or cuts values.
    const places = one.parameters.length === 0 ? null : parameters();
    const isKey = one.parameters.every(({ number }) => places?.get(number)?.every((place) => one.places.has(place)) === true);
    uses.push({ subject, outputs: one.outputs, parameters: one.parameters, isClosed: one.isClosed && isKey, relations: touched });
    constants.push(...one.constants);
  }
  return { uses, constants };
}

/** Everything of one statement. @param named relations that it names; null = it may touch any */
export function allSubjects(found: readonly FoundSubjects[], subjects: SubjectColumns, named: readonly string[] | null): FoundSubjects {
  const uses = subjects.names.flatMap((subject): SubjectUse[] => {
    const own = found.flatMap((each) => each.uses.filter((use) => use.subject === subject));
    const touched = named === null ? null : named.filter((relation) => subjects.touches(subject, relation));
    if (own.length === 0 && touched?.length === 0) return [];
    const known = new Set(own.flatMap(({ relations }) => relations));
    const isAll = touched?.every((relation) => known.has(relation)) === true;
    return [{ ...joined(subject, own), isClosed: isAll && own.every(({ isClosed }) => isClosed) }];
  });
  return { uses, constants: found.flatMap(({ constants }) => constants) };
}

/** Several statements as one: where its rows are from cannot be told then. */
export function joined(subject: string, uses: readonly SubjectUse[]): SubjectUse {
  return {
    subject,
    outputs: uses.length === 1 ? (uses[0]?.outputs ?? []) : [],
    parameters: uses.flatMap(({ parameters }) => parameters),
    isClosed: uses.every(({ isClosed }) => isClosed),
    relations: [...new Set(uses.flatMap(({ relations }) => relations))],
  };
}

const ROWS: ReadonlySet<string> = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'PrepareStmt', 'DeclareCursorStmt']);
const COPY_FORMATS: ReadonlySet<unknown> = new Set(['text', 'csv']);

/** Its rows reach the client as they are. Of COPY only in a form that is read here. */
export function answersRows(node: Node): boolean {
  if ('SelectStmt' in node) return node.SelectStmt.intoClause === undefined;
  if (!('CopyStmt' in node)) return Object.keys(node).some((type) => ROWS.has(type));
  return copyForm(node) !== null;
}

/** Null: a form of COPY TO that is not read. */
export function copyForm(node: Node): 'text' | 'csv' | null {
  if (!('CopyStmt' in node)) return null;
  let format: 'text' | 'csv' = 'text';
  for (const each of node.CopyStmt.options ?? []) {
    const option = 'DefElem' in each ? each.DefElem : {};
    const value = option.arg !== undefined && 'String' in option.arg ? option.arg.String.sval?.toLowerCase() : undefined;
    if (option.defname !== 'format' || !COPY_FORMATS.has(value)) return null;
    format = value === 'csv' ? 'csv' : 'text';
  }
  return format;
}

/** Values of EXECUTE for what the prepared statement asks of its parameters. */
export function passSubjects(uses: readonly SubjectUse[], args: readonly Node[]): FoundSubjects {
  const constants: SubjectConstant[] = [];
  const passed = uses.map((use): SubjectUse => {
    const parameters: Parameter[] = [];
    let { isClosed } = use;
    for (const { number, family, isArray } of use.parameters) {
      // As they are passed they are cast, which rounds numbers.
      const spelt = spell(use.subject, args[number - 1] ?? null, family === 'number' ? 'integer' : family, isArray);
      parameters.push(...spelt.parameters);
      constants.push(...spelt.constants);
      isClosed &&= spelt.isWhole;
    }
    return { ...use, parameters, isClosed };
  });
  return { uses: passed, constants };
}

const KEY_TYPES: ReadonlySet<string> = new Set(['int2', 'int4', 'int8', 'uuid', 'text', 'varchar']);

/** What EXECUTE and FETCH take over: not the constants, which no record of theirs has, and no parameter that PREPARE casts or that DECLARE
 *  was given. @param argumentTypes of PREPARE; null = a cursor */
export function keptSubjects({ uses, constants }: FoundSubjects, argumentTypes: readonly Node[] | null): readonly SubjectUse[] {
  const isPlain = (argumentTypes ?? []).every((type) => {
    if (!('TypeName' in type)) return false;
    const { names, typmods } = type.TypeName;
    const [name, ...schema] = (names ?? []).flatMap((each) => ('String' in each ? [each.String.sval ?? ''] : [])).toReversed();
    return KEY_TYPES.has(name ?? '') && (schema.length === 0 || schema[0] === 'pg_catalog') && (typmods ?? []).length === 0;
  });
  return uses.map((use) => {
    const isGiven =
      constants.some(({ subject }) => subject === use.subject) || (use.parameters.length > 0 && (argumentTypes === null || !isPlain));
    return isGiven ? { ...use, isClosed: false } : use;
  });
}

class OneUse {
  outputs: SubjectUse['outputs'] = [];
  readonly parameters: Parameter[] = [];
  readonly constants: SubjectConstant[] = [];
  isClosed = false;
  /** Parameters where they stand beside a key. */
  readonly places = new Set<object>();
  readonly #told = new Map<Instance, Set<string>>();
  readonly #subject: string;
  readonly #subjects: SubjectColumns;
  readonly #context: PlanContext;

  constructor(subject: string, subjects: SubjectColumns, context: PlanContext) {
    this.#subject = subject;
    this.#subjects = subjects;
    this.#context = context;
  }

  read(evidence: LineageEvidence, relations: readonly string[], isAnswer: boolean): void {
    for (const { sources, other } of evidence.compared) {
      for (const source of sources) {
        const key = this.#keyNamed(source);
        if (key !== undefined) this.#note(this.#spell(other.node, key.family ?? 'text', other.isArray));
      }
    }
    if (isAnswer) this.#readOutputs(evidence);
    this.#close(evidence);
    const stored = this.#readStored(evidence);
    const readings = evidence.readings.filter(({ relation }) => this.#subjects.touches(this.#subject, relation));
    const seen = new Set(readings.map(({ relation }) => relation));
    this.isClosed =
      readings.every((reading) => this.#isTied(reading)) &&
      relations.every((relation) => seen.has(relation) || stored.get(relation) === true);
    if ([...stored.values()].includes(false)) this.isClosed = false;
  }

  #readOutputs({ outputs, shared, mixesRows, changedWithin, stored }: LineageEvidence): void {
    // What RETURNING shows of them is what they are now.
    const moved = new Set(
      stored.flatMap(({ relation, column }) => (column === '*' || this.#subjects.key(this.#subject, relation, column) ? [relation] : [])),
    );
    const shown: { column: number; family: KeyFamily }[] = [];
    for (const [column, origins] of (outputs ?? []).entries()) {
      const keys = origins.map((origin) => this.#keyOf(origin));
      const [first] = keys;
      if (first?.family === undefined || first.family === null) continue;
      const isTold = keys.every((key) => key?.family === first.family && this.#isTold(key));
      if (!isTold) continue;
      shown.push({ column, family: first.family });
      if (mixesRows) continue;
      for (const { instance, column: name } of origins) {
        if (!shared.has(instance) && !changedWithin.has(instance) && !moved.has(instance.relation)) this.#tell(instance, name);
      }
    }
    this.outputs = shown;
  }

  /** A reading is tied to values, or to a reading that is. */
  #close({ required, shared, mixesRows, changedWithin }: LineageEvidence): void {
    for (let isNew = true; isNew;) {
      isNew = false;
      for (const { columns, other, leaves } of required) {
        for (const origin of columns) {
          const { instance, column } = origin;
          if (this.#isToldOf(origin) || shared.has(instance)) continue;
          // A condition around them comes too late for rows that a window has mixed, or that are changed already.
          const isEarly = mixesRows || changedWithin.has(instance);
          const isBound = [...(leaves ?? [])].some(({ isTable, reading }) => (isTable || !isEarly) && reading.reads.has(instance));
          if (leaves === null ? isEarly : !isBound) continue;
          if (isOrigins(other) ? !(other.length > 0 && other.every((each) => this.#ties(origin, each))) : !this.#isGiven(origin, other))
            continue;
          this.#tell(instance, column);
          isNew = true;
        }
      }
    }
  }

  /** @returns whether the column of `origin` is told when `other` is */
  #ties(origin: Origin, other: Origin): boolean {
    const keys = [this.#keyOf(origin), this.#keyOf(other)];
    if (keys.every((key) => key !== undefined && this.#isTold(key))) return this.#isToldOf(other);
    const leads = this.#subjects.leads(this.#subject, [origin.instance.relation, origin.column], [other.instance.relation, other.column]);
    return leads && this.#isTied(other.instance) && this.#isClear(origin) && this.#isClear(other);
  }

  #isGiven(origin: Origin, { node, isArray }: Side): boolean {
    const key = this.#keyOf(origin);
    return key !== undefined && key.family !== null && this.#isTold(key) && this.#spell(node, key.family, isArray).isWhole;
  }

  #tell(instance: Instance, column: string): void {
    this.#told.set(instance, (this.#told.get(instance) ?? new Set<string>()).add(column));
  }

  #isToldOf({ instance, column }: Origin): boolean {
    return this.#told.get(instance)?.has(column) === true;
  }

  #isTied(instance: Instance): boolean {
    const told = this.#told.get(instance);
    return told !== undefined && this.#subjects.tying(this.#subject, instance.relation).every((column) => told.has(column));
  }

  /** By relation with a key: whether all that is set is spelt. */
  #readStored({ stored, inserted, upserts }: LineageEvidence): Map<string, boolean> {
    const byRelation = new Map<string, boolean>();
    for (const { relation, column, value } of stored) {
      const key = this.#subjects.key(this.#subject, relation, column);
      if (key === undefined && column !== '*') continue;
      const spelt = this.#spell(value, key?.family ?? 'text', false);
      if (key !== undefined) this.#note(spelt);
      const isWhole = spelt.isWhole && key?.family !== undefined && key.family !== null && !upserts.has(relation);
      byRelation.set(relation, (byRelation.get(relation) ?? true) && isWhole);
    }
    for (const { relation, columns } of inserted) {
      if (!this.#subjects.touches(this.#subject, relation)) continue;
      const isAll = this.#subjects.tying(this.#subject, relation).every((column) => columns.includes(column));
      if (!isAll || !byRelation.has(relation)) byRelation.set(relation, false);
    }
    return byRelation;
  }

  #spell(node: Node | null, family: KeyFamily, isArray: boolean): Spelt {
    return spell(this.#subject, node, family, isArray, this.places);
  }

  #keyOf({ instance, column }: Origin): Key | undefined {
    return this.#subjects.key(this.#subject, instance.relation, column);
  }

  #keyNamed(qualified: string): Key | undefined {
    for (let dot = qualified.lastIndexOf('.'); dot > 0; dot = qualified.lastIndexOf('.', dot - 1)) {
      const key = this.#subjects.key(this.#subject, qualified.slice(0, dot), qualified.slice(dot + 1));
      if (key !== undefined) return key;
    }
    return undefined;
  }

  /** It is compared as it is stored. */
  #isClear({ instance, column: name }: Origin): boolean {
    const { protection, maskColumn } = this.#context;
    const relation = protection.catalogue.relations.find(({ qualified }) => qualified === instance.relation);
    const column = relation?.byName.get(name);
    if (relation === undefined || column === undefined) return false;
    const classes = protection.classesOf(relation.oid, name);
    return classes.length === 0 || maskColumn(relation, column, classes) === null;
  }

  /** What the client is shown, and compares with, tells the value: it is in clear, or a token that can be reversed. */
  #isTold({ relation, column }: Key): boolean {
    const { protection, maskColumn, tokens } = this.#context;
    const classes = protection.classesOf(relation.oid, column.name);
    if (classes.length === 0 || maskColumn(relation, column, classes) === null) return true;
    return tokens?.columnOf(relation, column, classes)?.form === 'text';
  }

  #note({ constants, parameters }: Spelt): void {
    this.constants.push(...constants);
    for (const parameter of parameters) {
      const isKnown = this.parameters.some(({ number, family, isArray }) => {
        return number === parameter.number && family === parameter.family && isArray === parameter.isArray;
      });
      if (!isKnown) this.parameters.push(parameter);
    }
  }
}

const isOrigins = (other: Side | readonly Origin[]): other is readonly Origin[] => Array.isArray(other);

/** Casts that leave a value of the family as it is, or that fail. */
const CASTS: Readonly<Record<KeyFamily, ReadonlySet<string>>> = {
  number: new Set(['int2', 'int4', 'int8']),
  integer: new Set(['int2', 'int4', 'int8']),
  uuid: new Set(['uuid']),
  text: new Set(['text', 'varchar']),
  padded: new Set(['text', 'varchar']),
};

/** @param isArray one of the elements is meant @param places parameters that take the type of the key are added */
function spell(subject: string, node: Node | null, family: KeyFamily, isArray: boolean, places: Set<object> = new Set()): Spelt {
  const unknown: Spelt = { constants: [], parameters: [], isWhole: false };
  if (node === null) return unknown;
  if ('ParamRef' in node) {
    const { number = 0 } = node.ParamRef;
    places.add(node.ParamRef);
    return { constants: [], parameters: [{ number, family, isArray }], isWhole: true };
  }
  if ('A_Const' in node) {
    if (node.A_Const.isnull === true) return { ...unknown, isWhole: true };
    const text = constantText(node);
    if (text === null) return unknown;
    const texts = isArray ? arrayElements(text) : [text];
    // Kept even when it says nothing: the plan is of this text only, another constant there says something.
    const constants = (texts === null || texts.length === 0 ? [text] : texts).map((each) => ({ subject, family, text: each }));
    return { constants, parameters: [], isWhole: texts?.every((each) => canonicalKey(family, each) !== null) ?? false };
  }
  if ('TypeCast' in node) {
    const { arg, typeName } = node.TypeCast;
    const within = new Set<object>();
    const spelt = spell(subject, arg ?? null, family === 'number' ? 'integer' : family, isArray, within);
    const names = (typeName?.names ?? []).flatMap((each) => ('String' in each ? [each.String.sval ?? ''] : []));
    const isPlain =
      (typeName?.typmods ?? []).length === 0 && CASTS[family].has(names.at(-1) ?? '') && (names.length === 1 || names[0] === 'pg_catalog');
    if (isPlain) for (const place of within) places.add(place);
    return { ...spelt, isWhole: spelt.isWhole && isPlain };
  }
  const items = 'List' in node ? (node.List.items ?? []) : isArray && 'A_ArrayExpr' in node ? (node.A_ArrayExpr.elements ?? []) : null;
  if (items === null) return unknown;
  const all = items.map((item) => spell(subject, item, family, false, places));
  return {
    constants: all.flatMap(({ constants }) => constants),
    parameters: all.flatMap(({ parameters }) => parameters),
    isWhole: all.every(({ isWhole }) => isWhole),
  };
}
