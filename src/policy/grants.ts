// What grants give, beside standing access. Pure: which grants are in force is the caller's knowledge.
//
// INVARIANT: a statement runs wholly under standing access or wholly under a grant. Half and half, a grant for one table would
// lend the masks of its role to all others.

import type { MaskSet } from '../core/decision.ts';
import type { Effect, Facts } from '../core/facts.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import { masksFor } from './masks.ts';
import { columnMatches, targetMatches } from './patterns.ts';
import type { Policy, PolicyAccess } from './policy.ts';
import { accessOf, grantedEffects, rolesInForce, rolesOf } from './roles.ts';

/** What a principal may ask for on a target. */
export interface AccessOffer {
  readonly kind: 'on-request' | 'break-glass';
  readonly role: string;
  readonly effects: readonly Effect[];
  readonly maxDurationMs: number;
  /** Who answers; of break-glass, who reviews. */
  readonly approvers: { readonly role: string; readonly count: number };
}

/** In policy order. */
export function offersOf(principal: Principal, target: string, policy: Policy): readonly AccessOffer[] {
  const roles = rolesOf(principal, policy);
  return policy.access.flatMap(({ how, role, effects, targets }) =>
    how.kind !== 'standing' && roles.includes(role) && targetMatches(targets, target)
      ? [{ kind: how.kind, role, effects, maxDurationMs: how.maxDurationMs, approvers: how.approvers }]
      : [],
  );
}

/** Whether the policy still offers what a grant gives. The role's members are not looked at.
 *  @param asked it waits for answers: those who answer must be the same too */
export function isOffered(
  terms: Pick<AccessOffer, 'kind' | 'role' | 'effects' | 'approvers'> & { readonly durationMs: number },
  target: string,
  policy: Policy,
  asked: boolean,
): boolean {
  return policy.access.some(
    ({ how, role, effects, targets }) =>
      how.kind === terms.kind &&
      role === terms.role &&
      targetMatches(targets, target) &&
      terms.durationMs <= how.maxDurationMs &&
      terms.effects.every((effect) => effects.includes(effect)) &&
      (!asked || (how.approvers.role === terms.approvers.role && how.approvers.count === terms.approvers.count)),
  );
}

/** What a decision about one statement rests on. */
export interface Basis {
  /** Empty = standing access. */
  readonly grants: readonly ActiveGrant[];
  /** Roles that count. */
  readonly roles: readonly string[];
  readonly masks: MaskSet;
}

/** @param grants in force for the principal on the target; the statement was rewritten under the masks that they give together.
 *  @returns null when neither standing access nor a grant covers the statement under those masks. */
export function basisOf(facts: Facts, principal: Principal, target: string, policy: Policy, grants: readonly ActiveGrant[]): Basis | null {
  const members = rolesOf(principal, policy);
  const masks = masksFor(principal, target, policy, grants);
  const basis = (used: readonly ActiveGrant[]): Basis => ({ grants: used, roles: rolesInForce(members, target, policy, used), masks });
  if (grants.length === 0) return basis(grants);
  // What one grant, or none, would be shown less of is not run under more.
  const showsTheSame = (used: readonly ActiveGrant[]): boolean => masksFor(principal, target, policy, used).id === masks.id;
  const standing = grantedEffects(accessOf(members, target, policy));
  if (standing.size > 0 && facts.effects.every((effect) => standing.has(effect)) && showsTheSame([])) return basis([]);
  const covering = grants.filter((grant) => members.includes(grant.role) && covers(grant, facts, target, policy));
  const single = covering.find((grant) => showsTheSame([grant]));
  if (single !== undefined) return basis([single]);
  return covering.length > 0 && showsTheSame(covering) ? basis(covering) : null;
}

/** Relations that clients of every kind read about the server itself. */
const ofSystem = /^(pg_catalog|information_schema)\.[^.]+$/;
/** Effects whose objects are all among the relations of the facts. */
const onRelations: ReadonlySet<Effect> = new Set(['read', 'write', 'copy-in', 'copy-out']);

function covers(grant: ActiveGrant, facts: Facts, target: string, policy: Policy): boolean {
  if (!grant.targets.includes(target)) return false;
  const offered = grantedEffects(conditionalAccess(policy, target).filter(({ role }) => role === grant.role));
  if (!facts.effects.every((effect) => grant.effects.includes(effect) && offered.has(effect))) return false;
  const { relations } = grant;
  if (relations === null) return true;
  return (
    facts.effects.every((effect) => onRelations.has(effect)) &&
    facts.relations.every(
      ({ name, access }) => (access === 'read' && ofSystem.test(name)) || relations.some((pattern) => columnMatches(pattern, name)),
    )
  );
}

function conditionalAccess(policy: Policy, target: string): readonly PolicyAccess[] {
  return policy.access.filter(({ how, targets }) => how.kind !== 'standing' && targetMatches(targets, target));
}
