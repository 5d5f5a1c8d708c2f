// What each role was used for: targets, effects, relations and classes, over recorded requests. A request counts for every role
// that its principal had in force: which of them it needed is not a fact.

import type { Mask } from '../core/decision.ts';
import { maskOfClass } from '../core/decision.ts';
import type { Effect } from '../core/facts.ts';
import type { Policy } from '../policy/index.ts';
import { DecisionPairs, type ReplayDeps } from './replay.ts';
import { type Progress, recordedRequests, type RequestFilter, type UnknownReason } from './requests.ts';

/** Of one role on one target. */
export interface TargetUse {
  requests: number;
  readonly effects: Map<Effect, number>;
  /** Qualified name -> what was done. */
  readonly relations: Map<string, { read: number; write: number }>;
  /** Every class touched: shown, tested in a predicate, or of a column that was mentioned. */
  readonly classes: Map<string, { count: number; readonly shownAs: Mask }>;
}

export interface RoleUse {
  readonly principals: Set<string>;
  requests: number;
  readonly targets: Map<string, TargetUse>;
}

export interface Usage {
  readonly roles: ReadonlyMap<string, RoleUse>;
  readonly requests: number;
  /** Decided by policy against whoever asked. */
  readonly denied: number;
  readonly unknown: ReadonlyMap<UnknownReason, number>;
}

/** @param policy in force: what it would deny is no use of it. @throws what `replay` throws */
export async function collectUsage(
  policy: Policy,
  filter: RequestFilter,
  deps: ReplayDeps,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Usage> {
  const pairs = new DecisionPairs(policy, deps);
  const roles = new Map<string, RoleUse>();
  const unknown = new Map<UnknownReason, number>();
  let requests = 0;
  let denied = 0;
  for await (const request of recordedRequests(deps.source, filter, onProgress, signal)) {
    requests += 1;
    const pair = await pairs.of(request);
    if ('unknown' in pair) {
      unknown.set(pair.unknown, (unknown.get(pair.unknown) ?? 0) + 1);
      continue;
    }
    const { after: decision, facts } = pair;
    if (decision.outcome === 'deny') {
      denied += 1;
      continue;
    }
    for (const role of decision.roles) {
      let use = roles.get(role);
      if (use === undefined) roles.set(role, (use = { principals: new Set(), requests: 0, targets: new Map() }));
      use.principals.add(`${request.principal.issuer}/${request.principal.subject}`);
      use.requests += 1;
      let onTarget = use.targets.get(request.target);
      if (onTarget === undefined) use.targets.set(request.target, (onTarget = emptyUse()));
      onTarget.requests += 1;
      for (const effect of facts.effects) onTarget.effects.set(effect, (onTarget.effects.get(effect) ?? 0) + 1);
      for (const { name, access } of facts.relations) {
        const relation = onTarget.relations.get(name) ?? { read: 0, write: 0 };
        relation[access] += 1;
        onTarget.relations.set(name, relation);
      }
      for (const name of new Set([...facts.classes, ...facts.outputClasses, ...facts.predicateClasses])) {
        const known = onTarget.classes.get(name);
        if (known === undefined) onTarget.classes.set(name, { count: 1, shownAs: maskOfClass(name, decision.masks) });
        else known.count += 1;
      }
    }
  }
  return { roles, requests, denied, unknown };
}

function emptyUse(): TargetUse {
  return { requests: 0, effects: new Map(), relations: new Map(), classes: new Map() };
}
