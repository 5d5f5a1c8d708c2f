// Who has which role, and what the roles may do on a target.

import type { Effect } from '../core/facts.ts';
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

/** Access entries that apply. Empty = no access. */
export function accessOf(roles: readonly string[], target: string, policy: Policy): readonly PolicyAccess[] {
  return policy.access.filter((entry) => roles.includes(entry.role) && targetMatches(entry.targets, target));
}

/** True when the principal may open a session on the target. */
export function hasAccess(principal: Principal, target: string, policy: Policy): boolean {
  return accessOf(rolesOf(principal, policy), target, policy).length > 0;
}

export function grantedEffects(entries: readonly PolicyAccess[]): ReadonlySet<Effect> {
  return new Set(entries.flatMap(({ effects }) => effects));
}
