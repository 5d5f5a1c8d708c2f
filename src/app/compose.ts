// Constructs the gateway from a validated configuration: the only place that builds services and hands them their ports.
// Order matters and is the order of trust: lock the data directory, open the record, then state, identity, policy, and
// listeners last. Whatever fails on the way closes what was opened.

import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createApi } from '../api/index.ts';
import { type ApprovalsService, createApprovalDesk } from '../approvals/index.ts';
import { type Disk, type OpenAuditLog, openAuditLog } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import type { Clock, Logger, Random } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import type { Target } from '../core/target.ts';
import { createFailureLimiter, createOidcAuthenticator } from '../identity/index.ts';
import { classRules, decide, hasAccess, masksFor, type Policy, rolesOf } from '../policy/index.ts';
import { createPostgresAdapter, type PostgresAdapter, type PostgresTargetConfig } from '../protocols/postgres/adapter.ts';
import { resolveSecret } from '../secrets/index.ts';
import { createGate, type GatePolicy, type OpenGate } from '../session/gate.ts';
import { createParser } from '../sql/parser.ts';
import { lockDataDirectory, openStore, type Store } from '../store/index.ts';
import type { ListenerSecurity } from '../transport/tls-context.ts';
import type { Address } from './config-schema.ts';
import { environment, type LoadedConfig } from './config.ts';
import { createMetrics } from './metrics.ts';
import { createPolicySurface } from './policy-surface.ts';
import { type PolicySetting, readPolicyTexts, requirePolicy } from './policy-source.ts';
import { startSessionIndexer } from './session-indexer.ts';
import { VERSION } from './version.ts';

export interface GatewayPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called when the audit log can no longer be written: traffic is refused from then on and the process should end. */
  readonly onFatal: (fault: SallyportError) => void;
  /** For fault injection in tests. */
  readonly auditDisk?: Disk;
}

export interface RunningGateway {
  readonly listeners: readonly { readonly protocol: 'postgres'; readonly host: string; readonly port: number }[];
  readonly api: { readonly url: string; readonly port: number };
  /** Public key of the audit log. */
  readonly vkey: string;
  /** Where the audit log is. */
  readonly auditDirectory: string;
  /** Brings the signed checkpoint up to every durable entry. @returns the checkpoint. */
  publishCheckpoint(): Promise<string>;
  /** Drains: no new sessions, running statements finish until the deadline, held ones are answered, the log gets its
   *  closing checkpoint. Idempotent; calling `abort` on the signal cuts the wait short. */
  stop(signal?: AbortSignal): Promise<void>;
}

