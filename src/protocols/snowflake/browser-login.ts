// Log-in of people with a browser (EXTERNALBROWSER): the driver asks for a place to send the browser to, the browser logs in with the
// identity provider by code flow, and comes back to the driver on this machine with a one-time code. The code is worth nothing without
// the proof key that the driver was given, and the identity token never leaves the gateway.
// REFUSES: redirects to anything but loopback, codes that are used twice, late, or without their proof key.

import { createHash, timingSafeEqual } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import type { Clock, Random } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';

const lifeMs = 5 * 60_000;
const maxPending = 2_000;
const minProofChars = 32;

interface Pending {
  readonly port: number;
  readonly proofSha256: Buffer;
  readonly endMs: number;
  /** Of the code that the browser was given, once it has logged in. */
  code: { readonly sha256: Buffer; readonly token: Secret } | null;
}

/** Log-ins that a browser is busy with. Memory is bounded; the oldest is forgotten. */
export class BrowserLogins {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #pending = new Map<string, Pending>();

  constructor(deps: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /** @param port of the driver's own listener on loopback. @param proofKey null = ours.
   *  @returns null when the port is none, or the driver's own key is too short to prove anything. */
  begin(port: number, proofKey: string | null): { readonly id: string; readonly proofKey: string } | null {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return null;
    if (proofKey !== null && (proofKey.length < minProofChars || proofKey.length > 512)) return null;
    this.#forgetOld();
    const id = this.#text(24);
    const proof = proofKey ?? this.#text(32);
    this.#pending.set(id, { port, proofSha256: sha256(proof), endMs: this.#clock.monotonicMs() + lifeMs, code: null });
    return { id, proofKey: proof };
  }

  isPending(id: string): boolean {
    return this.#live(id)?.code === null;
  }

  /** The browser has logged in. @returns where it goes. @throws SP_AUTH_INVALID_TOKEN when nobody waits for it */
  arrived(id: string, token: string): string {
    const pending = this.#live(id);
    if (pending === null || pending.code !== null) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'no driver waits for this log-in');
    const secret = this.#text(32);
    pending.code = { sha256: sha256(secret), token: new Secret(token) };
    return `http://localhost:${pending.port}/?token=${id}.${secret}`;
  }

  /** Takes a code in for the first and last time. @returns the identity token, or null when it is worth nothing. */
  redeem(code: string, proofKey: string): Secret | null {
    const at = code.indexOf('.');
    const id = code.slice(0, Math.max(0, at));
    const pending = this.#live(id);
    if (pending?.code === undefined || pending.code === null) return null;
    // Whoever guesses once has spoilt it.
    this.#pending.delete(id);
    const isCode = timingSafeEqual(sha256(code.slice(at + 1)), pending.code.sha256);
    const isProof = timingSafeEqual(sha256(proofKey), pending.proofSha256);
    return isCode && isProof ? pending.code.token : null;
  }

  #live(id: string): Pending | null {
    const pending = this.#pending.get(id);
    return pending !== undefined && this.#clock.monotonicMs() < pending.endMs ? pending : null;
  }

  #forgetOld(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, { endMs }] of this.#pending) {
      if (nowMs < endMs && this.#pending.size < maxPending) break;
      this.#pending.delete(id);
    }
  }

  #text(bytes: number): string {
    return Buffer.from(this.#random.bytes(bytes)).toString('base64url');
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
