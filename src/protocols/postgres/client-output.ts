// The way out to the client: bytes in order, some of them behind a gate that opens when the audit log is durable.
// Coalesces what one turn produces into one write, and says when the upstream must pause.
// INVARIANT: bytes after a gate never reach the socket before the gate opened, whatever else happens.

import type { Socket } from 'node:net';

export interface ClientOutputDeps {
  readonly socket: Socket;
  /** More is waiting than should: stop reading upstream until `onReady`. */
  readonly onFull: () => void;
  readonly onReady: () => void;
  /** A gate will never open. Nothing behind it was or will be written. */
  readonly onFault: (fault: unknown) => void;
}

interface Gate {
  readonly opens: Promise<unknown>;
}
type Item = { readonly bytes: Uint8Array; readonly isBoundary: boolean } | Gate;

/** Beyond this the upstream pauses. */
const highWaterBytes = 256 * 1024;
/** A short stretch before a gate waits for it as well: one write instead of two. */
const mergeBytes = 8 * 1024;
/** Chunks up to this size are copied together rather than written one by one. */
const coalesceBytes = 16 * 1024;

export class ClientOutput {
  readonly #deps: ClientOutputDeps;
  #queue: Item[] = [];
  #queuedBytes = 0;
  #isGated = false;
  #isFull = false;
  #isEnded = false;
  /** What was written to the socket last ended where a frame ends. */
  #isAtBoundary = true;
  /** Whole messages that belong at the next frame boundary, before anything gated. */
  #urgent: Uint8Array[] = [];
  #emptyWaiters: (() => void)[] = [];

  constructor(deps: ClientOutputDeps) {
    this.#deps = deps;
    deps.socket.on('drain', () => this.#checkFull());
  }

  get isWaitingForClient(): boolean {
    return this.#deps.socket.writableNeedDrain;
  }

  /** @param isBoundary false when `bytes` end inside a frame. */
  write(bytes: Uint8Array, isBoundary = true): void {
    if (this.#isEnded || bytes.length === 0) return;
    this.#queue.push({ bytes, isBoundary });
    this.#queuedBytes += bytes.length;
  }

  /** Everything written after this waits for `opens`. */
  gate(opens: Promise<unknown>): void {
    if (this.#isEnded) return;
    // The fault is handled when its turn comes; until then nobody else listens.
    opens.catch(() => undefined);
    this.#queue.push({ opens });
  }

  /** A whole message for the next frame boundary, ahead of what is gated. */
  urgent(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#urgent.push(bytes);
    this.flush();
  }

  /** Hands what may go to the socket. Call once at the end of a turn. */
  flush(): void {
    if (this.#isEnded) return;
    if (!this.#isGated) this.#advance();
    this.#writeUrgent();
    this.#checkFull();
    if (this.#queue.length === 0) for (const wake of this.#emptyWaiters.splice(0)) wake();
  }

  /** Resolves when everything written has been handed to the socket, or never will be. */
  async emptied(): Promise<void> {
    if (this.#queue.length === 0 || this.#isEnded) return;
    await new Promise<void>((wake) => this.#emptyWaiters.push(wake));
  }

  /** Drops everything that waits, writes `last` if the client can still make sense of it, and closes. */
  end(last: Uint8Array | null): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const wake of this.#emptyWaiters.splice(0)) wake();
    const { socket } = this.#deps;
    if (last !== null && this.#isAtBoundary && socket.writable) socket.end(last);
    else socket.end();
  }

  #advance(): void {
    let free = 0;
    let freeBytes = 0;
    for (const item of this.#queue) {
      if ('opens' in item) {
        void this.#waitFor(item);
        break;
      }
      free += 1;
      freeBytes += item.bytes.length;
    }
    if (free === 0 || (this.#isGated && freeBytes < mergeBytes)) return;
    const items = this.#queue.slice(0, free);
    this.#queue = this.#queue.slice(free);
    this.#writeAll(items);
  }

  async #waitFor(gate: Gate): Promise<void> {
    this.#isGated = true;
    try {
      await gate.opens;
    } catch (fault) {
      if (!this.#isEnded) this.#deps.onFault(fault);
      return;
    }
    this.#isGated = false;
    if (this.#isEnded) return;
    this.#queue.splice(this.#queue.indexOf(gate), 1);
    this.flush();
  }

  #writeAll(items: readonly Item[]): void {
    const { socket } = this.#deps;
    socket.cork();
    let small: Uint8Array[] = [];
    let smallBytes = 0;
    const flushSmall = (): void => {
      const [only] = small;
      if (small.length === 1 && only !== undefined) socket.write(only);
      else if (small.length > 1) socket.write(Buffer.concat(small, smallBytes));
      small = [];
      smallBytes = 0;
    };
    for (const item of items) {
      if ('opens' in item) continue;
      const { bytes, isBoundary } = item;
      this.#queuedBytes -= bytes.length;
      if (smallBytes + bytes.length > coalesceBytes) flushSmall();
      small.push(bytes);
      smallBytes += bytes.length;
      this.#isAtBoundary = isBoundary;
      if (isBoundary && this.#urgent.length > 0) {
        for (const message of this.#urgent) {
          small.push(message);
          smallBytes += message.length;
        }
        this.#urgent = [];
      }
    }
    flushSmall();
    socket.uncork();
  }

  #writeUrgent(): void {
    if (!this.#isAtBoundary || this.#urgent.length === 0) return;
    this.#deps.socket.write(Buffer.concat(this.#urgent));
    this.#urgent = [];
  }

  #checkFull(): void {
    const isFull = this.#queuedBytes > highWaterBytes || this.#deps.socket.writableNeedDrain;
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    if (isFull) this.#deps.onFull();
    else this.#deps.onReady();
  }
}
