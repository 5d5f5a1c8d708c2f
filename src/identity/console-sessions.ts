// Log-ins to the console: an opaque random value in a cookie stands for an identity that was verified when it was given out. The store
// has the SHA-256 of the value and the identity encrypted under it: reading the store logs nobody in and tells no claims. The key also
// needs a secret of the gateway, so that writing to the store logs nobody in either.
// A log-in ends with its identity, after twelve hours, when it was not used for a while, by logging out, and when it is revoked.

import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { Deadline } from '../core/deadline.ts';
import { type Principal, principalKey } from '../core/identity.ts';
import type { Clock, ConsoleSessionRow, ConsoleSessionStore, Random } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';

/** Of the cookie's value, bytes. */
const VALUE_BYTES = 32;
const VALUE = /^[A-Za-z0-9_-]{43}$/;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const MAX_LIFETIME_MS = 12 * 3_600_000;
/** Log-ins of one principal at a time; a new one ends the oldest. */
const MAX_OF_ONE = 20;
/** How old the stored time of the last use may be. */
const SEEN_STEP_MS = 60_000;
/** The wall clock may have been put right backwards by this much since a log-in was last used. */
const CLOCK_LEEWAY_MS = 60_000;
/** How long one that is over is told from a value that never was one. */
const KEEP_ENDED_MS = 24 * 3_600_000;

export interface ConsoleSessionsDeps {
  readonly store: ConsoleSessionStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Not in the store, and the same after a restart. */
  readonly secret: Secret;
  /** Without a use for so long it ends. */
  readonly idleMs: number;
  /** Name of a provider -> what its log-ins were verified with. One of another configuration counts no longer. */
  readonly providers: ReadonlyMap<string, string>;
}

export type FoundSession =
  | { readonly state: 'live'; readonly id: string; readonly principal: Principal }
  /** It was one. */
  | { readonly state: 'over' }
  | { readonly state: 'unknown' };

export interface ConsoleSessions {
  /** @returns the cookie's value, and its end in ms since the epoch. @throws SP_STORE_UNAVAILABLE, like all below */
  open(principal: Principal): Promise<{ readonly value: string; readonly expiresAtMs: number }>;
  /** @param isUse false = nobody was there: it does not go on for that */
  find(value: string, isUse: boolean): Promise<FoundSession>;
  end(id: string): Promise<void>;
  /** Of a principal, by `principalKey`. */
  endAllOf(principal: string): Promise<void>;
  /** Calls `listener` when it is ended from here; time has to be asked for. @returns ends that */
  onEnd(id: string, listener: () => void): () => void;
  /** Without looking at the store and without counting as a use. */
  isOver(id: string): boolean;
}

interface Live {
  readonly principal: Principal;
  readonly deadline: Deadline;
  /** Monotonic. */
  usedMs: number;
  /** Wall clock. */
  storedMs: number;
}

