// Tokens that were verified a moment ago, by the SHA-256 of the token, so that clients which connect for every
// statement do not cost a signature check each. Short-lived: a key that a provider withdrew is noticed within a minute.

import type { Principal } from '../core/identity.ts';
import type { Clock } from '../core/ports.ts';

const MAX_AGE_MS = 60_000;
const MAX_ENTRIES = 2_000;

export interface TokenCache {
  /** Null when it was not seen lately or the identity has ended. */
  get(digest: string): Principal | null;
  put(digest: string, principal: Principal): void;
}

export function createTokenCache(clock: Clock): TokenCache {
  const entries = new Map<string, { readonly principal: Principal; readonly untilMs: number }>();
  return {
    get(digest) {
      const entry = entries.get(digest);
      if (entry === undefined) return null;
      if (clock.monotonicMs() < entry.untilMs && clock.nowMs() < entry.principal.expiresAtMs) return entry.principal;
      entries.delete(digest);
      return null;
    },
    put(digest, principal) {
      const oldest = entries.keys().next();
      if (entries.size >= MAX_ENTRIES && !oldest.done) entries.delete(oldest.value);
      entries.set(digest, { principal, untilMs: clock.monotonicMs() + MAX_AGE_MS });
    },
  };
}
