// Data keys in use, one per session (or per ten minutes when there is no session), and a small pool of fresh ones whose
// wrapped form is already durable: taking a key in the hot path then costs no sync of its own.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { Disk } from './disk.ts';
import { readWhole, replaceFile } from './disk.ts';
import { DATA_KEY_BYTES } from './blob-format.ts';
import type { DataKey } from './sealing.ts';
import { dataKey, isKeyId, keyId, wipe, wrapDataKey } from './sealing.ts';

/** Made at a time: their files are written side by side. */
const BATCH_KEYS = 8;
const SESSIONLESS_MS = 10 * 60 * 1000;
const SESSIONLESS = '';
const IDLE_MS = 60 * 60 * 1000;
/** A session that lasts gets another key: retention counts from the first use, and none is used later than this after it. */
export const KEY_LIFE_MS = 24 * 60 * 60 * 1000;

export interface DataKeysDeps {
  readonly disk: Disk;
  /** Existing directory of the wrapped keys. */
  readonly dir: string;
  readonly recipients: readonly string[];
  /** Keys kept ready for new sessions. Wrapping one takes milliseconds, which all entries would wait for. */
  readonly readyKeys: number;
  readonly random: Random;
  readonly clock: Clock;
  /** Index the log has reached. */
  readonly nextSeq: () => number;
  /** A key could not be made durable; the log must stop. */
  readonly onFault: (cause: unknown) => void;
}

export class DataKeys {
  readonly #deps: DataKeysDeps;
  readonly #pool: DataKey[] = [];
  /** Least recently used first. */
  readonly #bySession = new Map<string, { readonly key: DataKey; readonly sinceMs: number; usedAtMs: number }>();
  #refilling: Promise<void> | null = null;
  #closed = false;

  constructor(deps: DataKeysDeps) {
    this.#deps = deps;
  }

  /** The key of a session; null when the pool has run dry and has to be refilled first. */
  take(session: string | null): DataKey | null {
    if (this.#closed) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log is closed');
    const owner = session ?? SESSIONLESS;
    const nowMs = this.#deps.clock.monotonicMs();
    this.#expire(nowMs);
    const held = this.#bySession.get(owner);
    if (held !== undefined && nowMs - held.sinceMs >= KEY_LIFE_MS) this.forget(owner);
    else if (held !== undefined) {
      held.usedAtMs = nowMs;
      this.#bySession.delete(owner);
      this.#bySession.set(owner, held);
      return held.key;
    }
    const key = this.#pool.shift();
    if (key === undefined) return null;
    key.untilMs = nowMs + KEY_LIFE_MS;
    this.#bySession.set(owner, { key, sinceMs: nowMs, usedAtMs: nowMs });
    if (this.#pool.length < this.#deps.readyKeys / 2) this.refill().catch(this.#deps.onFault);
    return key;
  }

  get isEmpty(): boolean {
    return this.#pool.length === 0;
  }

  get isRefilling(): boolean {
    return this.#refilling !== null;
  }

  /** Drops the key of a session; its payloads can then be opened by the recipients only. */
  forget(session: string): void {
    const held = this.#bySession.get(session);
    if (held === undefined) return;
    wipe(held.key);
    this.#bySession.delete(session);
  }

  /** Resolves when there are keys again; more are made behind it. */
  refill(): Promise<void> {
    this.#refilling ??= this.#fill().then(
      () => {
        this.#refilling = null;
        if (!this.#closed && this.#pool.length < this.#deps.readyKeys) this.refill().catch(this.#deps.onFault);
      },
      (error: unknown) => {
        this.#refilling = null;
        throw error;
      },
    );
    return this.#refilling;
  }

  /** The wrapped key, or null when it was destroyed. */
  async wrapped(id: string): Promise<string | null> {
    if (!isKeyId(id)) return null;
    return (await readWhole(this.#deps.disk, this.#path(id)))?.toString('utf8') ?? null;
  }

  /** Drops all keys and removes the files of those never used. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#refilling?.catch(() => undefined);
    for (const session of this.#bySession.keys()) this.forget(session);
    for (const key of this.#pool.splice(0)) await this.#deps.disk.remove(this.#path(key.id));
  }

  /** An idle key is dropped: whoever it was for gets another one, and none stays in memory for ever. */
  #expire(nowMs: number): void {
    for (const [session, held] of this.#bySession) {
      if (nowMs - held.usedAtMs < IDLE_MS) break;
      this.forget(session);
    }
    const sessionless = this.#bySession.get(SESSIONLESS);
    if (sessionless !== undefined && nowMs - sessionless.sinceMs >= SESSIONLESS_MS) this.forget(SESSIONLESS);
  }

  async #fill(): Promise<void> {
    const { disk, dir, random, recipients, nextSeq } = this.#deps;
    const make = async (): Promise<DataKey> => {
      const key = Buffer.from(random.bytes(DATA_KEY_BYTES));
      const id = keyId(nextSeq(), random.bytes(8));
      await replaceFile(disk, this.#path(id), [Buffer.from(await wrapDataKey(key, recipients))]);
      const made = dataKey(id, key);
      key.fill(0);
      return made;
    };
    const count = Math.max(1, Math.min(BATCH_KEYS, this.#deps.readyKeys - this.#pool.length));
    const made = await Promise.all(Array.from({ length: count }, make));
    await disk.syncDir(dir);
    this.#pool.push(...made);
  }

  #path(id: string): string {
    return join(this.#deps.dir, `${id}.age`);
  }
}
