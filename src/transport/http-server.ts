// An HTTP/1.1 server behind a listener that stays up (listener.ts): what adapters share that speak HTTP. Node's parser, strict; routes
// by exact path; bodies bounded before and after they are inflated; slow clients cut off. SPEC: RFC 9110, RFC 9112.
// REFUSES: both Content-Length and Transfer-Encoding, absolute and asterisk targets, paths that are not plain, upgrades, CONNECT.

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { SallyportError } from '../core/error.ts';
import type { Logger } from '../core/ports.ts';
import { type BodyBudget, createBodyBudget, readBody } from './http-body.ts';
import { isPlainPath, type HttpRoute, routerOf } from './http-router.ts';
import { type ListenerConfig, type Listening, listen } from './listener.ts';
import { serverTlsOptions } from './tls-context.ts';

export interface HttpLimits {
  /** Request line and headers. */
  readonly maxHeaderBytes: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the end of its body. */
  readonly requestTimeoutMs: number;
  /** A connection on which nothing moves for so long is cut off, also while its answer waits; longer than any answer takes. */
  readonly stalledMs: number;
  /** Between requests. Above the time after which clients stop using an idle connection: else they send into one that closes. */
  readonly keepAliveMs: number;
  /** Bodies that are in memory at a time, all connections together. */
  readonly maxBodiesBytes: number;
}

export const defaultHttpLimits: HttpLimits = {
  maxHeaderBytes: 32 * 1024,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 120_000,
  stalledMs: 120_000,
  keepAliveMs: 95_000,
  maxBodiesBytes: 512 * 1024 * 1024,
};

export interface HttpRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Parts of the path that the route left open, in order. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Of the client. */
  readonly address: string;
  /** As the client addressed it: `https://host:port`. Its own word: good for links that go back to it, and nothing else. */
  readonly origin: string;
  /** Fires when the client has gone before it was answered. */
  readonly gone: AbortSignal;
  readonly incoming: IncomingMessage;
  /** The whole body, inflated. Call it once. @throws SP_WIRE_TOO_LARGE, SP_WIRE_MALFORMED, SP_CLIENT_LOST */
  body(maxBytes: number): Promise<Buffer>;
}

/** Whoever handles a request ends its response. */
export type HttpHandler = (request: HttpRequest, response: ServerResponse) => Promise<void>;

export interface HttpServerDeps {
  readonly config: ListenerConfig;
  readonly logger: Logger;
  readonly routes: readonly HttpRoute[];
  /** For what no route is for. */
  readonly otherwise: HttpHandler;
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpListening extends Listening {
  /** No new connections; those that are there live on. */
  stopAccepting(): Promise<void>;
  /** No new connections; those without a request end, the others with their next answer. Resolves when none is left or `signal`
   *  fires, which cuts the rest off. */
  drain(signal: AbortSignal): Promise<void>;
}

/** @throws SP_CONFIG_INVALID, as `listen` */
export async function serveHttp(deps: HttpServerDeps): Promise<HttpListening> {
  const web = new WebServer(deps);
  try {
    const listening = await listen({ config: deps.config, logger: deps.logger, onConnection: (socket) => web.take(socket) });
    return new HttpListener(listening, web);
  } catch (fault) {
    web.close();
    throw fault;
  }
}

class HttpListener implements HttpListening {
  readonly #listening: Listening;
  readonly #web: WebServer;

  constructor(listening: Listening, web: WebServer) {
    this.#listening = listening;
    this.#web = web;
  }

  get host(): string {
    return this.#listening.host;
  }

  get port(): number {
    return this.#listening.port;
  }

  get bound(): Promise<number> {
    return this.#listening.bound;
  }

  get state(): Listening['state'] {
    return this.#listening.state;
  }

  get connections(): number {
    return this.#listening.connections;
  }

  stopAccepting(): Promise<void> {
    return this.#listening.close();
  }

  async drain(signal: AbortSignal): Promise<void> {
    await this.#listening.close();
    await this.#web.drain(signal);
    this.#web.close();
  }

  async close(): Promise<void> {
    await this.#listening.close();
    this.#web.close();
  }
}

class WebServer {
  readonly #deps: HttpServerDeps;
  readonly #limits: HttpLimits;
  readonly #server: Server;
  /** By address and port of the client: under TLS a request knows another socket. */
  readonly #sockets = new Map<string, { readonly socket: Socket; requests: number }>();
  readonly #find: ReturnType<typeof routerOf>;
  readonly #budget: BodyBudget;
  #isDraining = false;
  #onEmpty: (() => void) | null = null;

