// A small PostgreSQL client for load: TLS, SCRAM or password log-in, simple queries whose answers are counted but not
// parsed. Derived SCRAM keys are kept, so that a thousand log-ins cost the server's work and not ours.

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { type Socket, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Login {
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: string;
  readonly tls?: boolean;
}

export interface Counted {
  /** DataRows and CopyData messages. */
  readonly rows: number;
  readonly bytes: number;
  readonly seconds: number;
}

interface Waiting {
  resolve(): void;
  reject(fault: Error): void;
}

interface ScramKeys {
  readonly client: Buffer;
  readonly stored: Buffer;
}

const host = '127.0.0.1';
const derived = new Map<string, ScramKeys>();
const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest();

function scramKeys(password: string, salt: string, iterations: number): ScramKeys {
  const name = `${iterations} ${salt} ${password}`;
  let keys = derived.get(name);
  if (keys === undefined) {
    const client = hmac(pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, 32, 'sha256'), 'Client Key');
    keys = { client, stored: createHash('sha256').update(client).digest() };
    derived.set(name, keys);
  }
  return keys;
}

function message(letter: string, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(5);
  head.write(letter, 'latin1');
  head.writeUInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

export class LoadClient {
  readonly #login: Login;
  #socket: Socket;
  /** Header of the message that is being read, and how much of its body is still to come. */
  readonly #head = Buffer.alloc(5);
  #headBytes = 0;
  #bodyLeft = 0;
  /** Body of the message being read when it is one that we look at. */
  #body: Buffer[] | null = null;
  #nonce = '';
  #fault: Error | null = null;
  #waiting: Waiting | null = null;
  #rows = 0;
  #bytes = 0;
  /** Called with the text of every notice. */
  onNotice: (text: string) => void = () => undefined;
  /** 0 = as fast as it comes. */
  bytesPerSecond = 0;
  #startedMs = 0;

  private constructor(login: Login, socket: Socket) {
    this.#login = login;
    this.#socket = socket;
  }

  /** Resolves at the first ReadyForQuery. */
  static async open(login: Login): Promise<LoadClient> {
    const socket = connect({ host, port: login.port, noDelay: true });
    const client = new LoadClient(login, socket);
    await client.#logIn();
    return client;
  }

  /** One simple query to its ReadyForQuery. @throws with the server's message */
  async query(text: string): Promise<Counted> {
    this.#rows = 0;
    this.#bytes = 0;
    this.#startedMs = performance.now();
    const done = this.#until();
    this.#socket.write(message('Q', `${text}\0`));
    await done;
    return { rows: this.#rows, bytes: this.#bytes, seconds: (performance.now() - this.#startedMs) / 1000 };
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.on('error', () => undefined);
    this.#socket.end(message('X', ''));
    setTimeout(() => this.#socket.destroy(), 2000).unref();
  }

  async #logIn(): Promise<void> {
    const ready = this.#until();
    this.#watch(this.#socket);
    this.#socket.once('connect', () => {
      if (this.#login.tls !== true) {
        this.#greet();
        return;
      }
      this.#socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
      this.#socket.once('data', (answer: Buffer) => {
        if (answer[0] !== 'S'.charCodeAt(0)) {
          this.#fail(new Error('the server does not speak TLS'));
          return;
        }
        this.#socket = connectTls({ socket: this.#socket, rejectUnauthorized: false });
        this.#watch(this.#socket);
        this.#socket.once('secureConnect', () => this.#greet());
      });
    });
    await ready;
  }

  #watch(socket: Socket): void {
    socket.on('error', (fault) => this.#fail(fault));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  #greet(): void {
    const { user, database } = this.#login;
    const body = Buffer.from(`\0\x03\0\0user\0${user}\0database\0${database}\0\0`, 'latin1');
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length + 4);
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.write(Buffer.concat([head, body]));
  }

  #until(): Promise<void> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  #fail(fault: Error): void {
    this.#fault ??= fault;
    this.#waiting?.reject(this.#fault);
    this.#waiting = null;
  }

  #read(chunk: Buffer): void {
    this.#bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (this.#headBytes < 5) {
        // The usual case: the whole header is here.
        if (this.#headBytes === 0 && chunk.length - at >= 5) {
          chunk.copy(this.#head, 0, at, at + 5);
          this.#headBytes = 5;
          at += 5;
        } else {
          this.#head[this.#headBytes++] = chunk[at++] ?? 0;
          if (this.#headBytes < 5) continue;
        }
        const letter = this.#head[0] ?? 0;
        this.#bodyLeft = this.#head.readUInt32BE(1) - 4;
        if (letter === 0x44 || letter === 0x64) this.#rows += 1;
        else this.#body = [];
      }
      const taken = Math.min(this.#bodyLeft, chunk.length - at);
      if (taken > 0) this.#body?.push(chunk.subarray(at, at + taken));
      at += taken;
      this.#bodyLeft -= taken;
      if (this.#bodyLeft > 0) continue;
      this.#headBytes = 0;
      const body = this.#body;
      this.#body = null;
      if (body !== null) this.#handle(String.fromCharCode(this.#head[0] ?? 0), Buffer.concat(body));
    }
    if (this.bytesPerSecond > 0) this.#slowDown();
  }

  #slowDown(): void {
    const aheadMs = this.#startedMs + (this.#bytes / this.bytesPerSecond) * 1000 - performance.now();
    if (aheadMs < 2 || this.#waiting === null) return;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), aheadMs);
  }

  #handle(letter: string, body: Buffer): void {
    if (letter === 'R') this.#authenticate(body);
    else if (letter === 'N') this.onNotice(fields(body));
    else if (letter === 'E') {
      const fault = new Error(fields(body));
      if (this.#startedMs === 0) this.#fail(fault);
      else this.#fault = fault;
    } else if (letter === 'Z') {
      const fault = this.#fault;
      this.#fault = null;
      const waiting = this.#waiting;
      this.#waiting = null;
      if (fault === null) waiting?.resolve();
      else waiting?.reject(fault);
    }
  }

  #authenticate(body: Buffer): void {
    const kind = body.readUInt32BE(0);
    if (kind === 3) this.#socket.write(message('p', `${this.#login.password}\0`));
    if (kind === 10) {
      this.#nonce = randomBytes(18).toString('base64');
      const first = `n,,n=,r=${this.#nonce}`;
      const length = Buffer.alloc(4);
      length.writeInt32BE(first.length);
      this.#socket.write(message('p', Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), length, Buffer.from(first)])));
    }
    if (kind === 11) {
      const serverFirst = body.toString('latin1', 4);
      const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]*),s=([^,]*),i=(\d+)/.exec(serverFirst) ?? [];
      const keys = scramKeys(this.#login.password, salt, Number(iterations));
      const withoutProof = `c=biws,r=${nonce}`;
      const signature = hmac(keys.stored, `n=,r=${this.#nonce},${serverFirst},${withoutProof}`);
      const proof = Buffer.from(keys.client.map((byte, index) => byte ^ (signature[index] ?? 0)));
      this.#socket.write(message('p', `${withoutProof},p=${proof.toString('base64')}`));
    }
  }
}

/** Text of an error or notice. */
const fields = (body: Buffer): string =>
  body
    .toString('utf8')
    .split('\0')
    .filter((field) => /^[CMHD]/.test(field))
    .map((field) => field.slice(1))
    .join(' ');
