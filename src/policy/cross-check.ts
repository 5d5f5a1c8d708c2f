// Faults between the parts of a policy: names that nothing defines, names given twice, targets and identity providers
// that are not configured.

import type { Origin, Policy } from './policy.ts';
import type { Fault, Path } from './source.ts';
import { closest } from './suggest.ts';

const maxSuggestions = 50;

export interface Surroundings {
  /** Null = not known, not checked. */
  readonly targets: readonly string[] | null;
  readonly issuers: readonly string[] | null;
  /** Where the policy includes each pack. */
  readonly packPlaces: ReadonlyMap<string, Origin>;
}

export function crossCheck(policy: Policy, around: Surroundings): Fault[] {
  const check = new CrossCheck(policy, around);
  check.roles();
  check.classes();
  check.access();
  check.masks();
  check.rules();
  check.tests();
  return check.faults;
}

class CrossCheck {
  readonly faults: Fault[] = [];
  readonly #policy: Policy;
  readonly #around: Surroundings;
  readonly #roles: readonly string[];
  readonly #missingOfPacks = new Set<string>();

  constructor(policy: Policy, around: Surroundings) {
    this.#policy = policy;
    this.#around = around;
    this.#roles = policy.roles.map(({ role }) => role);
  }

  roles(): void {
    this.#unique(this.#policy.roles, 'role', ({ role }) => role);
    for (const { members, origin } of this.#policy.roles) {
      members.forEach(({ issuer }, index) => {
        this.#known(this.#around.issuers, issuer, origin, ['members', index, 'issuer'], 'identity provider');
      });
    }
  }

  classes(): void {
    for (const { patterns, columns, places, json, subject, approvers, origin } of this.#policy.classes) {
      columns?.forEach((_text, index) => {
        const target = patterns[index]?.target ?? '*';
        if (!target.includes('*')) this.#known(this.#around.targets, target, origin, ['columns', index], 'target');
      });
      json?.forEach((_text, index) => {
        const target = places[index]?.target ?? '*';
        if (!target.includes('*')) this.#known(this.#around.targets, target, origin, ['json', index], 'target');
      });
      const subjectTarget = subject?.split(':')[0] ?? '*';
      if (!subjectTarget.includes('*')) this.#known(this.#around.targets, subjectTarget, origin, ['subject'], 'target');
      if (approvers !== undefined) this.#role(approvers.role, origin, ['approvers', 'role']);
    }
  }

  access(): void {
    for (const { role, targets, how, origin } of this.#policy.access) {
      this.#role(role, origin, ['role']);
      this.#targets(targets, origin);
      if (how.kind === 'on-request') this.#role(how.approvers.role, origin, ['how', 'on-request', 'approvers', 'role']);
      if (how.kind === 'break-glass') this.#role(how.approvers.role, origin, ['how', 'break-glass', 'reviewers', 'role']);
    }
  }

  masks(): void {
    for (const { class: pattern, roles, targets, origin } of this.#policy.masks) {
      roles?.forEach((role, index) => this.#role(role, origin, ['roles', index]));
      this.#targets(targets ?? [], origin);
      if (!pattern.endsWith('*')) this.#known(this.#policy.classNames, pattern, origin, ['class'], 'class');
    }
  }

  rules(): void {
    this.#unique(this.#policy.rules, 'name', ({ name }) => name);
    for (const { approvers, origin } of this.#policy.rules) {
      if (approvers !== undefined) this.#role(approvers.role, origin, ['approvers', 'role']);
    }
  }

  tests(): void {
    this.#unique(this.#policy.tests, 'name', ({ name }) => name);
    const rules = [...this.#policy.rules.map(({ name }) => name), ...this.#policy.classNames.map((name) => `predicate:${name}`)];
    for (const { as, target, expect, origin } of this.#policy.tests) {
      this.#known(this.#around.targets, target, origin, ['target'], 'target');
      this.#known(this.#around.issuers, as.issuer, origin, ['as', 'issuer'], 'identity provider');
      as.granted.forEach((role, index) => this.#role(role, origin, ['as', 'granted', index]));
      expect.rules?.forEach((rule, index) => this.#known(rules, rule, origin, ['expect', 'rules', index], 'rule'));
    }
  }

  /** A role that a pack needs is missed where the pack is included, once. */
  #role(role: string, origin: Origin, path: Path): void {
    if (origin.pack === null) return this.#known(this.#roles, role, origin, path, 'role');
    const place = this.#around.packPlaces.get(origin.pack) ?? origin;
    const key = `${origin.pack} ${role}`;
    if (this.#roles.includes(role) || this.#missingOfPacks.has(key)) return;
    this.#missingOfPacks.add(key);
    this.faults.push(
      place.fault([], `the pack ${origin.pack} needs the role ${role}, which this policy does not define; add it under roles`),
    );
  }

  #targets(targets: readonly string[], origin: Origin): void {
    targets.forEach((target, index) => {
      if (target !== '*') this.#known(this.#around.targets, target, origin, ['targets', index], 'target');
    });
  }

  #known(known: readonly string[] | null, name: string, origin: Origin, path: Path, kind: string): void {
    if (known === null || known.includes(name)) return;
    // Looking for what was meant among thousands takes a while: not for thousands of faults.
    const suggestion = this.faults.length < maxSuggestions ? closest(name, known) : null;
    const list = suggestion === null && known.length > 0 && known.length <= 12 ? `; known: ${known.join(', ')}` : '';
    this.faults.push(origin.fault(path, `no ${kind} has this name${list}`, suggestion));
  }

  /** Own entries come first: a clash with a pack is shown at the policy's own entry, which can be renamed. */
  #unique<T extends { readonly origin: Origin }>(list: readonly T[], key: string, nameOf: (entry: T) => string): void {
    const seen = new Map<string, Origin>();
    for (const entry of list) {
      const name = nameOf(entry);
      const first = seen.get(name);
      if (first === undefined) seen.set(name, entry.origin);
      else if (entry.origin.pack === null) this.faults.push(entry.origin.fault([key], 'another entry has the same name'));
      else this.faults.push(first.fault([key], `the pack ${entry.origin.pack} has an entry of the same name`));
    }
  }
}
