// What a log-in by redirect has to remember between its two halves, encrypted in a cookie of the browser that began it: nobody else can
// finish it, and nothing that is sent here makes the gateway remember anything. The key is of this process: a restart ends log-ins
// that are under way, and so "once" needs no store.

import { createCipheriv, createDecipheriv } from 'node:crypto';
import { Deadline } from '../core/deadline.ts';
import { SallyportError } from '../core/error.ts';
import type { Clock, Random } from '../core/ports.ts';

export const TRANSACTION_MS = 600_000;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const MAX_LENGTH = 4_000;
/** Finished ones that are remembered. Each has cost an answer of the identity provider. */
const MAX_USED = 100_000;

export interface LoginTransaction {
  readonly provider: string;
  readonly state: string;
  readonly nonce: string;
  /** PKCE (RFC 7636). */
  readonly verifier: string;
  /** Where the browser goes afterwards. */
  readonly returnTo: string;
}

export interface LoginTransactions {
  seal(transaction: LoginTransaction): string;
  /** Opens one for the first and last time.
   *  @throws SP_AUTH_INVALID_TOKEN for another `state`, one that is over, was used, or is not ours; SP_API_RATE_LIMITED */
  use(sealed: string, state: string): LoginTransaction;
}

export function createLoginTransactions({ clock, random }: { readonly clock: Clock; readonly random: Random }): LoginTransactions {
  const key = random.bytes(32);
  const used = new Map<string, Deadline>();

  function unseal(sealed: string): (LoginTransaction & { readonly endMs: number }) | null {
    if (sealed.length > MAX_LENGTH) return null;
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length <= IV_BYTES + TAG_BYTES) return null;
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString();
      return JSON.parse(text) as LoginTransaction & { readonly endMs: number };
    } catch {
      return null;
    }
  }

  return {
    seal(transaction) {
      const iv = random.bytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const body = JSON.stringify({ ...transaction, endMs: clock.nowMs() + TRANSACTION_MS });
      return Buffer.concat([iv, cipher.update(body), cipher.final(), cipher.getAuthTag()]).toString('base64url');
    },

    use(sealed, state) {
      const transaction = unseal(sealed);
      if (transaction === null || transaction.state !== state) throw refused();
      const leftMs = transaction.endMs - clock.nowMs();
      // More than there can be: the clock was set back.
      if (leftMs <= 0 || leftMs > TRANSACTION_MS || used.has(transaction.state)) throw refused();
      for (const [old, deadline] of used) {
        if (!deadline.isOver()) break;
        used.delete(old);
      }
      if (used.size >= MAX_USED) throw new SallyportError('SP_API_RATE_LIMITED', 'too many log-ins at a time');
      used.set(transaction.state, new Deadline(transaction.endMs, clock));
      const { provider, nonce, verifier, returnTo } = transaction;
      return { provider, state, nonce, verifier, returnTo };
    },
  };
}

function refused(): SallyportError {
  return new SallyportError('SP_AUTH_INVALID_TOKEN', 'not a log-in that this browser began');
}
