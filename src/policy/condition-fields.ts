// What a condition sees: one row per field of `request`, `principal`, `target` and `session`, and the typed objects that
// carry them. Some fields can be absent (`limit` when the statement has none): a condition that reads one without has()
// denies then.

import type { Principal } from '../core/identity.ts';
import { EFFECTS } from '../core/facts.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { PRINCIPAL_KINDS } from './schema.ts';

/** Literals a field can be compared with. `open` = any text. */
export type FieldVocabulary = 'open' | 'roles' | 'targets' | 'classes' | readonly string[];

export interface FieldRow {
  readonly type: 'string' | 'bool' | 'int' | 'list<string>' | ObjectType;
  readonly vocabulary: FieldVocabulary;
  /** One function per field, so that each stays fast: a keyed read would be several times slower. */
  readonly read: (input: ConditionInput) => unknown;
  /** Why nothing fills the field in this version: it is always absent. */
  readonly absent?: string;
}

type ObjectType = 'Http' | 'Kubernetes';

/** What is inside of fields that only requests of another protocol have. */
export const CONDITION_OBJECTS = {
  Http: { method: 'string', route: 'string', queryParameters: 'list<string>', contentType: 'string', bodyBytes: 'int' },
  Kubernetes: {
    verb: 'string',
    group: 'string',
    version: 'string',
    resource: 'string',
    subresource: 'string',
    namespace: 'string',
    name: 'string',
  },
} as const satisfies Record<ObjectType, Readonly<Record<string, FieldRow['type']>>>;

type Read = FieldRow['read'];

const text = (vocabulary: FieldVocabulary, read: Read): FieldRow => ({ type: 'string', vocabulary, read });
const list = (vocabulary: FieldVocabulary, read: Read): FieldRow => ({ type: 'list<string>', vocabulary, read });
const int = (read: Read): FieldRow => ({ type: 'int', vocabulary: 'open', read });
const protocols = ['postgres', 'snowflake'];
const missing: Read = () => undefined;

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
    limit: int(({ request }) => request.limit),
    estimatedRows: { ...int(({ request }) => request.estimatedRows), absent: 'no target of this version estimates rows before a decision' },
    statements: int(({ request }) => request.statements),
    parameters: list('open', ({ request }) => request.parameters),
    http: { type: 'Http', vocabulary: 'open', read: missing, absent: 'no target of this version is an HTTP API' },
    kubernetes: { type: 'Kubernetes', vocabulary: 'open', read: missing, absent: 'no target of this version is a Kubernetes cluster' },
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
  session: {
    ageSeconds: int(({ session }) => session.ageSeconds),
    statements: int(({ session }) => session.statements),
  },
} as const satisfies Record<string, Record<string, FieldRow>>;

type ConditionRoot = keyof typeof CONDITION_FIELDS;

/** @returns undefined for a name the tables do not have. */
export function fieldRow(root: string, field: string): FieldRow | undefined {
  if (!Object.hasOwn(CONDITION_FIELDS, root)) return undefined;
  const rows: Readonly<Record<string, FieldRow>> = CONDITION_FIELDS[root as ConditionRoot];
  return Object.hasOwn(rows, field) ? rows[field] : undefined;
}

/** Longer lists and texts are not decided on: a condition over them could take too long. */
export const MAX_LIST_LENGTH = 2000;
export const MAX_TEXT_LENGTH = 4096;
/** Steps (policy/work.ts) that all conditions of one decision may take together: about 50 ms of a slow core. */
export const MAX_STEPS = 1_000_000;
/** Up to here no list and no text is long enough to matter for the work of simple conditions. */
export const SHORT_LENGTH = 64;

/** What is known of the session a request is part of. */
export interface SessionFacts {
  readonly ageSeconds: number;
  /** Asked for since it was opened, the request that is decided on included. */
  readonly statements: number;
}

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
  readonly estimatedRows: bigint | undefined;
  readonly statements: bigint;
  readonly http: undefined;
  readonly kubernetes: undefined;
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
    this.estimatedRows = request.estimatedRows === undefined ? undefined : BigInt(Math.trunc(request.estimatedRows));
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

export class SessionFields implements FieldsOf<'session'> {
  readonly ageSeconds: bigint | undefined;
  readonly statements: bigint | undefined;

  constructor(session: SessionFacts | undefined) {
    this.ageSeconds = session === undefined ? undefined : BigInt(Math.max(0, Math.trunc(session.ageSeconds)));
    this.statements = session === undefined ? undefined : BigInt(session.statements);
  }
}

/** What the conditions of one decision may still cost. */
export interface WorkBudget {
  /** No list and no text is longer than `SHORT_LENGTH`. */
  readonly isShort: boolean;
  /** Counted down by every condition that is evaluated. */
  stepsLeft: number;
}

export interface ConditionInput {
  readonly request: RequestFields;
  readonly principal: PrincipalFields;
  readonly target: TargetFields;
  readonly session: SessionFields;
  readonly now: Date;
  readonly work: WorkBudget;
}

/** @param session absent = not known: conditions that read it deny.
 *  @returns null when a list or a text is too long to decide on. */
export function conditionInput(
  request: Request,
  principal: Principal,
  roles: readonly string[],
  target: Target,
  nowMs: number,
  session?: SessionFacts,
): ConditionInput | null {
  const fields = { request: new RequestFields(request, target), principal: new PrincipalFields(principal, roles) };
  let longestList = 0;
  let longestText = Math.max(principal.subject.length, principal.issuer.length);
  for (const each of [fields.request, fields.principal]) {
    for (const value of Object.values(each) as unknown[]) {
      if (!Array.isArray(value)) continue;
      if (value.length > longestList) longestList = value.length;
      for (const { length } of value as readonly string[]) if (length > longestText) longestText = length;
    }
  }
  if (longestList > MAX_LIST_LENGTH || longestText > MAX_TEXT_LENGTH) return null;
  return {
    ...fields,
    target: new TargetFields(target),
    session: new SessionFields(session),
    now: new Date(nowMs),
    work: { isShort: Math.max(longestList, longestText, request.parameters.length) <= SHORT_LENGTH, stepsLeft: MAX_STEPS },
  };
}
