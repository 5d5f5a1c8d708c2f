// How often somebody may try something in vain: a number of attempts for each key within a window of time. Memory is bounded;
// the key that was spent from least recently is forgotten.

import type { Clock } from '../core/ports.ts';

export interface AttemptBudgetOptions {
  readonly clock: Clock;
  /** Within `windowMs`, which begins with the first of them. */
  readonly attempts: number;
  readonly windowMs: number;
  /** Default 10,000. */
  readonly maxKeys?: number;
}

interface Spent {
  attempts: number;
  readonly sinceMs: number;
}

export class AttemptBudget {
  readonly #options: AttemptBudgetOptions;
  readonly #spent = new Map<string, Spent>();

  constructor(options: AttemptBudgetOptions) {
    this.#options = options;
  }

  /** Nothing is left for this key until its window is over. */
  isSpent(key: string): boolean {
    return (this.#recent(key)?.attempts ?? 0) >= this.#options.attempts;
  }

  spend(key: string): void {
    const spent = this.#recent(key) ?? { attempts: 0, sinceMs: this.#options.clock.monotonicMs() };
    spent.attempts += 1;
    // Set again, so that the map's order is the order of the latest attempts.
    this.#spent.delete(key);
    this.#spent.set(key, spent);
    const [oldest] = this.#spent.keys();
    if (this.#spent.size > (this.#options.maxKeys ?? 10_000) && oldest !== undefined) this.#spent.delete(oldest);
  }

  #recent(key: string): Spent | null {
    const spent = this.#spent.get(key);
    if (spent === undefined) return null;
    if (this.#options.clock.monotonicMs() - spent.sinceMs < this.#options.windowMs) return spent;
    this.#spent.delete(key);
    return null;
  }
}