/** @throws SP_CONFIG_INVALID, SP_DATA_DIR_LOCKED, SP_AUDIT_CORRUPT, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
export async function startGateway(config: LoadedConfig, ports: GatewayPorts): Promise<RunningGateway> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await compose(config, ports, undo);
  } catch (fault) {
    for (const close of undo.toReversed()) await close();
    throw fault;
  }
}

async function compose(config: LoadedConfig, ports: GatewayPorts, undo: (() => Promise<void> | void)[]): Promise<RunningGateway> {
  const { document } = config;
  const { clock, random, logger } = ports;
  const dataDirectory = config.path(document.dataDirectory);
  const secret = (reference: Parameters<typeof resolveSecret>[0]): Promise<Secret> =>
    resolveSecret(reference, { environment: environment(), baseDir: dirname(config.file) });

  // Everything that can be wrong in the files is found before anything is opened.
  const setting: PolicySetting = {
    targets: document.targets.map((target) => target.name),
    issuers: document.identity.providers.map((provider) => provider.name),
  };
  const policyTexts = await readPolicyTexts(document.policy.files.map(config.path), dirname(config.file));
  const policy = requirePolicy(policyTexts, setting);
  requireRoles(policy, [...document.api.auditors, ...document.api.operators]);
  const [signingKey, tokenKey] = await Promise.all([secret(document.audit.signingKey), secret(document.tokenKey)]);
  if (tokenKey.reveal().length < 32) {
    throw new SallyportError('SP_CONFIG_INVALID', 'tokenKey: shorter than 32 characters; `sallyport init` makes one');
  }
  const authenticator = createOidcAuthenticator({
    providers: document.identity.providers.map(({ kindClaim, defaultKind, algorithms, nameClaim, ...provider }) => ({
      ...provider,
      ...(algorithms === undefined ? {} : { algorithms }),
      ...(nameClaim === undefined ? {} : { nameClaim }),
      kind:
        kindClaim === undefined
          ? { fixed: defaultKind }
          : { claim: kindClaim, values: { person: 'person', agent: 'agent', service: 'service' }, otherwise: defaultKind },
    })),
    clock,
    logger,
  });
  const targets = new Map<TargetName, Target>();
  const targetConfigs: PostgresTargetConfig[] = [];
  for (const target of document.targets) {
    const name = target.name as TargetName;
    targets.set(name, { name, protocol: target.protocol, address: `${target.address.host}:${target.address.port}/${target.database}` });
    const { password, tls } = target;
    targetConfigs.push({
      name,
      ...target.address,
      database: target.database,
      user: target.user,
      // Asked for at every connection: a rotated file or a short-lived credential is picked up without a restart.
      password: () => secret(password),
      tls:
        tls.mode === 'disable'
          ? { mode: 'disable', allowRemote: true }
          : {
              mode: 'verify-full',
              ...(tls.ca === undefined ? {} : { ca: await readPem(config.path(tls.ca)) }),
              ...(tls.servername === undefined ? {} : { servername: tls.servername }),
            },
      searchPath: target.searchPath,
      tokenKey: new Secret(createHmac('sha256', tokenKey.reveal()).update(`sallyport token key\0${target.name}`).digest('hex')),
      statementTimeoutMs: null,
      idleInTransactionTimeoutMs: null,
    });
  }
  const safeFunctions = new Map(document.targets.map((target) => [target.name, new Set(target.safeFunctions)]));
  const parser = await createParser();

  const lock = lockDataDirectory(dataDirectory);
  undo.push(() => lock.release());
  const auditDirectory = join(dataDirectory, 'audit');
  const audit = await openAuditLog({
    dir: auditDirectory,
    origin: document.audit.origin,
    replica: document.replica,
    signingKey,
    recipients: document.audit.recipients,
    clock,
    random,
    logger,
    durability: document.audit.durability,
    onFatal: ports.onFatal,
    ...(ports.auditDisk === undefined ? {} : { disk: ports.auditDisk }),
  });
  undo.push(() => audit.close());
  const store = await openStore({ dir: join(dataDirectory, 'state') });
  undo.push(() => store.close());
  await recordPolicy(store, audit, policy, clock);

  const approvals = createApprovalDesk({
    store: store.approvals,
    audit,
    clock,
    random,
    logger,
    rolesOf: (principal) => rolesOf(principal, policy),
    policySha: () => policy.sha256,
  });
  await approvals.recover();
  const metrics = createMetrics(() => adapter.planLookups());
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
    maxSessions: document.limits.maxSessions,
    onSessionClosed: (id) => audit.forgetSession(id),
  });
  undo.push(() => gate.close());
  const targetPolicies = new Map(
    [...targets.keys()].map((target) => [
      target,
      { version: policy.sha256, classRules: classRules(policy, target), safeFunctions: safeFunctions.get(target) ?? new Set<string>() },
    ]),
  );
  const adapter = createPostgresAdapter({
    gate,
    authenticator,
    failures: createFailureLimiter({ clock, maxFailures: 20 }),
    targets: targetConfigs,
    policy: (target) => requireTarget(targetPolicies, target),
    parser,
    clock,
    random,
    logger,
    limits: {
      maxMessageBytes: document.limits.maxMessageBytes,
      idleMs: document.limits.idleMs,
      loginTimeoutMs: document.limits.loginMs,
      recordBytes: document.limits.recordBytes,
    },
  });
  undo.push(() => adapter.close());
  await adapter.start();
  const indexer = startSessionIndexer({ reader: audit, index: store.sessions, logger });
  undo.push(() => indexer.stop());

  const api = createApi({
    authenticator,
    rolesOf: (principal) => rolesOf(principal, policy),
    approvals,
    sessions: store.sessions,
    audit: { log: audit, reader: audit, file: (path) => audit.file(path) },
    analysts: () => adapter.analysts(),
    policy: createPolicySurface({ policy, files: policyTexts, setting, targets, analysts: () => adapter.analysts(), clock }),
    metrics: metrics.registry,
    metricsAccess: document.api.metrics,
    readiness: async () => readinessOf(audit, adapter),
    surfaceRoles: { auditors: document.api.auditors, operators: document.api.operators },
    clock,
    logger,
    version: VERSION,
  });
  undo.push(() => api.close());

  const listeners: RunningGateway['listeners'][number][] = [];
  for (const listener of document.listeners) {
    const listening = await adapter.listen({
      ...listener.address,
      security: await securityOf(listener, config),
      maxConnections: document.limits.maxSessions,
      maxConnectionsPerAddress: document.limits.maxSessions,
    });
    listeners.push({ protocol: listener.protocol, host: listener.address.host, port: listening.port });
  }
  const apiTls =
    document.api.tls === undefined
      ? {}
      : {
          tls: {
            certificate: await readPem(config.path(document.api.tls.certificate)),
            key: await readPem(config.path(document.api.tls.key)),
          },
        };
  const apiAddress = await api.listen({ ...document.api.address, ...apiTls });

  let stopping: Promise<void> | null = null;
  const cut = new AbortController();
  return {
    listeners,
    api: apiAddress,
    vkey: audit.vkey,
    auditDirectory,
    publishCheckpoint: () => audit.publish(),
    stop(signal) {
      if (signal?.aborted === true) cut.abort();
      else signal?.addEventListener('abort', () => cut.abort(), { once: true });
      stopping ??= stop({ gate, approvals, adapter, drainMs: document.limits.drainMs, cut: cut.signal }).then(async () => {
        await api.close();
        gate.close();
        await indexer.stop().catch(() => undefined);
        await store.close();
        await audit.close();
        lock.release();
      });
      return stopping;
    },
  };
}

async function stop(parts: {
  readonly gate: OpenGate;
  readonly approvals: ApprovalsService;
  readonly adapter: PostgresAdapter;
  readonly drainMs: number;
  readonly cut: AbortSignal;
}): Promise<void> {
  parts.gate.drain();
  await parts.approvals.drain();
  await parts.adapter.drain(AbortSignal.any([AbortSignal.timeout(parts.drainMs), parts.cut]));
}

/** Every applied version is kept by its hash, and its first use is an entry. */
async function recordPolicy(store: Store, audit: OpenAuditLog, policy: Policy, clock: Clock): Promise<void> {
  await store.policies.put({ sha256: policy.sha256, source: policy.source, appliedAtMs: clock.nowMs() });
  await audit.append({ type: 'policy.applied', policy: { sha256: policy.sha256 } });
}

