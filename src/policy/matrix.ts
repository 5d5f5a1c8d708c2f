// What each role may do on each target and how it sees each class, worked out by the gate's own functions for somebody who has that
// role alone. Rules that ask for more than the effect (tables, classes, time) are not met by a plain statement: they are listed beside.

import { createHash } from 'node:crypto';
import type { Mask } from '../core/decision.ts';
import { type Effect, EFFECTS, NO_FACTS } from '../core/facts.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { GrantId, Sha256Hex } from '../core/ids.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { decide } from './decide.ts';
import { masksFor } from './masks.ts';
import { targetMatches } from './patterns.ts';
import type { Policy, PolicyRole } from './policy.ts';

export interface MatrixCell {
  readonly role: string;
  readonly target: string;
  readonly effects: readonly {
    readonly effect: Effect;
    /** Of a plain statement with this effect alone. */
    readonly outcome: 'allow' | 'hold' | 'deny';
    /** What gives the effect; null = nothing does. */
    readonly by: 'standing' | 'on-request' | 'break-glass' | null;
    readonly rules: readonly string[];
  }[];
  /** Class -> mask, while the role is in force. */
  readonly masks: Readonly<Record<string, Mask>>;
}

export interface PolicyMatrix {
  /** Role on target, without those that have nothing there. */
  readonly cells: readonly MatrixCell[];
  /** There are more cells than are listed. */
  readonly isCut: boolean;
}

/** Cells that are worked out at once: a decision for each effect. */
const maxCells = 500;
const emptySha256 = createHash('sha256').digest('hex') as Sha256Hex;

export function policyMatrix(policy: Policy, targets: readonly Target[], nowMs: number): PolicyMatrix {
  const cells: MatrixCell[] = [];
  for (const role of policy.roles) {
    for (const target of targets) {
      if (!policy.access.some((entry) => entry.role === role.role && targetMatches(entry.targets, target.name))) continue;
      if (cells.length === maxCells) return { cells, isCut: true };
      cells.push(cellOf(role, target, policy, nowMs));
    }
  }
  return { cells, isCut: false };
}

/** Masks of somebody with this role alone, its access on request included; null = the role has nothing on the target. */
export function masksOfRole(role: string, target: string, policy: Policy): Readonly<Record<string, Mask>> | null {
  const found = policy.roles.find((each) => each.role === role);
  const entries = policy.access.filter((entry) => entry.role === role && targetMatches(entry.targets, target));
  if (found === undefined || entries.length === 0) return null;
  const isStanding = entries.some(({ how }) => how.kind === 'standing');
  return masksFor(holderOf(found, policy, 0), target, policy, isStanding ? [] : [grantOf(role, target, [], 0)]).byClass;
}

function cellOf(role: PolicyRole, target: Target, policy: Policy, nowMs: number): MatrixCell {
  const entries = policy.access.filter((entry) => entry.role === role.role && targetMatches(entry.targets, target.name));
  const effectsBy = (kind: 'standing' | 'on-request' | 'break-glass'): readonly Effect[] => [
    ...new Set(entries.filter(({ how }) => how.kind === kind).flatMap(({ effects }) => effects)),
  ];
  const principal = holderOf(role, policy, nowMs);
  return {
    role: role.role,
    target: target.name,
    effects: EFFECTS.map((effect) => {
      const by = (['standing', 'on-request', 'break-glass'] as const).find((kind) => effectsBy(kind).includes(effect)) ?? null;
      const grants = by === null || by === 'standing' ? [] : [grantOf(role.role, target.name, effectsBy(by), nowMs)];
      const { outcome, rules } = decide(requestOf(effect, target, masksFor(principal, target.name, policy, grants).id), principal, policy, {
        target,
        nowMs,
        grants,
        session: { ageSeconds: 0, statements: 1 },
      });
      return { effect, outcome, by, rules };
    }),
    masks: masksOfRole(role.role, target.name, policy) ?? {},
  };
}

/** Somebody who has the role alone: as its first member entry says, as far as one can be that. */
function holderOf({ role, members }: PolicyRole, policy: Policy, nowMs: number): Principal {
  const [member] = members;
  const principal: Principal = {
    issuer: member?.issuer ?? '',
    subject: member?.subject ?? '',
    kind: member?.kind ?? 'agent',
    name: role,
    groups: member?.group === undefined ? [] : [member.group],
    claims: {},
    onBehalfOf: null,
    expiresAtMs: nowMs + 3_600_000,
  };
  // Its member entry may be one of other roles, too.
  policy.memo.roles.set(principal, [role]);
  return principal;
}

function grantOf(role: string, target: string, effects: readonly Effect[], nowMs: number): ActiveGrant {
  return {
    id: 'grt_matrix' as GrantId,
    role,
    targets: [target],
    effects,
    relations: null,
    rowsPerHour: null,
    expiresAtMs: nowMs + 3_600_000,
  };
}

function requestOf(effect: Effect, target: Target, maskSetId: string): Request {
  return {
    target: target.name,
    action: 'query',
    facts: { ...NO_FACTS, statements: 1, effects: [effect] },
    statementSha256: emptySha256,
    parametersSha256: emptySha256,
    parameters: [],
    maskSetId,
    catalogueVersion: '',
    sealed: { statement: new Uint8Array(), parameters: null },
  };
}
