// A loaded policy: immutable, cross-checked, with its conditions compiled. Built by `load.ts` only.

import type { MaskSet } from '../core/decision.ts';
import type { Principal } from '../core/identity.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { Condition } from './condition.ts';
import type { Guards } from './guards.ts';
import type { JsonPlace } from './json-places.ts';
import type { ColumnPattern } from './patterns.ts';
import type { AccessEntry, ClassEntry, MaskEntry, Member, PredicateMode, RuleEntry, TestEntry } from './schema.ts';
import type { Fault, Path, Place } from './source.ts';

/** Where an entry of the policy stands. */
export interface Origin {
  /** Name of the pack it came with, or null for the policy's own files. */
  readonly pack: string | null;
  readonly place: Place;
  /** A fault about a part of the entry. */
  fault(path: Path, what: string, suggestion?: string | null): Fault;
  /** A fault about character `offset` of the text at `path`. */
  faultInside(path: Path, offset: number, what: string, suggestion?: string | null): Fault;
}

interface Loaded {
  readonly origin: Origin;
}

export interface PolicyClass extends ClassEntry, Loaded {
  readonly patterns: readonly ColumnPattern[];
  /** Of `json`. */
  readonly places: readonly JsonPlace[];
}

export interface PolicyRole extends Loaded {
  readonly role: string;
  readonly members: readonly Member[];
}

export type PolicyAccess = AccessEntry & Loaded;
export type PolicyMask = MaskEntry & Loaded;
export type PolicyTest = TestEntry & Loaded;

export interface PolicyRule extends Omit<RuleEntry, 'when'>, Loaded {
  readonly when: Condition;
}

/** How predicates on one class are treated, after all of its entries were combined. */
export interface PredicateRule {
  readonly mode: PredicateMode;
  /** Only with mode `hold`. */
  readonly hold: { readonly approvers: { readonly role: string; readonly count: number }; readonly withinMs: number } | null;
}

export interface Policy {
  readonly sha256: Sha256Hex;
  /** Canonical text that `sha256` is the hash of. */
  readonly source: string;
  readonly packs: readonly string[];
  readonly classes: readonly PolicyClass[];
  /** Every class declared, sorted. */
  readonly classNames: readonly string[];
  readonly predicates: ReadonlyMap<string, PredicateRule>;
  readonly roles: readonly PolicyRole[];
  readonly access: readonly PolicyAccess[];
  readonly masks: readonly PolicyMask[];
  /** The same by `class`, each in policy order. */
  readonly masksByPattern: ReadonlyMap<string, readonly PolicyMask[]>;
  /** In order: the policy's own files by name, then its packs. */
  readonly rules: readonly PolicyRule[];
  /** Of `rules`. */
  readonly guards: Guards;
  readonly tests: readonly PolicyTest[];
  /** No rule reads the time or the session: equal requests are decided equally while the principal's identity is valid. */
  readonly isTimeless: boolean;
  /** Answers that depend on the policy alone, kept because every request asks for them. */
  readonly memo: {
    readonly roles: WeakMap<Principal, readonly string[]>;
    readonly masks: Map<string, MaskSet>;
    /** By target: roles that have no standing access there. */
    readonly dormant: Map<string, ReadonlySet<string>>;
  };
}
