// The upstream half: dials a PostgreSQL server, negotiates TLS, logs in, and hands over an authenticated connection.
// Works without a session, so that it can run in a connector. SPEC: "Start-up", "SASL Authentication".
// REFUSES: servers without TLS unless told otherwise, cleartext passwords without TLS, literals or encodings that
// are not the ones the analyser assumes. INVARIANT: bytes of a client's request leave only with a genuine Permit, or a
// genuine PreviewPass on a connection that no client has.

import { randomBytes } from 'node:crypto';
import { type Socket, connect as connectTcp, isIP } from 'node:net';
import { type TLSSocket, connect as connectTls } from 'node:tls';
import { isLoopback } from '../../core/address.ts';
import { SallyportError } from '../../core/error.ts';
import { PreviewPass } from '../../core/preview.ts';
import { Secret } from '../../core/secret.ts';
import { Permit } from '../../session/permit.ts';
import { ByteReader } from '../../wire/byte-reader.ts';
import { Framer } from '../../wire/framer.ts';
import { UPSTREAM, executeMessages, message, parseFields, parseMessage, parseParameterStatus, queryMessage } from './messages.ts';
import { ScramClient, md5Response, serverEndPoint } from './scram.ts';
import { cancelRequest, sslRequest, startupMessage } from './startup.ts';

export type UpstreamTls =
  | { readonly mode: 'verify-full'; readonly ca?: string; readonly servername?: string }
  /** Plaintext: refused off loopback unless `allowRemote`. */
  | { readonly mode: 'disable'; readonly allowRemote?: boolean };

export interface UpstreamConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: Secret | (() => Promise<Secret>);
  readonly tls: UpstreamTls;
  /** For dialling, TLS and log-in together. */
  readonly connectTimeoutMs: number;
}

/** Sent when a refusal must also fail on the server: a word that no grammar knows. */
const refusalText = 'sallyport_refused';
const maxLoginFrameBytes = 65_536;
/** Up to here a batch is copied together rather than written piece by piece. */
const joinBytes = 64 * 1024;
/** A batch beyond this tells the caller to wait. */
const batchLimitBytes = 256 * 1024;
const flushMessage = message('H');
const syncMessage = message('S');
const describeUnnamedPortal = message('D', (body) => body.uint8('P'.charCodeAt(0)).cString(''));

/** Checked when the configuration is loaded. @throws SP_CONFIG_INVALID */
export function checkUpstreamTls(host: string, tls: UpstreamTls): void {
  if (tls.mode === 'disable' && tls.allowRemote !== true && !isLoopback(host)) {
    throw new SallyportError('SP_CONFIG_INVALID', `target on ${host} must use TLS: plaintext is allowed on loopback only`);
  }
}

export interface UpstreamHandlers {
  data(chunk: Uint8Array): void;
  /** The connection ended, for whatever reason; called once. */
  closed(): void;
  drained(): void;
}

/** One authenticated connection. Reading starts with `attach`. */
export class UpstreamConnection {
  /** ParameterStatus messages of the start-up, in order. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly #config: UpstreamConfig;
  readonly #socket: Socket;
  readonly #pid: number;
  readonly #key: Uint8Array;
  #handlers: UpstreamHandlers | null = null;
  #isClosed = false;
  #isCorked = false;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;

  constructor(config: UpstreamConfig, socket: Socket, login: { parameters: ReadonlyMap<string, string>; pid: number; key: Uint8Array }) {
    this.parameters = login.parameters;
    this.#config = config;
    this.#socket = socket;
    this.#pid = login.pid;
    this.#key = login.key;
    const closed = (): void => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#handlers?.closed();
    };
    socket.on('error', closed);
    socket.on('close', closed);
    socket.on('end', closed);
  }

  attach(handlers: UpstreamHandlers): void {
    this.#handlers = handlers;
    this.#socket.on('data', (chunk: Buffer) => handlers.data(chunk));
    this.#socket.on('drain', () => handlers.drained());
    if (this.#isClosed) queueMicrotask(() => handlers.closed());
    else this.#socket.resume();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** More is waiting to leave than should: `drained` follows. */
  get isFull(): boolean {
    return !this.#isClosed && this.#socket.writableNeedDrain;
  }

