// Which mask a principal sees a class through. See docs/policy.md, "How masks combine":
// 1. entries that name one of the principal's roles beat entries that name none;
// 2. each role contributes its most specific entry (class first, then target; of equals the least revealing);
// 3. of what the roles contribute the least revealing is used; no entry at all is `redact`.

import { createHash } from 'node:crypto';
import { type MaskMethod, type MaskSet, REVEALING } from '../core/decision.ts';
import type { Principal } from '../core/identity.ts';
import { classMatches, classSpecificity, targetMatches } from './patterns.ts';
import type { Policy, PolicyMask } from './policy.ts';
import { rolesOf } from './roles.ts';

const maxMemo = 4096;

interface MaskChoice {
  readonly class: string;
  readonly mask: MaskMethod;
  /** The entry that decided; null = no entry, so `redact`. */
  readonly entry: PolicyMask | null;
  /** Role that the entry counted for; null = it names none. */
  readonly role: string | null;
}

/** Masks of every declared class for this principal on this target. Equal ids mean equal masks of the same policy. */
export function masksFor(principal: Principal, target: string, policy: Policy): MaskSet {
  const roles = rolesOf(principal, policy);
  const key = JSON.stringify([target, roles]);
  const known = policy.memo.masks.get(key);
  if (known !== undefined) return known;
  const byClass: Record<string, MaskMethod> = {};
  for (const name of policy.classNames) byClass[name] = chooseMask(name, roles, target, policy).mask;
  const id = createHash('sha256')
    .update(JSON.stringify(['sallyport-masks-v1', policy.sha256, Object.entries(byClass)]))
    .digest('hex');
  const set: MaskSet = Object.freeze({ id, byClass: Object.freeze(byClass) });
  if (policy.memo.masks.size >= maxMemo) policy.memo.masks.clear();
  policy.memo.masks.set(key, set);
  return set;
}

export function chooseMask(className: string, roles: readonly string[], target: string, policy: Policy): MaskChoice {
  const applies = policy.masks.filter(
    (entry) => classMatches(entry.class, className) && (entry.targets === undefined || targetMatches(entry.targets, target)),
  );
  let least: MaskChoice | null = null;
  for (const role of roles) {
    const entry = mostSpecific(applies.filter(({ roles: named }) => named?.includes(role) === true));
    if (entry !== null && (least === null || REVEALING[entry.mask] < REVEALING[least.mask])) {
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
  return REVEALING[right.mask] - REVEALING[left.mask];
}

function targetSpecificity({ targets }: PolicyMask): number {
  return targets === undefined || targets.includes('*') ? 0 : 1;
}
