// What `app/compose` registers: listeners for drivers, one engine per target, live sessions. One adapter serves every Snowflake target.
// All sessions live in the thread of the adapter: a driver uses several connections for one session.

import type { ServerResponse } from 'node:http';
import { SallyportError } from '../../core/error.ts';
import type { TargetAnalyst } from '../../core/ports.ts';
import type { Target } from '../../core/target.ts';
import { type HttpHandler, type HttpListening, type HttpRequest, serveHttp } from '../../transport/http-server.ts';
import type { HttpRoute } from '../../transport/http-router.ts';
import type { ListenerConfig, Listening } from '../../transport/listener.ts';
import { clientParameters } from './answer-data.ts';
import { BrowserLogins } from './browser-login.ts';
import { BrowserPages } from './browser-pages.ts';
import { ClientTokens, type IssuedTokens } from './client-tokens.ts';
import { asFault, errorEnvelope, type NativeError, nativeFault, refusedFeature } from './errors.ts';
import { jsonBody, sendJson, userAgentOf } from './json-http.ts';
import { type LoggedIn, LoginDesk, type LoginTarget, refusedLogin } from './login.ts';
import { readLogin } from './login-request.ts';
import { type Envelope, type JsonObject, numberAt, objectAt, ok, textAt } from './protocol.ts';
import { SnowflakeSession } from './session.ts';
import {
  defaultSnowflakeLimits,
  type PlanLookups,
  type SnowflakeAdapterDeps,
  type SnowflakeEngine,
  type SnowflakeLimits,
  type SnowflakeTargetConfig,
} from './settings.ts';
import { SqlApi } from './sql-api.ts';
import { readStatement } from './statement-request.ts';
import { connectSnowflake, OWN_CLIENT } from './upstream.ts';
import { checkCredential } from './upstream-credential.ts';
import { UpstreamHttp } from './upstream-http.ts';

export type { SnowflakeAdapterDeps, SnowflakeEngine, SnowflakeLimits, SnowflakeTargetConfig } from './settings.ts';

export interface SnowflakeAdapter {
  /** Reads the catalogues. Never rejects: a target that cannot be read refuses statements until it can. */
  start(): Promise<void>;
  /** @throws SP_CONFIG_INVALID */
  listen(config: ListenerConfig): Promise<Listening>;
  analysts(): readonly TargetAnalyst[];
  readonly liveSessions: number;
  /** How the plans of each target were found so far. */
  planLookups(): readonly PlanLookups[];
  /** No new sessions or statements; running ones finish, held ones are given up. Resolves when no session is left or `signal` fires,
   *  which cuts the rest off. */
  drain(signal: AbortSignal): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** @throws SP_CONFIG_INVALID for targets that may not be dialled as configured. */
export function createSnowflakeAdapter(deps: SnowflakeAdapterDeps): SnowflakeAdapter {
  return new Adapter(deps);
}

interface LiveTarget extends LoginTarget {
  readonly engine: SnowflakeEngine;
}

/** Of an answer of Snowflake: it holds answers back for 45 s. */
const upstreamAnswerMs = 90_000;
/** How often sessions are looked for whose tokens nobody renews. */
const sweepMs = 10_000;
const drainPollMs = 50;
const maxSmallBodyBytes = 64 * 1024;
const requestIdPattern = /^[0-9A-Za-z-]{1,64}$/;

class Adapter implements SnowflakeAdapter {
  readonly #deps: SnowflakeAdapterDeps;
  readonly #limits: SnowflakeLimits;
  readonly #targets = new Map<string, LiveTarget>();
  readonly #listeners: HttpListening[] = [];
  readonly #sessions = new Set<SnowflakeSession>();
  readonly #tokens: ClientTokens<SnowflakeSession>;
  readonly #browsers: BrowserLogins;
  readonly #pages: BrowserPages | null;
  readonly #desk: LoginDesk;
  readonly #api: SqlApi;
  readonly #closing = new AbortController();
  readonly #sweep: NodeJS.Timeout;
  #isDraining = false;

