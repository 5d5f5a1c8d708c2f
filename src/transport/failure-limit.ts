// Counts failed log-ins and wrong cancel keys per client address, and says when an address has had enough.
// A fixed window of bounded size: an attacker with many addresses can fill the table but not memory.

import type { Clock } from '../core/ports.ts';

export interface FailureLimitDeps {
  readonly clock: Clock;
  readonly maxFailures: number;
  readonly windowMs: number;
}

const maxAddresses = 10_000;

export class FailureLimit {
  readonly #deps: FailureLimitDeps;
  readonly #failures = new Map<string, { count: number; endsMs: number }>();

  constructor(deps: FailureLimitDeps) {
    this.#deps = deps;
  }

  record(address: string): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const entry = this.#failures.get(address);
    if (entry !== undefined && nowMs < entry.endsMs) {
      entry.count += 1;
      return;
    }
    this.#failures.delete(address);
    if (this.#failures.size >= maxAddresses) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    this.#failures.set(address, { count: 1, endsMs: nowMs + this.#deps.windowMs });
  }

  isBlocked(address: string): boolean {
    const entry = this.#failures.get(address);
    return entry !== undefined && this.#deps.clock.monotonicMs() < entry.endsMs && entry.count >= this.#deps.maxFailures;
  }
}
