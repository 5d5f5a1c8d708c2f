// Constructs the gateway from a validated configuration: the only place that builds services and hands them their ports.
// Order matters and is the order of trust: lock the data directory, open the record, then state, identity, policy, and
// listeners last. Whatever fails on the way closes what was opened.

import { createHmac } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type ConsolePersona, createApi } from '../api/index.ts';
import { createApprovalDesk, createUnsealDesk } from '../approvals/index.ts';
import { createPruning, createRetention, type Disk, type OpenAuditLog, openAuditLog, parseSigningKey } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { Clock, Logger, Random } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import type { Protocol, Target } from '../core/target.ts';
import { type Policy, type PolicyText, rolesOf } from '../policy/index.ts';
import { resolveSecret } from '../secrets/index.ts';
import { createCodeFlow } from '../identity/index.ts';
import { claimDigests } from '../session/identity-facts.ts';
import { createSessionControl, endedByPerson } from '../session/session-control.ts';
import { createSessionSlots, createSlotMemory } from '../session/session-slots.ts';
import { createParser } from '../sql/parser.ts';
import { lockDataDirectory, openStore } from '../store/index.ts';
import { compareWithAnchors } from '../anchors/index.ts';
import { createGatewayAccess } from './access.ts';
import { keepAnchors, readAnchors } from './anchors.ts';
import { createVersionMemory, sharedBoundColumns } from './bound-columns.ts';
import { createChanges, tellingIndex, tellingLocks } from './changes.ts';
import { recordConfig } from './config-record.ts';
import type { ConfigDocument } from './config-schema.ts';
import type { LoadedConfig } from './config.ts';
import { environment } from './environment.ts';
import { consoleFolder, createGatewayConsole, readConsoleClients } from './console.ts';
import { watchConnectors } from './connector-watch.ts';
import { createEvidence } from './evidence.ts';
import { failuresOfThread } from './login-failures.ts';
import { ThreadsRegistry } from './metrics.ts';
import { createGatewayNotifications, readChannels } from './notifications.ts';
import { isSpread, type ProtocolAdapters } from './protocol-adapters.ts';
import { PolicyRuntime, recordStart, startingPolicy } from './policy-runtime.ts';
import { readPolicyTexts, requirePolicy } from './policy-source.ts';
import { createPolicySurface } from './policy-surface.ts';
import { createPolicyTools } from './policy-tools.ts';
import { type RetentionRunner, runRetention } from './retention-runner.ts';
import { startSessionIndexer } from './session-indexer.ts';
import { createSubjectSearch, openSubjects, subjectRetention } from './subjects.ts';
import { createReviews } from './reviews.ts';
import { readSiem } from './siem-settings.ts';
import { createGatewaySiem } from './siem.ts';
import { ThreadPolicy } from './thread-policy.ts';
import { threadsOf } from './threads.ts';
import { readTokenKeys } from './token-keys.ts';
import {
  authenticatorOf,
  catalogueChecks,
  createTraffic,
  policySettingOf,
  readServerTls,
  readTrafficSettings,
  targetOf,
} from './traffic.ts';
import { VERSION } from './version.ts';
import { startWorkers, type WorkerPool } from './worker-pool.ts';

/** How long a stop waits for anchors to take the closing checkpoint. */
const ANCHOR_GRACE_MS = 2000;

export interface GatewayPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called when the audit log can no longer be written or a worker has ended: the process should end. */
  readonly onFatal: (fault: SallyportError) => void;
  /** Whom a link to the console may log in without a further question: people of a development identity provider. */
  readonly personas?: readonly ConsolePersona[];
  /** For fault injection in tests; not with workers. */
  readonly auditDisk?: Disk;
}

export interface RunningGateway {
  readonly listeners: readonly { readonly protocol: Protocol; readonly host: string; readonly port: number }[];
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
  const setting = policySettingOf(document);
  const readFiles = (): Promise<PolicyText[]> => readPolicyTexts(document.policy.files.map(config.path), dirname(config.file));
  const policyTexts = await readFiles();
  const policyOfFiles = requirePolicy(policyTexts, setting);
  requireRoles(policyOfFiles, [...document.api.auditors, ...document.api.operators]);
  const { retiringKey: retiring, subjectKeys = [] } = document.audit;
  const [signingKey, retiringKey, tokenKeys, configuredSubjectKeys] = await Promise.all([
    secret(document.audit.signingKey),
    retiring === undefined ? undefined : secret(retiring),
    readTokenKeys(document, secret),
    Promise.all(subjectKeys.map(secret)),
  ]);
  const threads = threadsOf(document.limits.workers);
  const claimKey = claimKeyOf(signingKey);
  const ofFiles = await readTrafficSettings(config, policyOfFiles.source, { tokenKeys, claimKey });
  const channels = await readChannels(config, { secret, knownRoles: policyOfFiles.roles.map((role) => role.role), clock });
  const auditDirectory = join(dataDirectory, 'audit');
  const disk = ports.auditDisk === undefined ? {} : { disk: ports.auditDisk };
  const configured = await readAnchors(config, { auditDirectory, secret, random, ...disk });
  const destinations = await readSiem(config, secret);
  const personas = ports.personas ?? [];
  const consoleClients = await readConsoleClients(document, secret);
  const apiTls = document.api.tls === undefined ? null : await readServerTls(config, document.api.tls);
  const authenticator = authenticatorOf(document, { clock, logger });
  const parser = await createParser();

