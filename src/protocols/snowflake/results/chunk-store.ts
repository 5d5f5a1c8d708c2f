// Chunks that were announced to clients, and their addresses at the gateway: `<id>.<hmac>`. Drivers send no credential when they fetch a
// chunk, so the address is the capability: nobody can guess it, it belongs to one session, and it ends with that or with its time.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ResultPlan } from './plan.ts';

export interface StoredChunk {
  readonly owner: string;
  readonly url: URL;
  /** With the key of the storage. */
  readonly headers: Readonly<Record<string, string>>;
  readonly plan: ResultPlan;
  readonly format: 'json' | 'arrow';
  readonly rowCount: number;
}

interface Entry {
  readonly chunk: StoredChunk;
  readonly expiresMs: number;
  /** It was no chunk of its plan: it is never asked for again. */
  isRefused: boolean;
  readonly transfers: Set<AbortController>;
}

export type Found =
  | { readonly state: 'unknown' | 'expired' | 'refused' }
  | { readonly state: 'known'; readonly id: string; readonly chunk: StoredChunk };

/** As long as the addresses of the account. */
const LIVES_MS = 6 * 3600 * 1000;
/** Then it is not even known to have been. */
const FORGOTTEN_MS = 2 * LIVES_MS;
/** Of one session; the oldest make room. */
const MAX_PER_OWNER = 20_000;
const ID_BYTES = 16;

export class ChunkStore {
  readonly #key = randomBytes(32);
  readonly #nowMs: () => number;
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #byOwner = new Map<string, Set<string>>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @returns what follows the chunk base */
  add(chunk: StoredChunk): string {
    const nowMs = this.#nowMs();
    this.#sweep(nowMs);
    const id = randomBytes(ID_BYTES).toString('base64url');
    const entry: Entry = { chunk, expiresMs: nowMs + LIVES_MS, isRefused: false, transfers: new Set() };
    this.#entries.set(id, entry);
    const own = this.#byOwner.get(chunk.owner) ?? new Set();
    this.#byOwner.set(chunk.owner, own.add(id));
    if (own.size > MAX_PER_OWNER)
      for (const oldest of own) {
        this.#remove(oldest);
        break;
      }
    return `${id}.${this.#mac(id, entry)}`;
  }

  find(path: string): Found {
    const [id = '', mac = '', ...more] = path.split('.');
    const entry = this.#entries.get(id);
    if (entry === undefined || more.length > 0) return { state: 'unknown' };
    const [given, wanted] = [Buffer.from(mac), Buffer.from(this.#mac(id, entry))];
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return { state: 'unknown' };
    if (entry.isRefused) return { state: 'refused' };
    return this.#nowMs() > entry.expiresMs ? { state: 'expired' } : { state: 'known', id, chunk: entry.chunk };
  }

  refuse(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.isRefused = true;
  }

  /** A transfer that ends with its session. @returns its end, or null when the session is over */
  transfer(id: string): { readonly signal: AbortSignal; readonly abort: () => void; readonly done: () => void } | null {
    const entry = this.#entries.get(id);
    if (entry === undefined) return null;
    const controller = new AbortController();
    entry.transfers.add(controller);
    return { signal: controller.signal, abort: () => controller.abort(), done: () => entry.transfers.delete(controller) };
  }

  forget(owner: string): void {
    for (const id of this.#byOwner.get(owner) ?? []) this.#remove(id);
    this.#byOwner.delete(owner);
  }

  close(): void {
    for (const owner of this.#byOwner.keys()) this.forget(owner);
  }

  #remove(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    for (const controller of entry.transfers) controller.abort();
    this.#entries.delete(id);
    this.#byOwner.get(entry.chunk.owner)?.delete(id);
  }

  #sweep(nowMs: number): void {
    for (const [id, { expiresMs }] of this.#entries) {
      if (nowMs <= expiresMs - LIVES_MS + FORGOTTEN_MS) return;
      this.#remove(id);
    }
  }

  #mac(id: string, { chunk, expiresMs }: Entry): string {
    return createHmac('sha256', this.#key).update(`${id}\n${expiresMs}\n${chunk.owner}`).digest('base64url').slice(0, 32);
  }
}
