// `policy replay`: every recorded request of a period decided again under another policy, and what would change. A request counts
// only if the version that decided it, asked again, says what is recorded: then all that counted is in the record.

import { type Decision, maskFor, type Mask } from '../core/decision.ts';
import type { Facts } from '../core/facts.ts';
import { compareRevealing } from '../core/mask.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { PolicyVersions } from '../core/ports.ts';
import { loadVersion, type Policy } from '../policy/index.ts';
import { type Again, type DecideAgainDeps, PolicyAgain, reclassified } from './decide-again.ts';
import {
  type Progress,
  type RecordedRequest,
  recordedRequests,
  type RequestFilter,
  type RequestSource,
  type UnknownReason,
} from './requests.ts';

/** `approvers`: held before and after, but for others, for more or fewer, or for another time. */
export const CHANGE_KINDS = ['held', 'denied', 'allowed', 'approvers', 'masked', 'revealed'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

export interface ReplayDeps extends DecideAgainDeps {
  readonly source: RequestSource;
  readonly versions: Pick<PolicyVersions, 'get'>;
}

export interface Verdict {
  readonly outcome: Decision['outcome'];
  readonly reasons: readonly string[];
  readonly rules: readonly string[];
}

/** Requests that change alike and have the same statement but for constants. */
export interface ReplayGroup {
  readonly kind: ChangeKind;
  readonly target: string;
  /** Redacted; null = it could not be lexed. */
  readonly statement: string | null;
  readonly count: number;
  /** Some of them, `issuer/subject`. */
  readonly principals: readonly string[];
  readonly principalCount: number;
  /** Log index of one of them. */
  readonly example: number;
  readonly from: Verdict;
  readonly to: Verdict;
  /** Only for `masked` and `revealed`. */
  readonly masks: readonly {
    /** A class; where other columns are protected than before, the column. */
    readonly of: string;
    readonly from: Mask;
    readonly to: Mask;
  }[];
}

export interface ReplayReport {
  readonly policySha256: Sha256Hex;
  readonly requests: number;
  readonly unchanged: number;
  /** By kind. One request can change in its decision and in its masks. */
  readonly changes: Readonly<Record<ChangeKind, number>>;
  readonly unknown: readonly { readonly reason: UnknownReason; readonly count: number; readonly example: number }[];
  /** Most frequent first. */
  readonly groups: readonly ReplayGroup[];
  /** Requests in groups that are not listed. */
  readonly ungrouped: number;
}

const maxGroups = 1000;
const maxPrincipals = 5;
const maxCountedPrincipals = 10_000;

/** @throws SP_AUDIT_CORRUPT, SP_STORE_UNAVAILABLE, SP_CATALOGUE_UNAVAILABLE when other columns are protected and the target's
 *  catalogue is not known */
export async function replay(
  candidate: Policy,
  filter: RequestFilter,
  deps: ReplayDeps,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<ReplayReport> {
  const pairs = new DecisionPairs(candidate, deps);
  const tally = new Tally(candidate.sha256);
  for await (const request of recordedRequests(deps.source, filter, onProgress, signal)) {
    const pair = await pairs.of(request);
    if ('unknown' in pair) tally.unknown(request, pair.unknown);
    else tally.decided(request, pair);
  }
  return tally.report();
}

export interface DecisionPair {
  /** What was decided, proven by deciding again. */
  readonly before: Decision;
  readonly after: Decision;
  /** Under the classes of the candidate. */
  readonly facts: Facts;
  /** What flows into an output. */
  readonly flows: readonly Flow[];
}

/** A class, or a column with its classes under the policy that decided and under the candidate. */
interface Flow {
  readonly name: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** Decides requests under the version that decided them, and under a candidate. */
export class DecisionPairs {
  readonly #deps: ReplayDeps;
  readonly #candidate: PolicyAgain;
  readonly #versions = new Map<string, Promise<PolicyAgain | null>>();

  constructor(candidate: Policy, deps: ReplayDeps) {
    this.#deps = deps;
    this.#candidate = new PolicyAgain(candidate, deps);
  }

  async of(request: RecordedRequest): Promise<DecisionPair | { readonly unknown: UnknownReason }> {
    const { facts, policySha256 } = request;
    if (facts === null) return { unknown: 'facts-not-recorded' };
    let loading = this.#versions.get(policySha256);
    if (loading === undefined) this.#versions.set(policySha256, (loading = this.#load(policySha256)));
    const version = await loading;
    if (version === null) return { unknown: 'version-not-known' };
    const before = version.decide(request, facts);
    if ('unknown' in before) return before;
    if (!isReproduced(before.decision, request)) return { unknown: 'not-reproduced' };
    const after = await this.#decideAnew(request, facts, version);
    if ('unknown' in after) return after;
    return { before: before.decision, after: after.decision, facts: after.facts, flows: after.flows };
  }

  async #decideAnew(request: RecordedRequest, facts: Facts, version: PolicyAgain): Promise<WithFlows | Unknown> {
    const candidate = this.#candidate;
    const { target } = request;
    if (version.classText(target) === candidate.classText(target)) {
      return withFlows(
        candidate.decide(request, facts),
        facts.outputClasses.map((name) => ({ name, before: [name], after: [name] })),
      );
    }
    if (!this.#deps.targets.has(target)) return { unknown: 'target-not-known' };
    const [old, now] = await Promise.all([version.protectedColumns(target), candidate.protectedColumns(target)]);
    const anew = reclassified(facts, old, now, request.header.facts?.cut ?? []);
    if (typeof anew === 'string') return { unknown: anew };
    const shown = facts.lineage?.shown ?? [];
    return withFlows(
      candidate.decide(request, anew),
      shown.map((name) => ({ name, before: old.get(name) ?? [], after: now.get(name) ?? [] })),
    );
  }

  async #load(sha256: string): Promise<PolicyAgain | null> {
    const kept = await this.#deps.versions.get(sha256 as Sha256Hex);
    const loaded = kept === null ? null : loadVersion(kept.source);
    return loaded?.ok === true && loaded.policy.sha256 === sha256 ? new PolicyAgain(loaded.policy, this.#deps) : null;
  }
}

type Unknown = Extract<Again, { unknown: unknown }>;
type WithFlows = Exclude<Again, Unknown> & Pick<DecisionPair, 'flows'>;

function withFlows(again: Again, flows: readonly Flow[]): WithFlows | Unknown {
  return 'unknown' in again ? again : { ...again, flows };
}

function isReproduced(decision: Decision, { outcome, header }: RecordedRequest): boolean {
  return (
    decision.outcome === outcome &&
    decision.rules.join('\n') === (header.rules ?? []).join('\n') &&
    decision.reasons.join('\n') === (header.reasons ?? []).join('\n')
  );
}

/** What changes for whoever asked; empty = nothing. */
export function changesOf({ before, after, flows }: Pick<DecisionPair, 'before' | 'after' | 'flows'>): {
  readonly kinds: readonly ChangeKind[];
  readonly masks: ReplayGroup['masks'];
} {
  const kinds: ChangeKind[] = [];
  if (before.outcome !== after.outcome) kinds.push(({ allow: 'allowed', hold: 'held', deny: 'denied' } as const)[after.outcome]);
  else if (before.outcome === 'hold' && after.outcome === 'hold' && !isSameHold(before, after)) kinds.push('approvers');
  // Nobody sees anything of what is denied.
  if (before.outcome === 'deny' || after.outcome === 'deny') return { kinds, masks: [] };
  const masks = flows.flatMap((flow) => {
    const from = maskFor(flow.before, before.masks);
    const to = maskFor(flow.after, after.masks);
    return from === to ? [] : [{ of: flow.name, from, to }];
  });
  if (masks.some(({ from, to }) => compareRevealing(to, from) < 0)) kinds.push('masked');
  if (masks.some(({ from, to }) => compareRevealing(to, from) > 0)) kinds.push('revealed');
  return { kinds, masks };
}

function isSameHold(one: Decision & { outcome: 'hold' }, other: Decision & { outcome: 'hold' }): boolean {
  return one.approvers.role === other.approvers.role && one.approvers.count === other.approvers.count && one.withinMs === other.withinMs;
}

class Tally {
  readonly #policySha256: Sha256Hex;
  readonly #unknown = new Map<UnknownReason, { count: number; readonly example: number }>();
  readonly #groups = new Map<string, ReplayGroup & { count: number; readonly names: Set<string> }>();
  readonly #changes: Record<ChangeKind, number> = { held: 0, denied: 0, allowed: 0, approvers: 0, masked: 0, revealed: 0 };
  #requests = 0;
  #unchanged = 0;
  #ungrouped = 0;

  constructor(policySha256: Sha256Hex) {
    this.#policySha256 = policySha256;
  }

  unknown({ seq }: RecordedRequest, reason: UnknownReason): void {
    this.#requests += 1;
    const known = this.#unknown.get(reason);
    if (known === undefined) this.#unknown.set(reason, { count: 1, example: seq });
    else known.count += 1;
  }

  decided(request: RecordedRequest, pair: DecisionPair): void {
    this.#requests += 1;
    const { kinds, masks } = changesOf(pair);
    if (kinds.length === 0) this.#unchanged += 1;
    for (const kind of kinds) {
      this.#changes[kind] += 1;
      this.#group(kind, request, pair, kind === 'masked' || kind === 'revealed' ? masks : []);
    }
  }

  #group(kind: ChangeKind, request: RecordedRequest, { before, after }: DecisionPair, masks: ReplayGroup['masks']): void {
    const statement = request.facts?.normalised ?? null;
    const [from, to] = [verdictOf(before), verdictOf(after)];
    const key = JSON.stringify([kind, request.target, statement, from, to, masks]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= maxGroups) {
        this.#ungrouped += 1;
        return;
      }
      const base = { kind, target: request.target, statement, count: 0, principals: [], principalCount: 0, example: request.seq };
      this.#groups.set(key, (group = { ...base, from, to, masks, names: new Set() }));
    }
    group.count += 1;
    if (group.names.size < maxCountedPrincipals) group.names.add(`${request.principal.issuer}/${request.principal.subject}`);
  }

  report(): ReplayReport {
    return {
      policySha256: this.#policySha256,
      requests: this.#requests,
      unchanged: this.#unchanged,
      changes: this.#changes,
      unknown: [...this.#unknown].map(([reason, { count, example }]) => ({ reason, count, example })).toSorted((a, b) => b.count - a.count),
      groups: [...this.#groups.values()]
        .map(({ names, ...group }) => ({ ...group, principals: [...names].slice(0, maxPrincipals), principalCount: names.size }))
        .toSorted((a, b) => b.count - a.count),
      ungrouped: this.#ungrouped,
    };
  }
}

function verdictOf({ outcome, reasons, rules }: Decision): Verdict {
  return { outcome, reasons, rules };
}
