// Decides one recorded request under a policy version: the gate's own function over what the record says. Under other classes
// than the recorded ones the facts are made anew from the recorded columns.
// REFUSES: deciding on anything that is not recorded; the reason is returned instead.

import type { Decision } from '../core/decision.ts';
import type { EntryHeader } from '../core/event.ts';
import type { Effect, Facts } from '../core/facts.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { GrantId, Sha256Hex, TargetName } from '../core/ids.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { classRules, decide, type Policy } from '../policy/index.ts';
import type { RecordedRequest, UnknownReason } from './requests.ts';

type ClaimValue = string | number | boolean;

/** Compares claims of a policy with recorded digests. */
export interface ClaimDigests {
  readonly keyId: string;
  of(claim: string, value: ClaimValue): string;
}

/** `schema.relation.column` -> classes, after closure. */
export type ProtectedColumns = ReadonlyMap<string, readonly string[]>;

export interface DecideAgainDeps {
  readonly targets: ReadonlyMap<string, Target>;
  readonly claims: ClaimDigests;
  /** What the policy protects on the target as it is now. @throws SP_CATALOGUE_UNAVAILABLE */
  readonly protectedColumns: (policy: Policy, target: TargetName) => Promise<ProtectedColumns>;
}

export type Again = { readonly decision: Decision; readonly facts: Facts } | { readonly unknown: UnknownReason };

/** One policy version, asked about many recorded requests. */
export class PolicyAgain {
  readonly policy: Policy;
  readonly #deps: DecideAgainDeps;
  /** Fields that some rule reads: `request.limit`. */
  readonly #reads: ReadonlySet<string>;
  readonly #claims: readonly (readonly [claim: string, is: ClaimValue])[];
  readonly #principals = new WeakMap<object, Principal>();
  readonly #protected = new Map<string, Promise<ProtectedColumns>>();
  readonly #rules = new Map<string, string>();

