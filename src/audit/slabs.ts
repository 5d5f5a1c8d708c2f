// The memory that commits are put together in, used again and again. WHY: a commit stays in memory until it is published, long enough for the
// collector to count its memory as old; at 64 in flight that made it collect everything thirty times a second, 5 to 20 ms each, while
// everybody waited.
// INVARIANT: a slab is written again only after everybody who looks at what is in it has said that they no longer do.

export const SLAB_BYTES = 1024 * 1024;

/** Part of what was needed before that is kept when less is. */
const KEPT_EACH_TIME = 0.75;

export class Slab {
  readonly bytes: Buffer;
  readonly #home: Slabs;
  #users = 1;

  constructor(bytes: Buffer, home: Slabs) {
    this.bytes = bytes;
    this.#home = home;
  }

  /** One more looks at it. */
  keep(): void {
    if (this.#users === 0) throw new RangeError('a slab is kept that was given back');
    this.#users += 1;
  }

  /** One less: of those who called `keep`, and whoever took it. */
  release(): void {
    if (this.#users === 0) throw new RangeError('a slab is given back twice');
    this.#users -= 1;
    if (this.#users === 0) this.#home.takeBack(this.bytes);
  }
}

export class Slabs {
  readonly #free: Buffer[] = [];
  /** Since the last publication. */
  #taken = 0;
  /** How many are worth keeping. */
  #wanted = 0;

  /** What is in it is nobody's: to be written before it is read. @param atLeast its bytes */
  take(atLeast: number): Slab {
    this.#taken += 1;
    const bytes = atLeast > SLAB_BYTES ? undefined : this.#free.pop();
    return new Slab(bytes ?? Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, atLeast)), this);
  }

  takeBack(bytes: Buffer): void {
    if (bytes.length === SLAB_BYTES) this.#free.push(bytes);
  }

  /** After a publication. What lies idle beyond what was needed lately is left to the collector. */
  settle(): void {
    this.#wanted = Math.max(this.#taken, Math.floor(this.#wanted * KEPT_EACH_TIME));
    this.#taken = 0;
    this.#free.length = Math.min(this.#free.length, this.#wanted);
  }

  /** Slabs that lie idle. */
  get free(): number {
    return this.#free.length;
  }
}
