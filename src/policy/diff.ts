// What one policy gives that another does not: by role, target, effect, class and mask, not by lines of text. Members of a role
// gain and lose what the role does.

import type { Mask } from '../core/decision.ts';
import { durationText } from '../core/duration.ts';
import { EFFECTS, type Effect } from '../core/facts.ts';
import { compareRevealing } from '../core/mask.ts';
import { chooseMask } from './masks.ts';
import { classMatches, targetMatches } from './patterns.ts';
import type { Policy, PolicyAccess, PolicyMask, PolicyRule } from './policy.ts';
import type { Member } from './schema.ts';

/** `none`: the class is not declared there, so nothing of it is protected. */
export type ShownAs = Mask | 'none';

export interface RoleChange {
  readonly role: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly joins: readonly string[];
  readonly leaves: readonly string[];
}

export interface AccessChange {
  readonly role: string;
  readonly targets: readonly string[];
  /** `standing`, `on-request (2h, 1 of officer)`. */
  readonly how: string;
  readonly gains: readonly Effect[];
  readonly loses: readonly Effect[];
}

export interface ClassChange {
  readonly class: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly columnsAdded: readonly string[];
  readonly columnsRemoved: readonly string[];
  /** Null = as before. A class that is not declared counts as `any`. */
  readonly predicates: { readonly from: string; readonly to: string } | null;
  /** Columns that say whose data it is: dates are shifted by them. Empty text = none. Null = as before. */
  readonly subjects: { readonly from: string; readonly to: string } | null;
}

export interface MaskChange {
  /** Null = every role that no mask entry names. */
  readonly role: string | null;
  readonly targets: readonly string[];
  readonly class: string;
  readonly from: ShownAs;
  readonly to: ShownAs;
  readonly change: 'reveals' | 'hides';
}

export interface RuleChange {
  readonly rule: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly then: PolicyRule['then'];
  /** What of it changed; empty unless `changed`. */
  readonly fields: readonly { readonly field: string; readonly from: string; readonly to: string }[];
}

export interface PolicyDiff {
  readonly isEqual: boolean;
  readonly roles: readonly RoleChange[];
  readonly access: readonly AccessChange[];
  readonly classes: readonly ClassChange[];
  readonly masks: readonly MaskChange[];
  readonly rules: readonly RuleChange[];
  /** There are more changes of masks than are listed. */
  readonly isCut: boolean;
}

/** Masks that are compared; a change of more is said to be cut. */
const maxMasks = 200_000;
const maxMaskChanges = 2000;

/** @param targets configured ones; others that the policies name are added. */
export function diffPolicies(before: Policy, after: Policy, targets: readonly string[]): PolicyDiff {
  const roles = roleChanges(before, after);
  const access = accessChanges(before, after, targetsOf(before, after, targets));
  const classes = classChanges(before, after);
  const { masks, isCut } = maskChanges(before, after, targetsOf(before, after, targets));
  const rules = ruleChanges(before, after);
  const isEqual = !isCut && [roles, access, classes, masks, rules].every((list) => list.length === 0);
  return { isEqual, roles, access, classes, masks, rules, isCut };
}

function targetsOf(before: Policy, after: Policy, configured: readonly string[]): readonly string[] {
  const named = [before, after].flatMap(({ access, masks }) => [
    ...access.flatMap((entry) => entry.targets),
    ...masks.flatMap((entry) => entry.targets ?? []),
  ]);
  const all = new Set([...configured, ...named]);
  all.delete('*');
  return all.size === 0 ? ['*'] : [...all].toSorted();
}

export function memberText({ issuer, group, claim, is, subject, kind }: Member): string {
  const parts = [`issuer ${issuer}`];
  if (group !== undefined) parts.push(`group ${group}`);
  if (claim !== undefined) parts.push(`claim ${claim} is ${JSON.stringify(is)}`);
  if (subject !== undefined) parts.push(`subject ${subject}`);
  if (kind !== undefined) parts.push(`kind ${kind}`);
  return parts.join(', ');
}

function roleChanges(before: Policy, after: Policy): RoleChange[] {
  const members = (policy: Policy, role: string): string[] | null =>
    policy.roles.find((each) => each.role === role)?.members.map(memberText) ?? null;
  return namesOf(before.roles, after.roles, ({ role }) => role).flatMap((role) => {
    const [old, now] = [members(before, role), members(after, role)];
    const joins = without(now ?? [], old ?? []);
    const leaves = without(old ?? [], now ?? []);
    const change = changeOf(old, now);
    return change === 'changed' && joins.length === 0 && leaves.length === 0 ? [] : [{ role, change, joins, leaves }];
  });
}

