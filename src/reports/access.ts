// `access report`: what the policy in force gives each role and what was used of it over a period (minimum necessary, 45 CFR
// 164.502(b)), with the policy that would have sufficed.
// INVARIANT: a policy is handed out only after every request of the period was decided under it as under the policy in force.

import type { Mask } from '../core/decision.ts';
import type { Effect, Facts } from '../core/facts.ts';
import type { Sha256Hex } from '../core/ids.ts';
import { type LoadedPolicy, type Policy, type PolicyText, renderFault } from '../policy/index.ts';
import { chooseMask } from '../policy/masks.ts';
import { targetMatches } from '../policy/patterns.ts';
import type { PolicyAccess } from '../policy/policy.ts';
import { changesOf, DecisionPairs, type ReplayDeps } from './replay.ts';
import { type Progress, recordedRequests, type RequestFilter, type UnknownReason } from './requests.ts';
import { shrink } from './shrink.ts';
import { collectUsage, type RoleUse, type Usage } from './usage.ts';

export interface RoleReport {
  readonly role: string;
  readonly requests: number;
  readonly principals: readonly string[];
  readonly principalCount: number;
  readonly granted: readonly {
    readonly targets: readonly string[];
    readonly effects: readonly Effect[];
    readonly how: PolicyAccess['how']['kind'];
  }[];
  readonly used: readonly {
    readonly target: string;
    readonly requests: number;
    readonly effects: readonly { readonly effect: Effect; readonly count: number }[];
    readonly relations: readonly { readonly name: string; readonly read: number; readonly written: number }[];
    readonly classes: readonly { readonly class: string; readonly count: number; readonly shownAs: Mask }[];
  }[];
  /** Given on request or standing, and not used. */
  readonly unused: {
    readonly targets: readonly string[];
    readonly effects: readonly { readonly target: string; readonly effects: readonly Effect[] }[];
    /** Classes that the role sees in clear somewhere and never touched. */
    readonly clearClasses: readonly string[];
  };
}

export interface AccessReport {
  readonly policySha256: Sha256Hex;
  readonly requests: number;
  readonly denied: number;
  readonly unknown: readonly { readonly reason: UnknownReason; readonly count: number }[];
  readonly roles: readonly RoleReport[];
  readonly shrunk: {
    /** Null when it could not be proven that it suffices; `notes` say why. */
    readonly files: readonly PolicyText[] | null;
    readonly sha256: Sha256Hex | null;
    /** Requests it was proven with; those that are `unknown` were not. */
    readonly proven: number;
    readonly notes: readonly string[];
  };
}

export interface AccessReportOptions {
  readonly policy: Policy;
  /** The policy's own files. */
  readonly files: readonly PolicyText[];
  /** Null = all. */
  readonly roles: readonly string[] | null;
  readonly filter: RequestFilter;
  /** Loads changed files as the policy in force was loaded. */
  readonly load: (files: readonly PolicyText[]) => LoadedPolicy;
}

const maxListed = 50;
const maxRelations = 500;

/** @throws what `replay` throws */
export async function accessReport(
  options: AccessReportOptions,
  deps: ReplayDeps,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<AccessReport> {
  const { policy, filter, roles } = options;
  const half = (offset: number) => (progress: Progress) =>
    onProgress({ done: progress.done + offset * progress.total, total: 2 * progress.total });
  const usage = await collectUsage(policy, filter, deps, half(0), signal);
  const shrunk = await provenShrunk(options, usage, deps, half(1), signal);
  const wanted = policy.roles.map(({ role }) => role).filter((role) => roles === null || roles.includes(role));
  return {
    policySha256: policy.sha256,
    requests: usage.requests,
    denied: usage.denied,
    unknown: [...usage.unknown].map(([reason, count]) => ({ reason, count })),
    roles: wanted.map((role) => roleReport(role, usage.roles.get(role), policy, [...deps.targets.keys()])),
    shrunk,
  };
}

async function provenShrunk(
  { policy, files, roles, filter, load }: AccessReportOptions,
  usage: Usage,
  deps: ReplayDeps,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<AccessReport['shrunk']> {
  const { files: narrowed, notes } = shrink(policy, files, usage.roles, roles);
  const loaded = load(narrowed);
  const none = { files: null, sha256: null, proven: 0 };
  if (!loaded.ok)
    return { ...none, notes: [...notes, ...loaded.faults.map((fault) => `the narrowed policy does not load: ${renderFault(fault)}`)] };
  const inForce = new DecisionPairs(policy, deps);
  const after = new DecisionPairs(loaded.policy, deps);
  let proven = 0;
  for await (const request of recordedRequests(deps.source, filter, onProgress, signal)) {
    const now = await inForce.of(request);
    if ('unknown' in now) continue;
    const then = await after.of(request);
    const kinds =
      'unknown' in then ? [then.unknown] : changesOf({ before: now.after, after: then.after, flows: sameFlows(now.facts) }).kinds;
    if (kinds.length > 0) {
      const why = `request ${request.seq} would be decided otherwise under the narrowed policy (${kinds.join(', ')}): it is not shown`;
      return { ...none, notes: [...notes, why] };
    }
    proven += 1;
  }
  return { files: narrowed, sha256: loaded.policy.sha256, proven, notes };
}

/** The narrowed policy protects the same columns. */
function sameFlows({ outputClasses }: Facts): Parameters<typeof changesOf>[0]['flows'] {
  return outputClasses.map((name) => ({ name, before: [name], after: [name] }));
}

function roleReport(role: string, use: RoleUse | undefined, policy: Policy, targets: readonly string[]): RoleReport {
  const granted = policy.access.filter((entry) => entry.role === role);
  const given = targets.flatMap((target) => {
    const effects = new Set(granted.filter((entry) => targetMatches(entry.targets, target)).flatMap((entry) => entry.effects));
    return effects.size === 0 ? [] : [{ target, effects: [...effects] }];
  });
  const touched = new Set([...(use?.targets.values() ?? [])].flatMap(({ classes }) => [...classes.keys()]));
  const seesClear = (name: string): boolean => given.some(({ target }) => chooseMask(name, [role], target, policy).mask === 'clear');
  return {
    role,
    requests: use?.requests ?? 0,
    principals: [...(use?.principals ?? [])].slice(0, maxListed),
    principalCount: use?.principals.size ?? 0,
    granted: granted.map(({ targets: of, effects, how }) => ({ targets: of, effects, how: how.kind })),
    used: [...(use?.targets ?? [])].map(([target, on]) => ({
      target,
      requests: on.requests,
      effects: [...on.effects].map(([effect, count]) => ({ effect, count })),
      relations: [...on.relations]
        .map(([name, { read, write }]) => ({ name, read, written: write }))
        .toSorted((a, b) => b.read + b.written - a.read - a.written)
        .slice(0, maxRelations),
      classes: [...on.classes].map(([name, { count, shownAs }]) => ({ class: name, count, shownAs })),
    })),
    unused: {
      targets: given.filter(({ target }) => use?.targets.has(target) !== true).map(({ target }) => target),
      effects: given.flatMap(({ target, effects }) => {
        const used = use?.targets.get(target)?.effects;
        const left = used === undefined ? [] : effects.filter((effect) => !used.has(effect));
        return left.length === 0 ? [] : [{ target, effects: left }];
      }),
      clearClasses: given.length === 0 ? [] : policy.classNames.filter((name) => !touched.has(name) && seesClear(name)),
    },
  };
}
