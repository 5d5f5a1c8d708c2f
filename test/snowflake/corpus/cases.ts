// Cases of the Snowflake corpus: statements that try to get protected values past the gateway, and ordinary ones that must come back
// untouched.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Canned } from '../fake/sql-session.ts';

export interface Step {
  readonly sql?: string;
  readonly binds?: Readonly<Record<string, { readonly type: string; readonly value: string | readonly string[] | null }>>;
  /** MULTI_STATEMENT_COUNT. */
  readonly count?: number;
  readonly describe?: boolean;
  readonly async?: boolean;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly bindStage?: string;
  /** CLIENT_APP_ID of the session: `PythonConnector` is answered in Arrow. */
  readonly app?: string;
  /** `clear`: somebody who sees everything; what comes back is no leak. */
  readonly as?: 'clear';
  /** With the request id of that step, from 1. */
  readonly requestOf?: number;
  /** Instead of `sql`: a query id of which the result, the state, or the end is asked for. */
  readonly result?: string;
  readonly monitor?: string;
  readonly abort?: string;
  /** The answer must come in parts. */
  readonly chunks?: boolean;
}

export interface Case {
  readonly id: string;
  readonly category: string;
  readonly title: string;
  /** In one session. `@query1` is the id of the first query, `@token1` the first token shown, `@altered1` the same with a byte changed. */
  readonly sql: readonly (string | Step)[];
  /** Must not be told from `sql`. */
  readonly control?: readonly (string | Step)[];
  readonly expect: 'masked' | 'refused' | 'clean';
  readonly accept: readonly string[];
  /** Besides every protected value of the database. */
  readonly secretMustNotAppear: readonly string[];
  /** Columns that must come back as the account has them. */
  readonly cleanColumns?: readonly string[];
  /** On the account, afterwards. */
  readonly teardown?: readonly string[];
  /** `keeping`: masks that keep something of the value, tokens among them. */
  readonly masks?: 'keeping';
  /** What a real account would answer where DuckDB cannot: a query in DuckDB's words, or `!code sqlstate message`. */
  readonly upstream?: Readonly<Record<string, string>>;
  /** Why an ordinary statement is refused all the same: reported, not failed. */
  readonly hard?: string;
  /** `none`: the case does not prove itself on the bare account. */
  readonly raw?: 'none' | 'leak';
}

const folder = import.meta.dirname;

export function corpusCases(): Case[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort();
  return files.flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Case[]);
}

export const stepOf = (step: string | Step): Step => (typeof step === 'string' ? { sql: step } : step);

export function cannedOf(text: string): Canned {
  const [, code, sqlState, message] = /^!(\d{6}) (\w{5}) ([\s\S]*)$/.exec(text) ?? [];
  return code === undefined || sqlState === undefined || message === undefined ? { sql: text } : { error: { code, sqlState, message } };
}

/** Masks of cases that say `keeping`. */
const keeping: Readonly<Record<string, string>> = {
  ssn: 'token',
  name: 'token',
  mrn: 'hash',
  email: 'partial',
  phone: 'partial',
  address: 'partial',
  dob: 'year',
  zip: 'zip3',
};

/** Policy for the corpus: one class per protected column, redacted; on targets `*_keeping` the masks above; officers see everything. */
export function policyOf(protectedColumns: Readonly<Record<string, readonly string[]>>, targets: readonly string[]): string {
  const classes = Object.entries(protectedColumns).flatMap(([relation, columns]) =>
    columns.map((column) => ({ class: `phi.${column.toLowerCase()}`, columns: [`*:${relation.toLowerCase()}.${column.toLowerCase()}`] })),
  );
  const kept = targets.filter((name) => name.endsWith('_keeping'));
  return JSON.stringify({
    version: 1,
    classes,
    roles: [
      { role: 'tester', members: [{ issuer: 'corp', group: 'testers' }] },
      { role: 'officer', members: [{ issuer: 'corp', group: 'officers' }] },
    ],
    access: ['tester', 'officer'].map((role) => ({
      role,
      targets,
      effects: ['read', 'write', 'ddl', 'copy-in', 'copy-out', 'call', 'admin'],
      how: 'standing',
    })),
    masks: [
      { class: 'phi.*', roles: ['tester'], mask: 'redact' },
      { class: 'phi.*', roles: ['officer'], mask: 'clear' },
      ...Object.entries(kept.length === 0 ? {} : keeping).map(([column, mask]) => ({
        class: `phi.${column}`,
        roles: ['tester'],
        targets: kept,
        mask,
      })),
    ],
  });
}
