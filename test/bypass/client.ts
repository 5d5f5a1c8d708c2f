// A small PostgreSQL client that keeps every byte the server sent. Not a driver: formats, COPY, fast-path, portals, notices
// and asynchronous messages can be driven and observed exactly. SPEC: "Message Flow", "Message Formats".

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import type { ExtendedStep, Value } from './cases.ts';
import { bind, byName, cString, execute, frame, int16, int32, list16, messageOf, parse, startup, valueOf } from './frontend.ts';

/** A server message. Types with `!` are ours: closed, timeout, refused. */
export interface Message {
  readonly type: string;
  readonly body: Buffer;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

export interface Login extends Endpoint {
  readonly user: string;
  readonly password: string;
  readonly startup?: Readonly<Record<string, string>>;
}

/** The server refused the connection; `messages` is all it said. */
export class StartupRefused extends Error {
  readonly messages: readonly Message[];

  constructor(messages: readonly Message[]) {
    super(`start-up refused: ${errorFields(messages.at(-1)?.body ?? Buffer.alloc(0))['M'] ?? 'no reason'}`);
    this.messages = messages;
  }
}

export class Client {
  readonly #login: Login;
  readonly #socket: Socket;
  readonly #patience: number;
  #bytes: Buffer = Buffer.alloc(0);
  readonly #queue: Message[] = [];
  #wakers: (() => void)[] = [];
  #nonce = '';
  #clientFirst = '';
  isClosed = false;

  private constructor(login: Login, socket: Socket, patience: number) {
    this.#login = login;
    this.#socket = socket;
    this.#patience = patience;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('close', () => this.#closed());
    socket.on('error', () => this.#closed());
  }

  /** `patience`: how many times longer than usual it waits for answers.
   *  @throws StartupRefused; Error when nothing comes, or not all of it */
  static async connect(login: Login, patience = 1): Promise<Client> {
    const socket = connect({ host: login.host, port: login.port, noDelay: true });
    await once(socket, 'connect');
    const client = new Client(login, socket, patience);
    socket.write(startup({ user: login.user, database: login.database, client_encoding: 'UTF8', ...login.startup }));
    const seen: Message[] = [];
    for (;;) {
      const message = await client.#next(15_000 * patience);
      if (message === null) throw new Error(client.isClosed ? 'closed during start-up' : 'silent during start-up');
      seen.push(message);
      if (message.type === 'R') client.#authenticate(message.body);
      else if (message.type === 'E') throw new StartupRefused(seen);
      else if (message.type === 'Z') return client;
    }
  }

  /** A simple query; a COPY FROM STDIN gets `copyData`, or is failed without. */
  async simple(text: string, copyData?: string): Promise<Message[]> {
    return this.#withCopy(frame('Q', cString(text)), copyData, false);
  }

  async extended(step: ExtendedStep): Promise<Message[]> {
    const { q, name = '', portal = '', describe = 'P', maxRows = 0 } = step;
    const out: Buffer[] = step.parse === false ? [] : [parse(name, q, step.paramTypes)];
    if (describe === 'S' || describe === 'SP') out.push(byName('D', 'S', name));
    out.push(bind(portal, name, step.params, step.paramFormats, step.resultFormats));
    if (describe === 'P' || describe === 'SP') out.push(byName('D', 'P', portal));
    // A limit suspends the portal; it is then drained.
    const executes = maxRows > 0 && step.drain !== false ? 61 : 1;
    for (let count = 0; count < executes; count += 1) out.push(execute(portal, maxRows));
    return this.#withCopy(Buffer.concat([...out, frame('S')]), step.copyData, true);
  }

  async pipeline(batch: readonly { readonly q: string }[]): Promise<Message[]> {
    const out = batch.flatMap(({ q }) => [parse('', q), bind('', ''), byName('D', 'P', ''), execute('')]);
    return this.#send(Buffer.concat([...out, frame('S')]), 3000);
  }

  /** Sends all at once, and reads one ReadyForQuery for each Sync and Query in it. */
  async messages(batch: readonly (readonly unknown[])[]): Promise<Message[]> {
    const ends = batch.filter(([type]) => type === 'S' || type === 'Q').length;
    let seen = await this.#send(Buffer.concat(batch.map(messageOf)), 3000);
    const last = (): string => seen.at(-1)?.type ?? '';
    for (let ready = 1; ready < ends || last() === 'G'; ready += last() === 'G' ? 0 : 1) {
      if (last().startsWith('!')) break;
      seen = seen.concat(await this.#untilReady(3000));
    }
    return seen;
  }

  async close(name: string): Promise<Message[]> {
    return this.#send(Buffer.concat([byName('C', 'S', name), frame('S')]), 3000);
  }

  async fastpath(oid: number, args: readonly Value[]): Promise<Message[]> {
    return this.#send(frame('F', int32(oid), list16([0]), int16(args.length), ...args.map(valueOf), int16(0)), 8000);
  }

  /** A simple query of any bytes. */
  async rawQuery(text: Buffer): Promise<Message[]> {
    return this.#send(frame('Q', text, Buffer.from([0])), 3000);
  }

  /** What arrives unasked. */
  async idle(ms: number): Promise<Message[]> {
    const seen: Message[] = [];
    const endMs = Date.now() + ms;
    for (;;) {
      const message = await this.#next(Math.max(1, endMs - Date.now()));
      if (message === null) return seen;
      seen.push(message);
    }
  }

  end(): void {
    if (!this.isClosed) this.#socket.write(frame('X'));
    this.isClosed = true;
    this.#socket.destroySoon();
  }

  async #withCopy(bytes: Buffer, copyData: string | undefined, isExtended: boolean): Promise<Message[]> {
    const seen = await this.#send(bytes, 8000);
    if (seen.at(-1)?.type !== 'G') return seen;
    const data = copyData === undefined ? [frame('f', cString('no data'))] : [frame('d', Buffer.from(copyData)), frame('c')];
    return seen.concat(await this.#send(Buffer.concat(isExtended ? [...data, frame('S')] : data), 8000));
  }

  async #send(bytes: Buffer, timeoutMs: number): Promise<Message[]> {
    this.#socket.write(bytes);
    return this.#untilReady(timeoutMs);
  }

  /** To the next ReadyForQuery or CopyInResponse. */
  async #untilReady(timeoutMs: number): Promise<Message[]> {
    const seen: Message[] = [];
    for (;;) {
      const message = await this.#next(timeoutMs * this.#patience);
      if (message === null) return [...seen, { type: this.isClosed ? '!closed' : '!timeout', body: Buffer.alloc(0) }];
      seen.push(message);
      if (message.type === 'Z' || message.type === 'G') return seen;
    }
  }