  /** Bytes of a client's request. @returns false when the caller should uncork, and wait for `drained` if it `isFull` then.
   *  @throws SP_INTERNAL for anything that is not a genuine Permit. */
  forward(permit: Permit, bytes: Uint8Array): boolean {
    if (!Permit.isGenuine(permit)) throw new SallyportError('SP_INTERNAL', 'forwarding without a permit');
    return this.#write(bytes);
  }

  /** Bytes of a held statement, to be explained or tried. @throws SP_INTERNAL for anything that is not a genuine pass. */
  preview(pass: PreviewPass, bytes: Uint8Array): void {
    if (!PreviewPass.isGenuine(pass)) throw new SallyportError('SP_INTERNAL', 'a preview without a pass');
    this.#write(bytes);
  }

  /** Protocol control that carries nothing of a request. */
  control(kind: 'flush' | 'sync'): void {
    this.#write(kind === 'flush' ? flushMessage : syncMessage);
  }

  /** Describes or closes by name: neither runs nor reads anything. */
  name(kind: 'describe' | 'close', what: 'statement' | 'portal', name: string): void {
    if (kind === 'describe' && what === 'portal' && name === '') {
      this.#write(describeUnnamedPortal);
      return;
    }
    this.#write(
      message(kind === 'describe' ? 'D' : 'C', (body) => body.uint8((what === 'statement' ? 'S' : 'P').charCodeAt(0)).cString(name)),
    );
  }

  /** Makes the server fail, so that its transaction state follows a refusal of ours. */
  fail(protocol: 'simple' | 'extended'): void {
    this.#write(protocol === 'simple' ? queryMessage(refusalText) : parseMessage(refusalText, refusalText, []));
  }

  /** A fixed query of the gateway itself (catalogue). Never client text. */
  ownQuery(text: string): void {
    this.#write(queryMessage(text));
  }

  /** The same, prepared under `name` and run by `ownExecute`. */
  ownPrepare(name: string, text: string): void {
    this.#write(Buffer.concat([parseMessage(name, text, []), message('S')]));
  }

  ownExecute(name: string, ...parameters: readonly string[]): void {
    this.#write(executeMessages(name, parameters));
  }

  /** Messages that hold nothing but fixed texts and names of the gateway. */
  ownMessages(bytes: Uint8Array): void {
    this.#write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Several writes in one turn leave as one: what is contiguous in memory, as most messages of a client are, without a copy. */
  cork(): void {
    this.#isCorked = true;
  }

  uncork(): void {
    this.#isCorked = false;
    const batch = this.#batch;
    const [only] = batch;
    if (only === undefined) return;
    this.#batch = [];
    const bytes = this.#batchBytes;
    this.#batchBytes = 0;
    if (this.#isClosed || !this.#socket.writable) return;
    if (batch.length === 1) this.#socket.write(only);
    else if (bytes <= joinBytes) this.#socket.write(Buffer.concat(batch, bytes));
    else {
      this.#socket.cork();
      for (const each of batch) this.#socket.write(each);
      this.#socket.uncork();
    }
  }

  /** Asks the server to cancel what runs, on a connection of its own. Best effort, like every cancel.
   *  @returns once the server has closed that connection, which it does after it has signalled, or the connect timeout is over. */
  async cancel(): Promise<void> {
    const deadline = AbortSignal.timeout(this.#config.connectTimeoutMs);
    try {
      const socket = await dial(this.#config, deadline);
      socket.on('error', () => undefined);
      socket.write(cancelRequest(this.#pid, this.#key));
      socket.resume();
      await new Promise<void>((resolve) => {
        socket.once('close', resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
      socket.destroy();
    } catch {
      // The statement simply runs on; the caller has its own deadline.
    }
  }

  /** Polite end. */
  terminate(): void {
    if (this.#isClosed) return;
    this.uncork();
    this.#socket.end(message('X'));
    this.#socket.setTimeout(1000, () => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#isClosed || !this.#socket.writable) return true;
    if (!this.#isCorked) return this.#socket.write(bytes);
    this.#batchBytes += bytes.length;
    const last = this.#batch.at(-1);
    if (last !== undefined && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
      this.#batch[this.#batch.length - 1] = Buffer.from(bytes.buffer, last.byteOffset, last.length + bytes.length);
    } else this.#batch.push(bytes);
    return this.#batchBytes < batchLimitBytes && !this.#socket.writableNeedDrain;
  }
}

/** Dials, negotiates TLS and logs in.
 *  @param settings start-up parameters beside user and database: they bind stronger than the role's own defaults.
 *  @throws SP_UPSTREAM_UNREACHABLE, SP_UPSTREAM_AUTH, SP_UPSTREAM_PROTOCOL */
export async function connectUpstream(
  config: UpstreamConfig,
  settings: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<UpstreamConnection> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(config.connectTimeoutMs)]);
  const password = config.password instanceof Secret ? config.password : await config.password();
  const socket = await dial(config, deadline);
  try {
    return await logIn(config, socket, password, settings, deadline);
  } catch (fault) {
    socket.destroy();
    throw fault;
  }
}

async function dial(config: UpstreamConfig, signal: AbortSignal): Promise<Socket> {
  checkUpstreamTls(config.host, config.tls);
  const tcp = connectTcp({ host: config.host, port: config.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
  try {
    await once(tcp, 'connect', signal);
    if (config.tls.mode === 'disable') return tcp;
    tcp.write(sslRequest());
    const answer = await firstChunk(tcp, signal);
    // WHY exactly one byte: anything more was sent before TLS and could be an injection (CVE-2021-23222).
    if (answer.length !== 1) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'unencrypted bytes before TLS');
    if (answer[0] !== 'S'.charCodeAt(0)) throw new SallyportError('SP_UPSTREAM_UNREACHABLE', 'target does not offer TLS');
  } catch (fault) {
    tcp.destroy();
    throw fault instanceof SallyportError ? fault : new SallyportError('SP_UPSTREAM_UNREACHABLE', 'cannot connect', { cause: fault });
  }
  return startTls(tcp, config, config.tls, signal);
}

async function startTls(
  tcp: Socket,
  config: UpstreamConfig,
  tls: Extract<UpstreamTls, { mode: 'verify-full' }>,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const name = tls.servername ?? config.host;
  const socket = connectTls({
    socket: tcp,
    host: name,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ALPNProtocols: ['postgresql'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  });
  try {
    await once(socket, 'secureConnect', signal);
    return socket;
  } catch (fault) {
    // WHY deferred, and not the TCP socket: see handshake.ts, a handle must not go away under its TLS engine.
    setImmediate(() => socket.destroy());
    throw fault;
  }
}

async function logIn(
  config: UpstreamConfig,
  socket: Socket,
  password: Secret,
  settings: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<UpstreamConnection> {
  const framer = new Framer(maxLoginFrameBytes);
  const parameters = new Map<string, string>();
  let pid = 0;
  let key: Uint8Array = new Uint8Array();
  let scram: ScramClient | null = null;
  let isAuthenticated = false;
  let hasVerifiedServer = false;

  socket.write(startupMessage([['user', config.user], ['database', config.database], ...settings]));
  for (;;) {
    const frames = framer.push(await firstChunk(socket, signal));
    for (const [index, frame] of frames.entries()) {
      switch (frame.type) {
        case UPSTREAM.authentication: {
          const body = new ByteReader(frame.body);
          const method = body.int32();
          if (method === 0) {
            if (scram !== null && !hasVerifiedServer) throw new SallyportError('SP_UPSTREAM_AUTH', 'SCRAM was cut short');
            isAuthenticated = true;
          } else if (method === 3) {
            if (config.tls.mode === 'disable' && !isLoopback(config.host)) {
              throw new SallyportError('SP_UPSTREAM_AUTH', 'target wants a cleartext password without TLS');
            }
            socket.write(message('p', (out) => out.cString(password.reveal())));
          } else if (method === 5) {
            socket.write(message('p', (out) => out.cString(md5Response(config.user, password, body.bytes(4)))));
          } else if (method === 10) {
            scram = chooseScram(socket, password, body);
            const { mechanism } = scram;
            const first = Buffer.from(scram.first());
            socket.write(message('p', (out) => out.cString(mechanism).int32(first.length).bytes(first)));
          } else if (method === 11 && scram !== null) {
            const final = Buffer.from(scram.final(Buffer.from(body.rest()).toString()));
            socket.write(message('p', (out) => out.bytes(final)));
          } else if (method === 12 && scram !== null) {
            scram.verify(Buffer.from(body.rest()).toString());
            hasVerifiedServer = true;
          } else throw new SallyportError('SP_UPSTREAM_AUTH', `authentication method ${method} is not supported`);
          break;
        }
        case UPSTREAM.parameterStatus: {
          const { name, value } = parseParameterStatus(frame.body);
          parameters.set(name, value);
          break;
        }
        case UPSTREAM.backendKeyData: {
          const body = new ByteReader(frame.body);
          pid = body.int32();
          key = Uint8Array.from(body.rest());
          break;
        }
        case UPSTREAM.errorResponse: {
          const state = parseFields(frame.body).get('C') ?? '';
          if (state.startsWith('28')) throw new SallyportError('SP_UPSTREAM_AUTH', `target refused the log-in (${state})`);
          throw new SallyportError('SP_UPSTREAM_UNREACHABLE', `target refused the connection (${state})`);
        }
        case UPSTREAM.noticeResponse:
        case UPSTREAM.negotiateProtocolVersion:
          break;
        case UPSTREAM.readyForQuery:
          if (!isAuthenticated || index !== frames.length - 1) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'unexpected end of log-in');
          checkParameters(parameters);
          return new UpstreamConnection(config, socket, { parameters, pid, key });
        default:
          throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'unexpected message during log-in');
      }
    }
  }
}

/** PostgreSQL tells the spelling back that was asked for. */
export function isUtf8(encoding: string | undefined): boolean {
  return encoding === 'UTF8' || encoding === 'UNICODE';
}

/** What the analyser relies on. Called for every ParameterStatus as well. @throws SP_UPSTREAM_PROTOCOL */
function checkParameters(parameters: ReadonlyMap<string, string>): void {
  if (parameters.get('standard_conforming_strings') !== 'on' || !isUtf8(parameters.get('client_encoding'))) {
    throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'target does not keep UTF8 and standard_conforming_strings');
  }
}

function chooseScram(socket: Socket, password: Secret, body: ByteReader): ScramClient {
  const offered = new Set<string>();
  for (let name = body.cString(); name !== ''; name = body.cString()) offered.add(name);
  const certificate = 'getPeerX509Certificate' in socket ? (socket as TLSSocket).getPeerX509Certificate() : undefined;
  const endPoint = certificate === undefined ? null : serverEndPoint(certificate.raw, certificate.signatureAlgorithm);
  const nonce = randomBytes(18);
  if (endPoint !== null && offered.has('SCRAM-SHA-256-PLUS')) {
    return new ScramClient(password, nonce, { kind: 'tls-server-end-point', data: endPoint });
  }
  if (!offered.has('SCRAM-SHA-256')) throw new SallyportError('SP_UPSTREAM_AUTH', 'target offers no SCRAM-SHA-256');
  return new ScramClient(password, nonce, endPoint === null ? { kind: 'none' } : { kind: 'not-offered' });
}

function once(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (fault: unknown): void => {
      socket.off(event, succeeded);
      socket.off('error', settle);
      socket.off('close', closed);
      signal.removeEventListener('abort', aborted);
      if (fault === null) resolve();
      else
        reject(fault instanceof SallyportError ? fault : new SallyportError('SP_UPSTREAM_UNREACHABLE', 'cannot connect', { cause: fault }));
    };
    const succeeded = (): void => settle(null);
    const closed = (): void => settle(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'closed while connecting'));
    const aborted = (): void => settle(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'deadline while connecting'));
    // Stays: a socket that is given up may still report a fault.
    socket.on('error', () => undefined);
    socket.once(event, succeeded);
    socket.once('error', settle);
    socket.once('close', closed);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
  });
}

/** Next chunk; the socket is paused again before it is handed over. */
function firstChunk(socket: Socket, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      socket.off('data', data);
      socket.off('error', failed);
      socket.off('close', failed);
      socket.off('end', failed);
      signal.removeEventListener('abort', aborted);
      socket.pause();
    };
    const data = (chunk: Buffer): void => {
      done();
      resolve(chunk);
    };
    const failed = (cause?: unknown): void => {
      done();
      reject(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'target closed the connection during log-in', { cause }));
    };
    const aborted = (): void => {
      socket.destroy();
      done();
      reject(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'deadline during log-in'));
    };
    socket.on('data', data);
    socket.once('error', failed);
    socket.once('close', failed);
    socket.once('end', failed);
    if (signal.aborted) return aborted();
    signal.addEventListener('abort', aborted, { once: true });
    socket.resume();
  });
}
