// HTTPS to one account: JSON both ways, answers bounded, certificates verified. Knows nothing of sessions.
// REFUSES: redirects, answers over the limit or in an encoding that was not asked for, plaintext off loopback.

import { Agent, type IncomingMessage, request as requestPlain } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import { createGunzip, gzip } from 'node:zlib';
import { promisify } from 'node:util';
import { isLoopback } from '../../core/address.ts';
import { SallyportError } from '../../core/error.ts';
import { type Envelope, envelopeOf, type JsonObject } from './protocol.ts';

const deflate = promisify(gzip);
/** Smaller bodies are sent as they are. */
const gzipFromBytes = 4_096;
const maxSockets = 256;
/** Of Snowflake's load balancers; ours are closed before. */
const idleSocketMs = 30_000;

export type UpstreamTls =
  | { readonly mode: 'verify-full'; readonly ca?: string; readonly servername?: string }
  /** Plaintext: loopback only. */
  | { readonly mode: 'disable' };

export interface UpstreamHttpConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: UpstreamTls;
  readonly connectTimeoutMs: number;
  /** For one exchange. Above the 45 s for which Snowflake holds an answer back. */
  readonly answerTimeoutMs: number;
  readonly maxAnswerBytes: number;
}

export interface Exchange {
  readonly method: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  readonly body?: JsonObject;
  readonly token: string | null;
  readonly accept: string;
  readonly userAgent: string;
}

/** What came back: an envelope, or a status that says to try again. */
export type Exchanged = { readonly envelope: Envelope } | { readonly retry: string };

/** Checked when the configuration is loaded. @throws SP_CONFIG_INVALID */
export function checkUpstreamTls(host: string, tls: UpstreamTls): void {
  if (tls.mode === 'disable' && !isLoopback(host)) {
    throw new SallyportError('SP_CONFIG_INVALID', `target on ${host} must use TLS: plaintext is allowed on loopback only`);
  }
}

/** Connections are kept and shared by all sessions of a target. */
export class UpstreamHttp {
  readonly #config: UpstreamHttpConfig;
  readonly #agent: Agent;

  constructor(config: UpstreamHttpConfig) {
    checkUpstreamTls(config.host, config.tls);
    this.#config = config;
    const pool = { keepAlive: true, maxSockets, timeout: idleSocketMs, scheduling: 'lifo' as const };
    const { tls } = config;
    this.#agent =
      tls.mode === 'disable'
        ? new Agent(pool)
        : new TlsAgent({
            ...pool,
            minVersion: 'TLSv1.2',
            rejectUnauthorized: true,
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.servername === undefined ? {} : { servername: tls.servername }),
          });
  }

  /** @throws SP_UPSTREAM_UNREACHABLE when there is no connection, SP_UPSTREAM_LOST when it broke, SP_UPSTREAM_PROTOCOL, and whatever
   *  `signal` was aborted with. */
  async exchange(exchange: Exchange, signal: AbortSignal): Promise<Exchanged> {
    signal.throwIfAborted();
    const text = exchange.body === undefined ? null : Buffer.from(JSON.stringify(exchange.body));
    const isZipped = text !== null && text.length >= gzipFromBytes;
    const body = isZipped ? await deflate(text, { level: 1 }) : text;
    const answered = await this.#send(exchange, body, isZipped, signal);
    const status = answered.response.statusCode ?? 0;
    const bytes = await this.#read(answered);
    if (status === 408 || status === 429 || status >= 500) return { retry: String(status) };
    if (status !== 200) throw new SallyportError('SP_UPSTREAM_PROTOCOL', `the account answered with status ${status}`);
    const envelope = envelopeOf(parsed(bytes));
    if (envelope === null) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'the account answered with something else than its protocol');
    return { envelope };
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(exchange: Exchange, body: Buffer | null, isZipped: boolean, signal: AbortSignal): Promise<Answered> {
    const { host, port, tls, connectTimeoutMs, answerTimeoutMs } = this.#config;
    const { promise, resolve, reject } = Promise.withResolvers<Answered>();
    const end = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]);
    const dial = tls.mode === 'disable' ? requestPlain : requestTls;
    let isConnected = false;
    const request = dial({
      host,
      port,
      method: exchange.method,
      path: exchange.path,
      agent: this.#agent,
      signal: end,
      headers: {
        accept: exchange.accept,
        'accept-encoding': 'gzip',
        'user-agent': exchange.userAgent,
        ...(exchange.token === null ? {} : { authorization: `Snowflake Token="${exchange.token}"` }),
        ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
        ...(isZipped ? { 'content-encoding': 'gzip' } : {}),
      },
    });
    const connecting = setTimeout(() => {
      if (!isConnected) request.destroy(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'no connection to the account in time'));
    }, connectTimeoutMs);
    const connected = (): void => {
      isConnected = true;
      clearTimeout(connecting);
    };
    request.once('socket', (socket) => {
      if (request.reusedSocket || !socket.connecting) connected();
      else socket.once(tls.mode === 'disable' ? 'connect' : 'secureConnect', connected);
    });
    request.once('close', () => clearTimeout(connecting));
    request.once('response', (response) => resolve({ response, end }));
    request.once('error', (cause) => reject(this.#faultOf(cause, isConnected, signal)));
    request.end(body ?? undefined);
    return promise;
  }

  async #read({ response, end }: Answered): Promise<Buffer> {
    const encoding = response.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'gzip' && encoding !== 'identity') {
      response.destroy();
      throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'an answer of the account is in an unknown encoding');
    }
    const stream = encoding === 'gzip' ? response.pipe(createGunzip()) : response;
    if (stream !== response) response.once('error', (fault) => stream.destroy(fault));
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > this.#config.maxAnswerBytes)
          throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'an answer of the account is over the limit');
        chunks.push(chunk);
      }
    } catch (cause) {
      response.destroy();
      throw this.#faultOf(cause, true, end);
    }
    return Buffer.concat(chunks, length);
  }

  #faultOf(cause: unknown, isConnected: boolean, signal: AbortSignal): SallyportError {
    if (cause instanceof SallyportError) return cause;
    if (signal.aborted && signal.reason instanceof SallyportError) return signal.reason;
    return isConnected
      ? new SallyportError('SP_UPSTREAM_LOST', 'the connection to the account broke', { cause })
      : new SallyportError('SP_UPSTREAM_UNREACHABLE', 'the account cannot be reached', { cause });
  }
}

interface Answered {
  readonly response: IncomingMessage;
  readonly end: AbortSignal;
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'an answer of the account is not JSON', { cause });
  }
}
