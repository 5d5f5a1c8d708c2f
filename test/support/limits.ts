// For tests of what a gateway bears: a gateway in a process of its own in front of the small clinic, its resident memory as
// /proc has it, and a raw client that reads as slowly as a test wants and counts instead of collecting.

import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { crc32 } from 'node:zlib';
import { Secret } from '../../src/core/secret.ts';
import { message, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { md5Response } from '../../src/protocols/postgres/scram.ts';
import { cancelRequest, startupMessage } from '../../src/protocols/postgres/startup.ts';
import type { EmbeddedPostgresOptions } from '../../src/demo/embedded-postgres.ts';
import { type TestGateway, type TestGatewayOptions, type TestTarget, startTestGateway } from './gateway.ts';
import { type ServedGateway, type SmallClinic, serve, smallClinicPolicy, startSmallClinic } from './small-clinic.ts';

export const megabyte = 1024 * 1024;

export interface LimitsOptions {
  readonly server?: EmbeddedPostgresOptions;
  /** Beside the small clinic's own. */
  readonly targets?: (clinic: SmallClinic) => readonly TestTarget[];
  readonly limits?: Readonly<Record<string, number>>;
  readonly policy?: string;
  readonly insecure?: boolean;
}

export interface LimitsGateway {
  readonly clinic: SmallClinic;
  readonly files: TestGateway;
  readonly served: ServedGateway;
  /** Password for everything the clerk may do. */
  readonly clerk: string;
  /** Through the gateway, as the clerk. */
  readonly gated: (parameters?: Readonly<Record<string, string>>) => Promise<CountingClient>;
  /** To the database itself. */
  readonly direct: (parameters?: Readonly<Record<string, string>>) => Promise<CountingClient>;
  /** The same on the database itself and through the gateway, with clients of their own. */
  both<T>(run: (client: CountingClient, port: number) => Promise<T>): Promise<[direct: T, gated: T]>;
  stop(): Promise<void>;
}

export async function startLimitsGateway(options: LimitsOptions = {}): Promise<LimitsGateway> {
  // md5: what the counting client can answer without the gateway between.
  const clinic = await startSmallClinic({ authentication: 'md5', ...options.server });
  const given: TestGatewayOptions = {
    targets: [clinic.target, ...(options.targets?.(clinic) ?? [])],
    policy: options.policy ?? smallClinicPolicy,
    insecure: options.insecure ?? true,
    limits: options.limits ?? {},
    start: false,
  };
  const files = await startTestGateway(given);
  const served = await serve(files.configFile);
  const clerk = await files.issuer.token('clerk-1', { groups: ['clerks'] }, { expiresInS: 7200 });
  const gated: LimitsGateway['gated'] = (parameters = {}) => CountingClient.open({ port: served.port, password: clerk, parameters });
  const direct: LimitsGateway['direct'] = (parameters = {}) =>
    CountingClient.open({ port: clinic.server.port, user: 'sallyport', password: clinic.password, parameters });
  const seen = async <T>(client: CountingClient, port: number, run: (client: CountingClient, port: number) => Promise<T>): Promise<T> => {
    try {
      return await run(client, port);
    } finally {
      client.end();
    }
  };
  return {
    clinic,
    files,
    served,
    clerk,
    gated,
    direct,
    both: async (run) => [await seen(await direct(), clinic.server.port, run), await seen(await gated(), served.port, run)],
    async stop() {
      served.kill('SIGKILL');
      await served.ended;
      await files.close();
      await clinic.stop();
    },
  };
}

/** Resident bytes of a process and all it started. */
export function residentBytes(pid: number): number {
  const pages = (of: number): number => Number(readFileSync(`/proc/${of}/statm`, 'utf8').split(' ')[1]) * 4096;
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  let sum = 0;
  const family = new Set([pid]);
  for (const member of family) {
    try {
      sum += pages(member);
    } catch {
      continue;
    }
    for (const [child, parent] of parents) if (parent === member) family.add(child);
  }
  return sum;
}

/** Runs `work` and gives the highest resident memory of `pid` meanwhile over what it was before. */
export async function grownBytes(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = residentBytes(pid);
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, residentBytes(pid))), 50);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return Math.max(most, residentBytes(pid)) - before;
}