function howText({ how }: PolicyAccess): string {
  if (how.kind === 'standing') return 'standing';
  const { role, count } = how.approvers;
  return `${how.kind} (${durationText(how.maxDurationMs)}, ${count} of ${role})`;
}

function accessChanges(before: Policy, after: Policy, targets: readonly string[]): AccessChange[] {
  const given = (policy: Policy, role: string, target: string): ReadonlyMap<string, ReadonlySet<Effect>> => {
    const byHow = new Map<string, Set<Effect>>();
    for (const entry of policy.access) {
      if (entry.role !== role || !targetMatches(entry.targets, target)) continue;
      const how = howText(entry);
      byHow.set(how, new Set([...(byHow.get(how) ?? []), ...entry.effects]));
    }
    return byHow;
  };
  const found = new Map<string, AccessChange & { readonly targets: string[] }>();
  for (const role of namesOf(before.access, after.access, (entry) => entry.role)) {
    for (const target of targets) {
      const [old, now] = [given(before, role, target), given(after, role, target)];
      for (const how of new Set([...old.keys(), ...now.keys()])) {
        const gains = EFFECTS.filter((effect) => now.get(how)?.has(effect) === true && old.get(how)?.has(effect) !== true);
        const loses = EFFECTS.filter((effect) => old.get(how)?.has(effect) === true && now.get(how)?.has(effect) !== true);
        if (gains.length === 0 && loses.length === 0) continue;
        collect(found, JSON.stringify([role, how, gains, loses]), target, { role, targets: [], how, gains, loses });
      }
    }
  }
  return [...found.values()];
}

function collect<T extends { readonly targets: string[] }>(found: Map<string, T>, key: string, target: string, change: T): void {
  const known = found.get(key);
  if (known === undefined) found.set(key, { ...change, targets: [target] });
  else known.targets.push(target);
}

function classChanges(before: Policy, after: Policy): ClassChange[] {
  const [old, now] = [columnsByClass(before), columnsByClass(after)];
  const [oldSubjects, subjectsNow] = [subjectsByClass(before), subjectsByClass(after)];
  return [...new Set([...old.keys(), ...now.keys()])].toSorted().flatMap((name) => {
    const columnsAdded = without(now.get(name) ?? [], old.get(name) ?? []);
    const columnsRemoved = without(old.get(name) ?? [], now.get(name) ?? []);
    const change = changeOf(old.get(name), now.get(name));
    const predicates = fromTo(predicatesText(before, name), predicatesText(after, name));
    const subjects = fromTo(oldSubjects.get(name)?.join(', ') ?? '', subjectsNow.get(name)?.join(', ') ?? '');
    const isSame = columnsAdded.length === 0 && columnsRemoved.length === 0 && predicates === null && subjects === null;
    return change === 'changed' && isSame ? [] : [{ class: name, change, columnsAdded, columnsRemoved, predicates, subjects }];
  });
}

function fromTo(from: string, to: string): { readonly from: string; readonly to: string } | null {
  return from === to ? null : { from, to };
}

/** In policy order, because the first that a relation has is meant. */
function subjectsByClass(policy: Policy): ReadonlyMap<string, readonly string[]> {
  const named = policy.classes.flatMap(({ class: name, subject }) => (subject === undefined ? [] : [{ name, subject }]));
  const groups = Map.groupBy(named, ({ name }) => name);
  return new Map([...groups].map(([name, of]) => [name, [...new Set(of.map(({ subject }) => subject))]]));
}

function columnsByClass(policy: Policy): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { class: name, columns = [], json = [] } of policy.classes) {
    const known = found.get(name);
    if (known === undefined) found.set(name, [...columns, ...json]);
    else known.push(...columns, ...json);
  }
  return found;
}

function predicatesText(policy: Policy, name: string): string {
  const rule = policy.predicates.get(name);
  if (rule === undefined) return 'any';
  if (rule.hold === null) return rule.mode;
  return `${rule.mode} (${rule.hold.approvers.count} of ${rule.hold.approvers.role} within ${durationText(rule.hold.withinMs)})`;
}