function requireTarget<T>(of: ReadonlyMap<TargetName, T>, target: TargetName): T {
  const found = of.get(target);
  if (found === undefined) throw new SallyportError('SP_INTERNAL', `no target ${target}`);
  return found;
}

function requireRoles(policy: Policy, names: readonly string[]): void {
  const known = new Set(policy.roles.map((role) => role.role));
  for (const name of names) {
    if (!known.has(name)) throw new SallyportError('SP_CONFIG_INVALID', `api: the policy has no role ${name}`);
  }
}

async function readinessOf(audit: OpenAuditLog, adapter: PostgresAdapter): Promise<{ ready: boolean; checks: Record<string, string> }> {
  const checks: Record<string, string> = { audit: audit.writable ? 'ok' : 'the audit log cannot be written' };
  for (const analyst of adapter.analysts()) {
    const { name, catalogue } = analyst.status();
    checks[`target ${name}`] = catalogue === 'ready' ? 'ok' : `catalogue is ${catalogue}`;
  }
  return { ready: Object.values(checks).every((check) => check === 'ok'), checks };
}

async function securityOf(
  listener: { readonly address: Address; readonly tls?: { readonly certificate: string; readonly key: string } | undefined },
  config: LoadedConfig,
): Promise<ListenerSecurity> {
  if (listener.tls === undefined) return { mode: 'insecure' };
  return {
    mode: 'tls',
    tls: {
      certificate: await readPem(config.path(listener.tls.certificate)),
      key: new Secret(await readPem(config.path(listener.tls.key))),
    },
  };
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
