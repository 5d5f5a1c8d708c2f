// A client that sends many statements at once and keeps every byte of the answers: one connection of a lane.
// Split at ReadyForQuery only. SPEC: "Message Flow", "Message Formats". Logs in with a password in clear (the gateway's way).

import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import type { ExtendedStep } from '../bypass/cases.ts';
import type { Endpoint } from '../bypass/client.ts';
import { bind, byName, cString, execute, frame, parse, startup } from '../bypass/frontend.ts';

/** What a lane can send: the steps of a case that need no answer before the next one. */
export type LaneStep = string | (ExtendedStep & { readonly copyData?: never; readonly portal?: never });

/** All bytes up to and with each ReadyForQuery, or null where the connection ended or fell silent before. */
export type Answer = Buffer | null;

/** One step as messages; answered by one ReadyForQuery. */
export function encode(step: LaneStep): Buffer {
  if (typeof step === 'string') return frame('Q', cString(step));
  const { q, name = '', params = [], paramFormats = [], paramTypes = [], resultFormats = [], maxRows = 0, describe = 'P' } = step;
  return Buffer.concat([
    // Left behind when an error skipped what follows it.
    ...(name === '' ? [] : [byName('C', 'S', name)]),
    parse(name, q, paramTypes),
    ...(describe === 'S' || describe === 'SP' ? [byName('D', 'S', name)] : []),
    bind('', name, params, paramFormats, resultFormats),
    ...(describe === 'P' || describe === 'SP' ? [byName('D', 'P', '')] : []),
    ...Array.from({ length: maxRows > 0 ? 3 : 1 }, () => execute('', maxRows)),
    frame('S'),
  ]);
}

export class Lane {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the answer that is coming in. */
  #parts: Buffer[] = [];
  #answers: Answer[] = [];
  #wanted = 0;
  #wake: (() => void) | null = null;
  isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    for (const event of ['close', 'error']) {
      socket.on(event, () => {
        this.isClosed = true;
        this.#wake?.();
      });
    }
  }

  static async connect({ host, port, database }: Endpoint, token: string): Promise<Lane> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    const lane = new Lane(socket);
    socket.write(startup({ user: 'app', database, client_encoding: 'UTF8' }));
    const [answer] = await lane.#send(frame('p', cString(token)), 1, 15_000);
    if (answer === null || answer === undefined) throw new Error(`no log-in to ${database}`);
    return lane;
  }

  /** Sends all steps at once. @returns one answer a step */
  run(steps: readonly LaneStep[], timeoutMs = 30_000): Promise<readonly Answer[]> {
    return this.#send(Buffer.concat(steps.map(encode)), steps.length, timeoutMs);
  }

  end(): void {
    if (!this.isClosed) this.#socket.write(frame('X'));
    this.#socket.destroySoon();
  }

  async #send(bytes: Buffer, answers: number, timeoutMs: number): Promise<readonly Answer[]> {
    this.#answers = [];
    this.#wanted = answers;
    this.#socket.write(bytes);
    let late: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      late = setTimeout(resolve, timeoutMs);
      if (this.isClosed) resolve();
    });
    clearTimeout(late);
    this.#wake = null;
    if (this.#answers.length < answers) {
      this.isClosed = true;
      this.#socket.destroy();
      // What came before the end belongs to the step that ended it.
      if (this.#parts.length > 0) this.#answers.push(Buffer.concat([...this.#parts.splice(0), Buffer.from('closed')]));
    }
    return Array.from({ length: answers }, (_, index) => this.#answers[index] ?? null);
  }

  #data(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    let at = 0;
    while (bytes.length - at >= 5) {
      const end = at + 1 + bytes.readInt32BE(at + 1);
      if (bytes.length < end) break;
      const type = bytes[at];
      at = end;
      // ReadyForQuery; a CopyInResponse would wait for data that no step has.
      if (type === 0x47) this.#socket.destroy();
      if (type !== 0x5a) continue;
      this.#answers.push(this.#parts.length === 0 ? bytes.subarray(start, at) : Buffer.concat([...this.#parts, bytes.subarray(start, at)]));
      this.#parts = [];
      start = at;
    }
    if (start < at) this.#parts.push(bytes.subarray(start, at));
    this.#rest = bytes.subarray(at);
    if (this.#answers.length >= this.#wanted) this.#wake?.();
  }
}
