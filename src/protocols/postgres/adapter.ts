// What `app/compose` registers: listeners for clients, one catalogue per target, live sessions, cancel requests, and
// the analyst that explains statements without running them. One adapter serves every PostgreSQL target.

import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { SallyportError } from '../../core/error.ts';
import { principalKey } from '../../core/identity.ts';
import type { TargetName } from '../../core/ids.ts';
import type { ApprovalPreview } from '../../core/preview.ts';
import type { Authenticator, Clock, FailureLimiter, Logger, Random, SharedBoundColumns, TargetAnalyst } from '../../core/ports.ts';
import type { Secret } from '../../core/secret.ts';
import type { SubjectIndex } from '../../core/subject.ts';
import type { Target } from '../../core/target.ts';
import type { Gate, GateSession } from '../../session/gate.ts';
import { lineage } from '../../sql/lineage-statement.ts';
import type { Parser } from '../../sql/parser.ts';
import type { SubjectRule } from '../../sql/subject-columns.ts';
import { plan } from '../../sql/plan.ts';
import { protect } from '../../sql/protection.ts';
import type { TokenSpace } from '../../masking/index.ts';
import { type ListenerConfig, type Listening, listen } from '../../transport/listener.ts';
import { serverContext } from '../../transport/tls-context.ts';
import { createAnalyst } from './analyst.ts';
import { AttemptBudget } from '../../session/attempt-budget.ts';
import { CatalogueLoader } from './catalogue-loader.ts';
import { type Arrival, receive, refuse } from './handshake.ts';
import { authenticationOk, backendKeyData, parameterStatus, readyForQuery } from './messages.ts';
import type { PlanCacheStats } from './plan-cache.ts';
import { Planner, type SqlEngine, type TargetPolicy } from './planner.ts';
import { TargetPreviews } from './preview.ts';
import { SAMPLE_MASKS } from './preview-sample-plan.ts';
import { ProtectionKeeper } from './protection-keeper.ts';
import type { SessionLimits } from './session-limits.ts';
import { LiveObjects } from './session-objects.ts';
import { catalogueSettings, previewSettings, sampleSettings, sessionSettings } from './session-settings.ts';
import { PostgresSession } from './session.ts';
import { PROTOCOL, StartupRefusal, type StartupWishes, TargetRefusal } from './startup.ts';
import { type UpstreamConfig, type UpstreamConnection, type UpstreamTls, checkUpstreamTls, connectUpstream } from './upstream.ts';

export interface PostgresTargetConfig {
  readonly name: TargetName;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: Secret | (() => Promise<Secret>);
  readonly tls: UpstreamTls;
  /** Schemas unqualified names are looked up in, `pg_catalog` not among them. */
  readonly searchPath: readonly string[];
  readonly approvalPreview: ApprovalPreview;
  /** Keys of `token`, `hash` and `date-shift` masks on this target; the active one reaches the server as settings of the session. */
  readonly tokens: TokenSpace;
  /** Whose data is looked for; absent = nobody's. */
  readonly subjects?: readonly SubjectRule[];
  /** Server-side limit of one statement at the start of a session; null = the target's own. */
  readonly statementTimeoutMs: number | null;
  readonly idleInTransactionTimeoutMs: number | null;
}

export interface PostgresLimits extends SessionLimits {
  /** From accept to token, and from token to the first ReadyForQuery. */
  readonly loginTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly catalogueProbeMs: number;
  readonly catalogueMaxStaleMs: number;
  readonly catalogueReadTimeoutMs: number;
  readonly catalogueTrustMs: number;
  readonly catalogueMaxTrustMs: number;
  readonly maxCachedPlans: number;
}

export const defaultPostgresLimits: PostgresLimits = {
  maxMessageBytes: 64 * 1024 * 1024,
  maxUpstreamMessageBytes: 16 * 1024 * 1024,
  maxRowBytes: 256 * 1024 * 1024,
  messageTimeoutMs: 60_000,
  stalledClientMs: 600_000,
  idleMs: null,
  maxPrepared: 10_000,
  recordRows: 100,
  recordBytes: 256 * 1024,
  loginTimeoutMs: 20_000,
  connectTimeoutMs: 10_000,
  catalogueProbeMs: 2_000,
  catalogueMaxStaleMs: 60_000,
  catalogueReadTimeoutMs: 60_000,
  catalogueTrustMs: 1,
  catalogueMaxTrustMs: 20,
  maxCachedPlans: 2_000,
};

