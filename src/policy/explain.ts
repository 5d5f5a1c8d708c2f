// Why a decision came out as it did: roles and how they were had, what access gives, every rule tried, every mask
// chosen. Uses the decision's own code.

import type { Decision, Mask } from '../core/decision.ts';
import type { Effect } from '../core/facts.ts';
import type { Principal } from '../core/identity.ts';
import type { Request } from '../core/request.ts';
import { type DecisionContext, type RuleTrial, weigh } from './decide.ts';
import { chooseMask } from './masks.ts';
import type { Policy } from './policy.ts';
import { accessOf, grantedEffects, isMember, rolesInForce, rolesOf } from './roles.ts';
import type { PredicateMode } from './schema.ts';
import type { Place } from './source.ts';

export interface Explanation {
  readonly decision: Decision;
  readonly roles: readonly {
    readonly role: string;
    readonly place: Place;
    /** Index of the first member entry that matched. */ readonly member: number;
  }[];
  readonly access: {
    readonly entries: readonly { readonly role: string; readonly effects: readonly Effect[]; readonly place: Place }[];
    readonly missingEffects: readonly Effect[];
  };
  /** In policy order. Empty when there is no access. */
  readonly rules: readonly (RuleTrial & { readonly when: string; readonly pack: string | null; readonly place: Place })[];
  /** Masks of the classes that the request touches. */
  readonly masks: readonly { readonly class: string; readonly mask: Mask; readonly why: string; readonly place: Place | null }[];
}

export function explain(request: Request, principal: Principal, policy: Policy, context: DecisionContext): Explanation {
  const trail: RuleTrial[] = [];
  const decision = weigh(request, principal, policy, context, trail);
  const roles = rolesOf(principal, policy);
  const grants = context.grants ?? [];
  const access = accessOf(roles, context.target.name, policy, grants);
  const inForce = rolesInForce(roles, context.target.name, policy, grants);
  const granted = grantedEffects(access);
  const { facts } = request;
  const touched = [...new Set([...facts.classes, ...facts.outputClasses, ...facts.predicateClasses])].toSorted();
  return {
    decision,
    roles: policy.roles
      .filter(({ role }) => roles.includes(role))
      .map(({ role, members, origin }) => ({
        role,
        place: origin.place,
        member: members.findIndex((member) => isMember(member, principal)),
      })),
    access: {
      entries: access.map(({ role, effects, origin }) => ({ role, effects, place: origin.place })),
      missingEffects: facts.effects.filter((effect) => !granted.has(effect)),
    },
    rules: trail.flatMap((trial) => {
      const rule = policy.rules.find(({ name }) => name === trial.rule);
      return rule === undefined ? [] : [{ ...trial, when: rule.when.source, pack: rule.origin.pack, place: rule.origin.place }];
    }),
    masks: touched.map((name) => {
      const { mask, entry, role } = chooseMask(name, inForce, context.target.name, policy);
      const predicate = facts.predicateClasses.includes(name) ? whatPredicates(policy.predicates.get(name)?.mode ?? 'any', mask) : '';
      return { class: name, mask, why: `${whyMask(name, entry?.class ?? null, role)}${predicate}`, place: entry?.origin.place ?? null };
    }),
  };
}

const PREDICATES: Readonly<Record<PredicateMode, string>> = {
  any: 'they see the mask',
  equality: 'an exact match of a whole key sees the stored value, all others see the mask',
  hold: 'they wait for approval',
  none: 'they are denied',
};

/** What the predicates of a request do on a class shown by `mask`. */
function whatPredicates(mode: PredicateMode, mask: Mask): string {
  return mask === 'clear' ? '' : `; predicates: ${mode}, ${PREDICATES[mode]}`;
}

function whyMask(name: string, pattern: string | null, role: string | null): string {
  if (pattern === null) return 'no mask is given for it: redact';
  const what = pattern === name ? `masks ${pattern}` : `masks ${pattern}, the most specific entry`;
  return role === null ? `${what}, for everybody` : `${what}, for role ${role}, the least revealing of the principal's roles`;
}