  async #next(timeoutMs: number): Promise<Message | null> {
    const endMs = Date.now() + timeoutMs;
    while (this.#queue.length === 0) {
      const leftMs = endMs - Date.now();
      if (this.isClosed || leftMs <= 0) return null;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wakers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#queue.shift() ?? null;
  }

  #data(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    while (this.#bytes.length - at >= 5) {
      const end = at + 1 + this.#bytes.readInt32BE(at + 1);
      if (this.#bytes.length < end) break;
      this.#queue.push({ type: String.fromCharCode(this.#bytes[at] ?? 0), body: Buffer.from(this.#bytes.subarray(at + 5, end)) });
      at = end;
    }
    this.#bytes = this.#bytes.subarray(at);
    this.#wake();
  }

  #closed(): void {
    this.isClosed = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }

  #authenticate(body: Buffer): void {
    const { user, password } = this.#login;
    const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex');
    switch (body.readInt32BE(0)) {
      case 0:
      case 12:
        return;
      case 3:
        this.#socket.write(frame('p', cString(password)));
        return;
      case 5: {
        const salted = Buffer.concat([Buffer.from(md5(password + user)), body.subarray(4, 8)]);
        this.#socket.write(frame('p', cString(`md5${md5(salted)}`)));
        return;
      }
      case 10: {
        this.#nonce = randomBytes(18).toString('base64');
        this.#clientFirst = `n=,r=${this.#nonce}`;
        const first = Buffer.from(`n,,${this.#clientFirst}`);
        this.#socket.write(frame('p', cString('SCRAM-SHA-256'), int32(first.length), first));
        return;
      }
      case 11:
        this.#socket.write(frame('p', Buffer.from(this.#scramFinal(body.subarray(4).toString()))));
        return;
      default:
        throw new Error('authentication method that this client does not know');
    }
  }

  #scramFinal(serverFirst: string): string {
    const fields = Object.fromEntries(serverFirst.split(',').map((field) => [field.charAt(0), field.slice(2)]));
    const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
    const salted = pbkdf2Sync(this.#login.password, Buffer.from(fields['s'] ?? '', 'base64'), Number(fields['i']), 32, 'sha256');
    const key = hmac(salted, 'Client Key');
    const withoutProof = `c=biws,r=${fields['r'] ?? ''}`;
    const signature = hmac(createHash('sha256').update(key).digest(), `${this.#clientFirst},${serverFirst},${withoutProof}`);
    const proof = Buffer.from(key.map((byte, index) => byte ^ (signature[index] ?? 0)));
    return `${withoutProof},p=${proof.toString('base64')}`;
  }
}

/** Fields of an ErrorResponse or NoticeResponse by their letter. */
export function errorFields(body: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let at = 0; at < body.length && body[at] !== 0;) {
    const end = body.indexOf(0, at + 1);
    fields[String.fromCharCode(body[at] ?? 0)] = body.toString('utf8', at + 1, end);
    at = end + 1;
  }
  return fields;
}

export interface ResultColumn {
  readonly name: string;
  readonly type: number;
  readonly format: number;
}

export function resultColumns(body: Buffer): ResultColumn[] {
  const columns: ResultColumn[] = [];
  let at = 2;
  for (let count = body.readInt16BE(0); count > 0; count -= 1) {
    const end = body.indexOf(0, at);
    columns.push({ name: body.toString('utf8', at, end), type: body.readUInt32BE(end + 7), format: body.readInt16BE(end + 17) });
    at = end + 19;
  }
  return columns;
}

export function rowValues(body: Buffer): (Buffer | null)[] {
  const values: (Buffer | null)[] = [];
  let at = 2;
  for (let count = body.readInt16BE(0); count > 0; count -= 1) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.subarray(at, at + length));
    at += Math.max(0, length);
  }
  return values;
}
