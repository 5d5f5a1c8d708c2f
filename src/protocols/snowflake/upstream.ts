// The upstream half: one Snowflake session over the drivers' own protocol, raw. Logs in with the credential that only the gateway has,
// renews its token in the middle of anything, follows Snowflake's own "in progress", and repeats what may be repeated.
// Works without a session of ours, so that it can run in a connector. SPEC: docs/protocols/snowflake.md.
// INVARIANT: a client's statement leaves only with a genuine Permit.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SallyportError } from '../../core/error.ts';
import type { Clock } from '../../core/ports.ts';
import { Permit } from '../../session/permit.ts';
import { CODES, type Envelope, type JsonObject, objectAt, PINNED_PARAMETERS, textAt } from './protocol.ts';
import { credentialFields, type SnowflakeCredential } from './upstream-credential.ts';
import type { Exchange, Exchanged, UpstreamHttp } from './upstream-http.ts';

export interface SnowflakeAccount {
  /** As Snowflake calls it: `ORG-ACCOUNT`, or a locator. */
  readonly account: string;
  readonly user: string;
  readonly credential: SnowflakeCredential;
  /** Null = the user's own default; also below. */
  readonly role: string | null;
  readonly warehouse: string | null;
  readonly database: string | null;
  readonly schema: string | null;
}

/** What of a client's log-in goes on to the account. */
export interface UpstreamClient {
  readonly appId: string;
  readonly appVersion: string;
  readonly userAgent: string;
  readonly environment: JsonObject;
  readonly sessionParameters: JsonObject;
  /** Instead of the account's. */
  readonly warehouse: string | null;
  readonly database: string | null;
  readonly schema: string | null;
}

export interface UpstreamDeps {
  readonly http: UpstreamHttp;
  readonly clock: Clock;
}

/** What the account said when the session began. */
export interface UpstreamGreeting {
  readonly serverVersion: string;
  readonly parameters: readonly JsonObject[];
  readonly sessionInfo: JsonObject;
}

export interface UpstreamQuery {
  /** Of this statement at the account. The same for repetitions, which join. */
  readonly requestId: string;
  readonly body: JsonObject;
  readonly accept: string;
}

export interface SnowflakeUpstream {
  readonly greeting: UpstreamGreeting;
  /** The account has ended the session, or does not renew it. */
  readonly isOver: boolean;
  /** Sends a client's statement. The answer may say that it is in progress (`follow`).
   *  @throws SP_UPSTREAM_LOST when the session is over, SP_UPSTREAM_UNREACHABLE, SP_UPSTREAM_PROTOCOL; also below */
  query(permit: Permit, query: UpstreamQuery, signal: AbortSignal): Promise<Envelope>;
  /** Runs a statement of the gateway's own to its end: catalogue reads. */
  own(text: string, signal: AbortSignal, parameters?: JsonObject): Promise<Envelope>;
  /** Waits until an answer is no longer "in progress". */
  follow(answer: Envelope, signal: AbortSignal): Promise<Envelope>;
  /** The result of a query that this session ran; may say that it is in progress. */
  result(queryId: string, signal: AbortSignal): Promise<Envelope>;
  monitor(queryId: string, signal: AbortSignal): Promise<Envelope>;
  /** Asks the account to give up a statement. @returns what it answers */
  abort(requestId: string, signal: AbortSignal): Promise<Envelope>;
  /** Keeps the session alive. */
  heartbeat(signal: AbortSignal): Promise<void>;
  /** Ends the session at the account. Never rejects; takes at most a few seconds. */
  close(): Promise<void>;
}

/** Of one exchange, first one included. */
const maxAttempts = 8;
const firstBackoffMs = 50;
const maxBackoffMs = 8_000;
const maxRenewals = 3;
const closeTimeoutMs = 5_000;
/** Between polls that are answered at once, which Snowflake does not do. */
const pollPauseMs = 100;
const ownUserAgent = 'Sallyport';

/** What the gateway's own sessions (catalogue reads) say they are: answers are JSON. */
export const OWN_CLIENT: UpstreamClient = {
  appId: 'JavaScript',
  appVersion: '3.3.0',
  userAgent: ownUserAgent,
  environment: { APPLICATION: 'Sallyport' },
  sessionParameters: {},
  warehouse: null,
  database: null,
  schema: null,
};