  constructor(deps: SnowflakeAdapterDeps) {
    this.#deps = deps;
    this.#limits = { ...defaultSnowflakeLimits, ...deps.limits };
    const { clock, random, gate, authenticator, failures, browserLogin, publicUrl } = deps;
    for (const config of deps.targets) this.#targets.set(config.name, this.#liveTarget(config));
    this.#tokens = new ClientTokens({ clock, random, limits: this.#limits });
    this.#browsers = new BrowserLogins({ clock, random });
    this.#pages =
      browserLogin === null ? null : new BrowserPages({ flow: browserLogin, browsers: this.#browsers, failures, clock, publicUrl });
    this.#desk = new LoginDesk({
      gate,
      authenticator,
      failures,
      clock,
      browsers: this.#browsers,
      target: (name) => this.#targets.get(name),
    });
    this.#api = new SqlApi({
      desk: this.#desk,
      results: deps.results,
      limits: this.#limits,
      clock,
      logger: deps.logger,
      targets: [...this.#targets.keys()],
      isDraining: () => this.#isDraining,
      closing: this.#closing.signal,
      begin: (loggedIn) => this.#open(loggedIn, (session) => this.#api.ended(session)),
    });
    this.#sweep = setInterval(() => this.#endForgotten(), sweepMs);
    this.#sweep.unref();
  }

  get liveSessions(): number {
    return this.#sessions.size;
  }

