// The way out to the client: bytes in order, some of them behind a gate that opens when an audit entry is recorded.
// Coalesces what one turn produces into one write, and says when the upstream must pause.
// INVARIANT: bytes after a gate never reach the socket before the gate opened, whatever else happens.

import type { Socket } from 'node:net';
import type { Recorded } from '../../session/recorder.ts';

export interface ClientOutputDeps {
  readonly socket: Socket;
  /** More is waiting than should: stop reading upstream until `onReady`. */
  readonly onFull: () => void;
  readonly onReady: () => void;
  /** A gate will never open. Nothing behind it was or will be written. */
  readonly onFault: (fault: unknown) => void;
}

/** A stretch of bytes, or the entry that everything behind it waits for. */
type Item = { bytes: Uint8Array; isBoundary: boolean } | Recorded;

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
    this.#queuedBytes += bytes.length;
    const last = this.#queue.at(-1);
    if (last !== undefined && 'bytes' in last && continues(last.bytes, bytes)) {
      // Most answers pass as they came: one stretch instead of one per message.
      last.bytes = Buffer.from(bytes.buffer, last.bytes.byteOffset, last.bytes.length + bytes.length);
      last.isBoundary = isBoundary;
      return;
    }
    this.#queue.push({ bytes, isBoundary });
  }

  /** Everything written after this waits until `entry` is recorded. */
  gate(entry: Recorded): void {
    if (!this.#isEnded && !entry.isDone) this.#queue.push(entry);
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
      if ('bytes' in item) freeBytes += item.bytes.length;
      else if (!item.isDone) {
        void this.#waitFor(item);
        break;
      }
      free += 1;
    }
    if (free === 0 || (this.#isGated && freeBytes < mergeBytes)) return;
    const items = this.#queue;
    this.#queue = free === items.length ? [] : items.splice(free);
    this.#writeAll(items);
  }

  async #waitFor(entry: Recorded): Promise<void> {
    this.#isGated = true;
    try {
      await entry.wait();
    } catch (fault) {
      if (!this.#isEnded) this.#deps.onFault(fault);
      return;
    }
    this.#isGated = false;
    if (!this.#isEnded) this.flush();
  }

  #writeAll(items: readonly Item[]): void {
    const { socket } = this.#deps;
    const [only] = items;
    if (items.length === 1 && only !== undefined && 'bytes' in only && this.#urgent.length === 0) {
      this.#queuedBytes -= only.bytes.length;
      this.#isAtBoundary = only.isBoundary;
      socket.write(only.bytes);
      return;
    }
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
      if (!('bytes' in item)) continue;
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

/** Whether `next` lies behind `bytes` in the same memory. */
function continues(bytes: Uint8Array, next: Uint8Array): boolean {
  return bytes.buffer === next.buffer && bytes.byteOffset + bytes.length === next.byteOffset;
}
