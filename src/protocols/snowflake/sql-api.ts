// The SQL API v2: statements by plain HTTP with a bearer token. Every request is verified by itself; statements run through the sessions,
// jobs, plans and masks of the drivers' protocol, and only their answers are written otherwise. SPEC: docs/protocols/snowflake.md, "SQL API".
// REFUSES: handles of others like unknown ones, key-pair tokens, and everything else under /api/v2.

import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { SallyportError } from '../../core/error.ts';
import type { Principal } from '../../core/identity.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { HttpRoute } from '../../transport/http-router.ts';
import type { HttpHandler, HttpRequest } from '../../transport/http-server.ts';
import { asFault, type NativeError, nativeFault, noSuchQuery } from './errors.ts';
import { jsonBody, sendJson, userAgentOf } from './json-http.ts';
import type { LoggedIn, LoginDesk } from './login.ts';
import { LoginRefusal, refusedLogin } from './login.ts';
import { type Envelope, isQueryId } from './protocol.ts';
import type { Patience } from './job.ts';
import type { ResultMasker } from './results/index.ts';
import type { SnowflakeSession } from './session.ts';
import type { SnowflakeLimits } from './settings.ts';
import {
  type AnswerPlace,
  answerOf,
  type ApiAnswer,
  cancelAnswer,
  childHandles,
  chunkPaths,
  faultAnswer,
  linkHeader,
  statusOfFault,
} from './sql-api-answer.ts';
import { ApiMalformed, type ApiStatement, bearerOf, readApiStatement, readFlags, targetOf } from './sql-api-request.ts';
import { type ApiSession, ApiSessions, bounded } from './sql-api-sessions.ts';
import { OWN_CLIENT } from './upstream.ts';

export interface SqlApiDeps {
  readonly desk: LoginDesk;
  readonly results: ResultMasker;
  readonly limits: SnowflakeLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the gateway. */
  readonly targets: readonly string[];
  readonly isDraining: () => boolean;
  /** Fires when the adapter closes. */
  readonly closing: AbortSignal;
  readonly begin: (loggedIn: LoggedIn) => SnowflakeSession;
}

interface Caller {
  readonly principal: Principal;
  /** `/api/v2/statements`, as the client reached it. */
  readonly base: string;
  /** Null = the request names none. */
  readonly target: string | null;
}

/** Clients sleep between their polls. */
const pollPatience: Patience = { ms: 1_000, endsAtHold: true };
/** Results of one session whose partitions are found without asking the account again. */
const maxPartitioned = 50;
const maxTextNulls = 2_000;
const maxSmallBodyBytes = 64 * 1024;
const ofApi = /^(?:\/t\/[^/]+)?\/api\/v2(?:\/|$)/;

export class SqlApi {
  readonly #deps: SqlApiDeps;
  readonly #sessions: ApiSessions;

  constructor(deps: SqlApiDeps) {
    this.#deps = deps;
    this.#sessions = new ApiSessions({ clock: deps.clock, idleMs: deps.limits.apiIdleMs });
  }

  has(session: SnowflakeSession): boolean {
    return this.#sessions.has(session);
  }

  ended(session: SnowflakeSession): void {
    this.#sessions.ended(session);
  }

  close(): void {
    this.#sessions.close();
  }