  const lock = lockDataDirectory(dataDirectory);
  undo.push(() => lock.release());
  // Before anything is written to a log that is not the one it was.
  await compareWithAnchors(configured.anchors, configured.origin, await configured.checkpoint());
  const audit = await openAuditLog({
    dir: auditDirectory,
    origin: document.audit.origin,
    replica: document.replica,
    signingKey,
    retiringKey,
    recipients: document.audit.recipients,
    clock,
    random,
    logger,
    durability: document.audit.durability,
    onFatal: ports.onFatal,
    ...disk,
  });
  undo.push(() => audit.close());
  const registry = new ThreadsRegistry(async () => [await metrics.snapshot(), ...(await workers.metrics())]);
  const anchors = keepAnchors(configured, { audit, clock, random, logger }, registry);
  undo.push(() => anchors.stop(0));
  await anchors.start();
  await recordConfig(document, audit, join(dataDirectory, 'state'));
  const store = await openStore({ dir: join(dataDirectory, 'state') });
  undo.push(() => store.close());
  const starting = await startingPolicy(policyOfFiles, policyTexts, { versions: store.policies, setting, logger });
  requireRoles(starting.policy, requiredRoles(document));
  await recordStart(starting, { versions: store.policies, audit, clock });
  const changes = createChanges();
  const opened = await openSubjects(document, configuredSubjectKeys, { dataDirectory, from: audit.size(), clock, tokenKeys });
  const settings = { ...ofFiles, policySource: starting.policy.source, subjects: opened.settings };
  const threadPolicy = new ThreadPolicy(starting.policy, document.targets);
  const runtime = new PolicyRuntime({
    policy: starting.policy,
    versions: store.policies,
    audit,
    clock,
    targets: document.targets.map(({ name }) => name),
    readFiles,
    threads: {
      prepare: ({ source, sha256 }) => workers.preparePolicy({ source, sha256 }),
      async use(policy) {
        usePolicy(policy);
        await workers.usePolicy(policy.sha256);
        changes.publish({ kind: 'policy', sha256: policy.sha256 });
      },
    },
    voidHeld: () => approvals.voidAll('policy-changed'),
  });