function maskChanges(before: Policy, after: Policy, targets: readonly string[]): { readonly masks: MaskChange[]; readonly isCut: boolean } {
  const differing = differingMasks(before, after);
  const [old, now] = [new Set(before.classNames), new Set(after.classNames)];
  const names = new Set([...old, ...now]);
  const isTouched = (name: string): boolean =>
    old.has(name) !== now.has(name) || differing.some((entry) => classMatches(entry.class, name));
  const touched = [...names].filter(isTouched).toSorted();
  const roles = [null, ...new Set([...before.masks, ...after.masks].flatMap((entry) => entry.roles ?? []))];
  if (touched.length * roles.length * targets.length > maxMasks) return { masks: [], isCut: true };
  const shown = (policy: Policy, known: ReadonlySet<string>, name: string, role: string | null, target: string): ShownAs =>
    known.has(name) ? chooseMask(name, role === null ? [] : [role], target, policy).mask : 'none';
  const found = new Map<string, MaskChange & { readonly targets: string[] }>();
  for (const name of touched) {
    for (const target of targets) {
      const general = `${shown(before, old, name, null, target)} ${shown(after, now, name, null, target)}`;
      for (const role of roles) {
        const from = shown(before, old, name, role, target);
        const to = shown(after, now, name, role, target);
        const by = compareShown(from, to);
        // A role that changes as everybody does is not listed again.
        if (by === 0 || (role !== null && `${from} ${to}` === general)) continue;
        const change = by < 0 ? 'reveals' : 'hides';
        collect(found, JSON.stringify([role, name, from, to]), target, { role, targets: [], class: name, from, to, change });
      }
    }
  }
  const masks = [...found.values()];
  return { masks: masks.slice(0, maxMaskChanges), isCut: masks.length > maxMaskChanges };
}

/** Negative when `left` shows less. */
function compareShown(left: ShownAs, right: ShownAs): number {
  const plain = (shown: ShownAs): Mask => (shown === 'none' ? 'clear' : shown);
  return compareRevealing(plain(left), plain(right));
}

/** Entries that only one of them has. */
function differingMasks(before: Policy, after: Policy): readonly PolicyMask[] {
  const text = ({ class: name, roles, targets, mask }: PolicyMask): string => JSON.stringify([name, roles, targets, mask]);
  const only = (some: readonly PolicyMask[], others: readonly PolicyMask[]): readonly PolicyMask[] => {
    const known = new Set(others.map(text));
    return some.filter((entry) => !known.has(text(entry)));
  };
  return [...only(before.masks, after.masks), ...only(after.masks, before.masks)];
}

function ruleChanges(before: Policy, after: Policy): RuleChange[] {
  return namesOf(before.rules, after.rules, ({ name }) => name).flatMap((name): RuleChange[] => {
    const old = before.rules.find((rule) => rule.name === name);
    const now = after.rules.find((rule) => rule.name === name);
    const known = now ?? old;
    if (known === undefined) return [];
    const change = changeOf(old, now);
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the language; text is not thenable
    const base = { rule: name, change, then: known.then } as const;
    if (old === undefined || now === undefined) return [{ ...base, fields: [] }];
    const [from, to] = [fieldsOf(old), fieldsOf(now)];
    const fields = Object.keys(from).flatMap((field) =>
      from[field] === to[field] ? [] : [{ field, from: from[field] ?? '', to: to[field] ?? '' }],
    );
    return fields.length === 0 ? [] : [{ ...base, fields }];
  });
}

function fieldsOf({ when, then, approvers, within, say }: PolicyRule): Readonly<Record<string, string>> {
  return {
    when: when.source,
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the language; text is not thenable
    then,
    approvers: approvers === undefined ? '' : `${approvers.count} of ${approvers.role}`,
    within: within === undefined ? '' : durationText(within),
    say: say ?? '',
  };
}

function changeOf(before: unknown, after: unknown): 'added' | 'removed' | 'changed' {
  if (before === undefined || before === null) return 'added';
  return after === undefined || after === null ? 'removed' : 'changed';
}

function namesOf<T>(before: readonly T[], after: readonly T[], name: (entry: T) => string): readonly string[] {
  return [...new Set([...before, ...after].map(name))];
}

function without(list: readonly string[], others: readonly string[]): readonly string[] {
  return [...new Set(list)].filter((each) => !others.includes(each));
}