  routes(): HttpRoute[] {
    return ['', '/t/*'].flatMap((prefix): HttpRoute[] => {
      const base = `${prefix}/api/v2/statements`;
      const isNamed = prefix !== '';
      return [
        { method: 'POST', path: base, handle: this.#handler(isNamed, (caller, request) => this.#submit(caller, request)) },
        {
          method: 'GET',
          path: `${base}/*`,
          handle: this.#handler(isNamed, (caller, request, response) => this.#status(caller, request, response)),
        },
        { method: 'POST', path: `${base}/*/cancel`, handle: this.#handler(isNamed, (caller, request) => this.#cancel(caller, request)) },
      ];
    });
  }

  /** Everything else under `/api/v2`. @returns false when it is none of it */
  refuse(request: HttpRequest, response: ServerResponse): boolean {
    if (!ofApi.test(request.path)) return false;
    const message = 'sallyport: of this API only /api/v2/statements is served.';
    give(response, faultAnswer(404, { code: '390404', sqlState: '02000', message }));
    return true;
  }

  /** @param act null = it has answered itself */
  #handler(
    isNamed: boolean,
    act: (caller: Caller, request: HttpRequest, response: ServerResponse) => Promise<ApiAnswer | null>,
  ): HttpHandler {
    return async (given, response) => {
      const [named = null, ...rest] = isNamed ? given.parts : [null, ...given.parts];
      const parts = rest.filter((part) => part !== null);
      let answer: ApiAnswer | null;
      let isRead = given.method !== 'POST';
      try {
        const token = bearerOf(given.headers.authorization, given.headers['x-snowflake-authorization-token-type']);
        if ('code' in token) answer = faultAnswer(401, token);
        else {
          const { closing, desk, limits } = this.#deps;
          const signal = AbortSignal.any([closing, given.gone, AbortSignal.timeout(limits.loginTimeoutMs)]);
          const principal = await desk.identify({ token, proofKey: null }, given.address, null, signal);
          const header = given.headers['snowflake-account'];
          const target = named === null && header === undefined ? null : targetOf(named, header, null);
          const base = `${named === null ? '' : `/t/${named}`}/api/v2/statements`;
          const body = (maxBytes: number): Promise<Buffer> => {
            isRead = true;
            return given.body(maxBytes);
          };
          answer = await act({ principal, base, target }, { ...given, parts, body }, response);
        }
      } catch (thrown) {
        answer = this.#fault(thrown, given);
      }
      if (answer === null) return;
      // Read, so that the connection can be used again.
      if (!isRead) await given.body(this.#deps.limits.maxLoginBytes).catch(() => undefined);
      give(response, answer);
    };
  }

  #fault(thrown: unknown, { address }: HttpRequest): ApiAnswer {
    const fault = asFault(thrown);
    if (fault.code === 'SP_CLIENT_LOST') throw fault;
    if (fault.code === 'SP_INTERNAL') this.#deps.logger.error({ code: fault.code }, 'a request failed by a fault of the gateway');
    else this.#deps.logger.warn({ address, code: fault.code }, 'a request of the SQL API was refused');
    return faultAnswer(statusOfFault(fault.code), nativeOfFault(fault));
  }

  async #submit({ principal, base, target: named }: Caller, request: HttpRequest): Promise<ApiAnswer> {
    const { limits, targets, isDraining } = this.#deps;
    const [only] = targets;
    const target = named ?? targetOf(null, undefined, targets.length === 1 ? (only ?? null) : null);
    const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? 'application/json';
    if (type !== 'application/json') return faultAnswer(415, nativeOfFault(new ApiMalformed('the body is taken as application/json only')));
    const flags = readFlags(request.query);
    const statement = readApiStatement(await jsonBody(request, limits.maxRequestBytes), flags.isAsync);
    if ('code' in statement) return faultAnswer(422, statement);
    if (isDraining()) throw new SallyportError('SP_SHUTTING_DOWN', 'no new statements while draining');
    const requestId = flags.requestId ?? randomUUID();
    const each = await this.#sessions.take({
      principal,
      target,
      context: statement.context,
      isAlone: statement.isAlone,
      requestId,
      open: () => this.#open(principal, target, statement, request),
    });
    return this.#sessions.use(each, async () => {
      const patience = { ms: limits.pollMs, endsAtHold: true };
      const job = { requestId, asked: statement.asked, accept: 'application/json', chunkBase: '', isLeisurely: true };
      const envelope = await each.session.query(job, request.gone, patience);
      const handle = String(envelope.data?.['queryId'] ?? requestId);
      if (flags.nulls !== null) remember(each, [handle]);
      return this.#told(each, base, handle, envelope);
    });
  }

  async #status({ principal, base, target }: Caller, request: HttpRequest, response: ServerResponse): Promise<ApiAnswer | null> {
    const { partition } = readFlags(request.query);
    const handle = request.parts[0] ?? '';
    const each = isQueryId(handle) ? this.#sessions.find(principal, target, handle) : null;
    if (each === null) return unknown(handle);
    return this.#sessions.use(each, async () => {
      const known = partition === 0 ? undefined : each.partitions.get(handle.toLowerCase());
      const answer = known === undefined ? await this.#answer(each, base, handle, request) : null;
      if (answer !== null && (partition === 0 || answer.status !== 200)) return answer;
      const paths = each.partitions.get(handle.toLowerCase()) ?? [];
      const path = paths[partition - 1];
      if (path === undefined) throw new ApiMalformed('there is no such partition');
      const place = placeOf(each, base, handle);
      const isSent = await this.#partition(path, request, response, place, linkHeader(place, partition, paths.length + 1));
      if (!isSent) each.partitions.delete(handle.toLowerCase());
      return null;
    });
  }

  async #answer(each: ApiSession, base: string, handle: string, request: HttpRequest): Promise<ApiAnswer> {
    return this.#told(each, base, handle, await each.session.statement(handle, request.gone, pollPatience));
  }

  /** What was told of a result is what its partitions are found by. */
  #told(each: ApiSession, base: string, handle: string, envelope: Envelope): ApiAnswer {
    if (each.textNulls.has(handle.toLowerCase())) remember(each, childHandles(envelope) ?? []);
    const answer = answerOf(envelope, placeOf(each, base, handle));
    const paths = chunkPaths(envelope);
    if (answer.status === 200 && paths.length > 0) {
      each.partitions.set(handle.toLowerCase(), paths);
      bounded(each.partitions, maxPartitioned);
    }
    return answer;
  }

  async #cancel({ principal, base, target }: Caller, request: HttpRequest): Promise<ApiAnswer> {
    await request.body(maxSmallBodyBytes);
    const handle = request.parts[0] ?? '';
    const each = isQueryId(handle) ? this.#sessions.find(principal, target, handle) : null;
    if (each === null) return unknown(handle);
    return this.#sessions.use(each, async () => cancelAnswer(each.session.abortQuery(handle).success, placeOf(each, base, handle)));
  }

  /** @returns false when there was no such thing any more */
  async #partition(path: string, request: HttpRequest, response: ServerResponse, place: AnswerPlace, link: string): Promise<boolean> {
    const accepted = request.headers['accept-encoding'];
    let isSent = true;
    const refuse = (status: number): void => {
      isSent = false;
      const code = status === 503 ? 'SP_UPSTREAM_UNREACHABLE' : 'SP_UPSTREAM_PROTOCOL';
      give(response, faultAnswer(status === 503 ? 503 : 422, nativeFault(new SallyportError(code, 'a partition'), null), place.handle));
    };
    await this.#deps.results.servePartition(path, response, {
      jsonv2: { nulls: place.nulls },
      isZipped: takesGzip(accepted),
      headers: { 'content-type': 'application/json', vary: 'accept-encoding', link },
      refuse,
    });
    return isSent;
  }

  async #open(principal: Principal, target: string, { context }: ApiStatement, request: HttpRequest): Promise<SnowflakeSession> {
    const { desk, limits, closing, begin } = this.#deps;
    const { appId, appVersion, environment, sessionParameters } = OWN_CLIENT;
    // What it is opened for goes on when the client does not wait any more: others may wait for it as well.
    const signal = AbortSignal.any([closing, AbortSignal.timeout(limits.loginTimeoutMs)]);
    const { role, ...names } = context;
    const wishes = { account: target, appId, appVersion, environment, sessionParameters, ...names, role: unquoted(role) };
    const client = { address: request.address, userAgent: userAgentOf(request.headers['user-agent']) };
    return begin(await desk.enter(principal, wishes, client, signal));
  }
}

