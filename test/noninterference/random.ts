// Seeded randomness of the generator: the same seed gives the same statements on every machine (xorshift128+ on 32 bits,
// seeded by splitmix32). Not for keys.

export class Random {
  #a: number;
  #b: number;

  constructor(seed: number) {
    let state = seed >>> 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) >>> 0;
    };
    this.#a = next() | 1;
    this.#b = next();
  }

  /** 0 <= n < limit. */
  below(limit: number): number {
    let t = this.#a;
    const s = this.#b;
    this.#a = s;
    t ^= t << 23;
    t ^= t >>> 17;
    t ^= s ^ (s >>> 26);
    this.#b = t;
    return Math.floor((((t + s) >>> 0) / 0x1_0000_0000) * limit);
  }

  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  /** By weight: `[['a', 3], ['b', 1]]`. */
  weighted<T>(from: readonly (readonly [T, number])[]): T {
    let at = this.below(from.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [item, weight] of from) {
      at -= weight;
      if (at < 0) return item;
    }
    throw new Error('weights must be whole and positive');
  }

  times<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => make(index));
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => [this.below(1_000_000_000), item] as const)
      .sort(([a], [b]) => a - b)
      .map(([, item]) => item);
  }
}
