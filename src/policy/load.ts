// Policy files to a policy. Everything that can be wrong is found here, with file, line and column; what loads is
// whole: every role, target and rule it names exists and every condition compiles.

import { createHash } from 'node:crypto';
import type { Sha256Hex } from '../core/ids.ts';
import { ConditionCompiler } from './condition.ts';
import { crossCheck } from './cross-check.ts';
import { guardsOf } from './guards.ts';
import { includeFaults } from './includes.ts';
import { type JsonPlace, parseJsonPlace } from './json-places.ts';
import { parseColumnPattern } from './patterns.ts';
import { PACK_NAMES, type PackLookup } from './packs.ts';
import type { Origin, Policy, PolicyClass, PolicyMask, PolicyRole, PolicyRule, PredicateRule } from './policy.ts';
import { type ClassEntry, type PolicyFileContent, policyFileSchema, type RuleEntry } from './schema.ts';
import { type Fault, type Locator, parseYamlDocument, type Path, renderPath } from './source.ts';
import { closest } from './suggest.ts';

export interface PolicyText {
  /** As it is shown in faults and kept in the source: relative, with `/`. */
  readonly name: string;
  readonly text: string;
}

export interface LoadInput {
  readonly files: readonly PolicyText[];
  readonly packs: PackLookup;
  /** Names of the configured targets and identity providers; absent = not checked. */
  readonly targets?: readonly string[];
  readonly issuers?: readonly string[];
}

export type LoadedPolicy = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly faults: readonly Fault[] };

/** One parsed file and where it came from. */
interface Part {
  readonly name: string;
  readonly pack: string | null;
  readonly content: PolicyFileContent;
  readonly locator: Locator;
}

export function loadPolicy(input: LoadInput): LoadedPolicy {
  const faults: Fault[] = [];
  const files = input.files.toSorted((left, right) => (left.name < right.name ? -1 : 1));
  if (files.length === 0) faults.push(bare('policy', 'no policy file was given'));
  files.forEach((file, index) => {
    if (file.name === files[index - 1]?.name) faults.push(bare(file.name, 'this file is given twice'));
  });

  const own = files.flatMap((file) => parsePart(file, null, faults));
  faults.push(
    ...faultsOfIncludes(
      own,
      files.map(({ name }) => name),
    ),
  );
  const packs = packsOf(own, input.packs, faults);
  const packParts = packs.flatMap(({ name, text }) => parsePart({ name: `pack ${name}`, text }, name, faults));
  if (faults.length > 0) return { ok: false, faults };

  const parts = [...own, ...packParts];
  const source = canonicalSource(files, packs);
  const roles: PolicyRole[] = entries(parts, 'roles');
  const compiler = new ConditionCompiler({ roles: roles.map(({ role }) => role), targets: input.targets ?? null });
  const classes = entries(parts, 'classes').map((entry): PolicyClass => ({
    ...entry,
    patterns: (entry.columns ?? []).flatMap((text) => parseColumnPattern(text) ?? []),
    places: placesOf(entry, faults),
  }));
  const rules = entries(parts, 'rules').flatMap((rule) => compileRule(rule, compiler, faults));
  const masks: PolicyMask[] = entries(parts, 'masks');
  const policy: Policy = {
    sha256: createHash('sha256').update(source).digest('hex') as Sha256Hex,
    source,
    packs: packs.map(({ name }) => name),
    classes,
    classNames: [...new Set(classes.map((entry) => entry.class))].toSorted(),
    predicates: predicatesOf(classes, faults),
    roles,
    access: entries(parts, 'access'),
    masks,
    masksByPattern: byPattern(masks),
    rules,
    guards: guardsOf(rules.map(({ when }) => when.demands)),
    tests: entries(parts, 'tests'),
    isTimeless: !rules.some(({ when }) => when.readsMoment),
    memo: { roles: new WeakMap(), masks: new Map(), dormant: new Map() },
  };
  faults.push(...crossCheck(policy, { targets: input.targets ?? null, issuers: input.issuers ?? null, packPlaces: packPlaces(own) }));
  if (faults.length === 0) return { ok: true, policy };
  return { ok: false, faults };
}

/** Faults of a file that has no node to point to. */
function bare(file: string, what: string): Fault {
  return { file, line: 1, column: 1, path: '', what, suggestion: null };
}

function parsePart(file: PolicyText, pack: string | null, faults: Fault[]): Part[] {
  const parsed = parseYamlDocument(file.text, file.name, policyFileSchema);
  if (parsed.ok) return [{ name: file.name, pack, content: parsed.value, locator: parsed }];
  faults.push(...parsed.faults);
  return [];
}

function faultsOfIncludes(own: readonly Part[], names: readonly string[]): Fault[] {
  const parts = new Map(own.map((part) => [part.name, part]));
  const including = own.map(({ name, content }) => ({ name, includes: content.include ?? [] }));
  return includeFaults(including, names).flatMap(({ file, path, what, known }) => {
    const part = parts.get(file);
    if (part === undefined) return [];
    const [, index] = path;
    const written = part.content.include?.[Number(index)] ?? '';
    return [{ ...part.locator.locate(path), path: renderPath(path), what, suggestion: closest(written, known) }];
  });
}