export interface Login {
  readonly host?: string;
  readonly port: number;
  readonly user?: string;
  readonly password: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** Counts what it receives; keeps whole messages only when they are short, never rows. */
export class CountingClient {
  readonly socket: Socket;
  /** Letters of the messages that are not rows, in order, with transaction status and SQLSTATE. */
  shape: string[] = [];
  readonly kept: { readonly letter: string; readonly body: Buffer }[] = [];
  rows = 0;
  bytes = 0;
  /** Of every byte since the last `reset`. */
  checksum = 0;
  isClosed = false;
  /** Process id and key for a CancelRequest. */
  cancelKey: Uint8Array = new Uint8Array();
  #head: Buffer = Buffer.alloc(0);
  #left = 0;
  #letter = '';
  #body: Buffer[] | null = null;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const closed = (): void => {
      this.isClosed = true;
      this.#wake();
    };
    for (const event of ['close', 'end', 'error']) socket.on(event, closed);
  }

  /** Opens and logs in with a cleartext password, as every client of the gateway does. */
  static async open({ host = '127.0.0.1', port, user = 'agent', password, parameters = {} }: Login): Promise<CountingClient> {
    const client = new CountingClient(connect({ port, host }));
    client.send(startupMessage(Object.entries({ user, database: 'clinic', ...parameters })));
    await client.until('R');
    const asked = client.kept.at(-1)?.body ?? Buffer.alloc(0);
    const isMd5 = asked.readInt32BE(0) === 5;
    const answer = isMd5 ? md5Response(user, new Secret(password), asked.subarray(4)) : password;
    client.send(message('p', (body) => body.cString(answer)));
    await client.until('Z');
    client.cancelKey = client.kept.find(({ letter }) => letter === 'K')?.body ?? client.cancelKey;
    if (client.cancelKey.length === 0) throw new Error(`log-in failed: ${client.shape.join(' ')} ${JSON.stringify(client.errors())}`);
    client.reset();
    return client;
  }

  reset(): void {
    this.shape = [];
    this.kept.length = 0;
    this.rows = 0;
    this.bytes = 0;
    this.checksum = 0;
  }

  /** @returns false when the peer does not take it at once. */
  send(...messages: Uint8Array[]): boolean {
    return this.socket.write(Buffer.concat(messages));
  }

  /** One simple query and its answer, as `shape` and the number of rows. */
  async query(text: string, withinMs = 60_000): Promise<string> {
    this.reset();
    this.send(queryMessage(text));
    return this.until('Z', 1, withinMs);
  }

  /** Sends a CancelRequest for this session to `port`; resolves when the peer has taken it. */
  async cancel(port: number): Promise<void> {
    const key = Buffer.from(this.cancelKey);
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.end(cancelRequest(key.readInt32BE(0), key.subarray(4)));
    socket.resume();
    await once(socket, 'close');
  }

  async sent(...messages: Uint8Array[]): Promise<void> {
    if (this.send(...messages)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ['drain', 'close']) this.socket.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'close']) this.socket.on(event, done);
    });
  }

  /** Waits for `count` messages of that letter since the last reset, or the end of the connection. */
  async until(letter: string, count = 1, withinMs = 60_000): Promise<string> {
    const endMs = performance.now() + withinMs;
    const seen = (): number => this.shape.filter((each) => each.startsWith(letter)).length;
    while (seen() < count && !this.isClosed) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`no ${count} ${letter} within ${withinMs} ms; got ${this.shape.slice(-20).join(' ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 1000));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.shape.join(' ');
  }

  async closed(withinMs = 30_000): Promise<void> {
    await this.until('no such letter', 1, withinMs);
  }

  /** Fields of the errors so far. */
  errors(): Record<string, string>[] {
    return this.kept
      .filter(({ letter }) => letter === 'E')
      .map(({ body }) =>
        Object.fromEntries(
          body
            .toString()
            .split('\0')
            .filter(Boolean)
            .map((field) => [field[0] ?? '', field.slice(1)]),
        ),
      );
  }

  end(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.checksum = crc32(chunk, this.checksum);
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const need = 5 - this.#head.length;
        const part = chunk.subarray(at, at + need);
        this.#head = this.#head.length === 0 ? part : Buffer.concat([this.#head, part]);
        at += part.length;
        if (this.#head.length < 5) break;
        this.#letter = String.fromCharCode(this.#head[0] ?? 0);
        this.#left = this.#head.readUInt32BE(1) - 4;
        this.#head = Buffer.alloc(0);
        const isRow = this.#letter === 'D' || this.#letter === 'd';
        if (isRow) this.rows += 1;
        this.#body = isRow ? null : [];
        if (this.#left > 0) continue;
      }
      const part = chunk.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      this.#body?.push(Buffer.from(part));
      if (this.#left === 0 && this.#body !== null) this.#whole(Buffer.concat(this.#body));
    }
    this.#wake();
  }

  #whole(body: Buffer): void {
    const letter = this.#letter;
    if (this.kept.length < 20_000) this.kept.push({ letter, body });
    if (letter === 'Z') this.shape.push(`Z:${body.toString()}`);
    else if (letter === 'E' || letter === 'N') this.shape.push(`${letter}:${/(?:^|\0)C([0-9A-Z]{5})/.exec(body.toString())?.[1]}`);
    else this.shape.push(letter);
  }
}