export interface PostgresAdapterDeps {
  readonly gate: Gate;
  readonly authenticator: Authenticator;
  /** Counts failed log-ins. */
  readonly failures: FailureLimiter;
  readonly targets: readonly PostgresTargetConfig[];
  /** Policy in force for one target. `version` changes with every change of what it says. */
  readonly policy: (target: TargetName) => TargetPolicy;
  /** What columns of policy were called before. */
  readonly boundColumns: SharedBoundColumns;
  /** Where it is written down whose data was touched; absent when no target has subjects. */
  readonly subjects?: SubjectIndex | undefined;
  readonly parser: Parser;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<PostgresLimits>;
  /** Cancels a session of another thread, whose key is exactly this one. @returns false when there is none. */
  readonly cancelElsewhere?: (pid: number, key: Uint8Array) => Promise<boolean>;
}

export interface PostgresAdapter {
  /** Reads the catalogues. Never rejects: a target that cannot be read refuses statements until it can. */
  start(): Promise<void>;
  /** @throws SP_CONFIG_INVALID */
  listen(config: ListenerConfig): Promise<Listening>;
  analysts(): readonly TargetAnalyst[];
  readonly liveSessions: number;
  /** Cancels what a session of this adapter runs, if its key is exactly this one. @returns false when there is none. */
  cancel(pid: number, key: Uint8Array): boolean;
  /** How the plans of each target were found so far. */
  planLookups(): readonly (PlanCacheStats & { readonly target: string })[];
  /** No new connections; idle sessions end, running statements finish, held ones are given up. Resolves when no session is
   *  left or `signal` fires, which cuts the rest off. */
  drain(signal: AbortSignal): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Of one principal at one address, each minute: names tell nothing, but every miss is an entry in the audit log. */
const maxTargetMisses = 20;
/** For one session, each minute: keys of the old protocol have 32 bits. */
const maxWrongKeys = 1000;
const budgetMs = 60_000;
/** Cancel requests that other threads are being asked about; more are dropped. */
const maxCancelsElsewhere = 100;

/** @throws SP_CONFIG_INVALID for targets that may not be dialled as configured. */
export function createPostgresAdapter(deps: PostgresAdapterDeps): PostgresAdapter {
  return new Adapter(deps);
}

const engine: SqlEngine = {
  plan,
  protect: (catalogue, rules, safeFunctions, parser, bound) => protect(catalogue, rules, parser, lineage, safeFunctions, bound),
};

interface LiveTarget {
  readonly config: PostgresTargetConfig;
  readonly target: Target;
  readonly loader: CatalogueLoader;
  readonly planner: Planner;
  /** Null: nothing of a held statement reaches the target before the answer. */
  readonly previews: TargetPreviews | null;
}

interface LiveSession {
  readonly session: PostgresSession;
  readonly key: Uint8Array;
}

class Adapter implements PostgresAdapter {
  readonly #deps: PostgresAdapterDeps;
  readonly #limits: PostgresLimits;
  readonly #targets = new Map<string, LiveTarget>();
  readonly #listeners: Listening[] = [];
  /** By the process id that we made up for BackendKeyData. */
  readonly #sessions = new Map<number, LiveSession>();
  /** Cuts off clients that have not logged in yet. */
  readonly #arrivals = new AbortController();
  readonly #closing = new AbortController();
  readonly #targetMisses: AttemptBudget;
  /** By process id. */
  readonly #wrongKeys: AttemptBudget;
  #cancelsElsewhere = 0;
  #isDraining = false;
  #onEmpty: (() => void) | null = null;

