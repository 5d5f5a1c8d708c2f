// A stream of bytes between two threads in shared memory: one writes, one reads, nobody waits. Positions count on for ever,
// modulo 2^32. What does not fit now stays with the sender, who is told when there is room again.

import type { ByteSource } from './records.ts';

const WRITTEN = 0;
const READ = 1;
/** The sender has more than there was room for. */
const WANTS_ROOM = 2;
/** Entries of the sender that are durable, modulo 2^32. */
const DURABLE = 3;
const CONTROL_BYTES = 64;
/** A power of two. */
export const RING_BYTES = 1024 * 1024;

export function createRing(bytes = RING_BYTES): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + bytes);
}

export class RingSender {
  readonly #control: Int32Array;
  readonly #data: Buffer;
  #durable = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#data = Buffer.from(memory, CONTROL_BYTES);
  }

  /** @returns bytes taken; when not all, the reader says so once it has made room. */
  send(bytes: Buffer): number {
    let sent = this.#put(bytes, 0);
    if (sent < bytes.length) {
      Atomics.store(this.#control, WANTS_ROOM, 1);
      // The reader may have made room just before it could see that.
      sent = this.#put(bytes, sent);
    }
    return sent;
  }

  /** Part of the ring that waits to be read. */
  get fill(): number {
    return this.#waiting() / this.#data.length;
  }

  get durable(): number {
    const low = Atomics.load(this.#control, DURABLE);
    this.#durable += (low - (this.#durable | 0)) >>> 0;
    return this.#durable;
  }

  #waiting(): number {
    return (Atomics.load(this.#control, WRITTEN) - Atomics.load(this.#control, READ)) >>> 0;
  }

  #put(bytes: Buffer, from: number): number {
    const size = this.#data.length;
    const count = Math.min(size - this.#waiting(), bytes.length - from);
    const written = Atomics.load(this.#control, WRITTEN);
    const at = (written >>> 0) % size;
    const first = Math.min(count, size - at);
    bytes.copy(this.#data, at, from, from + first);
    if (first < count) bytes.copy(this.#data, 0, from + first, from + count);
    Atomics.store(this.#control, WRITTEN, (written + count) | 0);
    return from + count;
  }
}

export class RingReceiver implements ByteSource {
  readonly #control: Int32Array;
  readonly #data: Buffer;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#data = Buffer.from(memory, CONTROL_BYTES);
  }

  get available(): number {
    return (Atomics.load(this.#control, WRITTEN) - Atomics.load(this.#control, READ)) >>> 0;
  }

  read(target: Buffer, at: number): number {
    const size = this.#data.length;
    const count = Math.min(this.available, target.length - at);
    const read = Atomics.load(this.#control, READ);
    const from = (read >>> 0) % size;
    const first = Math.min(count, size - from);
    this.#data.copy(target, at, from, from + first);
    if (first < count) this.#data.copy(target, at + first, 0, count - first);
    Atomics.store(this.#control, READ, (read + count) | 0);
    return count;
  }

  /** True once after the sender had more than there was room for. */
  takeWish(): boolean {
    return Atomics.load(this.#control, WANTS_ROOM) === 1 && Atomics.exchange(this.#control, WANTS_ROOM, 0) === 1;
  }

  setDurable(entries: number): void {
    Atomics.store(this.#control, DURABLE, entries | 0);
  }
}

const DOORBELL = 0;
const FAILED = 1;

/** What all threads share about the writer. */
export class WriterState {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #size: BigInt64Array;

  constructor(memory = new SharedArrayBuffer(16)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#size = new BigInt64Array(memory, 8);
  }

  ring(): void {
    Atomics.add(this.#words, DOORBELL, 1);
    Atomics.notify(this.#words, DOORBELL);
  }

  /** To be read before looking for work; a wait for it then misses no ring in between. */
  get rings(): number {
    return Atomics.load(this.#words, DOORBELL);
  }

  /** Blocks the thread. */
  wait(rings: number, atMostMs: number): void {
    Atomics.wait(this.#words, DOORBELL, rings, atMostMs);
  }

  /** Lets the event loop of the thread go on meanwhile. Null when it has rung. */
  waitAsync(rings: number, atMostMs: number): Promise<unknown> | null {
    const waiting = Atomics.waitAsync(this.#words, DOORBELL, rings, atMostMs);
    return waiting.async ? waiting.value : null;
  }

  get hasFailed(): boolean {
    return Atomics.load(this.#words, FAILED) === 1;
  }

  fail(): void {
    Atomics.store(this.#words, FAILED, 1);
  }

  /** Durable entries of the log. */
  get size(): number {
    return Number(Atomics.load(this.#size, 0));
  }

  set size(size: number) {
    Atomics.store(this.#size, 0, BigInt(size));
  }
}
