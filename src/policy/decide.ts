// The decision. Pure: the same function in the gate, in explain, in policy tests and in dry runs.
// Default deny; deny beats hold beats allow; a rule that cannot be evaluated denies.
// INVARIANT: unknown facts never yield `allow`.

import type { Decision, ReasonCode } from '../core/decision.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { conditionInput, type ConditionInput, type SessionFacts } from './condition-fields.ts';
import { basisOf } from './grants.ts';
import { openGroups } from './guards.ts';
import { masksFor } from './masks.ts';
import type { Policy, PolicyRule } from './policy.ts';
import { accessOf, grantedEffects, rolesInForce, rolesOf } from './roles.ts';

export interface DecisionContext {
  readonly target: Target;
  readonly nowMs: number;
  /** In force for the principal on the target; absent = none. */
  readonly grants?: readonly ActiveGrant[];
  /** Absent = not known: rules that read it deny. */
  readonly session?: SessionFacts;
}

/** What became of one rule. */
export type RuleOutcome = 'matched' | 'not-matched' | 'error';

export interface RuleTrial {
  readonly rule: string;
  readonly then: 'allow' | 'hold' | 'deny';
  readonly outcome: RuleOutcome;
  /** Why it could not be evaluated, in the words of CEL. Conditions see no data of statements, so neither does this. */
  readonly detail: string | null;
}

interface HoldDemand {
  readonly rule: string;
  readonly reason: ReasonCode;
  readonly approvers: { readonly role: string; readonly count: number };
  readonly withinMs: number;
  readonly say: string | null;
}

interface Denial {
  readonly rule: string | null;
  readonly reason: ReasonCode;
  readonly say: string | null;
}

export function decide(request: Request, principal: Principal, policy: Policy, context: DecisionContext): Decision {
  return weigh(request, principal, policy, context, null);
}

/** Same as `decide`; every rule tried is added to `trail`. */
export function weigh(
  request: Request,
  principal: Principal,
  policy: Policy,
  { target, nowMs, grants = [], session }: DecisionContext,
  trail: RuleTrial[] | null,
): Decision {
  const members = rolesOf(principal, policy);
  const basis = basisOf(request.facts, principal, target.name, policy, grants);
  const roles = basis?.roles ?? rolesInForce(members, target.name, policy);
  const masks = basis?.masks ?? masksFor(principal, target.name, policy, grants);
  const used = basis?.grants ?? [];
  const base = { policySha256: policy.sha256, masks, roles, ...(used.length === 0 ? {} : { grants: used.map(({ id }) => id) }) };
  const access = accessOf(members, target.name, policy, grants);
  // Without access nothing else is told: not which rules there are, not what the statement would have been.
  if (access.length === 0 || principal.expiresAtMs <= nowMs) {
    return { ...base, outcome: 'deny', reasons: ['no-access'], rules: [], say: null };
  }

  const { facts } = request;
  const denials: Denial[] = [];
  const holds: HoldDemand[] = [];
  const allows: string[] = [];
  const deny = (reason: ReasonCode, rule: string | null = null, say: string | null = null): number => denials.push({ rule, reason, say });

  if (facts.unknowns.length > 0) deny('not-understood');
  if (basis === null) deny('outside-grant');
  else if (used.length === 0) {
    const standing = grantedEffects(grants.length === 0 ? access : accessOf(members, target.name, policy));
    if (facts.effects.some((effect) => !standing.has(effect))) deny('effect-not-granted');
  }

  const input = request.target === target.name ? conditionInput(request, principal, roles, target, nowMs, session) : null;
  if (input === null) deny('policy-error');
  else {
    const { ofRule } = policy.guards;
    const open = openGroups(policy.guards, input);
    let position = 0;
    for (const rule of policy.rules) {
      const { outcome, detail } = open[ofRule[position++] ?? 0] === false ? NOT_MATCHED : tryRule(rule, input);
      // oxlint-disable-next-line unicorn/no-thenable -- the word of the language; text is not thenable
      trail?.push({ rule: rule.name, then: rule.then, outcome, detail });
      if (outcome === 'error') deny('policy-error', rule.name);
      if (outcome !== 'matched') continue;
      if (rule.then === 'deny') deny('rule', rule.name, rule.say ?? null);
      else if (rule.then === 'allow') allows.push(rule.name);
      else if (rule.approvers === undefined || rule.within === undefined) deny('policy-error', rule.name);
      else holds.push({ rule: rule.name, reason: 'rule', approvers: rule.approvers, withinMs: rule.within, say: rule.say ?? null });
    }
  }

  // Predicates on a class that is shown in clear tell nothing the asker may not see.
  for (const name of facts.predicateClasses) {
    const predicate = policy.predicates.get(name);
    if (predicate === undefined || (Object.hasOwn(masks.byClass, name) && masks.byClass[name] === 'clear')) continue;
    const rule = `predicate:${name}`;
    if (predicate.mode === 'none') deny('predicate', rule);
    if (predicate.mode === 'hold') {
      if (predicate.hold === null) deny('policy-error', rule);
      else holds.push({ rule, reason: 'predicate', ...predicate.hold, say: null });
    }
  }

  if (denials.length > 0) {
    return {
      ...base,
      outcome: 'deny',
      reasons: unique(denials.map(({ reason }) => reason)),
      rules: denials.flatMap(({ rule }) => rule ?? []),
      say: denials.find(({ say }) => say !== null)?.say ?? null,
    };
  }
  const [first] = holds;
  if (first === undefined) return { ...base, outcome: 'allow', reasons: allows.length > 0 ? ['rule'] : [], rules: allows };

  const rules = holds.map(({ rule }) => rule);
  const reasons = unique(holds.map(({ reason }) => reason));
  if (holds.some(({ approvers }) => approvers.role !== first.approvers.role)) {
    return { ...base, outcome: 'deny', reasons: unique([...reasons, 'policy-error']), rules, say: TWO_APPROVERS };
  }
  return {
    ...base,
    outcome: 'hold',
    reasons,
    rules,
    approvers: { role: first.approvers.role, count: Math.max(...holds.map(({ approvers }) => approvers.count)) },
    withinMs: Math.min(...holds.map(({ withinMs }) => withinMs)),
    say: holds.find(({ say }) => say !== null)?.say ?? null,
  };
}

/** One approval cannot carry the consent of two roles; dropping one of them is not an option. */
export const TWO_APPROVERS = 'Rules of this policy demand approval by different roles for this statement. Split it.';

function tryRule(rule: PolicyRule, input: ConditionInput): { readonly outcome: RuleOutcome; readonly detail: string | null } {
  try {
    return rule.when.test(input) ? MATCHED : NOT_MATCHED;
  } catch (error) {
    const summary: unknown = error instanceof Error ? (error as { summary?: unknown }).summary : undefined;
    return { outcome: 'error', detail: typeof summary === 'string' ? summary : 'the condition cannot be evaluated' };
  }
}

const MATCHED = { outcome: 'matched', detail: null } as const;
const NOT_MATCHED = { outcome: 'not-matched', detail: null } as const;

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
