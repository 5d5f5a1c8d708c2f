// Which mask a principal sees a class through. See docs/policy.md, "How masks combine":
// 1. entries that name one of the principal's roles beat entries that name none;
// 2. each role contributes its most specific entry (class first, then target; of equals the least revealing);
// 3. of what the roles contribute the least revealing is used; no entry at all is `redact`.

import { createHash } from 'node:crypto';
import type { Mask, MaskSet } from '../core/decision.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import { compareRevealing } from '../core/mask.ts';
import { classSpecificity, columnMatches, globMatches, parseColumnPattern, patternsOf, targetMatches } from './patterns.ts';
import type { Policy, PolicyMask } from './policy.ts';
import { rolesInForce, rolesOf } from './roles.ts';

/** Masks of all classes together that are kept ready. */
const maxKeptMasks = 1_000_000;

interface MaskChoice {
  readonly class: string;
  readonly mask: Mask;
  /** The entry that decided; null = no entry, so `redact`. */
  readonly entry: PolicyMask | null;
  /** Role that the entry counted for; null = it names none. */
  readonly role: string | null;
}

/** Masks of every declared class for this principal on this target, with the roles that `grants` open. Equal ids mean equal masks
 *  of the same policy. */
export function masksFor(principal: Principal, target: string, policy: Policy, grants: readonly ActiveGrant[] = []): MaskSet {
  const roles = rolesInForce(rolesOf(principal, policy), target, policy, grants);
  const key = JSON.stringify([target, roles]);
  const known = policy.memo.masks.get(key);
  if (known !== undefined) return known;
  const byClass: Record<string, Mask> = {};
  for (const name of policy.classNames) byClass[name] = chooseMask(name, roles, target, policy).mask;
  const id = createHash('sha256')
    .update(JSON.stringify(['sallyport-masks-v1', policy.sha256, Object.entries(byClass)]))
    .digest('hex');
  const set: MaskSet = Object.freeze({ id, byClass: Object.freeze(byClass) });
  if ((policy.memo.masks.size + 1) * policy.classNames.length > maxKeptMasks) policy.memo.masks.clear();
  policy.memo.masks.set(key, set);
  return set;
}

/** Name of the column that says whose data the values of a class in one relation are. Undefined: policy names none for the
 *  class. Null: it names one, but this relation does not have it. */
export type SubjectOf = (
  className: string,
  relation: { readonly qualified: string; readonly columns: readonly { readonly name: string }[] },
) => string | null | undefined;

/** Subjects of the classes on one target. Of several that are there, the first in policy order is meant. */
export function subjectsOf(policy: Policy, target: string): SubjectOf {
  const patterns = new Map<string, string[]>();
  for (const { class: name, subject } of policy.classes) {
    const pattern = subject === undefined ? null : parseColumnPattern(subject);
    if (pattern === null) continue;
    const known = patterns.get(name) ?? [];
    if (globMatches(pattern.target, target)) known.push(pattern.column);
    patterns.set(name, known);
  }
  return (className, { qualified, columns }) => {
    const wanted = patterns.get(className);
    if (wanted === undefined) return undefined;
    for (const pattern of wanted) {
      const found = columns.find(({ name }) => columnMatches(pattern, `${qualified}.${name}`));
      if (found !== undefined) return found.name;
    }
    return null;
  };
}

export function chooseMask(className: string, roles: readonly string[], target: string, policy: Policy): MaskChoice {
  const applies = patternsOf(className)
    .flatMap((pattern) => policy.masksByPattern.get(pattern) ?? [])
    .filter(({ targets }) => targets === undefined || targetMatches(targets, target));
  let least: MaskChoice | null = null;
  for (const role of roles) {
    const entry = mostSpecific(applies.filter(({ roles: named }) => named?.includes(role) === true));
    if (entry !== null && (least === null || compareRevealing(entry.mask, least.mask) < 0)) {
      least = { class: className, mask: entry.mask, entry, role };
    }
  }
  if (least !== null) return least;
  const entry = mostSpecific(applies.filter(({ roles: named }) => named === undefined));
  return { class: className, mask: entry?.mask ?? 'redact', entry, role: null };
}

function mostSpecific(entries: readonly PolicyMask[]): PolicyMask | null {
  let best: PolicyMask | null = null;
  for (const entry of entries) {
    if (best === null || compare(entry, best) > 0) best = entry;
  }
  return best;
}

/** Positive when `left` wins. */
function compare(left: PolicyMask, right: PolicyMask): number {
  const byClass = classSpecificity(left.class) - classSpecificity(right.class);
  if (byClass !== 0) return byClass;
  const byTarget = targetSpecificity(left) - targetSpecificity(right);
  if (byTarget !== 0) return byTarget;
  return compareRevealing(right.mask, left.mask);
}

function targetSpecificity({ targets }: PolicyMask): number {
  return targets === undefined || targets.includes('*') ? 0 : 1;
}
