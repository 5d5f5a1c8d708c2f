// Client side of a connection up to log-in: encryption, start-up packet, token as password. Ends with an identified
// client that waits for AuthenticationOk, a CancelRequest, or a closed socket. One deadline covers all of it.
// REFUSES: bytes sent before TLS is up (CVE-2021-23222), plaintext where TLS is demanded, a second SSLRequest.

import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { SallyportError } from '../../core/error.ts';
import { Secret } from '../../core/secret.ts';
import { ByteReader } from '../../wire/byte-reader.ts';
import { errorMessage, nativeFault } from './errors.ts';
import { authenticationCleartextPassword, negotiateProtocolVersion, typeCode } from './messages.ts';
import {
  type FirstPacket,
  PROTOCOL,
  StartupRefusal,
  type StartupWishes,
  TargetRefusal,
  firstPacketLength,
  parseFirstPacket,
  readStartup,
} from './startup.ts';

export interface HandshakeDeps {
  /** Null = plaintext listener (loopback only, checked by the listener). */
  readonly tls: SecureContext | null;
  readonly deadlineMs: number;
}

export type Arrival =
  | { readonly kind: 'cancel'; readonly pid: number; readonly key: Uint8Array; readonly socket: Socket }
  | { readonly kind: 'login'; readonly socket: Socket; readonly wishes: StartupWishes; readonly token: Secret }
  /** The client went away or asked for nothing; the socket is closed. */
  | { readonly kind: 'gone' };

const maxTokenBytes = 65_536;
const tlsHandshakeByte = 0x16;

/** @returns once the client has presented a token. The socket is paused, and nothing was said about the token yet.
 *  Faults of the client are answered on the socket, which is then closed: the result is `gone`. */
export async function receive(socket: Socket, deps: HandshakeDeps, signal: AbortSignal): Promise<Arrival> {
  const buffer = new PacketBuffer(socket);
  const aborted = (): void => buffer.fail(new SallyportError('SP_SHUTTING_DOWN', 'gateway stops'));
  if (signal.aborted) aborted();
  else signal.addEventListener('abort', aborted, { once: true });
  const deadline = setTimeout(() => buffer.fail(new SallyportError('SP_WIRE_TIMEOUT', 'log-in took too long')), deps.deadlineMs);
  try {
    return await receiveLogin(buffer, deps);
  } catch (fault) {
    refuse(buffer.socket, fault);
    return { kind: 'gone' };
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', aborted);
    buffer.detach();
  }
}

/** Answers a failed log-in and closes. `fault.message` stays with us; only fixed texts go out. */
export function refuse(socket: Socket, fault: unknown): void {
  if (!socket.writable || fault === gone) {
    setImmediate(() => socket.destroy());
    return;
  }
  const known = fault instanceof SallyportError ? fault : new SallyportError('SP_INTERNAL', 'log-in failed', { cause: fault });
  const native = nativeFault(known, null);
  const shown =
    known instanceof StartupRefusal
      ? { ...native, message: `sallyport: start-up parameter "${known.parameter}" is not accepted`, hint: known.remedy }
      : known instanceof TargetRefusal
        ? { ...native, message: `sallyport: database "${known.database}" does not exist, or you have no access to it` }
        : native;
  socket.end(errorMessage('FATAL', shown));
  socket.setTimeout(2000, () => socket.destroy());
  socket.resume();
}

async function receiveLogin(buffer: PacketBuffer, deps: HandshakeDeps): Promise<Arrival> {
  let isEncrypted = false;
  if (deps.tls !== null && (await buffer.peek()) === tlsHandshakeByte) {
    await buffer.startTls(deps.tls, 'direct');
    isEncrypted = true;
  }
  let hasAskedForGssenc = false;
  let packet: FirstPacket;
  for (;;) {
    packet = parseFirstPacket(await buffer.packet());
    if (packet.kind === 'gssenc' && !isEncrypted && !hasAskedForGssenc) {
      hasAskedForGssenc = true;
      buffer.answer('N');
    } else if (packet.kind === 'ssl' && !isEncrypted) {
      if (deps.tls === null) buffer.answer('N');
      else {
        buffer.demandEmpty();
        buffer.answer('S');
        await buffer.startTls(deps.tls, 'negotiated');
        isEncrypted = true;
      }
      if (deps.tls === null) isEncrypted = false;
    } else break;
  }
  if (packet.kind === 'cancel') return { kind: 'cancel', pid: packet.pid, key: packet.key, socket: buffer.socket };
  if (packet.kind !== 'startup') throw new SallyportError('SP_WIRE_UNEXPECTED', 'encryption asked for twice');
  if (deps.tls !== null && !isEncrypted) throw new SallyportError('SP_TLS_REQUIRED', 'client did not ask for TLS');

  const asked = readStartup(packet.version, packet.parameters);
  const version = packet.version === PROTOCOL.v3_0 ? PROTOCOL.v3_0 : PROTOCOL.v3_2;
  if ((packet.version !== PROTOCOL.v3_0 && packet.version !== PROTOCOL.v3_2) || asked.unknownOptions.length > 0) {
    // 3.1 was never used; whoever asks for it, or for more than 3.2, is told what we speak.
    const offered = packet.version > PROTOCOL.v3_2 ? PROTOCOL.v3_2 : packet.version === PROTOCOL.v3_2 ? PROTOCOL.v3_2 : PROTOCOL.v3_0;
    buffer.write(negotiateProtocolVersion(offered, asked.unknownOptions));
  }
  buffer.write(authenticationCleartextPassword());
  const token = await buffer.password();
  const spoken = packet.version < PROTOCOL.v3_2 ? PROTOCOL.v3_0 : version;
  return { kind: 'login', socket: buffer.socket, wishes: { ...asked, version: spoken }, token };
}