/** Logs in. @throws SP_UPSTREAM_AUTH, SP_UPSTREAM_UNREACHABLE, SP_UPSTREAM_PROTOCOL, SP_CONFIG_INVALID */
export async function connectSnowflake(
  account: SnowflakeAccount,
  client: UpstreamClient,
  deps: UpstreamDeps,
  signal: AbortSignal,
): Promise<SnowflakeUpstream> {
  const fields = await credentialFields(account.credential, account, deps.clock, signal);
  const query = new URLSearchParams({ requestId: randomUUID(), request_guid: randomUUID() });
  const wishes = {
    warehouse: client.warehouse ?? account.warehouse,
    databaseName: client.database ?? account.database,
    schemaName: client.schema ?? account.schema,
    roleName: account.role,
  };
  for (const [name, value] of Object.entries(wishes)) if (value !== null) query.set(name, value);
  const { envelope } = await repeated(
    () =>
      deps.http.exchange(
        {
          method: 'POST',
          path: `/session/v1/login-request?${query.toString()}`,
          token: null,
          accept: 'application/json',
          userAgent: client.userAgent,
          body: {
            data: {
              CLIENT_APP_ID: client.appId,
              CLIENT_APP_VERSION: client.appVersion,
              ACCOUNT_NAME: account.account,
              LOGIN_NAME: account.user,
              CLIENT_ENVIRONMENT: client.environment,
              SESSION_PARAMETERS: { ...client.sessionParameters, ...PINNED_PARAMETERS },
              ...fields,
            },
          },
        },
        signal,
      ),
    signal,
  );
  const token = textAt(envelope.data, 'token');
  const masterToken = textAt(envelope.data, 'masterToken');
  if (!envelope.success || token === null || masterToken === null) {
    throw new SallyportError('SP_UPSTREAM_AUTH', `the account refused the log-in of the gateway (${envelope.code ?? 'no code'})`);
  }
  return new UpstreamSession(deps, client, { token, masterToken }, greetingOf(envelope.data));
}

function greetingOf(data: JsonObject | null): UpstreamGreeting {
  const parameters = data?.['parameters'];
  return {
    serverVersion: textAt(data, 'serverVersion') ?? '',
    parameters: Array.isArray(parameters) ? (parameters as readonly JsonObject[]) : [],
    sessionInfo: objectAt(data, 'sessionInfo'),
  };
}

interface Tokens {
  readonly token: string;
  readonly masterToken: string;
}

class UpstreamSession implements SnowflakeUpstream {
  readonly greeting: UpstreamGreeting;
  readonly #deps: UpstreamDeps;
  readonly #client: UpstreamClient;
  #tokens: Tokens;
  #renewal: Promise<void> | null = null;
  #isClosed = false;
  isOver = false;

  constructor(deps: UpstreamDeps, client: UpstreamClient, tokens: Tokens, greeting: UpstreamGreeting) {
    this.#deps = deps;
    this.#client = client;
    this.#tokens = tokens;
    this.greeting = greeting;
  }

  async query(permit: Permit, query: UpstreamQuery, signal: AbortSignal): Promise<Envelope> {
    if (!Permit.isGenuine(permit)) throw new SallyportError('SP_INTERNAL', 'forwarding without a permit');
    return this.#statement(query, signal);
  }

  async own(text: string, signal: AbortSignal, parameters: JsonObject = {}): Promise<Envelope> {
    const body = { sqlText: text, asyncExec: false, sequenceId: 0, querySubmissionTime: this.#deps.clock.nowMs(), parameters };
    return this.follow(await this.#statement({ requestId: randomUUID(), body, accept: 'application/json' }, signal), signal);
  }

  /** WHY it may be repeated: the account knows the request id, and a repetition joins the statement that runs. */
  #statement({ requestId, body, accept }: UpstreamQuery, signal: AbortSignal): Promise<Envelope> {
    const startedMs = this.#deps.clock.nowMs();
    return this.#call(
      (attempt) => ({
        method: 'POST',
        path: `/queries/v1/query-request?${new URLSearchParams({
          requestId,
          request_guid: randomUUID(),
          ...(attempt === 0 ? {} : { clientStartTime: String(startedMs), retryCount: String(attempt), retryReason: '0' }),
        }).toString()}`,
        body,
        accept,
      }),
      signal,
    );
  }

  async follow(answer: Envelope, signal: AbortSignal): Promise<Envelope> {
    let current = answer;
    while (isInProgress(current)) {
      const path = textAt(current.data, 'getResultUrl');
      if (path === null || !/^\/queries\/[A-Za-z0-9-]{1,128}\/result(\?[A-Za-z0-9=&_.-]*)?$/.test(path)) {
        throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'a statement is in progress at an unknown place');
      }
      const askedMs = this.#deps.clock.monotonicMs();
      current = await this.#get(path, signal);
      if (isInProgress(current) && this.#deps.clock.monotonicMs() - askedMs < 10 * pollPauseMs) await pause(pollPauseMs, signal);
    }
    return current;
  }

  result(queryId: string, signal: AbortSignal): Promise<Envelope> {
    return this.#get(`/queries/${encodeURIComponent(queryId)}/result`, signal);
  }

  monitor(queryId: string, signal: AbortSignal): Promise<Envelope> {
    return this.#get(`/monitoring/queries/${encodeURIComponent(queryId)}`, signal);
  }

