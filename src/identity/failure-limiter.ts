// Slows down guessing: after too many failed log-ins from one address, that address has to wait. IPv6 addresses count
// by their /64, because one host owns all of it. Memory is bounded; the address seen least recently is forgotten.

import { isIPv6 } from 'node:net';
import type { Clock, FailureLimiter } from '../core/ports.ts';

export interface FailureLimiterOptions {
  readonly clock: Clock;
  /** Failures that are free within `windowMs`. Default 10. */
  readonly maxFailures?: number;
  /** Default one minute. */
  readonly windowMs?: number;
  /** Default 10,000. */
  readonly maxAddresses?: number;
}

function networkOf(address: string): string {
  const plain = (address.split('%')[0] ?? '').toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...right];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

export function createFailureLimiter(options: FailureLimiterOptions): FailureLimiter {
  const { clock, maxFailures = 10, windowMs = 60_000, maxAddresses = 10_000 } = options;
  const failures = new Map<string, { count: number; readonly sinceMs: number }>();

  function recent(network: string): { count: number; readonly sinceMs: number } | null {
    const entry = failures.get(network);
    if (entry === undefined) return null;
    if (clock.monotonicMs() - entry.sinceMs < windowMs) return entry;
    failures.delete(network);
    return null;
  }

  return {
    waitMs(address) {
      const entry = recent(networkOf(address));
      if (entry === null || entry.count < maxFailures) return 0;
      return Math.max(1, entry.sinceMs + windowMs - clock.monotonicMs());
    },
    recordFailure(address) {
      const network = networkOf(address);
      const entry = recent(network) ?? { count: 0, sinceMs: clock.monotonicMs() };
      entry.count += 1;
      // Set again, so that the map's order is the order of the latest failures.
      failures.delete(network);
      failures.set(network, entry);
      const oldest = failures.keys().next();
      if (failures.size > maxAddresses && !oldest.done) failures.delete(oldest.value);
    },
    recordSuccess(address) {
      failures.delete(networkOf(address));
    },
  };
}