  constructor(deps: HttpServerDeps) {
    this.#deps = deps;
    this.#limits = { ...defaultHttpLimits, ...deps.limits };
    this.#find = routerOf(deps.routes);
    this.#budget = createBodyBudget(this.#limits.maxBodiesBytes);
    const { maxHeaderBytes, headersTimeoutMs, requestTimeoutMs, keepAliveMs, stalledMs } = this.#limits;
    const options = {
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.max(50, Math.min(headersTimeoutMs, 5_000)),
      keepAliveTimeout: keepAliveMs,
      keepAlive: true,
      noDelay: true,
    };
    const { security } = deps.config;
    this.#server =
      security.mode === 'tls'
        ? createTlsServer({ ...options, ...serverTlsOptions(security.tls), handshakeTimeout: headersTimeoutMs })
        : createServer(options);
    this.#server.timeout = stalledMs;
    this.#server.on('request', (request, response) => void this.#serve(request, response));
    this.#server.on('clientError', (fault: NodeJS.ErrnoException, socket) => refuseBytes(fault, socket as Socket));
    this.#server.on('tlsClientError', () => undefined);
    this.#server.on('checkExpectation', (_request, response: ServerResponse) => plain(response, 417));
    for (const event of ['upgrade', 'connect'] as const) this.#server.on(event, (_request, socket) => socket.destroy());
    // WHY: connections come from the listener; this is what starts the server's own watch over slow clients.
    this.#server.emit('listening');
  }

  take(socket: Socket): void {
    if (this.#isDraining) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    this.#sockets.set(key, { socket, requests: 0 });
    socket.once('close', () => {
      this.#sockets.delete(key);
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
    this.#server.emit('connection', socket);
    socket.resume();
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    for (const { socket, requests } of this.#sockets.values()) if (requests === 0) socket.destroy();
    if (this.#sockets.size === 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  close(): void {
    this.#isDraining = true;
    this.#server.close();
    this.#server.closeAllConnections();
    for (const { socket } of this.#sockets.values()) socket.destroy();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    if (this.#isDraining) response.setHeader('connection', 'close');
    const connection = this.#sockets.get(keyOf(incoming.socket));
    if (connection !== undefined) connection.requests += 1;
    const gone = new AbortController();
    response.once('close', () => {
      if (connection !== undefined) connection.requests -= 1;
      if (!response.writableFinished) gone.abort(new SallyportError('SP_CLIENT_LOST', 'the client has gone'));
    });
    const request = requestOf(incoming, gone.signal, this.#scheme, this.#budget);
    if (request === null) {
      plain(response, 400, true);
      return;
    }
    try {
      const found = this.#find(request.method, request.path);
      if (found === null) await this.#deps.otherwise(request, response);
      else await found.route.handle({ ...request, parts: found.parts }, response);
    } catch (fault) {
      const code = fault instanceof SallyportError ? fault.code : 'SP_INTERNAL';
      if (code !== 'SP_CLIENT_LOST') this.#deps.logger.error({ code, path: request.path }, 'a request could not be answered');
      if (response.headersSent) response.destroy();
      else plain(response, code === 'SP_WIRE_TOO_LARGE' ? 413 : code === 'SP_WIRE_MALFORMED' ? 400 : 500, true);
    }
  }

  get #scheme(): string {
    return this.#deps.config.security.mode === 'tls' ? 'https' : 'http';
  }
}

const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress ?? ''} ${remotePort ?? 0}`;

function requestOf(incoming: IncomingMessage, gone: AbortSignal, scheme: string, budget: BodyBudget): HttpRequest | null {
  const { url = '', method = '', headers } = incoming;
  const at = url.indexOf('?');
  // WHY: the connector of Python 5 writes the path of one query's state with two slashes.
  const path = (at < 0 ? url : url.slice(0, at)).replace(/^\/monitoring\/queries\/\//, '/monitoring/queries/');
  const host = headers.host ?? '';
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return null;
  if (!isPlainPath(path) || !/^[A-Za-z0-9.:[\]_-]{1,255}$/.test(host)) return null;
  return {
    method,
    path,
    parts: [],
    query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)),
    headers,
    address: incoming.socket.remoteAddress ?? '',
    origin: `${scheme}://${host}`,
    gone,
    incoming,
    body: (maxBytes) => readBody(incoming, maxBytes, budget),
  };
}

/** What the parser did not understand. */
function refuseBytes({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.destroySoon();
}

function plain(response: ServerResponse, status: number, isLast = false): void {
  response.writeHead(status, { 'content-length': 0, ...(isLast ? { connection: 'close' } : {}) }).end();
}
