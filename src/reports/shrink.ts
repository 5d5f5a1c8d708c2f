// The policy that would have sufficed: the own files of a policy with less access, fewer masks that show all, and rules that keep
// each role to the tables it used. What is used stays decided as it was; only what nobody used is taken away.
// INVARIANT: nothing is given that the policy does not give. Masks are only ever taken away where they show in clear: what is
// left of a class then shows no more.

import { isSeq, parseDocument, type Document, type YAMLSeq } from 'yaml';
import type { Effect } from '../core/facts.ts';
import type { Policy, PolicyText } from '../policy/index.ts';
import { chooseMask } from '../policy/masks.ts';
import { classMatches, targetMatches } from '../policy/patterns.ts';
import type { PolicyAccess, PolicyMask } from '../policy/policy.ts';
import type { RoleUse } from './usage.ts';

export interface Shrunk {
  /** All own files of the policy, changed or not. */
  readonly files: readonly PolicyText[];
  /** What could not be taken away, and why. */
  readonly notes: readonly string[];
}

interface Setting {
  readonly policy: Policy;
  readonly uses: ReadonlyMap<string, RoleUse>;
  /** Only these roles are touched. */
  readonly isTouched: (role: string) => boolean;
}

type Plain = Readonly<Record<string, unknown>>;
/** What takes the place of an entry; null = it stays. */
type Replacement = readonly Plain[] | null;

/** Of a condition (policy/schema.ts). */
const maxConditionChars = 4000;
const maxListElements = 200;

/** @param files the policy's own, as it was loaded from. @param roles only these; null = all */
export function shrink(
  policy: Policy,
  files: readonly PolicyText[],
  uses: ReadonlyMap<string, RoleUse>,
  roles: readonly string[] | null,
): Shrunk {
  const setting: Setting = { policy, uses, isTouched: (role) => roles === null || roles.includes(role) };
  const documents = new Map(files.map(({ name, text }) => [name, parseDocument(text)]));
  replaceEntries(documents, 'access', policy.access, (entry) => narrowedAccess(entry, setting));
  replaceEntries(documents, 'masks', policy.masks, (entry) => narrowedMask(entry, setting));
  const { rules, notes } = tableRules(setting);
  const [first] = documents.values();
  if (first !== undefined && rules.length > 0) {
    const list = first.get('rules', true);
    if (isSeq(list)) for (const rule of rules) list.add(first.createNode(rule));
    else first.set('rules', first.createNode(rules));
  }
  return { files: files.map(({ name, text }) => ({ name, text: documents.get(name)?.toString({ lineWidth: 0 }) ?? text })), notes };
}

function replaceEntries<T extends PolicyAccess | PolicyMask>(
  documents: ReadonlyMap<string, Document>,
  key: 'access' | 'masks',
  entries: readonly T[],
  narrow: (entry: T) => Replacement,
): void {
  const replaced = new Map<YAMLSeq, Map<number, readonly Plain[]>>();
  for (const entry of entries) {
    if (entry.origin.pack !== null) continue;
    const { file, path } = entry.origin.fault([], '');
    const list = documents.get(file)?.get(key, true);
    const index = Number(/\[(\d+)\]$/.exec(path)?.[1] ?? Number.NaN);
    if (!isSeq(list) || !Number.isSafeInteger(index)) continue;
    const narrowed = narrow(entry);
    if (narrowed === null) continue;
    const known = replaced.get(list);
    if (known === undefined) replaced.set(list, new Map([[index, narrowed]]));
    else known.set(index, narrowed);
  }
  for (const document of documents.values()) {
    const list = document.get(key, true);
    const changes = isSeq(list) ? replaced.get(list) : undefined;
    if (!isSeq(list) || changes === undefined) continue;
    list.items = list.items.flatMap(
      (item, index) => changes.get(index)?.map((plain) => document.createNode(plain, { flow: true })) ?? [item],
    );
  }
}

/** The effects that were used on each target that was used. */
function narrowedAccess(entry: PolicyAccess, { policy, uses, isTouched }: Setting): Replacement {
  const { role, how, effects } = entry;
  if (!isTouched(role) || how.kind !== 'standing') return null;
  // A role that is left with access on request alone counts only while it is granted: rules and masks would change.
  if (policy.access.some((other) => other.role === role && other.how.kind !== 'standing')) return null;
  const byEffects = new Map<string, { readonly effects: readonly Effect[]; readonly targets: string[] }>();
  for (const [target, use] of uses.get(role)?.targets ?? []) {
    if (!targetMatches(entry.targets, target)) continue;
    const used = effects.filter((effect) => use.effects.has(effect));
    const kept = used.length > 0 ? used : keepsAccess(entry, target, use.effects, policy);
    if (kept.length === 0) continue;
    const key = kept.join();
    const known = byEffects.get(key);
    if (known === undefined) byEffects.set(key, { effects: kept, targets: [target] });
    else known.targets.push(target);
  }
  const narrowed = [...byEffects.values()].map((each) => ({ role, targets: each.targets.toSorted(), effects: [...each.effects] }));
  const [only] = narrowed;
  const isSame =
    narrowed.length === 1 && only?.effects.length === effects.length && only.targets.join() === [...entry.targets].toSorted().join();
  return isSame ? null : narrowed;
}

