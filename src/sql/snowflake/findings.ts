// What is found out about a statement while it is walked, and the two questions every rule comes down to: may this value be used here,
// and may these be put together.

import { type MaskSet, maskOfClass } from '../../core/decision.ts';
import type { Effect, RelationUse, Unknown } from '../../core/facts.ts';
import type { Bind, PlanContext, SessionChange, SnowflakeClassRule, SnowflakeRelation } from './types.ts';
import type { Edit } from './walked.ts';
import { equalityClass, made, type Family, type Taint } from './values.ts';

/** `equality`: tells which values are equal. `control`: anything else that decides which rows there are, how many, or in what order. */
export type UseKind = 'equality' | 'control';

const REMEDY_USE =
  'Take the protected column out of filters, joins, grouping and ordering, or ask for access to it. It may stand in the select list, where it is masked.';
const REMEDY_MADE = 'Select the column as it is: it is shown by its mask. Functions that may fail, or cast, would tell its values.';

export class Findings {
  readonly effects = new Set<Effect>();
  readonly relations = new Map<string, RelationUse>();
  /** Of those, with a protected column, whoever sees it. */
  readonly protectedRelations = new Set<string>();
  /** An error may show a whole row: columns that the statement does not name, too. */
  touchesHidden = false;
  readonly columns = new Set<string>();
  readonly shown = new Set<string>();
  readonly tested = new Set<string>();
  readonly classes = new Set<string>();
  readonly predicateClasses = new Set<string>();
  readonly unknowns: Unknown[] = [];
  readonly edits = new Map<number, Edit>();
  readonly bindEdits = new Map<number, Bind>();
  readonly changes: SessionChange[] = [];
  readonly #context: PlanContext;
  readonly #said = new Set<string>();

  constructor(context: PlanContext) {
    this.#context = context;
  }

  get masks(): MaskSet {
    return this.#context.masks;
  }

  refuse(unknown: Unknown): void {
    const key = `${unknown.code} ${unknown.what}`;
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.unknowns.push(unknown);
  }

  relation(relation: Pick<SnowflakeRelation, 'database' | 'schema' | 'name' | 'columns'>, access: 'read' | 'write'): void {
    const name = `${relation.database}.${relation.schema}.${relation.name}`;
    this.relations.set(`${name} ${access}`, { name, access });
    const classes = (relation.columns ?? []).flatMap((each) => [
      ...(each.classes ?? []),
      ...(this.#context.protection.columns.get(`${name}.${each.name}`) ?? []),
    ]);
    if (classes.length > 0) this.protectedRelations.add(name);
    if (classes.some((each) => this.isHidden(each))) this.touchesHidden = true;
  }

  /** The value decides about rows. */
  use(value: Taint, kind: UseKind, where: string): void {
    this.test(value);
    if (value.hidden.size === 0) return;
    if (kind === 'equality' && equalityClass(value, this.masks) !== null) return;
    if (this.isHeld(value)) return;
    this.refuse({ code: 'protected-use', what: `${named(value)} in ${where}`, remedy: REMEDY_USE });
  }

  test(value: Taint): void {
    for (const source of value.sources) this.tested.add(source);
    for (const each of value.classes) this.predicateClasses.add(each);
  }

  /** The policy's people are asked about every use of every hidden class in it. */
  isHeld(value: Taint): boolean {
    return [...value.hidden].every((each) => this.#predicates(each).every((mode) => mode === 'hold') && this.#predicates(each).length > 0);
  }

  /** Comparing the whole value with constants is allowed, or asked about. */
  mayCompare(value: Taint): boolean {
    if (value.stored === null) return false;
    return [...value.hidden].every((each) => {
      const modes = this.#predicates(each);
      return modes.length > 0 && modes.every((mode) => mode !== undefined);
    });
  }

  #predicates(className: string): SnowflakeClassRule['predicates'][] {
    return this.#context.rules.filter((rule) => rule.class === className).map((rule) => rule.predicates);
  }

  /** A value made from others. With a hidden one among them, nothing in it may fail: failing would tell. */
  make(parts: readonly Taint[], family: Family | null, isTotal: boolean, where: string): Taint {
    const value = made(parts, family, isTotal);
    if (value.hidden.size > 0 && !value.isTotal) {
      this.refuse({ code: 'protected-use', what: `${named(value)} in ${where}`, remedy: REMEDY_MADE });
    }
    return value;
  }

  isHidden(className: string): boolean {
    return maskOfClass(className, this.masks) !== 'clear';
  }
}

function named(value: Taint): string {
  return [...value.hidden].sort().join(', ');
}