export function createConsoleSessions(deps: ConsoleSessionsDeps): ConsoleSessions {
  const { store, clock, random, idleMs, providers } = deps;
  const live = new Map<string, Live>();
  const listeners = new Map<string, Set<() => void>>();

  const keyOf = (value: string): Buffer =>
    Buffer.from(hkdfSync('sha256', Buffer.from(value, 'base64url'), deps.secret.reveal(), 'sallyport console session 1', 32));

  function seal(value: string, id: string, principal: Principal): string {
    const iv = Buffer.from(random.bytes(IV_BYTES));
    const cipher = createCipheriv('aes-256-gcm', keyOf(value), iv).setAAD(Buffer.from(id));
    const body = JSON.stringify({ principal, provider: providers.get(principal.issuer) ?? '' });
    return Buffer.concat([iv, cipher.update(body), cipher.final(), cipher.getAuthTag()]).toString('base64');
  }

  function open(value: string, { sha256, sealed }: ConsoleSessionRow): Principal | null {
    try {
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', keyOf(value), bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(sha256))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString();
      const { principal, provider } = JSON.parse(text) as { principal: Principal; provider: string };
      return provider !== '' && providers.get(principal.issuer) === provider ? principal : null;
    } catch {
      // Another key of the gateway, or somebody wrote to the store: nobody's.
      return null;
    }
  }

  const hasIdled = (session: Live): boolean => clock.monotonicMs() - session.usedMs >= idleMs;

  function forget(id: string): void {
    live.delete(id);
    const told = listeners.get(id);
    listeners.delete(id);
    for (const listener of told ?? []) listener();
  }

  async function end(id: string): Promise<void> {
    // First, so that a store which does not answer keeps no stream open.
    forget(id);
    await store.end(id, clock.nowMs());
    // A request may have read the row just before.
    forget(id);
  }

  async function load(value: string, id: string): Promise<Live | 'over' | null> {
    const row = await store.get(id);
    if (row === null) return null;
    const nowMs = clock.nowMs();
    const unusedMs = nowMs - row.seenAtMs;
    if (row.endedAtMs !== null) return 'over';
    if (row.expiresAtMs <= nowMs || unusedMs >= idleMs || unusedMs < -CLOCK_LEEWAY_MS) {
      await end(id);
      return 'over';
    }
    const principal = open(value, row);
    if (principal === null || principalKey(principal) !== row.principal) return null;
    const deadline = new Deadline(row.expiresAtMs, clock);
    return { principal, deadline, usedMs: clock.monotonicMs() - Math.max(0, unusedMs), storedMs: row.seenAtMs };
  }

  return {
    async open(principal) {
      const nowMs = clock.nowMs();
      const expiresAtMs = Math.min(principal.expiresAtMs, nowMs + MAX_LIFETIME_MS);
      const value = Buffer.from(random.bytes(VALUE_BYTES)).toString('base64url');
      const sha256 = digestOf(value);
      const key = principalKey(principal);
      await store.prune(nowMs - KEEP_ENDED_MS);
      // Those that nobody came back with.
      for (const [id, session] of live) if (session.deadline.isOver() || hasIdled(session)) await end(id);
      for (const id of (await store.liveOf(key)).slice(MAX_OF_ONE - 1)) await end(id);
      const known: Principal = { ...principal, expiresAtMs };
      await store.create({ sha256, principal: key, sealed: seal(value, sha256, known), createdAtMs: nowMs, expiresAtMs });
      return { value, expiresAtMs };
    },

    async find(value, isUse) {
      if (!VALUE.test(value)) return { state: 'unknown' };
      const id = digestOf(value);
      let session = live.get(id);
      if (session === undefined) {
        const loaded = await load(value, id);
        if (loaded === null) return { state: 'unknown' };
        if (loaded === 'over') return { state: 'over' };
        // Another request may have loaded it meanwhile: one object has the time of its last use.
        session = live.get(id) ?? loaded;
        live.set(id, session);
      }
      if (session.deadline.isOver() || hasIdled(session)) {
        await end(id);
        return { state: 'over' };
      }
      if (isUse) session.usedMs = clock.monotonicMs();
      const nowMs = clock.nowMs();
      if (isUse && Math.abs(nowMs - session.storedMs) >= SEEN_STEP_MS) {
        session.storedMs = nowMs;
        await store.seen(id, nowMs);
      }
      // It may have been ended while the store was asked.
      return live.get(id) === session ? { state: 'live', id, principal: session.principal } : { state: 'over' };
    },

    end,

    async endAllOf(principal) {
      for (const id of await store.liveOf(principal)) await end(id);
    },

    onEnd(id, listener) {
      const told = listeners.get(id) ?? new Set();
      listeners.set(id, told.add(listener));
      return () => {
        told.delete(listener);
        if (told.size === 0 && listeners.get(id) === told) listeners.delete(id);
      };
    },

    isOver(id) {
      const session = live.get(id);
      return session === undefined || session.deadline.isOver() || hasIdled(session);
    },
  };
}

/** What the store knows a value by. */
function digestOf(value: string): string {
  return createHash('sha256').update(value).digest('hex');
}
