// What a condition sees: one row per field of `request`, `principal` and `target`, and the typed objects that carry
// them. `limit` is absent when the statement has none: a condition that reads it without has() denies then.

import type { Principal } from '../core/identity.ts';
import { EFFECTS } from '../core/facts.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { PRINCIPAL_KINDS } from './schema.ts';

/** Literals a field can be compared with. `open` = any text. */
export type FieldVocabulary = 'open' | 'roles' | 'targets' | 'classes' | readonly string[];

export interface FieldRow {
  readonly type: 'string' | 'bool' | 'int' | 'list<string>';
  readonly vocabulary: FieldVocabulary;
  /** One function per field, so that each stays fast: a keyed read would be several times slower. */
  readonly read: (input: ConditionInput) => unknown;
}

type Read = FieldRow['read'];

const text = (vocabulary: FieldVocabulary, read: Read): FieldRow => ({ type: 'string', vocabulary, read });
const list = (vocabulary: FieldVocabulary, read: Read): FieldRow => ({ type: 'list<string>', vocabulary, read });
const protocols = ['postgres'];

export const CONDITION_FIELDS = {
  request: {
    protocol: text(protocols, ({ request }) => request.protocol),
    action: text(['query', 'prepare', 'execute', 'session'], ({ request }) => request.action),
    verbs: list('open', ({ request }) => request.verbs),
    effects: list(EFFECTS, ({ request }) => request.effects),
    relations: list('open', ({ request }) => request.relations),
    writtenRelations: list('open', ({ request }) => request.writtenRelations),
    columns: list('open', ({ request }) => request.columns),
    classes: list('classes', ({ request }) => request.classes),
    outputClasses: list('classes', ({ request }) => request.outputClasses),
    predicateClasses: list('classes', ({ request }) => request.predicateClasses),
    unbounded: { type: 'bool', vocabulary: 'open', read: ({ request }) => request.unbounded },
    limit: { type: 'int', vocabulary: 'open', read: ({ request }) => request.limit },
    statements: { type: 'int', vocabulary: 'open', read: ({ request }) => request.statements },
    parameters: list('open', ({ request }) => request.parameters),
  },
  principal: {
    issuer: text('open', ({ principal }) => principal.issuer),
    subject: text('open', ({ principal }) => principal.subject),
    kind: text(PRINCIPAL_KINDS, ({ principal }) => principal.kind),
    groups: list('open', ({ principal }) => principal.groups),
    roles: list('roles', ({ principal }) => principal.roles),
  },
  target: {
    name: text('targets', ({ target }) => target.name),
    protocol: text(protocols, ({ target }) => target.protocol),
  },
} as const satisfies Record<string, Record<string, FieldRow>>;

type ConditionRoot = keyof typeof CONDITION_FIELDS;

/** @returns undefined for a name the tables do not have. */
export function fieldRow(root: string, field: string): FieldRow | undefined {
  if (!Object.hasOwn(CONDITION_FIELDS, root)) return undefined;
  const rows: Readonly<Record<string, FieldRow>> = CONDITION_FIELDS[root as ConditionRoot];
  return Object.hasOwn(rows, field) ? rows[field] : undefined;
}

/** Longer lists are not decided on: a condition over them could take too long. */
export const MAX_LIST_LENGTH = 2000;

type FieldsOf<Root extends ConditionRoot> = Readonly<Record<keyof (typeof CONDITION_FIELDS)[Root], unknown>>;

export class RequestFields implements FieldsOf<'request'> {
  readonly protocol: string;
  readonly action: string;
  readonly verbs: readonly string[];
  readonly effects: readonly string[];
  readonly relations: readonly string[];
  readonly writtenRelations: readonly string[];
  readonly columns: readonly string[];
  readonly classes: readonly string[];
  readonly outputClasses: readonly string[];
  readonly predicateClasses: readonly string[];
  readonly unbounded: boolean;
  readonly limit: bigint | undefined;
  readonly statements: bigint;
  readonly #parameters: Request['parameters'];

  constructor(request: Request, target: Target) {
    const { facts } = request;
    this.protocol = target.protocol;
    this.action = request.action;
    this.verbs = facts.verbs;
    this.effects = facts.effects;
    this.relations = facts.relations.map(({ name }) => name);
    this.writtenRelations = facts.relations.filter(({ access }) => access === 'write').map(({ name }) => name);
    this.columns = facts.columns;
    this.classes = facts.classes;
    this.outputClasses = facts.outputClasses;
    this.predicateClasses = facts.predicateClasses;
    this.unbounded = facts.unbounded;
    this.limit = facts.limit === null ? undefined : BigInt(Math.trunc(facts.limit));
    this.statements = BigInt(facts.statements);
    this.#parameters = request.parameters;
  }

  /** Read by few conditions, and a bulk insert has thousands: too many of them fail only the condition that looks. */
  get parameters(): readonly string[] {
    if (this.#parameters.length > MAX_LIST_LENGTH) throw new Error('too many parameters to decide on');
    return this.#parameters.map(({ type }) => type);
  }
}

export class PrincipalFields implements FieldsOf<'principal'> {
  readonly issuer: string;
  readonly subject: string;
  readonly kind: string;
  readonly groups: readonly string[];
  readonly roles: readonly string[];

  constructor(principal: Principal, roles: readonly string[]) {
    this.issuer = principal.issuer;
    this.subject = principal.subject;
    this.kind = principal.kind;
    this.groups = principal.groups;
    this.roles = roles;
  }
}

export class TargetFields implements FieldsOf<'target'> {
  readonly name: string;
  readonly protocol: string;

  constructor(target: Target) {
    this.name = target.name;
    this.protocol = target.protocol;
  }
}

export interface ConditionInput {
  readonly request: RequestFields;
  readonly principal: PrincipalFields;
  readonly target: TargetFields;
  readonly now: Date;
}

/** @returns null when a list is too long to decide on. */
export function conditionInput(
  request: Request,
  principal: Principal,
  roles: readonly string[],
  target: Target,
  nowMs: number,
): ConditionInput | null {
  const input = {
    request: new RequestFields(request, target),
    principal: new PrincipalFields(principal, roles),
    target: new TargetFields(target),
    now: new Date(nowMs),
  };
  for (const fields of [input.request, input.principal]) {
    for (const value of Object.values(fields) as unknown[]) {
      if (Array.isArray(value) && value.length > MAX_LIST_LENGTH) return null;
    }
  }
  return input;
}