  const access = createGatewayAccess({
    document,
    store,
    audit,
    policy: () => runtime.policy,
    clock,
    random,
    logger,
    registry,
    uses: { sessions: store.sessions, reader: audit, claims: claimDigests(claimKey) },
    later: {
      notifier: () => notifications.service,
      approvals: () => approvals,
      grantChanged: (id) => changes.publish({ kind: 'grant', id }),
      publish: (snapshot) => workers.access(snapshot),
    },
  });
  undo.push(() => access.stop());
  const approvals = createApprovalDesk({
    store: store.approvals,
    audit,
    clock,
    random,
    logger,
    authoritiesOf: access.authoritiesOf,
    policySha: () => runtime.policy.sha256,
  });
  const { publicUrl } = document.api;
  const notifications = createGatewayNotifications(
    { channels, publicUrl, queue: store.notifications, approvals, grants: access.grants, clock, random, logger },
    registry,
  );
  undo.push(() => notifications.stop());
  await approvals.recover();
  await notifications.start();
  const failures = failuresOfThread(clock, (address) => workers.loginFailed(address));
  const slots = createSlotMemory();
  const boundVersion = createVersionMemory();
  const boundColumns = sharedBoundColumns(store.boundColumns, boundVersion);
  const workers = await startWorkers({
    workers: threads - 1,
    settings,
    policySha256: starting.policy.sha256,
    connectAudit: () => audit.connect(),
    slots,
    boundVersion,
    boundColumns,
    approvals,
    // Nobody asks before there are clients.
    cancel: ({ pid, key }) => cancel(pid, key),
    loginFailed: (address) => failures.recordElsewhere(address),
    logger,
    onDeath: ports.onFatal,
  });
  undo.push(() => workers.close());
  const { gate, adapters, cancel, metrics, usePolicy, listen, closeSubjects } = createTraffic({
    settings,
    policy: threadPolicy,
    parser,
    authenticator,
    audit,
    approvals,
    boundColumns,
    access: access.table,
    slots: createSessionSlots(document.limits.maxSessions, slots),
    failures: failures.limiter,
    cancelElsewhere: (pid, key) => workers.cancel({ pid, key }),
    onSessionClosed: (id) => audit.forgetSession(id),
    onSubjectFault: ports.onFatal,
    thread: 0,
    snowflake: { browserLogin: consoleClients.length === 0 ? null : createCodeFlow({ providers: consoleClients, clock, random }) },
    clock,
    random,
    logger,
  });
  undo.push(() => closeSubjects());
  undo.push(() => gate.close());
  undo.push(() => adapters.close());
  await adapters.start();
  await access.start();
  const targets = new Map<TargetName, Target>();
  for (const target of document.targets) targets.set(target.name as TargetName, targetOf(target));
  const connectors = watchConnectors({ status: () => adapters.analysts().map((analyst) => analyst.status()), audit, logger });
  undo.push(() => connectors.stop());
  const siem = createGatewaySiem(
    destinations,
    { auditDirectory, origin: document.audit.origin, cursors: store.siemCursors, audit, clock, random, logger },
    registry,
  );
  undo.push(() => siem.stop());
  await siem.start();
  const { payloads: payloadsMs, headers: headersMs } = document.audit.retention ?? {};
  const ofLog = { dir: auditDirectory, log: audit, clock, logger, ...disk };
  const retention: RetentionRunner = runRetention(
    [
      ...(payloadsMs === undefined ? [] : [createRetention({ ...ofLog, rules: { payloadsMs } })]),
      ...(headersMs === undefined ? [] : [createPruning({ ...ofLog, headersMs, wantedFrom: () => siem.wantedFrom() })]),
      ...subjectRetention(opened.dir, document, clock),
    ],
    logger,
  );
  undo.push(() => retention.stop());
  const sessions = tellingIndex(store.sessions, audit.size(), changes);
  const indexer = startSessionIndexer({ reader: audit, index: sessions, logger });
  undo.push(() => indexer.stop());

  const evidence = await createEvidence({
    audit,
    log: join(auditDirectory, 'log'),
    workDirectory: join(dataDirectory, 'evidence'),
    signer: parseSigningKey(signingKey, document.audit.origin),
    versions: store.policies,
  });

  const threadsWithSessions = [(id: SessionId) => gate.endSession(id, endedByPerson()), (id: SessionId) => workers.endSession(id)];
  const listeners: RunningGateway['listeners'][number][] = [];
  const console = createGatewayConsole({
    document,
    clients: consoleClients,
    personas,
    store: store.consoleSessions,
    signingKey,
    clock,
    random,
  });
  const api = createApi({
    gateway: {
      replica: document.replica,
      listeners: () => listeners.map((listener, index) => ({ ...listener, isTls: document.listeners[index]?.tls !== undefined })),
      anchors: () => anchors.status(),
      endSession: createSessionControl({ threads: threadsWithSessions, audit }).end,
    },
    authenticator,
    rolesOf: (principal) => rolesOf(principal, runtime.policy),
    approvals,
    grants: access.grants,
    locks: tellingLocks(access.locks, changes, async (principal) => console?.sessions.endAllOf(principal)),
    delegations: access.delegations,
    recertification: access.recertification,
    unseals: createUnsealDesk({
      audit,
      clock,
      random,
      approvers: document.audit.unseal?.approvers ?? null,
      authoritiesOf: access.authoritiesOf,
    }),
    sessions,
    changes,
    console,
    consoleFolder: consoleFolder(),
    publicUrl: publicUrl ?? null,
    audit: { log: audit, reader: audit, file: (path) => audit.file(path), reindex: (onProgress) => indexer.rebuild(onProgress) },
    evidence,
    analysts: () => adapters.analysts(),
    policy: createPolicySurface({
      runtime,
      setting,
      targets,
      analysts: () => adapters.analysts(),
      grantsOf: (principal, target) => access.table.grantsOf(principal, target),
      audit,
      clock,
    }),
    policyTools: createPolicyTools({
      runtime,
      setting,
      requiredRoles: requiredRoles(document),
      readFiles,
      versions: store.policies,
      targets,
      analysts: () => adapters.analysts(),
      source: { reader: audit, sessions: store.sessions },
      claims: claimDigests(claimKey),
      clock,
    }),
    reviews: createReviews({
      audit,
      reader: audit,
      grants: access.grants,
      approvals,
      delegations: access.delegations,
      locks: access.locks,
      siem,
      anchors: () => anchors.status(),
      targets: [...targets.keys()],
      clock,
    }),
    subjects: createSubjectSearch({
      document,
      opened,
      tokenKeys,
      classNames: () => runtime.policy.classNames,
      audit,
      reader: audit,
      clock,
      analysts: () => adapters.analysts(),
    }),
    metrics: registry,
    notifications: notifications.surface,
    metricsAccess: document.api.metrics,
    readiness: () => readinessOf(audit, adapters, workers),
    surfaceRoles: { auditors: document.api.auditors, operators: document.api.operators },
    clock,
    logger,
    version: VERSION,
  });
  undo.push(() => api.close());

