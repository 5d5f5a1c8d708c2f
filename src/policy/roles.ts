// Who has which role, and what the roles may do on a target.

import type { Effect } from '../core/facts.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import { targetMatches } from './patterns.ts';
import type { Policy, PolicyAccess } from './policy.ts';
import type { Member } from './schema.ts';

/** Every condition a member entry gives must hold. The issuer always counts: the same group name at another identity
 *  provider is another group. */
export function isMember(member: Member, principal: Principal): boolean {
  if (member.issuer !== principal.issuer) return false;
  if (member.subject !== undefined && member.subject !== principal.subject) return false;
  if (member.kind !== undefined && member.kind !== principal.kind) return false;
  if (member.group !== undefined && !principal.groups.includes(member.group)) return false;
  if (member.claim === undefined) return true;
  const value = Object.hasOwn(principal.claims, member.claim) ? principal.claims[member.claim] : undefined;
  if (value === undefined || member.is === undefined) return false;
  return Array.isArray(value) ? value.includes(member.is) : value === member.is;
}

/** Roles of the principal, in policy order. */
export function rolesOf(principal: Principal, policy: Policy): readonly string[] {
  const known = policy.memo.roles.get(principal);
  if (known !== undefined) return known;
  const roles = policy.roles.filter(({ members }) => members.some((member) => isMember(member, principal))).map(({ role }) => role);
  policy.memo.roles.set(principal, roles);
  return roles;
}

const noGrants: readonly ActiveGrant[] = [];

/** Access entries that apply: standing ones, and those that one of the grants opens. Empty = no access. */
export function accessOf(roles: readonly string[], target: string, policy: Policy, grants = noGrants): readonly PolicyAccess[] {
  return policy.access.filter(
    (entry) =>
      roles.includes(entry.role) &&
      targetMatches(entry.targets, target) &&
      (entry.how.kind === 'standing' || grants.some((grant) => grant.role === entry.role && grant.targets.includes(target))),
  );
}

/** True when the principal may open a session on the target. */
export function hasAccess(principal: Principal, target: string, policy: Policy, grants = noGrants): boolean {
  return accessOf(rolesOf(principal, policy), target, policy, grants).length > 0;
}

/** Roles that count on the target. One that has access there on request only counts while a grant opens it. */
export function rolesInForce(roles: readonly string[], target: string, policy: Policy, grants = noGrants): readonly string[] {
  const dormant = dormantRoles(target, policy);
  if (dormant.size === 0) return roles;
  return roles.filter((role) => !dormant.has(role) || grants.some((grant) => grant.role === role && grant.targets.includes(target)));
}

/** Roles that have access to the target, but no standing one. */
function dormantRoles(target: string, policy: Policy): ReadonlySet<string> {
  const known = policy.memo.dormant.get(target);
  if (known !== undefined) return known;
  const entries = policy.access.filter(({ targets }) => targetMatches(targets, target));
  const isStanding = ({ how }: PolicyAccess): boolean => how.kind === 'standing';
  const standing = new Set(entries.filter(isStanding).map(({ role }) => role));
  const dormant = new Set(entries.map(({ role }) => role).filter((role) => !standing.has(role)));
  policy.memo.dormant.set(target, dormant);
  return dormant;
}

export function grantedEffects(entries: readonly PolicyAccess[]): ReadonlySet<Effect> {
  return new Set(entries.flatMap(({ effects }) => effects));
}
