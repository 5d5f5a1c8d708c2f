// Tokens of our own towards clients: a session token for requests, a master token to renew it. Both are opaque; of each only a digest
// is kept. A session that is over leaves the reason behind for a while, so that its client is told.
// INVARIANT: no token of the account reaches a client.

import { createHash } from 'node:crypto';
import type { Clock, Random } from '../../core/ports.ts';
import { type NativeError, TOKEN_FAULTS } from './errors.ts';

export interface IssuedTokens {
  readonly token: string;
  readonly masterToken: string;
  readonly validityS: number;
  readonly masterValidityS: number;
}

export interface TokenLimits {
  /** Of a session token. */
  readonly tokenMs: number;
  /** Of a master token: a session that is not renewed for so long is over. */
  readonly masterTokenMs: number;
}

type Kind = 'session' | 'master';

interface Known<S> {
  readonly session: S;
  readonly kind: Kind;
  /** Monotonic. */
  endMs: number;
}

export type Found<S> = { readonly session: S } | { readonly fault: NativeError };

const tokenBytes = 32;
/** Requests that were on their way during a renewal still have the token before it. */
const graceMs = 60_000;
const maxEnded = 10_000;

/** `S` is what a token stands for; one object for each session. */
export class ClientTokens<S extends object> {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: TokenLimits;
  readonly #known = new Map<string, Known<S>>();
  /** Digests of each session, newest last. */
  readonly #bySession = new Map<S, string[]>();
  readonly #ended = new Map<string, NativeError>();

  constructor(deps: { readonly clock: Clock; readonly random: Random; readonly limits: TokenLimits }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#limits = deps.limits;
  }

  issue(session: S): IssuedTokens {
    const { tokenMs, masterTokenMs } = this.#limits;
    this.#shorten(session);
    return {
      token: this.#mint(session, 'session', tokenMs),
      masterToken: this.#mint(session, 'master', masterTokenMs),
      validityS: Math.floor(tokenMs / 1000),
      masterValidityS: Math.floor(masterTokenMs / 1000),
    };
  }

  /** @param header `Snowflake Token="..."` */
  find(header: string | undefined, kind: Kind): Found<S> {
    const token = /^Snowflake Token="([A-Za-z0-9_-]{1,128})"$/.exec(header ?? '')?.[1];
    if (token === undefined) return { fault: TOKEN_FAULTS.invalid };
    const digest = digestOf(token);
    const known = this.#known.get(digest);
    if (known === undefined || known.kind !== kind) return { fault: this.#ended.get(digest) ?? TOKEN_FAULTS.invalid };
    if (this.#clock.monotonicMs() < known.endMs) return { session: known.session };
    return { fault: kind === 'session' ? TOKEN_FAULTS.expired : TOKEN_FAULTS.masterExpired };
  }

  /** True once no token can renew the session any more. */
  isOver(session: S): boolean {
    const nowMs = this.#clock.monotonicMs();
    return !(this.#bySession.get(session) ?? []).some((digest) => {
      const known = this.#known.get(digest);
      return known?.kind === 'master' && nowMs < known.endMs;
    });
  }

  /** The session is over: its tokens are answered with `reason` from now on. */
  end(session: S, reason: NativeError): void {
    for (const digest of this.#bySession.get(session) ?? []) {
      this.#known.delete(digest);
      this.#ended.set(digest, reason);
    }
    this.#bySession.delete(session);
    for (const [oldest] of this.#ended) {
      if (this.#ended.size <= maxEnded) break;
      this.#ended.delete(oldest);
    }
  }

  #mint(session: S, kind: Kind, lifeMs: number): string {
    const token = Buffer.from(this.#random.bytes(tokenBytes)).toString('base64url');
    const digest = digestOf(token);
    this.#known.set(digest, { session, kind, endMs: this.#clock.monotonicMs() + lifeMs });
    this.#bySession.set(session, [...(this.#bySession.get(session) ?? []), digest]);
    return token;
  }

  /** Of the tokens before, the newest two live on for a moment. */
  #shorten(session: S): void {
    const digests = this.#bySession.get(session) ?? [];
    const nowMs = this.#clock.monotonicMs();
    for (const digest of digests.slice(0, -2)) {
      const known = this.#known.get(digest);
      // A session token that has expired is remembered as that, so that whoever still has it renews.
      if (known !== undefined) known.endMs = Math.min(known.endMs, nowMs);
    }
    for (const digest of digests.slice(-2)) {
      const known = this.#known.get(digest);
      if (known !== undefined) known.endMs = Math.min(known.endMs, nowMs + graceMs);
    }
    const kept = digests.slice(-8);
    for (const digest of digests.slice(0, -8)) this.#known.delete(digest);
    if (digests.length > 0) this.#bySession.set(session, kept);
  }
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
