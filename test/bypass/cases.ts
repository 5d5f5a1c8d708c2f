// The bypass corpus: what a case is, and how case files, the policy of the corpus and its secrets are read.
// A case says what a client sends (`sql`), what must not come back, and what must come back unchanged.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One thing a client does. A string goes by the simple protocol; `@gen text{ab}x3` repeats what stands in braces, and
 *  `@token1` is a token that the client was shown before (tokens-shown.ts). */
export type Step =
  | string
  | { readonly copyIn: string; readonly data: string }
  | { readonly rawSql: string }
  | { readonly rawHex: string }
  /** DDL of an owner in between; the client sees nothing of it. */
  | { readonly owner: string }
  /** Signature of a function to call by the fast-path message. */
  | { readonly fastpath: string; readonly args: readonly Value[] }
  | { readonly proto: 'close'; readonly name: string }
  /** Parse, Bind, Describe and Execute of each query, one Sync at the end. */
  | { readonly proto: 'pipeline'; readonly batch: readonly { readonly q: string }[] }
  /** Protocol messages one by one: see `client.ts`. */
  | { readonly proto: 'messages'; readonly batch: readonly (readonly unknown[])[] }
  | ExtendedStep;

export type Value = string | number | null | { readonly hex: string };

export interface ExtendedStep {
  readonly proto?: 'extended';
  readonly q: string;
  readonly name?: string;
  readonly portal?: string;
  readonly params?: readonly Value[];
  readonly paramFormats?: readonly number[];
  readonly paramTypes?: readonly number[];
  readonly resultFormats?: readonly number[];
  readonly describe?: 'P' | 'S' | 'SP' | 'none';
  readonly maxRows?: number;
  readonly parse?: boolean;
  readonly drain?: boolean;
  readonly copyData?: string;
}

export interface Case {
  readonly id: string;
  readonly category: string;
  readonly title: string;
  /** Role the gateway logs in with; `postgres` is a superuser. */
  readonly role?: 'app' | 'postgres';
  /** `keeping`: masks that show something of the value (token, hash, partial, year, zip3) instead of constants. The other
   *  world is then one whose masks are the same. */
  readonly masks?: 'keeping';
  readonly startup?: Readonly<Record<string, string>>;
  /** DDL of an owner before and after each run; `@side text` stays open on a connection of its own meanwhile. */
  readonly setup?: readonly string[];
  readonly teardown?: readonly string[];
  readonly sql: readonly Step[];
  /** What the other world is asked instead of `sql`: a look-up of the value that it has in that place. */
  readonly twinSql?: readonly Step[];
  /** Same as `sql` with a wrong guess: the answers to both must be indistinguishable. */
  readonly control?: readonly Step[];
  readonly expect: 'masked' | 'refused' | 'clean';
  readonly accept: readonly string[];
  readonly mustRefuse?: boolean;
  /** The difference between `sql` and `control` would be time. */
  readonly timing?: boolean;
  /** Columns that must come back as the server has them. */
  readonly cleanColumns?: readonly string[];
  /** Columns that would be a leak if they came back as the server has them. */
  readonly mustDifferFromRaw?: readonly string[];
  readonly secretMustNotAppear: readonly string[];
  /** What happens without a gateway, where it is not the leak or the oracle itself. */
  readonly raw?: { readonly check: 'oracle' | 'leak' | 'twin' | 'clean' | 'differs' | 'rows' | 'none' };
  /** A documented residual: reported, not failed. */
  readonly hard?: string;
  readonly minServerVersion?: number;
  /** First version that behaves differently; `why` says how. */
  readonly maxServerVersion?: number;
  readonly why?: string;
  readonly note?: string;
}

export interface CorpusPolicy {
  readonly protected: Readonly<Record<string, readonly string[]>>;
  /** Protected columns of tables that cases make. */
  readonly madeByCases?: Readonly<Record<string, readonly string[]>>;
  /** Columns of tables that cases make which may be looked up: `predicates: equality`. */
  readonly lookups?: Readonly<Record<string, readonly string[]>>;
  readonly safeFunctions: readonly string[];
}

export const corpusDirectory = import.meta.dirname;

/** Every case file of the corpus. The first one reads counters that writes of others move on. */
export function corpusFiles(): readonly string[] {
  return ['cases.json', 'cases-*.json', 'own/*.json']
    .flatMap((pattern) => globSync(pattern, { cwd: corpusDirectory }).sort())
    .map((file) => join(corpusDirectory, file));
}

export function readCases(file: string): readonly Case[] {
  return JSON.parse(readFileSync(file, 'utf8')) as Case[];
}

export function readPolicy(file: string = join(corpusDirectory, 'policy.json')): CorpusPolicy {
  return JSON.parse(readFileSync(file, 'utf8')) as CorpusPolicy;
}

/** False when this server's version is outside of what the case is about. */
export function isFor(each: Case, serverVersionNum: number): boolean {
  return serverVersionNum >= (each.minServerVersion ?? 0) && serverVersionNum < (each.maxServerVersion ?? Number.POSITIVE_INFINITY);
}

/** Masks of cases that say `keeping`. */
const KEEPING = {
  ssn: 'token',
  name: 'token',
  mrn: 'hash',
  email: 'partial',
  phone: 'partial',
  address: 'partial',
  dob: 'year',
  zip: 'zip3',
};

/** Policy of the gateway for the corpus: one class per protected column, nothing held, everything redacted but on the
 *  targets `keeping`. */
export function policyText(policy: CorpusPolicy, targets: readonly string[], keeping: readonly string[] = []): string {
  const classes = Object.entries({ ...policy.protected, ...policy.madeByCases }).flatMap(([relation, columns]) =>
    columns.map((column) => ({ class: `phi.${column}`, columns: [`*:${relation}.${column}`] })),
  );
  const lookups = Object.entries(policy.lookups ?? {}).flatMap(([relation, columns]) =>
    columns.map((column) => ({ class: `look.${column}`, columns: [`*:${relation}.${column}`], predicates: 'equality' })),
  );
  return JSON.stringify({
    version: 1,
    classes: [...classes, ...lookups],
    roles: [
      { role: 'tester', members: [{ issuer: 'corp', group: 'testers' }] },
      { role: 'officer', members: [{ issuer: 'corp', group: 'privacy' }] },
    ],
    access: [
      {
        role: 'tester',
        targets: [...targets, ...keeping],
        effects: ['read', 'write', 'ddl', 'copy-in', 'copy-out', 'call', 'admin'],
        how: 'standing',
      },
    ],
    masks: [
      { class: 'phi.*', mask: 'redact' },
      ...(keeping.length === 0 ? [] : Object.entries(KEEPING))
        .map(([column, mask]) => ({ class: `phi.${column}`, targets: keeping, mask }))
        .filter((mask) => classes.some((each) => each.class === mask.class)),
    ],
  });
}