/** The peer closed before it asked for anything that needs an answer. */
const gone = new SallyportError('SP_WIRE_UNEXPECTED', 'client closed during log-in');

/** Collects start-up packets from a socket, bounded by what the packets themselves may be. */
class PacketBuffer {
  socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #wake: (() => void) | null = null;
  #fault: SallyportError | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#attach();
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  answer(letter: 'N' | 'S'): void {
    this.socket.write(letter);
  }

  fail(fault: SallyportError): void {
    this.#fault ??= fault;
    this.#wake?.();
  }

  async peek(): Promise<number> {
    await this.#atLeast(1);
    return this.#bytes[0] ?? 0;
  }

  async packet(): Promise<Uint8Array> {
    await this.#atLeast(4);
    const length = firstPacketLength(this.#bytes) ?? 0;
    await this.#atLeast(length);
    return this.#take(length);
  }

  async password(): Promise<Secret> {
    await this.#atLeast(5);
    const head = new ByteReader(this.#bytes);
    if (head.uint8() !== typeCode('p')) throw new SallyportError('SP_WIRE_UNEXPECTED', 'expected a password message');
    const length = head.int32();
    if (length < 5) throw new SallyportError('SP_WIRE_MALFORMED', 'impossible password message');
    if (length > maxTokenBytes) throw new SallyportError('SP_WIRE_TOO_LARGE', 'token over the limit');
    await this.#atLeast(length + 1);
    const body = new ByteReader(this.#take(length + 1).subarray(5));
    const token = body.cString();
    body.end();
    return new Secret(token);
  }

  /** INVARIANT: nothing that was sent in plaintext is ever read as if it had come through TLS. */
  demandEmpty(): void {
    if (this.#bytes.length > 0) throw new SallyportError('SP_WIRE_MALFORMED', 'bytes before TLS');
  }

  startTls(context: SecureContext, how: 'direct' | 'negotiated'): Promise<void> {
    this.detach();
    const plain = this.socket;
    // `detach` gave the ClientHello back to the socket; TLSSocket reads it from there.
    const secure = new TLSSocket(plain, {
      isServer: true,
      secureContext: context,
      ALPNProtocols: ['postgresql'],
    });
    this.socket = secure;
    return new Promise((resolve, reject) => {
      // WHY deferred, and never `plain.destroy()`: closing the handle under a TLS engine that is in one of its own
      // callbacks crashes the process (Node 24).
      const failed = (): void => {
        setImmediate(() => secure.destroy());
        reject(gone);
      };
      secure.on('error', failed);
      secure.once('close', failed);
      this.#wake = failed;
      secure.once('secure', () => {
        // SPEC: direct TLS demands ALPN, so that another protocol cannot be spoken by mistake.
        if (how === 'direct' && secure.alpnProtocol !== 'postgresql') return failed();
        secure.off('close', failed);
        this.#wake = null;
        this.#attach();
        resolve();
      });
    });
  }

  /** Stops listening. What was read too far goes back to the socket. */
  detach(): void {
    this.socket.off('data', this.#data);
    this.socket.off('end', this.#gone);
    this.socket.off('close', this.#gone);
    this.socket.off('error', this.#gone);
    this.socket.pause();
    if (this.#bytes.length > 0 && !this.socket.destroyed && !this.socket.readableEnded) this.socket.unshift(this.#bytes);
    this.#bytes = Buffer.alloc(0);
  }

  #attach(): void {
    this.socket.on('data', this.#data);
    this.socket.on('end', this.#gone);
    this.socket.on('close', this.#gone);
    this.socket.on('error', this.#gone);
    this.socket.resume();
  }

  readonly #data = (chunk: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > maxTokenBytes + 5) this.fail(new SallyportError('SP_WIRE_TOO_LARGE', 'too much before log-in'));
    this.#wake?.();
  };

  readonly #gone = (): void => this.fail(gone);

  async #atLeast(length: number): Promise<void> {
    while (this.#bytes.length < length) {
      if (this.#fault !== null) throw this.#fault;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
      this.#wake = null;
    }
    if (this.#fault !== null) throw this.#fault;
  }

  #take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }
}