  for (const [index, { protocol, address }] of document.listeners.entries()) {
    const isShared = threads > 1 && isSpread[protocol];
    const listening = await listen(index, isShared ? { sharing: 'first' } : {});
    // A port that is busy now is tried again; the workers follow once it is ours.
    const joined = isShared ? listening.bound.then((port) => workers.listen(index, port)) : Promise.resolve();
    if (listening.state === 'listening') await joined;
    else joined.catch((cause: unknown) => ports.onFatal(new SallyportError('SP_INTERNAL', 'workers cannot listen', { cause })));
    listeners.push({ protocol, host: address.host, port: listening.port });
  }
  const apiAddress = await api.listen({
    ...document.api.address,
    ...(apiTls === null ? {} : { tls: { certificate: apiTls.certificate, key: apiTls.key.reveal() } }),
  });

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
      const deadline = (): AbortSignal => AbortSignal.any([AbortSignal.timeout(document.limits.drainMs), cut.signal]);
      stopping ??= inTurn([
        // In step on all threads, so that a held statement hears of the shutdown from the desk.
        () => connectors.stop(),
        () => retention.stop(),
        () => gate.drain(),
        () => workers.refuseSessions(),
        () => approvals.drain(),
        () => drainAll(deadline(), adapters, workers),
        () => workers.close(),
        () => access.stop(),
        () => notifications.stop(),
        () => api.close(),
        () => gate.close(),
        () => closeSubjects(),
        () => indexer.stop().catch(() => undefined),
        () => siem.stop(),
        () => store.close(),
        () => audit.close(),
        // The closing checkpoint, too.
        () => anchors.stop(ANCHOR_GRACE_MS),
        () => lock.release(),
      ]);
      return stopping;
    },
  };
}

async function drainAll(deadline: AbortSignal, ...parts: readonly Pick<ProtocolAdapters, 'drain'>[]): Promise<void> {
  await Promise.all(parts.map((part) => part.drain(deadline)));
}

/** Takes every step, whatever became of those before: a thread or a server that lives on would keep the process.
 *  @throws the first fault */
async function inTurn(steps: readonly (() => Promise<void> | void)[]): Promise<void> {
  const faults: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (fault) {
      faults.push(fault);
    }
  }
  if (faults.length > 0) throw faults[0];
}

/** Digests in the record stay comparable as long as the log has the same key. */
function claimKeyOf(signingKey: Secret): Secret {
  return new Secret(createHmac('sha256', signingKey.reveal()).update('sallyport claims of the record').digest('hex'));
}

/** Roles that the configuration names. */
function requiredRoles({ api, audit, grants, notifications }: ConfigDocument): readonly string[] {
  const escalation = grants.escalation === undefined ? [] : [grants.escalation.role];
  const openers = audit.unseal === undefined ? [] : [audit.unseal.approvers.role];
  return [...new Set([...api.auditors, ...api.operators, ...openers, ...escalation, ...notifications.flatMap(({ roles }) => roles ?? [])])];
}

function requireRoles(policy: Policy, names: readonly string[]): void {
  const known = new Set(policy.roles.map((role) => role.role));
  for (const name of names) {
    if (!known.has(name)) throw new SallyportError('SP_CONFIG_INVALID', `api: the policy has no role ${name}`);
  }
}

async function readinessOf(
  audit: OpenAuditLog,
  adapters: Pick<ProtocolAdapters, 'analysts'>,
  workers: WorkerPool,
): Promise<{ ready: boolean; checks: Record<string, string> }> {
  const checks = new Map([
    ['audit', audit.writable ? 'ok' : 'the audit log cannot be written'],
    ...catalogueChecks(adapters.analysts().map((analyst) => analyst.status())),
    ...(await workers.checks()),
  ]);
  return { ready: [...checks.values()].every((check) => check === 'ok'), checks: Object.fromEntries(checks) };
}
