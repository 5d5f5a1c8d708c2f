// What serves traffic, once in every thread: identity, gate and the adapters of the protocols. The main thread and each worker build it
// from the same settings and the same policy texts; what they share (log, approvals, session slots) comes in as ports.

import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BrowserLogin } from '../core/browser-login.ts';
import { SallyportError } from '../core/error.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type {
  ApprovalDesk,
  AuditLog,
  Authenticator,
  Clock,
  FailureLimiter,
  Logger,
  Random,
  SharedBoundColumns,
  TargetStatus,
} from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import type { Protocol, Target } from '../core/target.ts';
import { createOidcAuthenticator } from '../identity/index.ts';
import { createPostgresAdapter, type PostgresTargetConfig } from '../protocols/postgres/adapter.ts';
import { resolveSecret } from '../secrets/index.ts';
import { createGate, type OpenGate } from '../session/gate.ts';
import { claimDigests } from '../session/identity-facts.ts';
import type { AccessTable } from '../session/access-table.ts';
import type { SessionSlots } from '../session/session-slots.ts';
import type { Parser } from '../sql/parser.ts';
import type { ListenerConfig, Listening } from '../transport/listener.ts';
import type { ServerTls } from '../transport/tls-context.ts';
import type { ConfigDocument } from './config-schema.ts';
import type { LoadedConfig } from './config.ts';
import { environment } from './environment.ts';
import { createMetrics, type GatewayMetrics } from './metrics.ts';
import type { PolicySetting } from './policy-source.ts';
import { type ProtocolAdapter, ProtocolAdapters } from './protocol-adapters.ts';
import { createGatewaySnowflake, usesSnowflake } from './snowflake.ts';
import type { Policy } from '../policy/index.ts';
import type { ThreadPolicy } from './thread-policy.ts';
import { type SubjectSettings, subjectWriterOf } from './subjects.ts';
import { type TokenKeySetting, tokenSpaceOf } from './token-keys.ts';

/** Everything that was read from files, and all that threads build from. */
export interface TrafficSettings {
  readonly document: ConfigDocument;
  /** The configuration file; references to secrets are relative to it. */
  readonly file: string;
  /** `Policy.source` of the version in force when the threads start. */
  readonly policySource: string;
  /** By name of the target: PEM of its certificate authority, where the configuration names one. */
  readonly authorities: ReadonlyMap<string, string>;
  /** One for each listener of the document; null = plaintext. */
  readonly listenerTls: readonly (ServerTls | null)[];
  readonly tokenKeys: readonly TokenKeySetting[];
  /** Digests claims for the record. */
  readonly claimKey: Secret;
  /** Null: no target has subjects. */
  readonly subjects: SubjectSettings | null;
}