function placeOf({ session, textNulls }: ApiSession, base: string, handle: string): AnswerPlace {
  return { base, handle, createdMs: session.createdMs(handle), nulls: textNulls.has(handle.toLowerCase()) ? 'null' : null };
}

function remember({ textNulls }: ApiSession, handles: readonly string[]): void {
  for (const handle of handles) textNulls.add(handle.toLowerCase());
  bounded(textNulls, maxTextNulls);
}

/** Anything but a plain `gzip`, also with a weight of nothing, is taken for no. */
const takesGzip = (accepted: string | readonly string[] | undefined): boolean =>
  typeof accepted === 'string' &&
  accepted.split(',').some((each) => /^gzip(?:;q=(?:1(?:\.0*)?|0\.0*[1-9]\d*))?$/i.test(each.replaceAll(' ', '')));

const unquoted = (name: string | null): string | null => name?.replaceAll(/^"|"$/g, '') ?? null;

/** The same for somebody else's. */
const unknown = (handle: string): ApiAnswer => faultAnswer(404, noSuchQuery(handle.slice(0, 64)), handle.slice(0, 64));

function nativeOfFault(fault: SallyportError): NativeError {
  if (fault instanceof ApiMalformed) return { ...nativeFault(fault, null), message: `sallyport: ${fault.message}.` };
  return fault instanceof LoginRefusal || fault.code.startsWith('SP_AUTH_') ? refusedLogin(fault, 'oauth') : nativeFault(fault, null);
}

function give(response: ServerResponse, { status, body, headers }: ApiAnswer): void {
  sendJson(response, status, body, headers);
}
