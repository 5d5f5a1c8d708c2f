// The Snowflake adapter between a real driver and the fake account, with a planner that knows a few statements by heart: what sessions,
// jobs and tokens do, without the engine.

import { systemClock, systemRandom } from '../../src/app/ports.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { Facts } from '../../src/core/facts.ts';
import type { TargetName } from '../../src/core/ids.ts';
import type { TargetAnalyst } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/secret.ts';
import { factsOf } from '../../src/core/testing.ts';
import { TokenSpace } from '../../src/masking/index.ts';
import {
  createSnowflakeAdapter,
  type SnowflakeAdapter,
  type SnowflakeAdapterDeps,
  type SnowflakeLimits,
} from '../../src/protocols/snowflake/adapter.ts';
import type { PlannedRequest } from '../../src/protocols/snowflake/planning.ts';
import { createResultMasker, type ResultMasker } from '../../src/protocols/snowflake/results/index.ts';
import { agent, type Bench, masks } from '../../src/session/testing.ts';
import type { PlannedOutput, PlannedStatement, SnowflakePlan, SnowflakeSession } from '../../src/sql/snowflake/types.ts';
import type { FakeAccount } from '../snowflake/fake/account.ts';

export const out = (name: string, change: Partial<PlannedOutput> = {}): PlannedOutput => ({
  name,
  sources: [],
  classes: [],
  shape: 'value',
  mask: 'clear',
  keyClass: null,
  subjectOutput: null,
  ...change,
});

export const redacted = (name: string): PlannedOutput =>
  out(name, { sources: [`CLINIC.PUBLIC.PATIENTS.${name}`], classes: ['phi.ssn'], mask: 'redact' });

/** What a statement is understood as, by a pattern of its text. */
export interface Knowledge {
  readonly text: RegExp;
  readonly statements: (
    session: SnowflakeSession,
    match: RegExpExecArray,
  ) => readonly (Partial<PlannedStatement> & { readonly verb: string })[];
  readonly facts?: Partial<Facts>;
}

const statementOf = (known: Partial<PlannedStatement> & { readonly verb: string }): PlannedStatement => ({
  outputs: null,
  mayTell: false,
  changes: [],
  ...known,
});

export interface GateOptions {
  readonly bench: Bench;
  readonly account: FakeAccount;
  readonly knowledge: readonly Knowledge[];
  readonly limits?: Partial<SnowflakeLimits>;
  readonly browserLogin?: SnowflakeAdapterDeps['browserLogin'];
}

export interface SnowflakeGate {
  readonly adapter: SnowflakeAdapter;
  readonly port: number;
  readonly results: ResultMasker;
  /** Sessions in which each text was planned: where names were looked up then. */
  readonly planned: { readonly text: string; readonly database: string | null; readonly schema: string | null }[];
  close(): Promise<void>;
}

export const GOOD_TOKEN = 'good-token';

const key = '0'.repeat(64);

export async function startSnowflakeGate({ bench, account, knowledge, limits, browserLogin = null }: GateOptions): Promise<SnowflakeGate> {
  const planned: { text: string; database: string | null; schema: string | null }[] = [];
  const planOf = (text: string, session: SnowflakeSession): SnowflakePlan => {
    const plain = text.replaceAll(/\s+/g, ' ').trim();
    for (const { text: pattern, statements, facts } of knowledge) {
      const match = pattern.exec(plain);
      if (match === null) continue;
      const found = statements(session, match).map(statementOf);
      return {
        facts: factsOf({ verbs: found.map(({ verb }) => verb), statements: found.length, relations: [], normalised: '…', ...facts }),
        forward: { text, binds: [] },
        statements: found,
      };
    }
    const unknown = { code: 'statement-kind', what: 'unknown', remedy: 'Say something else.' } as const;
    return { facts: factsOf({ unknowns: [unknown] }), forward: null, statements: [] };
  };
  const results = createResultMasker({
    clock: systemClock,
    workers: 1,
    maxRowBytes: 16 * 1024 * 1024,
    allowsLoopback: true,
    onRefused: () => undefined,
  });
  const adapter = createSnowflakeAdapter({
    gate: bench.gate,
    authenticator: {
      authenticate: async (token) => {
        if (token === 'expired-token') throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'expired');
        if (token !== GOOD_TOKEN) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'malformed');
        return agent;
      },
    },
    failures: { waitMs: () => 0, recordFailure: () => undefined, recordSuccess: () => undefined },
    targets: [
      {
        name: 'clinic' as TargetName,
        host: '127.0.0.1',
        port: account.port,
        tls: { mode: 'disable' },
        account: account.account,
        user: account.user,
        credential: { kind: 'key-pair', privateKey: async () => new Secret(account.privateKeyPem), passphrase: null },
        role: 'SYSADMIN',
        warehouse: 'CLINIC_WH',
        database: 'CLINIC',
        schema: 'PUBLIC',
        tokens: new TokenSpace([{ id: 'k1', state: 'active', mac: key, stream: key }]),
      },
    ],
    engine: () => ({
      planning: {
        isReady: true,
        plan: (input, session): PlannedRequest => {
          const scanned = /RESULT_SCAN\('([0-9a-f-]{36})'\)/.exec(input.text)?.[1] ?? '';
          const forward = { text: input.text.replace(scanned, session.result(scanned)?.queryId ?? scanned), binds: input.binds };
          planned.push({ text: input.text, database: session.database, schema: session.schema });
          const plan = planOf(input.text, session);
          return {
            plan: plan.forward === null ? plan : { ...plan, forward },
            protection: { columns: new Map([['CLINIC.PUBLIC.PATIENTS.SSN', ['phi.ssn']]]), opaque: new Set() },
            maskSetId: masks.id,
            catalogueVersion: 'c1',
            formSha256: () => null,
          };
        },
        stillHolds: async () => true,
        refresh: () => undefined,
      },
      analyst: {} as TargetAnalyst,
      start: async () => undefined,
      planLookups: () => ({ target: 'clinic', texts: 0, shapes: 0, misses: 0 }),
      close: () => undefined,
    }),
    results,
    browserLogin,
    publicUrl: null,
    clock: systemClock,
    random: systemRandom,
    logger: { info: () => undefined, warn: () => undefined, error: (fields, text) => console.error(text, fields) },
    ...(limits === undefined ? {} : { limits }),
  });
  await adapter.start();
  const listening = await adapter.listen({
    host: '127.0.0.1',
    port: 0,
    security: { mode: 'insecure' },
    maxConnections: 100,
    maxConnectionsPerAddress: 100,
  });
  return {
    adapter,
    port: await listening.bound,
    results,
    planned,
    async close() {
      await adapter.close();
      await results.close();
    },
  };
}