export interface TrafficDeps {
  readonly settings: TrafficSettings;
  readonly policy: ThreadPolicy;
  readonly parser: Parser;
  readonly authenticator: Authenticator;
  readonly audit: AuditLog;
  readonly approvals: ApprovalDesk;
  /** Kept current by the main thread. */
  readonly access: AccessTable;
  readonly boundColumns: SharedBoundColumns;
  readonly slots: SessionSlots;
  readonly failures: FailureLimiter;
  readonly cancelElsewhere: (pid: number, key: Uint8Array) => Promise<boolean>;
  readonly onSessionClosed: (id: SessionId) => void;
  /** The subject index cannot be written any more. */
  readonly onSubjectFault: (fault: SallyportError) => void;
  /** 0 = the main thread. */
  readonly thread: number;
  /** Undefined: this thread serves no Snowflake clients. `browserLogin` null: people do not log in to those with a browser. */
  readonly snowflake?: { readonly browserLogin: BrowserLogin | null };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Traffic {
  readonly gate: OpenGate;
  readonly adapters: ProtocolAdapters;
  /** Cancels what a PostgreSQL session of this thread runs, if its key is exactly this one. @returns false when there is none. */
  readonly cancel: (pid: number, key: Uint8Array) => boolean;
  readonly metrics: GatewayMetrics;
  /** Another version is in force in this thread from now on. */
  readonly usePolicy: (policy: Policy) => void;
  /** Whose data was touched so far is durable on return. */
  readonly closeSubjects: () => Promise<void>;
  /** Starts the listener at `index` of the configuration. @param port in place of the configured one */
  readonly listen: (index: number, place: { readonly port?: number; readonly sharing?: 'first' | 'further' }) => Promise<Listening>;
}

/** @throws SP_CONFIG_INVALID */
export async function readTrafficSettings(
  config: LoadedConfig,
  policySource: string,
  secrets: Pick<TrafficSettings, 'tokenKeys' | 'claimKey'>,
): Promise<Omit<TrafficSettings, 'subjects'>> {
  const { document, file } = config;
  const authorities = new Map<string, string>();
  for (const { name, tls } of document.targets) {
    if (tls.mode === 'verify-full' && tls.ca !== undefined) authorities.set(name, await readPem(config.path(tls.ca)));
  }
  const listenerTls: (ServerTls | null)[] = [];
  for (const { tls } of document.listeners) listenerTls.push(tls === undefined ? null : await readServerTls(config, tls));
  return { document, file, policySource, authorities, listenerTls, ...secrets };
}

/** @throws SP_CONFIG_INVALID */
export async function readServerTls(config: LoadedConfig, tls: { readonly certificate: string; readonly key: string }): Promise<ServerTls> {
  return { certificate: await readPem(config.path(tls.certificate)), key: new Secret(await readPem(config.path(tls.key))) };
}

/** What a policy may name. */
export function policySettingOf(document: ConfigDocument): PolicySetting {
  return {
    targets: document.targets.map((target) => target.name),
    issuers: document.identity.providers.map((provider) => provider.name),
  };
}

/** @throws SP_CONFIG_INVALID */
export function authenticatorOf(document: ConfigDocument, ports: { readonly clock: Clock; readonly logger: Logger }): Authenticator {
  return createOidcAuthenticator({
    providers: document.identity.providers.map(({ kindClaim, defaultKind, algorithms, nameClaim, console: _ofBrowsers, ...provider }) => ({
      ...provider,
      ...(algorithms === undefined ? {} : { algorithms }),
      ...(nameClaim === undefined ? {} : { nameClaim }),
      kind:
        kindClaim === undefined
          ? { fixed: defaultKind }
          : { claim: kindClaim, values: { person: 'person', agent: 'agent', service: 'service' }, otherwise: defaultKind },
    })),
    ...ports,
  });
}

/** @throws SP_CONFIG_INVALID for targets that may not be dialled as configured. */
export function createTraffic(deps: TrafficDeps): Traffic {
  const { settings, policy, audit, approvals, clock, random, logger } = deps;
  const { document } = settings;
  const metrics = createMetrics({ planLookups: () => adapters.planLookups(), thread: deps.thread });
  const subjects = settings.subjects === null ? undefined : subjectWriterOf(settings.subjects, deps);
  const gate = createGate({
    audit,
    policy: () => policy.forGate,
    approvals,
    access: deps.access,
    clock,
    random,
    claims: claimDigests(settings.claimKey),
    metrics: metrics.gate,
    slots: deps.slots,
    subjects,
    onSessionClosed: deps.onSessionClosed,
  });
  const postgres = createPostgresAdapter({
    gate,
    authenticator: deps.authenticator,
    failures: deps.failures,
    targets: postgresTargetsOf(settings),
    policy: (target) => policy.forTarget(target),
    boundColumns: deps.boundColumns,
    subjects,
    parser: deps.parser,
    clock,
    random,
    logger,
    limits: {
      maxMessageBytes: document.limits.maxMessageBytes,
      maxRowBytes: document.limits.maxRowBytes,
      idleMs: document.limits.idleMs,
      loginTimeoutMs: document.limits.loginMs,
      recordBytes: document.limits.recordBytes,
    },
    cancelElsewhere: deps.cancelElsewhere,
  });
  const snowflake =
    deps.snowflake === undefined || !usesSnowflake(document)
      ? null
      : createGatewaySnowflake({ ...deps, ...deps.snowflake, gate, policy: (target) => policy.forSnowflake(target) });
  const adapters = new ProtocolAdapters(
    new Map<Protocol, ProtocolAdapter>([['postgres', postgres], ...(snowflake === null ? [] : ([['snowflake', snowflake]] as const))]),
  );
  return {
    gate,
    adapters,
    cancel: (pid, key) => postgres.cancel(pid, key),
    metrics,
    usePolicy(next) {
      policy.replace(next);
      gate.policyChanged();
    },
    closeSubjects: async () => subjects?.close(),
    async listen(index, { port, sharing }) {
      const listener = document.listeners[index];
      const tls = settings.listenerTls[index];
      const adapter = listener && adapters.of(listener.protocol);
      if (listener === undefined || tls === undefined || adapter === undefined) {
        throw new SallyportError('SP_INTERNAL', `no listener ${index} in this thread`);
      }
      const config: ListenerConfig = {
        host: listener.address.host,
        port: port ?? listener.address.port,
        security: tls === null ? { mode: 'insecure' } : { mode: 'tls', tls },
        maxConnections: document.limits.maxSessions,
        maxConnectionsPerAddress: document.limits.maxSessions,
        ...(sharing === undefined ? {} : { sharing }),
      };
      return adapter.listen(config);
    },
  };
}

/** Name of a check -> `ok` or what is wrong. */
export function catalogueChecks(statuses: readonly Pick<TargetStatus, 'name' | 'catalogue'>[]): [string, string][] {
  return statuses.map(({ name, catalogue }) => [`target ${name}`, catalogue === 'ready' ? 'ok' : `catalogue is ${catalogue}`]);
}

/** @returns what is shown of it */
export function targetOf(target: ConfigDocument['targets'][number]): Target {
  const { name, protocol, address } = target;
  const within = target.protocol === 'postgres' ? target.database : target.account;
  return { name: name as TargetName, protocol, address: `${address.host}:${address.port}/${within}` };
}

function postgresTargetsOf(settings: TrafficSettings): PostgresTargetConfig[] {
  const { document, file, authorities, tokenKeys } = settings;
  return document.targets.flatMap((target) => {
    if (target.protocol !== 'postgres') return [];
    const { name, password, tls } = target;
    const ca = authorities.get(name);
    return {
      name: name as TargetName,
      ...target.address,
      database: target.database,
      user: target.user,
      // Asked for at every connection: a rotated file or a short-lived credential is picked up without a restart.
      password: () => resolveSecret(password, { environment: environment(), baseDir: dirname(file) }),
      tls:
        tls.mode === 'disable'
          ? { mode: 'disable', allowRemote: true }
          : {
              mode: 'verify-full',
              ...(ca === undefined ? {} : { ca }),
              ...(tls.servername === undefined ? {} : { servername: tls.servername }),
            },
      searchPath: target.searchPath,
      approvalPreview: target.approvalPreview,
      tokens: tokenSpaceOf(tokenKeys, name),
      ...(target.subjects.length === 0 ? {} : { subjects: target.subjects }),
      statementTimeoutMs: null,
      idleInTransactionTimeoutMs: null,
    };
  });
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', `${path}: cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unreadable'})`, {
      cause,
    });
  }
}
