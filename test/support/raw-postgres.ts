// A PostgreSQL client that sends exactly the bytes a test wants and keeps every message it gets.

import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { message, parseFields } from '../../src/protocols/postgres/messages.ts';
import { startupMessage } from '../../src/protocols/postgres/startup.ts';
import { ByteReader } from '../../src/wire/byte-reader.ts';
import { type Frame, Framer } from '../../src/wire/framer.ts';

export class RawPostgres {
  readonly frames: Frame[] = [];
  readonly socket: Socket;
  readonly #framer = new Framer(1 << 26);
  #wake: () => void = () => undefined;
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.frames.push(...this.#framer.push(Buffer.from(chunk)));
      this.#wake();
    });
    const closed = (): void => {
      this.isClosed = true;
      this.#wake();
    };
    socket.on('close', closed);
    socket.on('end', closed);
    socket.on('error', closed);
  }

  static async open(port: number, tls?: ConnectionOptions): Promise<RawPostgres> {
    const socket = tls === undefined ? connect(port, '127.0.0.1') : connectTls({ port, host: '127.0.0.1', ...tls });
    await once(socket, tls === undefined ? 'connect' : 'secureConnect');
    return new RawPostgres(socket);
  }

  /** Connects and logs in. */
  static async logIn(port: number, password: string, parameters: Record<string, string> = {}): Promise<RawPostgres> {
    const raw = await RawPostgres.open(port);
    await raw.logIn(password, parameters);
    return raw;
  }

  async logIn(password: string, parameters: Record<string, string> = {}): Promise<void> {
    this.socket.write(startupMessage(Object.entries({ user: 'raw', database: 'clinic', ...parameters })));
    await this.until('R');
    this.socket.write(message('p', (body) => body.cString(password)));
    await this.until('Z');
  }

  send(...messages: Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages));
  }

  /** Takes frames up to one of this type, or all until the connection closes. */
  async until(letter: string, count = 1, withinMs = 30_000): Promise<Frame[]> {
    const taken: Frame[] = [];
    const endMs = performance.now() + withinMs;
    let left = count;
    for (;;) {
      for (let frame = this.frames.shift(); frame !== undefined; frame = this.frames.shift()) {
        taken.push(frame);
        if (String.fromCharCode(frame.type) === letter && --left === 0) return taken;
      }
      if (this.isClosed) return taken;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`no ${letter} within ${withinMs} ms; got ${shape(taken)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** Types in order, with transaction status and SQLSTATE: `T D C Z:I`, `E:42501 Z:E`. */
export function shape(frames: readonly Frame[]): string {
  return frames
    .map((frame) => {
      const letter = String.fromCharCode(frame.type);
      if (letter === 'Z') return `Z:${String.fromCharCode(frame.body[0] ?? 0)}`;
      if (letter === 'E' || letter === 'N') return `${letter}:${parseFields(frame.body).get('C')}`;
      return letter;
    })
    .join(' ');
}

export const bind = (portal: string, statement: string, values: readonly (string | null)[] = []): Uint8Array =>
  message('B', (body) => {
    body.cString(portal).cString(statement).int16(0).int16(values.length);
    for (const value of values) {
      if (value === null) body.int32(-1);
      else body.int32(Buffer.byteLength(value)).bytes(Buffer.from(value));
    }
    body.int16(0);
  });
export const execute = (portal: string, maxRows = 0): Uint8Array => message('E', (body) => body.cString(portal).int32(maxRows));
export const describe = (what: 'S' | 'P', name: string): Uint8Array => message('D', (body) => body.uint8(what.charCodeAt(0)).cString(name));
export const close = (what: 'S' | 'P', name: string): Uint8Array => message('C', (body) => body.uint8(what.charCodeAt(0)).cString(name));
export const sync = (): Uint8Array => message('S');
export const flush = (): Uint8Array => message('H');

/** Text values of the DataRows among `frames`. */
export function rows(frames: readonly Frame[]): (string | null)[][] {
  return frames
    .filter((frame) => frame.type === 'D'.charCodeAt(0))
    .map((frame) => {
      const body = new ByteReader(frame.body);
      const values: (string | null)[] = [];
      for (let left = body.uint16(); left > 0; left -= 1) {
        const length = body.int32();
        values.push(length === -1 ? null : Buffer.from(body.bytes(length)).toString());
      }
      return values;
    });
}