  constructor(policy: Policy, deps: DecideAgainDeps) {
    this.policy = policy;
    this.#deps = deps;
    this.#reads = new Set(policy.rules.flatMap(({ when }) => when.fields.map(({ field }) => field)));
    this.#claims = policy.roles.flatMap(({ members }) =>
      members.flatMap(({ claim, is }): [string, ClaimValue][] => (claim === undefined || is === undefined ? [] : [[claim, is]])),
    );
  }

  /** Policies with equal texts protect the same columns of a target. */
  classText(target: string): string {
    let text = this.#rules.get(target);
    if (text === undefined) {
      const rules = classRules(this.policy, target).map((rule) => `${rule.class} ${rule.pattern}`);
      this.#rules.set(target, (text = rules.toSorted().join('\n')));
    }
    return text;
  }

  protectedColumns(target: string): Promise<ProtectedColumns> {
    let found = this.#protected.get(target);
    if (found === undefined) this.#protected.set(target, (found = this.#deps.protectedColumns(this.policy, target as TargetName)));
    return found;
  }

  /** @param facts under the classes of this policy. */
  decide(recorded: RecordedRequest, facts: Facts): Again {
    const { identity, header } = recorded;
    const target = this.#deps.targets.get(recorded.target);
    if (target === undefined) return { unknown: 'target-not-known' };
    if (identity === null) return { unknown: 'identity-not-recorded' };
    if (this.#asksForCut(header, identity.grants.length > 0)) return { unknown: 'facts-cut' };
    const identityCut = identity.cut ?? [];
    const readsGroups =
      this.#reads.has('principal.groups') || this.policy.roles.some(({ members }) => members.some(({ group }) => group !== undefined));
    const isKeyOther = identity.claims.key !== this.#deps.claims.keyId;
    const cannotAsk =
      identityCut.includes('grants') ||
      (identityCut.includes('groups') && readsGroups) ||
      ((identityCut.includes('claims') || isKeyOther) && this.#claims.length > 0);
    if (cannotAsk) return { unknown: 'identity-cut' };
    const session = header.facts?.session;
    if ((this.#reads.has('session.ageSeconds') || this.#reads.has('session.statements')) && session === undefined)
      return { unknown: 'session-not-recorded' };

    const request = requestOf(recorded, facts);
    const principal = this.#principalOf(recorded, identity);
    const grants = identity.grants.map((grant) => grantOf(grant, target.name));
    const decision = decide(request, principal, this.policy, {
      target,
      nowMs: recorded.atMs,
      grants,
      ...(session === undefined ? {} : { session }),
    });
    return { decision, facts };
  }

  #asksForCut({ facts, statement }: EntryHeader, hasGrants: boolean): boolean {
    const cut = facts?.cut ?? [];
    // Grants may be for some relations only.
    if (hasGrants && cut.includes('relations')) return true;
    if (this.#reads.has('request.parameters') && (statement?.parameters.length ?? 0) >= MAX_RECORDED_PARAMETERS) return true;
    return cut.some((name) => this.#reads.has(`request.${name}`) || (name === 'relations' && this.#reads.has('request.writtenRelations')));
  }

  #principalOf({ principal, header }: RecordedRequest, identity: NonNullable<RecordedRequest['identity']>): Principal {
    let known = this.#principals.get(identity);
    if (known === undefined) {
      const claims = new Map<string, string[]>();
      for (const [claim, is] of this.#claims) {
        if (identity.claims.values[claim]?.includes(this.#deps.claims.of(claim, is)) !== true) continue;
        // A list claim has the role for each of its values, whatever their types.
        claims.set(claim, [...(claims.get(claim) ?? []), is as string]);
      }
      known = {
        ...principal,
        name: principal.subject,
        groups: identity.groups,
        claims: Object.fromEntries(claims),
        onBehalfOf: header.onBehalfOf ?? null,
        expiresAtMs: Number.POSITIVE_INFINITY,
      };
      this.#principals.set(identity, known);
    }
    return known;
  }
}

/** Headers have the types of so many parameters at most (session/recorder.ts). */
export const MAX_RECORDED_PARAMETERS = 200;

function requestOf(recorded: RecordedRequest, facts: Facts): Request {
  const estimatedRows = recorded.header.facts?.estimatedRows;
  return {
    target: recorded.target as TargetName,
    action: recorded.header.action ?? 'query',
    facts,
    statementSha256: '' as Sha256Hex,
    parametersSha256: '' as Sha256Hex,
    parameters: recorded.header.statement?.parameters ?? [],
    ...(estimatedRows === undefined ? {} : { estimatedRows }),
    maskSetId: '',
    catalogueVersion: '',
    sealed: NOTHING_SEALED,
  };
}

const NOTHING_SEALED = { statement: new Uint8Array(), parameters: null };

function grantOf(
  { id, role, effects, relations }: NonNullable<RecordedRequest['identity']>['grants'][number],
  target: string,
): ActiveGrant {
  return {
    id: id as GrantId,
    role,
    targets: [target],
    effects: effects as readonly Effect[],
    relations: relations ?? null,
    rowsPerHour: null,
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
}

/** Facts of a recorded request under the classes of `after`, when `before` is what they were recorded under. */
export function reclassified(
  facts: Facts,
  before: ProtectedColumns,
  after: ProtectedColumns,
  cut: readonly string[],
): Facts | UnknownReason {
  if (facts.lineage === undefined || cut.includes('columns')) return 'facts-cut';
  const old = classesUnder(facts, facts.lineage, before);
  const isExplained =
    isEqual(old.classes, facts.classes) &&
    isEqual(old.outputClasses, facts.outputClasses) &&
    isEqual(old.predicateClasses, facts.predicateClasses) &&
    old.unbounded === facts.unbounded;
  if (!isExplained) return 'catalogue-changed';
  const becomesProtected = facts.columns.some((column) => after.has(column) && !before.has(column));
  if (becomesProtected && facts.effects.some((effect) => effect !== 'read')) return 'rewriting-not-known';
  return { ...facts, ...classesUnder(facts, facts.lineage, after) };
}

function classesUnder(
  facts: Facts,
  lineage: NonNullable<Facts['lineage']>,
  columns: ProtectedColumns,
): Pick<Facts, 'classes' | 'outputClasses' | 'predicateClasses' | 'unbounded'> {
  const of = (names: readonly string[]): string[] => [...new Set(names.flatMap((name) => columns.get(name) ?? []))].toSorted();
  return {
    classes: of(facts.columns),
    outputClasses: of(lineage.shown),
    predicateClasses: of(lineage.tested),
    unbounded: lineage.open.some((relation) => protectedRelations(columns).has(relation)),
  };
}

const relationsOf = new WeakMap<ProtectedColumns, ReadonlySet<string>>();

function protectedRelations(columns: ProtectedColumns): ReadonlySet<string> {
  let found = relationsOf.get(columns);
  if (found === undefined) {
    found = new Set([...columns].flatMap(([name, classes]) => (classes.length === 0 ? [] : [name.slice(0, name.lastIndexOf('.'))])));
    relationsOf.set(columns, found);
  }
  return found;
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}