  constructor(deps: PostgresAdapterDeps) {
    this.#deps = deps;
    this.#limits = { ...defaultPostgresLimits, ...deps.limits };
    this.#targetMisses = new AttemptBudget({ clock: deps.clock, attempts: maxTargetMisses, windowMs: budgetMs });
    this.#wrongKeys = new AttemptBudget({ clock: deps.clock, attempts: maxWrongKeys, windowMs: budgetMs });
    for (const config of deps.targets) this.#targets.set(config.name, this.#liveTarget(config));
  }

  get liveSessions(): number {
    return this.#sessions.size;
  }

  async start(): Promise<void> {
    await Promise.all([...this.#targets.values()].map(({ loader }) => loader.start()));
  }

  async listen(config: ListenerConfig): Promise<Listening> {
    const tls = config.security.mode === 'tls' ? serverContext(config.security.tls) : null;
    const listening = await listen({
      config,
      logger: this.#deps.logger,
      onConnection: (socket, address) => void this.#arrive(socket, address, tls),
    });
    this.#listeners.push(listening);
    return listening;
  }

  planLookups(): readonly (PlanCacheStats & { readonly target: string })[] {
    return [...this.#targets.values()].map(({ config, planner }) => ({ target: config.name, ...planner.cacheStats }));
  }

  cancel(pid: number, key: Uint8Array): boolean {
    const live = this.#sessions.get(pid);
    if (live === undefined || this.#wrongKeys.isSpent(String(pid))) return false;
    if (live.key.length !== key.length || !timingSafeEqual(live.key, key)) {
      this.#wrongKeys.spend(String(pid));
      return false;
    }
    live.session.cancel();
    return true;
  }

  analysts(): readonly TargetAnalyst[] {
    return [...this.#targets.values()].map(({ config, target, loader, planner }) =>
      createAnalyst({
        target,
        loader,
        planner,
        connectToSample: (signal) => connectUpstream(this.#upstreamConfig(config), sampleSettings(), signal),
      }),
    );
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#arrivals.abort();
    for (const { session } of this.#sessions.values()) session.drain();
    if (this.#sessions.size > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    await this.close();
  }

  async close(): Promise<void> {
    this.#isDraining = true;
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#closing.abort(new SallyportError('SP_SHUTTING_DOWN', 'adapter is closed'));
    this.#arrivals.abort();
    for (const { session } of this.#sessions.values()) session.fail(new SallyportError('SP_SHUTTING_DOWN', 'gateway stops'));
    for (const { loader } of this.#targets.values()) loader.close();
    if (this.#sessions.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
    }
  }

  #liveTarget(config: PostgresTargetConfig): LiveTarget {
    checkUpstreamTls(config.host, config.tls);
    const { clock, logger, parser, policy } = this.#deps;
    const limits = this.#limits;
    const keeper = new ProtectionKeeper({
      target: config.name,
      columns: this.#deps.boundColumns,
      policy: () => policy(config.name),
      protect: (catalogue, { classRules, safeFunctions }, bound) => engine.protect(catalogue, classRules, safeFunctions, parser, bound),
      logger,
    });
    const loader = new CatalogueLoader({
      settle: (catalogue, origin) => keeper.settle(catalogue, origin),
      connect: (signal) => connectUpstream(this.#upstreamConfig(config), catalogueSettings(), signal),
      clock,
      logger,
      target: config.name,
      probeMs: limits.catalogueProbeMs,
      maxStaleMs: limits.catalogueMaxStaleMs,
      readTimeoutMs: limits.catalogueReadTimeoutMs,
      trustMs: limits.catalogueTrustMs,
      maxTrustMs: limits.catalogueMaxTrustMs,
    });
    const planner = new Planner({
      engine,
      parser,
      policy: () => policy(config.name),
      catalogue: () => loader.current(),
      kept: (catalogue) => keeper.of(catalogue),
      searchPath: config.searchPath,
      tokens: config.tokens,
      maxCachedTexts: limits.maxCachedPlans,
      ...(config.subjects === undefined ? {} : { subjects: config.subjects }),
      onUnmatchedSubject: (patterns) =>
        logger.warn(
          { target: config.name, patterns },
          'subjects: no column has this name; every statement counts as one that may touch anybody',
        ),
    });
    const target: Target = { name: config.name, protocol: 'postgres', address: `${config.host}:${config.port}/${config.database}` };
    const previews =
      config.approvalPreview === 'off'
        ? null
        : new TargetPreviews({
            parser,
            protection: () => planner.protection(),
            mayRun: config.approvalPreview === 'run',
            confirm: () => loader.confirm(clock.monotonicMs()),
            planForSample: (text) => planner.plan(text, SAMPLE_MASKS, new LiveObjects()),
            exposesProtected: (columns) => planner.exposesProtected(columns, SAMPLE_MASKS),
          });
    return { config, target, loader, planner, previews };
  }

  #upstreamConfig(config: PostgresTargetConfig): UpstreamConfig {
    return { ...config, connectTimeoutMs: this.#limits.connectTimeoutMs };
  }

  async #arrive(socket: Socket, address: string, tls: SecureContext | null): Promise<void> {
    const { logger } = this.#deps;
    try {
      const arrival = await receive(socket, { tls, deadlineMs: this.#limits.loginTimeoutMs }, this.#arrivals.signal);
      if (arrival.kind === 'cancel') await this.#cancel(arrival);
      else if (arrival.kind === 'login') await this.#logIn(arrival, address);
    } catch (fault) {
      const code = fault instanceof SallyportError ? fault.code : 'SP_INTERNAL';
      const reason = fault instanceof SallyportError ? fault.message : 'unexpected fault';
      logger.warn({ address, code, reason }, 'connection was refused');
    }
  }

  async #logIn(arrival: Extract<Arrival, { kind: 'login' }>, address: string): Promise<void> {
    const { socket, wishes } = arrival;
    // A client that goes away while we work on its log-in must not crash us; its socket is looked at afterwards.
    socket.on('error', () => undefined);
    const login = new AbortController();
    const abandon = (): void => login.abort(new SallyportError('SP_WIRE_UNEXPECTED', 'client closed during log-in'));
    socket.once('close', abandon);
    const signal = AbortSignal.any([login.signal, this.#closing.signal, AbortSignal.timeout(this.#limits.loginTimeoutMs)]);
    let gate: GateSession | null = null;
    let upstream: UpstreamConnection | null = null;
    try {
      const live = this.#targets.get(wishes.target);
      gate = await this.#identify(arrival, address, live, signal);
      if (live === undefined) throw new TargetRefusal(wishes.target);
      if (wishes.database !== null && wishes.database !== live.config.database) {
        throw new StartupRefusal('database', `Connect to ${live.config.name}, or to ${live.config.name}/${live.config.database}.`);
      }
      upstream = await connectUpstream(this.#upstreamConfig(live.config), sessionSettings(live.config, wishes, gate), signal);
      if (socket.destroyed || !socket.writable) throw new SallyportError('SP_WIRE_UNEXPECTED', 'client closed during log-in');
      if (this.#isDraining) throw new SallyportError('SP_SHUTTING_DOWN', 'no new sessions while draining');
      socket.off('close', abandon);
      this.#begin(socket, wishes, live, gate, upstream);
    } catch (fault) {
      upstream?.terminate();
      refuse(socket, fault);
      await gate?.close('fault');
      throw fault;
    }
  }

  /** Verifies the token and opens the session. Unknown targets are told only to those whose token is good. */
  async #identify(
    arrival: Extract<Arrival, { kind: 'login' }>,
    address: string,
    live: LiveTarget | undefined,
    signal: AbortSignal,
  ): Promise<GateSession> {
    const { gate, authenticator } = this.#deps;
    const { wishes, token } = arrival;
    if (this.#isDraining) throw new SallyportError('SP_SHUTTING_DOWN', 'no new sessions while draining');
    if (this.#deps.failures.waitMs(address) > 0) throw new SallyportError('SP_AUTH_THROTTLED', 'too many failed log-ins from this address');
    const target = live?.target.name ?? null;
    let principal;
    try {
      principal = await authenticator.authenticate(token.reveal(), signal);
    } catch (fault) {
      this.#deps.failures.recordFailure(address);
      const code = fault instanceof SallyportError ? fault.code : 'SP_INTERNAL';
      await gate.recordAuthFailure(target, code === 'SP_AUTH_UNAVAILABLE' ? 'unavailable' : 'token', { address });
      throw fault;
    }
    const who = `${principalKey(principal)} ${address}`;
    if (this.#targetMisses.isSpent(who)) throw new SallyportError('SP_AUTH_THROTTLED', 'too many log-ins to targets without access');
    try {
      if (live === undefined) {
        await gate.recordAuthFailure(null, 'unknown-target', { address });
        throw new SallyportError('SP_TARGET_UNKNOWN', 'no such target');
      }
      return await gate.openSession(principal, live.target, { address, application: wishes.application.slice(0, 63) });
    } catch (fault) {
      if (!(fault instanceof SallyportError) || fault.code !== 'SP_TARGET_UNKNOWN') throw fault;
      // Whether it exists is told to nobody who has no access to it: both are recorded, counted and answered alike.
      this.#targetMisses.spend(who);
      throw new TargetRefusal(wishes.database === null ? wishes.target : `${wishes.target}/${wishes.database}`, { cause: fault });
    }
  }

  #begin(socket: Socket, wishes: StartupWishes, live: LiveTarget, gate: GateSession, upstream: UpstreamConnection): void {
    const { clock, logger, random } = this.#deps;
    const pid = this.#freePid();
    const key = random.bytes(wishes.version >= PROTOCOL.v3_2 ? 32 : 4);
    const session = new PostgresSession({
      client: socket,
      upstream,
      gate,
      planner: live.planner,
      clock,
      logger,
      limits: this.#limits,
      subjects: this.#deps.subjects,
      application: wishes.application,
      refreshCatalogue: () => live.loader.refresh(),
      confirmCatalogue: (asOfMs) => live.loader.confirm(asOfMs),
      previewer: (subject) =>
        live.previews?.of(subject, (signal) =>
          connectUpstream(this.#upstreamConfig(live.config), previewSettings(live.config, wishes, gate), signal),
        ),
      onClosed: () => {
        this.#sessions.delete(pid);
        if (this.#sessions.size === 0) this.#onEmpty?.();
      },
    });
    this.#sessions.set(pid, { session, key });
    const greeting: Uint8Array[] = [authenticationOk()];
    for (const [name, value] of upstream.parameters) {
      greeting.push(parameterStatus(name, name === 'application_name' ? wishes.application : value));
    }
    greeting.push(backendKeyData(pid, key), readyForQuery('I'));
    socket.write(Buffer.concat(greeting));
    session.start();
    logger.info({ session: gate.id, target: live.config.name, subject: gate.principal.subject }, 'session opened');
  }

  /** Closed without a word, whatever it was. A wrong key is no failed log-in: a late cancel has one as well. */
  async #cancel({ pid, key, socket }: Extract<Arrival, { kind: 'cancel' }>): Promise<void> {
    socket.on('error', () => undefined);
    try {
      if (!this.cancel(pid, key)) await this.#cancelElsewhere(pid, key);
    } finally {
      this.#hangUp(socket);
    }
  }

  async #cancelElsewhere(pid: number, key: Uint8Array): Promise<void> {
    const { cancelElsewhere } = this.#deps;
    if (cancelElsewhere === undefined || this.#cancelsElsewhere >= maxCancelsElsewhere) return;
    this.#cancelsElsewhere += 1;
    try {
      await cancelElsewhere(pid, key);
    } finally {
      this.#cancelsElsewhere -= 1;
    }
  }

  #hangUp(socket: Socket): void {
    socket.end();
    socket.setTimeout(2000, () => socket.destroy());
    socket.resume();
  }

  #freePid(): number {
    for (;;) {
      const [a = 0, b = 0, c = 0, d = 0] = this.#deps.random.bytes(4);
      const pid = ((a & 0x7f) << 24) | (b << 16) | (c << 8) | d;
      if (pid !== 0 && !this.#sessions.has(pid)) return pid;
    }
  }
}
