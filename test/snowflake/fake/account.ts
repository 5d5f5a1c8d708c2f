// A fake account of Snowflake for tests: what its drivers talk to, with the log-in, the tokens, the waiting and the storage of the real
// one, over DuckDB. Demanding on purpose: what Snowflake refuses is refused. Written from the facts about the protocol, not from the gateway.

import { type KeyObject, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { WorldName } from './clinic.ts';
import { AccountData, normalised } from './data.ts';
import { Job, type Request, type Sizes, faultReply, replyOf } from './jobs.ts';
import { type Credentials, type LoginData, refusalOf } from './login.ts';
import { toldParameters } from './parameters.ts';
import { SnowflakeFault } from './errors.ts';
import { type Answer, type Canned, SqlSession } from './sql-session.ts';
import { Storage } from './storage.ts';

export interface FakeOptions {
  readonly account?: string;
  readonly world?: WorldName | 'empty';
  /** PEM. Absent = http on loopback. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** One statement as it came. */
export interface Heard {
  readonly text: string;
  readonly binds: Request['binds'];
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Of the statement, else of the session. */
  readonly queryTag: string | null;
  readonly requestId: string;
  readonly sessionId: string;
  readonly describeOnly: boolean;
  readonly asyncExec: boolean;
  readonly clientAppId: string;
  /** False = the request was sent again, and joined the first. */
  readonly isNew: boolean;
}

interface Session {
  readonly id: string;
  readonly sql: SqlSession;
  readonly clientAppId: string;
  readonly byRequest: Map<string, Job>;
  token: string;
  masterToken: string;
  expiresAtMs: number;
  masterExpiresAtMs: number;
}

type Reply = Record<string, unknown>;

const failure = (code: string, message: string, data: unknown = null): Reply => ({ data, code, message, success: false, headers: null });
const success = (data: unknown): Reply => ({ data, code: null, message: null, success: true });

export class FakeAccount {
  readonly account: string;
  readonly user = 'GATEWAY';
  /** PKCS #8, for whoever logs in with the key. */
  readonly privateKeyPem: string;
  readonly oauthToken = `oauth-${randomBytes(24).toString('hex')}`;
  readonly accessToken = `pat-${randomBytes(24).toString('hex')}`;
  readonly storage: Storage;
  readonly data: AccountData;
  /** Statements that DuckDB cannot run, by `normalised` text. */
  readonly answers = new Map<string, Canned>();
  readonly heard: Heard[] = [];
  readonly logins: (LoginData & { readonly isGood: boolean; readonly query: string })[] = [];
  readonly counts = { heartbeats: 0, renewals: 0, deletes: 0, aborts: 0, polls: 0, telemetry: 0 };
  readonly sizes: Sizes = { inlineRows: 1000, chunkRows: 5000, chunkKeys: 'both' };
  /** Seconds that tokens last from now on. */
  sessionValidityS = 3600;
  masterValidityS = 14_400;
  /** How long a request waits for its answer before it is told to ask again. */
  waitMs = 45_000;
  readonly #credentials: Credentials;
  readonly #sessions = new Map<string, Session>();
  readonly #jobs = new Map<string, Job>();
  #server: ReturnType<typeof createServer> | null = null;
  #isSecure = false;
  #nextSession = 91_000_000_001;

  private constructor(account: string, storage: Storage, data: AccountData) {
    this.account = account;
    this.storage = storage;
    this.data = data;
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.privateKeyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const publicKey: KeyObject = createPublicKey(privateKey);
    this.#credentials = { user: this.user, publicKey, oauthTokens: new Set([this.oauthToken]), accessTokens: new Set([this.accessToken]) };
  }

  static async start({ account = 'ACME', world = 'first', tls }: FakeOptions = {}): Promise<FakeAccount> {
    const fake = new FakeAccount(account.toUpperCase(), await Storage.start(), await AccountData.load(world));
    const handle = (request: IncomingMessage, response: ServerResponse): void => void fake.#serve(request, response);
    fake.#server = tls === undefined ? createServer(handle) : createSecureServer({ ...tls }, handle);
    fake.#isSecure = tls !== undefined;
    fake.#server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => fake.#server?.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | undefined)?.port ?? 0;
  }

  get url(): string {
    return `${this.#isSecure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Texts of all statements heard, without repetitions of requests. */
  get texts(): string[] {
    return this.heard.filter(({ isNew }) => isNew).map(({ text }) => text);
  }

  answer(text: string, canned: Canned): void {
    this.answers.set(normalised(text), canned);
  }

  /** Tokens of all sessions are over now; their master tokens are good. */
  expireTokens(): void {
    for (const session of this.#sessions.values()) session.expiresAtMs = 0;
  }

  expireMasterTokens(): void {
    for (const session of this.#sessions.values()) session.masterExpiresAtMs = 0;
  }

  endSessions(): void {
    for (const id of this.#sessions.keys()) this.#end(id);
  }

  async close(): Promise<void> {
    for (const job of this.#jobs.values()) job.abort();
    await Promise.all([...this.#jobs.values()].map(({ done }) => done));
    this.endSessions();
    this.#server?.closeAllConnections();
    await new Promise<void>((resolve) => (this.#server === null ? resolve() : this.#server.close(() => resolve())));
    await this.storage.close();
    this.data.close();
  }

  #end(id: string): void {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    for (const job of session?.byRequest.values() ?? []) job.abort();
    session?.sql.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    try {
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
      const url = new URL(request.url ?? '/', this.url);
      const reply = await this.#route(request, url, text);
      if (reply === null) response.writeHead(404).end('404 page not found');
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
    } catch (error) {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(String(error));
    }
  }

  async #route(request: IncomingMessage, url: URL, text: string): Promise<Reply | null> {
    // WHY: the connector of Python 5 writes two slashes before the id of a query.
    const path = url.pathname.replaceAll(/\/+/g, '/');
    const isPost = request.method === 'POST';
    const body = (): Record<string, unknown> => (text === '' ? {} : (JSON.parse(text) as Record<string, unknown>));
    if (isPost && path === '/session/v1/login-request') return await this.#login(url, body());
    if (isPost && path.startsWith('/telemetry/')) {
      this.counts.telemetry += 1;
      return success('Log Received');
    }
    const token = /^Snowflake Token="([^"]+)"$/.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) return failure('390101', 'Authorization header not found in the request data.');
    if (isPost && path === '/session/token-request') return this.#renew(token, body());
    const session = [...this.#sessions.values()].find((each) => each.token === token);
    if (session === undefined) return failure('390104', 'Session token not found or invalid. Please log in again.');
    if (isPost && path === '/session' && url.searchParams.get('delete') === 'true') {
      this.counts.deletes += 1;
      this.#end(session.id);
      return success(null);
    }
    if (session.expiresAtMs <= Date.now()) return failure('390112', 'Session token expired. Please renew.');
    if (isPost && path === '/session/heartbeat') {
      this.counts.heartbeats += 1;
      return success(null);
    }
    if (isPost && path === '/queries/v1/query-request') return await this.#query(session, url, body());
    if (isPost && path === '/queries/v1/abort-request') return this.#abort(session.byRequest.get(String(body()['requestId'])));
    const [, kind, id = '', action] = /^\/(queries|monitoring\/queries)\/([0-9a-f-]{36})(?:\/(result|abort-request))?$/.exec(path) ?? [];
    const job = this.#jobs.get(id);
    if (kind === 'monitoring/queries') return this.#monitor(id, job);
    if (kind === 'queries' && action === 'abort-request' && isPost) return this.#abort(job);
    if (kind === 'queries' && action === 'result' && !isPost) {
      if (job === undefined) return failure('000709', `Statement ${id} not found`, { sqlState: '02000', queryId: id, errorCode: '000709' });
      this.counts.polls += 1;
      return await this.#wait(job, '333333');
    }
    return null;
  }

  async #login(url: URL, body: Record<string, unknown>): Promise<Reply> {
    const data = (body['data'] ?? {}) as LoginData;
    const refusal = refusalOf(data, this.account, this.#credentials);
    this.logins.push({ ...data, isGood: refusal === null, query: url.search });
    if (refusal !== null)
      return failure(refusal.code, refusal.message, { nextAction: 'RETRY_LOGIN', authnMethod: 'USERNAME_PASSWORD', signInOptions: {} });
    const id = String((this.#nextSession += 4));
    const host = {
      data: this.data,
      answers: this.answers,
      user: this.user,
      role: 'SYSADMIN',
      warehouse: 'CLINIC_WH',
      account: this.account,
      resultOf: (queryId: string): Answer | null => this.#jobs.get(queryId)?.answer ?? null,
    };
    const sql = new SqlSession(host, await this.data.connect(), id);
    // A database or schema that is not there leaves none.
    const database = url.searchParams.get('databaseName')?.toUpperCase() || undefined;
    const schema = url.searchParams.get('schemaName')?.toUpperCase() || undefined;
    if (database !== undefined && database !== 'CLINIC') sql.database = sql.schema = null;
    else if (schema !== undefined) sql.schema = ['PUBLIC', 'LEGACY', 'REPORTING'].includes(schema) ? schema : null;
    sql.role = url.searchParams.get('roleName')?.toUpperCase() || 'SYSADMIN';
    sql.warehouse = url.searchParams.get('warehouse')?.toUpperCase() || 'CLINIC_WH';
    for (const [name, value] of Object.entries(data.SESSION_PARAMETERS ?? {})) sql.parameters.set(name.toUpperCase(), String(value));
    const session: Session = {
      id,
      sql,
      clientAppId: data.CLIENT_APP_ID ?? '',
      byRequest: new Map(),
      token: '',
      masterToken: '',
      expiresAtMs: 0,
      masterExpiresAtMs: 0,
    };
    this.#mint(session);
    this.#sessions.set(id, session);
    return success({
      masterToken: session.masterToken,
      token: session.token,
      validityInSeconds: this.sessionValidityS,
      masterValidityInSeconds: this.masterValidityS,
      displayUserName: this.user,
      serverVersion: '9.34.1',
      firstLogin: false,
      remMeToken: null,
      remMeValidityInSeconds: 0,
      healthCheckInterval: 45,
      newClientForUpgrade: null,
      sessionId: Number(id),
      parameters: toldParameters(sql.parameters),
      sessionInfo: { databaseName: sql.database, schemaName: sql.schema, warehouseName: sql.warehouse, roleName: sql.role },
      idToken: null,
      idTokenValidityInSeconds: 0,
      responseData: null,
      mfaToken: null,
      mfaTokenValidityInSeconds: 0,
    });
  }

  #mint(session: Session): void {
    session.token = `ver:1-hint:${session.id}-ETMsDgAAAX${randomBytes(48).toString('base64url')}`;
    session.masterToken = `ver:1-hint:${session.id}-ETMsMaster${randomBytes(48).toString('base64url')}`;
    session.expiresAtMs = Date.now() + this.sessionValidityS * 1000;
    session.masterExpiresAtMs = Date.now() + this.masterValidityS * 1000;
  }

  #renew(masterToken: string, body: Record<string, unknown>): Reply {
    const session = [...this.#sessions.values()].find((each) => each.masterToken === masterToken);
    if (session === undefined) return failure('390111', 'Session no longer exists. New login required to access the service.');
    if (session.masterExpiresAtMs <= Date.now())
      return failure('390114', 'Authentication token has expired. The user must authenticate again.');
    // Older drivers of Node spell it in capitals.
    if ((body['requestType'] ?? body['REQUEST_TYPE']) !== 'RENEW' || body['oldSessionToken'] !== session.token)
      return failure('390104', 'Session token not found or invalid.');
    this.counts.renewals += 1;
    this.#mint(session);
    return success({
      sessionToken: session.token,
      validityInSecondsST: this.sessionValidityS,
      masterToken: session.masterToken,
      validityInSecondsMT: this.masterValidityS,
      masterValidityInSeconds: this.masterValidityS,
      sessionId: Number(session.id),
    });
  }

  async #query(session: Session, url: URL, body: Record<string, unknown>): Promise<Reply> {
    const requestId = url.searchParams.get('requestId') ?? '';
    if (!/^[0-9a-f-]{36}$/i.test(requestId)) return failure('390106', 'requestId is missing.');
    const parameters = (body['parameters'] ?? {}) as Record<string, unknown>;
    const text = String(body['sqlText'] ?? '');
    const request: Request = {
      text,
      requestId,
      parameters,
      binds: (body['bindings'] ?? {}) as Request['binds'],
      describeOnly: body['describeOnly'] === true,
    };
    const known = session.byRequest.get(requestId);
    this.heard.push({
      ...request,
      queryTag: String(parameters['QUERY_TAG'] ?? session.sql.parameters.get('QUERY_TAG') ?? '') || null,
      sessionId: session.id,
      asyncExec: body['asyncExec'] === true,
      clientAppId: session.clientAppId,
      isNew: known === undefined,
    });
    if (body['bindStage'] !== undefined && body['bindStage'] !== null)
      return faultReply(new SnowflakeFault('002003', '02000', 'Stage does not exist'), '');
    const wantsArrow = isArrowClient(session.clientAppId) && !/^json$/i.test(String(formatOf(session, parameters)));
    const job = known ?? new Job(request, session.sql, wantsArrow, (each) => this.#jobs.set(each.queryId, each));
    session.byRequest.set(requestId, job);
    return body['asyncExec'] === true ? pending(job, '333334') : await this.#wait(job, '333333');
  }

  async #wait(job: Job, code: string): Promise<Reply> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.waitMs)));
    await Promise.race([job.done, timeout]);
    clearTimeout(timer);
    return job.isRunning ? pending(job, code) : replyOf(job, this.storage, this.sizes);
  }

  #abort(job: Job | undefined): Reply {
    this.counts.aborts += 1;
    return job?.abort() === true ? success(null) : failure('000605', 'Identified SQL statement is not currently executing.');
  }

  #monitor(id: string, job: Job | undefined): Reply {
    if (job === undefined) return success({ queries: [] });
    const status = job.isRunning
      ? 'RUNNING'
      : job.fault === null
        ? 'SUCCESS'
        : job.fault.code === '000604'
          ? 'ABORTED'
          : 'FAILED_WITH_ERROR';
    const { text } = job.request;
    return success({
      queries: [
        {
          id,
          status,
          sqlText: text,
          errorCode: job.fault?.code ?? null,
          errorMessage: job.fault?.message ?? null,
          state: status,
          sessionId: 0,
        },
      ],
    });
  }
}

const isArrowClient = (id: string): boolean => /^(?:PythonConnector|Go|JDBC|ODBC)$/.test(id);

function formatOf(session: Session, parameters: Readonly<Record<string, unknown>>): unknown {
  const name = `${session.clientAppId === 'PythonConnector' ? 'PYTHON_CONNECTOR' : session.clientAppId.toUpperCase()}_QUERY_RESULT_FORMAT`;
  return parameters[name] ?? session.sql.parameters.get(name) ?? 'ARROW';
}

const pending = ({ queryId }: Job, code: string): Reply => ({
  data: { queryId, getResultUrl: `/queries/${queryId}/result`, queryAbortsAfterSecs: 300, progressDesc: null },
  code,
  message: code === '333334' ? 'Query execution in progress, asynchronous execution.' : 'Query execution in progress',
  success: true,
});