function packsOf(own: readonly Part[], lookup: PackLookup, faults: Fault[]): PolicyText[] {
  const found: PolicyText[] = [];
  for (const part of own) {
    part.content.packs?.forEach((name, index) => {
      const path: Path = ['packs', index];
      const refuse = (what: string, suggestion: string | null = null): void => {
        faults.push({ ...part.locator.locate(path), path: renderPath(path), what, suggestion });
      };
      const text = lookup(name);
      if (found.some((pack) => pack.name === name)) refuse('this pack is included twice');
      else if (text === undefined) refuse(`there is no such pack; packs: ${PACK_NAMES.join(', ')}`, closest(name, PACK_NAMES));
      else found.push({ name, text });
    });
  }
  return found;
}

/** Where the policy includes each pack: a fault between a pack and the policy is shown there. */
function packPlaces(own: readonly Part[]): ReadonlyMap<string, Origin> {
  const pairs = own.flatMap((part) => (part.content.packs ?? []).map((name, index) => [name, originOf(part, ['packs', index])] as const));
  return new Map(pairs);
}

/** The exact bytes of all files and packs, framed with their names and lengths. */
function canonicalSource(files: readonly PolicyText[], packs: readonly PolicyText[]): string {
  const frame =
    (kind: string) =>
    ({ name, text }: PolicyText): string =>
      `# ${kind} ${JSON.stringify(name)} ${Buffer.byteLength(text)}\n${text}\n`;
  return ['# sallyport policy 1\n', ...files.map(frame('file')), ...packs.map(frame('pack'))].join('');
}

type ListKey = 'classes' | 'roles' | 'access' | 'masks' | 'rules' | 'tests';
type EntryOf<Key extends ListKey> = NonNullable<PolicyFileContent[Key]>[number] & { readonly origin: Origin };

function entries<Key extends ListKey>(parts: readonly Part[], key: Key): EntryOf<Key>[] {
  return parts.flatMap((part) => {
    const list: readonly object[] = part.content[key] ?? [];
    return list.map((entry, index) => ({ ...entry, origin: originOf(part, [key, index]) }) as EntryOf<Key>);
  });
}

function originOf(part: Part, base: Path): Origin {
  const { locator } = part;
  return {
    pack: part.pack,
    place: locator.locate(base),
    fault: (path, what, suggestion = null) => ({
      ...locator.locate([...base, ...path]),
      path: renderPath([...base, ...path]),
      what,
      suggestion,
    }),
    faultInside: (path, offset, what, suggestion = null) => ({
      ...locator.locateInside([...base, ...path], offset),
      path: renderPath([...base, ...path]),
      what,
      suggestion,
    }),
  };
}

function byPattern(masks: readonly PolicyMask[]): ReadonlyMap<string, readonly PolicyMask[]> {
  const groups = new Map<string, PolicyMask[]>();
  for (const mask of masks) {
    const group = groups.get(mask.class);
    if (group === undefined) groups.set(mask.class, [mask]);
    else group.push(mask);
  }
  return groups;
}

function placesOf({ json = [], origin }: ClassEntry & { readonly origin: Origin }, faults: Fault[]): JsonPlace[] {
  return json.flatMap((text, index) => {
    const parsed = parseJsonPlace(text);
    if (parsed.ok) return [parsed.place];
    faults.push(origin.faultInside(['json', index], parsed.offset, parsed.what));
    return [];
  });
}

function compileRule(rule: RuleEntry & { readonly origin: Origin }, compiler: ConditionCompiler, faults: Fault[]): PolicyRule[] {
  const compiled = compiler.compile(rule.when);
  if (compiled.ok) return [{ ...rule, when: compiled.condition }];
  for (const { offset, what, suggestion } of compiled.faults) faults.push(rule.origin.faultInside(['when'], offset, what, suggestion));
  return [];
}

/** By what a predicate tells: `equality` whether a value exists, `any` nothing but the mask. */
const strictness = { equality: 0, any: 1, hold: 2, none: 3 } as const;

/** The strictest mode of all entries of a class. Two that hold for different approvers contradict each other. */
function predicatesOf(classes: readonly PolicyClass[], faults: Fault[]): ReadonlyMap<string, PredicateRule> {
  const combined = new Map<string, PredicateRule>();
  for (const { class: name, predicates: mode, approvers, within, origin } of classes) {
    if (mode === undefined) continue;
    const hold = approvers !== undefined && within !== undefined ? { approvers, withinMs: within } : null;
    const before = combined.get(name);
    if (before?.mode === 'hold' && mode === 'hold' && JSON.stringify(before.hold) !== JSON.stringify(hold)) {
      faults.push(origin.fault(['approvers'], `another entry of ${name} holds predicates for other approvers or another time`));
    }
    if (before === undefined || strictness[mode] > strictness[before.mode]) combined.set(name, { mode, hold });
  }
  return combined;
}