/** Statements without an effect (BEGIN) need access all the same: the first entry that would be dropped keeps the least. */
function keepsAccess(entry: PolicyAccess, target: string, used: ReadonlyMap<Effect, number>, policy: Policy): readonly Effect[] {
  const others = policy.access.filter((other) => other.role === entry.role && targetMatches(other.targets, target));
  if (others.some(({ effects }) => effects.some((effect) => used.has(effect))) || others[0] !== entry) return [];
  return entry.effects.includes('read') ? ['read'] : entry.effects.slice(0, 1);
}

/** A mask that shows classes in clear to a role: only for those of them that the role came near. */
function narrowedMask(entry: PolicyMask, { policy, uses, isTouched }: Setting): Replacement {
  const { class: pattern, roles, targets, mask } = entry;
  if (mask !== 'clear' || roles === undefined) return null;
  const declared = policy.classNames.filter((name) => classMatches(pattern, name));
  const base = (of: readonly string[], name: string): Plain => ({
    class: name,
    roles: [...of],
    ...(targets === undefined ? {} : { targets: [...targets] }),
    mask,
  });
  const byClasses = new Map<string, { readonly classes: readonly string[]; readonly roles: string[] }>();
  for (const role of roles) {
    const classes = isTouched(role) ? declared.filter((name) => isUsed(name, role, entry, policy, uses.get(role))) : declared;
    const key = classes.join();
    const known = byClasses.get(key);
    if (known === undefined) byClasses.set(key, { classes, roles: [role] });
    else known.roles.push(role);
  }
  const narrowed = [...byClasses.values()].flatMap(({ classes, roles: of }) =>
    classes.length === declared.length ? [base(of, pattern)] : classes.map((name) => base(of, name)),
  );
  const isSame = byClasses.size === 1 && [...byClasses.values()].every(({ classes }) => classes.length === declared.length);
  return isSame ? null : narrowed;
}

function isUsed(name: string, role: string, entry: PolicyMask, policy: Policy, use: RoleUse | undefined): boolean {
  return [...(use?.targets ?? [])].some(([target, on]) => on.classes.has(name) && chooseMask(name, [role], target, policy).entry === entry);
}

/** What every client reads about the server, and its own temporary tables. */
const FREE_SCHEMAS = ['pg_catalog.', 'information_schema.', 'pg_temp.'];

/** Access entries do not name tables: a rule for each role and target does. */
function tableRules({ policy, uses, isTouched }: Setting): { readonly rules: readonly Plain[]; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const names = new Set(policy.rules.map(({ name }) => name));
  const rules = [...uses].flatMap(([role, use]) => {
    if (!isTouched(role)) return [];
    return [...use.targets].flatMap(([target, { relations }]): Plain[] => {
      const tables = [...relations.keys()].filter((name) => !FREE_SCHEMAS.some((schema) => name.startsWith(schema))).toSorted();
      const when = condition(role, target, tables);
      if (when.length > maxConditionChars) {
        notes.push(`role ${role} used ${tables.length} tables of ${target}, more than a rule can list: its tables are not narrowed`);
        return [];
      }
      const rule = {
        name: unusedName(`tables-of-${role}-on-${target}`, names),
        when,
        // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file
        then: 'deny',
        say: 'This role did not use this table in the period that its access was narrowed by.',
      };
      return [rule];
    });
  });
  return { rules, notes };
}

function condition(role: string, target: string, tables: readonly string[]): string {
  const free = FREE_SCHEMAS.map((schema) => `r.startsWith('${schema}')`);
  const lists: string[] = [];
  for (let at = 0; at < tables.length; at += maxListElements) {
    lists.push(
      `r in [${tables
        .slice(at, at + maxListElements)
        .map((name) => JSON.stringify(name))
        .join(', ')}]`,
    );
  }
  return `'${role}' in principal.roles && target.name == '${target}' && !request.relations.all(r, ${[...free, ...lists].join(' || ')})`;
}

function unusedName(wanted: string, names: Set<string>): string {
  let name = wanted.slice(0, 63);
  for (let n = 2; names.has(name); n += 1) name = `${wanted.slice(0, 58)}-${n}`;
  names.add(name);
  return name;
}
