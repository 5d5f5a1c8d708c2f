// Stands up a real PostgreSQL, the adapter and a fake gate between them, for end-to-end tests of the protocol.

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createVersionMemory, sharedBoundColumns } from '../../src/app/bound-columns.ts';
import type { Authenticator, Clock, Logger, SharedBoundColumns } from '../../src/core/ports.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { TargetName } from '../../src/core/ids.ts';
import { Secret } from '../../src/core/secret.ts';
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { type PostgresAdapter, type PostgresLimits, createPostgresAdapter } from '../../src/protocols/postgres/adapter.ts';
import type { TargetPolicy } from '../../src/protocols/postgres/planner.ts';
import type { UpstreamTls } from '../../src/protocols/postgres/upstream.ts';
import { createFailureLimiter } from '../../src/identity/index.ts';
import { createParser } from '../../src/sql/parser.ts';
import type { Listening } from '../../src/transport/listener.ts';
import type { ListenerSecurity } from '../../src/transport/tls-context.ts';
import { FakeGate } from './fake-gate.ts';
import { createMemoryStore } from './memory-store.ts';
import type { TokenSpace } from '../../src/masking/index.ts';
import { testTokens } from './tokens.ts';

export const token = 'let-me-in';

export interface GatedPostgres {
  readonly gate: FakeGate;
  readonly adapter: PostgresAdapter;
  readonly server: EmbeddedPostgres;
  /** Connection of the test itself, not through the gateway. */
  readonly direct: pg.Client;
  readonly port: number;
  readonly listening: Listening;
  readonly log: string[];
  policy: TargetPolicy;
  client(extra?: pg.ClientConfig): pg.Client;
  stop(): Promise<void>;
}

export interface GatedOptions {
  /** A server that is there already; whoever started it stops it. */
  readonly server?: EmbeddedPostgres;
  readonly postgres?: EmbeddedPostgresOptions;
  readonly upstreamTls?: UpstreamTls;
  readonly security?: ListenerSecurity;
  readonly limits?: Partial<PostgresLimits>;
  readonly setup?: string;
  readonly policy?: TargetPolicy;
  readonly tokens?: TokenSpace;
  /** Default: in memory, of this gateway alone. */
  readonly boundColumns?: SharedBoundColumns;
}

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

export const authenticator: Authenticator = {
  async authenticate(presented) {
    if (presented !== token) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'not the token');
    return {
      issuer: 'test',
      subject: 'agent-1',
      kind: 'agent',
      name: 'Agent One',
      groups: [],
      claims: {},
      onBehalfOf: null,
      expiresAtMs: Date.now() + 3_600_000,
    };
  },
};

export async function startGatedPostgres(options: GatedOptions = {}): Promise<GatedPostgres> {
  const server = options.server ?? (await startEmbeddedPostgres(options.postgres ?? {}));
  const direct = new pg.Client({
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database: 'postgres',
  });
  await direct.connect();
  direct.on('error', () => undefined);
  if (options.setup !== undefined) await direct.query(options.setup);
  const gate = new FakeGate();
  const log: string[] = [];
  const write = (fields: Readonly<Record<string, unknown>>, message: string): void => void log.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { info: write, warn: write, error: write };
  const state = { policy: options.policy ?? { version: '1', classRules: [], safeFunctions: new Set<string>() } };
  const adapter = createPostgresAdapter({
    gate,
    authenticator,
    failures: createFailureLimiter({ clock, maxFailures: 1000 }),
    targets: [
      {
        name: 'clinic' as TargetName,
        host: server.host,
        port: server.port,
        database: 'postgres',
        user: server.user,
        password: new Secret(server.password),
        tls: options.upstreamTls ?? { mode: 'disable' },
        searchPath: ['public'],
        approvalPreview: 'estimate',
        tokens: options.tokens ?? testTokens,
        statementTimeoutMs: null,
        idleInTransactionTimeoutMs: null,
      },
    ],
    policy: () => state.policy,
    boundColumns: options.boundColumns ?? sharedBoundColumns(createMemoryStore().boundColumns, createVersionMemory()),
    parser: await createParser(),
    clock,
    random: { bytes: (length) => randomBytes(length) },
    logger,
    limits: { catalogueProbeMs: 60_000, ...options.limits },
  });
  await adapter.start();
  const listening = await adapter.listen({
    host: '127.0.0.1',
    port: 0,
    security: options.security ?? { mode: 'insecure' },
    maxConnections: 1000,
    maxConnectionsPerAddress: 1000,
  });
  return {
    gate,
    adapter,
    server,
    direct,
    port: listening.port,
    listening,
    log,
    get policy() {
      return state.policy;
    },
    set policy(policy) {
      state.policy = policy;
    },
    client(extra = {}) {
      const client = new pg.Client({
        host: '127.0.0.1',
        port: listening.port,
        user: 'anyone',
        password: token,
        database: 'clinic',
        ...extra,
      });
      client.on('error', () => undefined);
      return client;
    },
    async stop() {
      await adapter.close();
      await direct.end().catch(() => undefined);
      if (options.server === undefined) await server.stop();
    },
  };
}
