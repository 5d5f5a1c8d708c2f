// What serves traffic, once in every thread: identity, gate and PostgreSQL adapter. The main thread and each worker build it
// from the same settings and the same policy texts; what they share (log, approvals, session slots) comes in as ports.

import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { ApprovalDesk, AuditLog, Authenticator, Clock, FailureLimiter, Logger, Random, TargetStatus } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { createOidcAuthenticator } from '../identity/index.ts';
import { classRules, decide, hasAccess, masksFor, type Policy, type PolicyText } from '../policy/index.ts';
import { createPostgresAdapter, type PostgresAdapter, type PostgresTargetConfig } from '../protocols/postgres/adapter.ts';
import { resolveSecret } from '../secrets/index.ts';
import { createGate, type GatePolicy, type OpenGate } from '../session/gate.ts';
import type { SessionSlots } from '../session/session-slots.ts';
import type { Parser } from '../sql/parser.ts';
import type { ListenerConfig, Listening } from '../transport/listener.ts';
import type { ServerTls } from '../transport/tls-context.ts';
import type { ConfigDocument } from './config-schema.ts';
import { environment, type LoadedConfig } from './config.ts';
import { createMetrics, type GatewayMetrics } from './metrics.ts';
import type { PolicySetting } from './policy-source.ts';

/** Everything that was read from files, and all that threads build from. */
export interface TrafficSettings {
  readonly document: ConfigDocument;
  /** The configuration file; references to secrets are relative to it. */
  readonly file: string;
  readonly policyTexts: readonly PolicyText[];
  /** By name of the target: PEM of its certificate authority, where the configuration names one. */
  readonly authorities: ReadonlyMap<string, string>;
  /** One for each listener of the document; null = plaintext. */
  readonly listenerTls: readonly (ServerTls | null)[];
  readonly tokenKey: Secret;
}

export interface TrafficDeps {
  readonly settings: TrafficSettings;
  readonly policy: Policy;
  readonly parser: Parser;
  readonly authenticator: Authenticator;
  readonly audit: AuditLog;
  readonly approvals: ApprovalDesk;
  readonly slots: SessionSlots;
  readonly failures: FailureLimiter;
  readonly cancelElsewhere: (pid: number, key: Uint8Array) => Promise<boolean>;
  readonly onSessionClosed: (id: SessionId) => void;
  /** 0 = the main thread. */
  readonly thread: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Traffic {
  readonly gate: OpenGate;
  readonly adapter: PostgresAdapter;
  readonly metrics: GatewayMetrics;
  /** Starts the listener at `index` of the configuration. @param port in place of the configured one */
  readonly listen: (index: number, place: { readonly port?: number; readonly sharing?: 'first' | 'further' }) => Promise<Listening>;
}

/** @throws SP_CONFIG_INVALID */
export async function readTrafficSettings(
  config: LoadedConfig,
  policyTexts: readonly PolicyText[],
  tokenKey: Secret,
): Promise<TrafficSettings> {
  const { document, file } = config;
  const authorities = new Map<string, string>();
  for (const { name, tls } of document.targets) {
    if (tls.mode === 'verify-full' && tls.ca !== undefined) authorities.set(name, await readPem(config.path(tls.ca)));
  }
  const listenerTls: (ServerTls | null)[] = [];
  for (const { tls } of document.listeners) listenerTls.push(tls === undefined ? null : await readServerTls(config, tls));
  return { document, file, policyTexts, authorities, listenerTls, tokenKey };
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
    providers: document.identity.providers.map(({ kindClaim, defaultKind, algorithms, nameClaim, ...provider }) => ({
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
  const metrics = createMetrics({ planLookups: () => adapter.planLookups(), thread: deps.thread });
  const gatePolicy: GatePolicy = {
    isTimeless: policy.isTimeless,
    decide: (request, principal, target, nowMs) => decide(request, principal, policy, { target, nowMs }),
    masksFor: (principal, target) => masksFor(principal, target.name, policy),
    hasAccess: (principal, target) => hasAccess(principal, target.name, policy),
  };
  const gate = createGate({
    audit,
    policy: () => gatePolicy,
    approvals,
    clock,
    random,
    metrics: metrics.gate,
    slots: deps.slots,
    onSessionClosed: deps.onSessionClosed,
  });
  const targetPolicies = new Map(
    document.targets.map(({ name, safeFunctions, catalogueTexts, partitionOrder }) => [
      name,
      {
        version: policy.sha256,
        classRules: classRules(policy, name as TargetName),
        safeFunctions: new Set(safeFunctions),
        residuals: { catalogueTexts, partitionOrder },
      },
    ]),
  );
  const adapter = createPostgresAdapter({
    gate,
    authenticator: deps.authenticator,
    failures: deps.failures,
    targets: targetsOf(settings),
    policy(target) {
      const found = targetPolicies.get(target);
      if (found === undefined) throw new SallyportError('SP_INTERNAL', `no target ${target}`);
      return found;
    },
    parser: deps.parser,
    clock,
    random,
    logger,
    limits: {
      maxMessageBytes: document.limits.maxMessageBytes,
      idleMs: document.limits.idleMs,
      loginTimeoutMs: document.limits.loginMs,
      recordBytes: document.limits.recordBytes,
    },
    cancelElsewhere: deps.cancelElsewhere,
  });
  return {
    gate,
    adapter,
    metrics,
    async listen(index, { port, sharing }) {
      const listener = document.listeners[index];
      const tls = settings.listenerTls[index];
      if (listener === undefined || tls === undefined) throw new SallyportError('SP_INTERNAL', `no listener ${index}`);
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

function targetsOf(settings: TrafficSettings): PostgresTargetConfig[] {
  const { document, file, authorities, tokenKey } = settings;
  return document.targets.map((target) => {
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
      tokenKey: new Secret(createHmac('sha256', tokenKey.reveal()).update(`sallyport token key\0${name}`).digest('hex')),
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