  async start(): Promise<void> {
    await Promise.all([...this.#targets.values()].map(({ engine }) => engine.start()));
  }

  async listen(config: ListenerConfig): Promise<Listening> {
    const { logger } = this.#deps;
    const otherwise: HttpHandler = async (request, response) => {
      if (!this.#api.refuse(request, response)) sendJson(response, 404, errorEnvelope(nothingThere));
    };
    const listening = await serveHttp({ config, logger, routes: this.#routes(), otherwise });
    this.#listeners.push(listening);
    return listening;
  }

  analysts(): readonly TargetAnalyst[] {
    return [...this.#targets.values()].map(({ engine }) => engine.analyst);
  }

  planLookups(): readonly PlanLookups[] {
    return [...this.#targets.values()].map(({ engine }) => engine.planLookups());
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    await Promise.all(this.#listeners.map((listener) => listener.stopAccepting()));
    while (!signal.aborted && [...this.#sessions].some((session) => session.unanswered > 0)) {
      await new Promise((resolve) => setTimeout(resolve, drainPollMs));
    }
    await this.#endAll();
    await Promise.all(this.#listeners.map((listener) => listener.drain(signal)));
    await this.close();
  }

  async close(): Promise<void> {
    this.#isDraining = true;
    clearInterval(this.#sweep);
    this.#api.close();
    this.#closing.abort(new SallyportError('SP_SHUTTING_DOWN', 'adapter is closed'));
    await this.#endAll();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    for (const { engine, http } of this.#targets.values()) {
      engine.close();
      http.close();
    }
  }

  async #endAll(): Promise<void> {
    const fault = new SallyportError('SP_SHUTTING_DOWN', 'gateway stops');
    await Promise.all([...this.#sessions].map((session) => session.end(fault)));
  }

  #liveTarget(config: SnowflakeTargetConfig): LiveTarget {
    checkCredential(config.credential);
    const { connectTimeoutMs, maxAnswerBytes } = this.#limits;
    const http = new UpstreamHttp({ ...config, connectTimeoutMs, maxAnswerBytes, answerTimeoutMs: upstreamAnswerMs });
    const target: Target = { name: config.name, protocol: 'snowflake', address: `${config.host}:${config.port}/${config.account}` };
    const { clock } = this.#deps;
    return {
      config,
      target,
      http,
      engine: this.#deps.engine(config, (signal) => connectSnowflake(config, OWN_CLIENT, { http, clock }, signal)),
    };
  }

  #endForgotten(): void {
    for (const session of this.#sessions) {
      if (!this.#api.has(session) && this.#tokens.isOver(session))
        void session.end(new SallyportError('SP_SESSION_ENDED', 'the session was not renewed'), 'client');
    }
  }

  #routes(): HttpRoute[] {
    const post = (path: string, handle: HttpHandler): HttpRoute => ({ method: 'POST', path, handle });
    const get = (path: string, handle: HttpHandler): HttpRoute => ({ method: 'GET', path, handle });
    const withSession =
      (act: (session: SnowflakeSession, request: HttpRequest) => Promise<Envelope>): HttpHandler =>
      (request, response) =>
        this.#answer(response, async () => {
          const found = this.#tokens.find(request.headers.authorization, 'session');
          return 'fault' in found ? refusedToken(request, found.fault) : act(found.session, request);
        });
    return [
      post('/session/v1/login-request', (request, response) => this.#answer(response, () => this.#logIn(request))),
      post('/session/authenticator-request', (request, response) => this.#answer(response, () => this.#authenticator(request))),
      post('/session/token-request', (request, response) => this.#answer(response, () => this.#renew(request))),
      post(
        '/session/heartbeat',
        withSession(async (session, request) => {
          await request.body(maxSmallBodyBytes);
          await session.heartbeat();
          return ok();
        }),
      ),
      post(
        '/session',
        withSession((session, request) => this.#end(session, request)),
      ),
      post('/telemetry/send', swallow),
      post('/telemetry/send/sessionless', swallow),
      post(
        '/queries/v1/query-request',
        withSession((session, request) => this.#query(session, request)),
      ),
      post(
        '/queries/v1/abort-request',
        withSession(async (session, request) => {
          const requestId = textAt(await jsonBody(request, this.#limits.maxRequestBytes), 'requestId');
          return session.abortRequest(requestId ?? '');
        }),
      ),
      post(
        '/queries/*/abort-request',
        withSession(async (session, request) => {
          await request.body(this.#limits.maxRequestBytes);
          return session.abortQuery(request.parts[0] ?? '');
        }),
      ),
      get(
        '/queries/*/result',
        withSession((session, request) => session.result(request.parts[0] ?? '', this.#chunkBase(request), request.gone)),
      ),
      get(
        '/monitoring/queries/*',
        withSession((session, request) => session.monitor(request.parts[0] ?? '')),
      ),
      get('/gw/chunks/*', (request, response) => this.#deps.results.serveChunk(request.parts[0] ?? '', request.incoming, response)),
      ...this.#api.routes(),
      ...(this.#pages?.routes() ?? []),
    ];
  }

  async #logIn(request: HttpRequest): Promise<Envelope> {
    const body = await jsonBody(request, this.#limits.maxLoginBytes);
    const wishes = readLogin(body, request.query);
    if ('code' in wishes) return errorEnvelope(wishes);
    const { address, headers } = request;
    const signal = AbortSignal.any([this.#closing.signal, request.gone, AbortSignal.timeout(this.#limits.loginTimeoutMs)]);
    try {
      if (this.#isDraining) throw new SallyportError('SP_SHUTTING_DOWN', 'no new sessions while draining');
      const loggedIn = await this.#desk.logIn(wishes, { address, userAgent: userAgentOf(headers['user-agent']) }, signal);
      return ok(this.#begin(loggedIn));
    } catch (fault) {
      const { code, message } = asFault(fault);
      this.#deps.logger.warn({ address, code, reason: message }, 'log-in was refused');
      return errorEnvelope(refusedLogin(fault, wishes.by));
    }
  }

  /** @param onEnding called once, before anything of it is torn down */
  #open({ gate, upstream, live }: LoggedIn, onEnding: (session: SnowflakeSession, reason: NativeError) => void): SnowflakeSession {
    const { results, clock, logger } = this.#deps;
    const target = this.#targets.get(live.target.name);
    if (target === undefined) throw new SallyportError('SP_INTERNAL', 'a log-in to no target');
    const session: SnowflakeSession = new SnowflakeSession({
      gate,
      upstream,
      planning: target.engine.planning,
      results,
      tokens: live.config.tokens,
      clock,
      logger,
      limits: this.#limits,
      onEnding: (reason) => onEnding(session, reason),
      onClosed: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    logger.info({ session: gate.id, target: live.target.name, subject: gate.principal.subject }, 'session opened');
    return session;
  }

  #begin(loggedIn: LoggedIn): JsonObject {
    const { gate, upstream } = loggedIn;
    const issued = this.#tokens.issue(this.#open(loggedIn, (session, reason) => this.#tokens.end(session, reason)));
    const { serverVersion, parameters, sessionInfo } = upstream.greeting;
    return {
      ...tokenFields(issued),
      sessionId: numberOf(this.#deps.random.bytes(6)),
      displayUserName: gate.principal.name,
      serverVersion,
      firstLogin: false,
      remMeToken: null,
      remMeValidityInSeconds: 0,
      healthCheckInterval: 45,
      newClientForUpgrade: null,
      idToken: null,
      idTokenValidityInSeconds: 0,
      mfaToken: null,
      mfaTokenValidityInSeconds: 0,
      parameters: clientParameters(parameters),
      sessionInfo: Object.fromEntries(
        ['databaseName', 'schemaName', 'warehouseName', 'roleName'].map((name) => [name, textAt(sessionInfo, name)]),
      ),
    };
  }

  /** EXTERNALBROWSER: where the driver sends the browser. The same for every target, known or not. */
  async #authenticator(request: HttpRequest): Promise<Envelope> {
    const data = objectAt(await jsonBody(request, this.#limits.maxLoginBytes), 'data');
    const named = (textAt(data, 'AUTHENTICATOR') ?? '').toUpperCase();
    if (this.#pages === null || named !== 'EXTERNALBROWSER') {
      return errorEnvelope(
        refusedFeature('this authenticator is not taken', 'Use authenticator OAUTH with a token of your identity provider.', null),
      );
    }
    const port = textAt(data, 'BROWSER_MODE_REDIRECT_PORT') ?? String(numberAt(data, 'BROWSER_MODE_REDIRECT_PORT') ?? '');
    const begun = this.#pages.begin(request, Number(port), null);
    if (begun === null) return errorEnvelope(refusedFeature('the port to come back to is none', 'Check the driver.', null));
    return ok({ tokenUrl: null, ssoUrl: begun.url, proofKey: begun.proofKey });
  }

  async #renew(request: HttpRequest): Promise<Envelope> {
    await request.body(maxSmallBodyBytes);
    const found = this.#tokens.find(request.headers.authorization, 'master');
    if ('fault' in found) return errorEnvelope(found.fault);
    const { token, masterToken, validityS, masterValidityS } = this.#tokens.issue(found.session);
    return ok({
      sessionToken: token,
      validityInSecondsST: validityS,
      masterToken,
      validityInSecondsMT: masterValidityS,
      masterValidityInSeconds: masterValidityS,
      sessionId: 0,
    });
  }

  async #end(session: SnowflakeSession, request: HttpRequest): Promise<Envelope> {
    await request.body(maxSmallBodyBytes);
    if (request.query.get('delete') !== 'true') return errorEnvelope(nothingThere);
    await session.end(new SallyportError('SP_SESSION_ENDED', 'ended by its client'), 'client');
    return ok();
  }

  async #query(session: SnowflakeSession, request: HttpRequest): Promise<Envelope> {
    const requestId = request.query.get('requestId') ?? '';
    if (!requestIdPattern.test(requestId)) throw new SallyportError('SP_WIRE_MALFORMED', 'query-request without a request id');
    const asked = readStatement(await jsonBody(request, this.#limits.maxRequestBytes), 1);
    if ('code' in asked) return errorEnvelope(asked);
    if (this.#isDraining && !session.has(requestId)) throw new SallyportError('SP_SHUTTING_DOWN', 'no new statements while draining');
    const accept = request.headers.accept === 'application/snowflake' ? 'application/snowflake' : 'application/json';
    return session.query({ requestId, asked, accept, chunkBase: this.#chunkBase(request) }, request.gone);
  }

  #chunkBase({ origin }: HttpRequest): string {
    return `${this.#deps.publicUrl ?? origin}/gw/chunks/`;
  }

  /** Whatever fails is told in an envelope, with status 200. */
  async #answer(response: ServerResponse, act: () => Promise<Envelope>): Promise<void> {
    let envelope: Envelope;
    try {
      envelope = await act();
    } catch (thrown) {
      const fault = asFault(thrown);
      if (fault.code === 'SP_CLIENT_LOST') throw fault;
      if (fault.code === 'SP_INTERNAL') this.#deps.logger.error({ code: fault.code }, 'a request failed by a fault of the gateway');
      envelope = errorEnvelope(nativeFault(fault, null));
    }
    sendJson(response, 200, envelope);
  }
}

const nothingThere: NativeError = { code: '390404', sqlState: '02000', message: 'sallyport: nothing of this address is served here.' };

/** What drivers tell about themselves goes nowhere. */
const swallow: HttpHandler = async (request, response) => {
  await request.body(1024 * 1024);
  sendJson(response, 200, ok({ message: 'Log Received' } as JsonObject));
};

async function refusedToken(request: HttpRequest, fault: NativeError): Promise<Envelope> {
  // Read, so that the connection can be used again.
  if (request.method === 'POST') await request.body(defaultSnowflakeLimits.maxLoginBytes).catch(() => undefined);
  return errorEnvelope(fault);
}

function tokenFields({ token, masterToken, validityS, masterValidityS }: IssuedTokens): JsonObject {
  return { token, masterToken, validityInSeconds: validityS, masterValidityInSeconds: masterValidityS };
}

/** Below 2^48: drivers read it as a number. */
function numberOf(bytes: Uint8Array): number {
  return bytes.reduce((number, byte) => number * 256 + byte, 0);
}