  abort(requestId: string, signal: AbortSignal): Promise<Envelope> {
    return this.#call(
      () => ({
        method: 'POST',
        path: `/queries/v1/abort-request?${guids()}`,
        body: { requestId, sqlText: '' },
        accept: 'application/json',
      }),
      signal,
    );
  }

  async heartbeat(signal: AbortSignal): Promise<void> {
    await this.#call(
      () => ({ method: 'POST', path: `/session/heartbeat?requestId=${randomUUID()}`, body: {}, accept: 'application/json' }),
      signal,
    );
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const exchange = {
      method: 'POST' as const,
      path: `/session?delete=true&requestId=${randomUUID()}`,
      body: {},
      token: this.#tokens.token,
      accept: 'application/json',
      userAgent: this.#client.userAgent,
    };
    // What cannot be ended now ends by itself at the account.
    await this.#deps.http.exchange(exchange, AbortSignal.timeout(closeTimeoutMs)).catch(() => undefined);
  }

  #get(path: string, signal: AbortSignal): Promise<Envelope> {
    return this.#call(() => ({ method: 'GET', path, accept: 'application/snowflake' }), signal);
  }

  /** Sends until there is an answer; the session's token is renewed whenever the account says that it has expired. */
  async #call(make: (attempt: number) => Omit<Exchange, 'token' | 'userAgent'>, signal: AbortSignal): Promise<Envelope> {
    for (let renewals = 0; ; renewals += 1) {
      const { token } = this.#tokens;
      const { userAgent } = this.#client;
      const { envelope } = await repeated((attempt) => this.#deps.http.exchange({ ...make(attempt), token, userAgent }, signal), signal);
      if (envelope.success) return envelope;
      if (envelope.code === CODES.sessionExpired && renewals < maxRenewals) {
        if (this.#tokens.token === token) await (this.#renewal ??= this.#renew(signal));
      } else if (isSessionOver(envelope.code)) {
        this.isOver = true;
        throw new SallyportError('SP_UPSTREAM_LOST', `the account has ended the session (${envelope.code})`);
      } else return envelope;
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    try {
      const { token, masterToken } = this.#tokens;
      const { userAgent } = this.#client;
      // Others wait for it as well: it goes on when the one who began it does not want it any more.
      const lasting = signal.aborted ? signal : AbortSignal.timeout(30_000);
      const { envelope } = await repeated(
        () =>
          this.#deps.http.exchange(
            {
              method: 'POST',
              path: `/session/token-request?${guids()}`,
              body: { oldSessionToken: token, requestType: 'RENEW' },
              token: masterToken,
              accept: 'application/json',
              userAgent,
            },
            lasting,
          ),
        lasting,
      );
      const renewed = textAt(envelope.data, 'sessionToken');
      if (!envelope.success || renewed === null) {
        this.isOver = true;
        throw new SallyportError('SP_UPSTREAM_LOST', `the account does not renew the session (${envelope.code ?? 'no code'})`);
      }
      this.#tokens = { token: renewed, masterToken: textAt(envelope.data, 'masterToken') ?? masterToken };
    } finally {
      this.#renewal = null;
    }
  }
}

/** New for every attempt. */
const guids = (): string => `requestId=${randomUUID()}&request_guid=${randomUUID()}`;

export const isInProgress = ({ code }: Envelope): boolean => code === CODES.inProgress || code === CODES.inProgressAsync;

function isSessionOver(code: string | null): boolean {
  return code === CODES.sessionExpired || code === CODES.sessionGone || code === CODES.sessionInvalid || code === CODES.masterExpired;
}

/** What the account or the network could not do now is tried again, after a while that grows. */
async function repeated(send: (attempt: number) => Promise<Exchanged>, signal: AbortSignal): Promise<{ readonly envelope: Envelope }> {
  let backoffMs = firstBackoffMs;
  for (let attempt = 0; ; attempt += 1) {
    const isLast = attempt + 1 >= maxAttempts;
    try {
      const exchanged = await send(attempt);
      if ('envelope' in exchanged) return exchanged;
      if (isLast) throw new SallyportError('SP_UPSTREAM_UNREACHABLE', `the account answers with status ${exchanged.retry}`);
    } catch (fault) {
      if (isLast || signal.aborted || !isPassing(fault)) throw fault;
    }
    await pause(backoffMs, signal);
    backoffMs = Math.min(maxBackoffMs, backoffMs * 2);
  }
}

function isPassing(fault: unknown): boolean {
  return fault instanceof SallyportError && (fault.code === 'SP_UPSTREAM_LOST' || fault.code === 'SP_UPSTREAM_UNREACHABLE');
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw signal.reason instanceof SallyportError
      ? signal.reason
      : new SallyportError('SP_UPSTREAM_LOST', 'gave up waiting for the account');
  }
}
