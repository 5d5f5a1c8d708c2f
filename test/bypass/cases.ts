// The bypass corpus: what a case is, and how case files, the policy of the corpus and its secrets are read.
// A case says what a client sends (`sql`), what must not come back, and what must come back unchanged.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One thing a client does. A string goes by the simple protocol; `@gen text{ab}x3` repeats what stands in braces. */
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
  readonly startup?: Readonly<Record<string, string>>;
  /** DDL of an owner before and after each run; `@side text` stays open on a connection of its own meanwhile. */
  readonly setup?: readonly string[];
  readonly teardown?: readonly string[];
  readonly sql: readonly Step[];
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
  readonly raw?: { readonly check: 'oracle' | 'leak' | 'clean' | 'differs' | 'rows' | 'none' };
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
  readonly safeFunctions: readonly string[];
}

export const corpusDirectory = import.meta.dirname;

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

/** Policy of the gateway for the corpus: one class per protected column, everything redacted, nothing held. */
export function policyText(policy: CorpusPolicy, targets: readonly string[]): string {
  const classes = Object.entries({ ...policy.protected, ...policy.madeByCases }).flatMap(([relation, columns]) =>
    columns.map((column) => ({ class: `phi.${column}`, columns: [`*:${relation}.${column}`] })),
  );
  return JSON.stringify({
    version: 1,
    classes,
    roles: [
      { role: 'tester', members: [{ issuer: 'corp', group: 'testers' }] },
      { role: 'officer', members: [{ issuer: 'corp', group: 'privacy' }] },
    ],
    access: [{ role: 'tester', targets, effects: ['read', 'write', 'ddl', 'copy-in', 'copy-out', 'call', 'admin'], how: 'standing' }],
    masks: [{ class: 'phi.*', mask: 'redact' }],
  });
}
