// Data keys in use, one per session (or per ten minutes when there is no session), and a small pool of fresh ones whose
// wrapped form is already durable: taking a key in the hot path then costs no sync of its own.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { Disk } from './disk.ts';
import { readWhole, replaceFile } from './disk.ts';
import type { DataKey } from './sealing.ts';
import { DATA_KEY_BYTES, dataKey, isKeyId, keyId, wrapDataKey } from './sealing.ts';

const POOL_KEYS = 8;
const SESSIONLESS_MS = 10 * 60 * 1000;
const SESSIONLESS = '';
const IDLE_MS = 60 * 60 * 1000;

export interface DataKeysDeps {
  readonly disk: Disk;
  /** Existing directory of the wrapped keys. */
  readonly dir: string;
  readonly recipients: readonly string[];
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

  /** The key of a session; a promise only when the pool has run dry. */
  take(session: string | null): DataKey | Promise<DataKey> {
    if (this.#closed) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log is closed');
    const owner = session ?? SESSIONLESS;
    const nowMs = this.#deps.clock.monotonicMs();
    this.#expire(nowMs);
    const held = this.#bySession.get(owner);
    if (held !== undefined) {
      held.usedAtMs = nowMs;
      this.#bySession.delete(owner);
      this.#bySession.set(owner, held);
      return held.key;
    }
    const key = this.#pool.shift();
    if (key === undefined) return this.refill().then(() => this.take(session));
    this.#bySession.set(owner, { key, sinceMs: nowMs, usedAtMs: nowMs });
    if (this.#pool.length < POOL_KEYS / 2) this.refill().catch(this.#deps.onFault);
    return key;
  }

  /** Drops the key of a session; its payloads can then be opened by the recipients only. */
  forget(session: string): void {
    this.#bySession.delete(session);
  }

  refill(): Promise<void> {
    this.#refilling ??= this.#fill().finally(() => (this.#refilling = null));
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
    this.#bySession.clear();
    for (const key of this.#pool.splice(0)) await this.#deps.disk.remove(this.#path(key.id));
  }

  /** An idle key is dropped: whoever it was for gets another one, and none stays in memory for ever. */
  #expire(nowMs: number): void {
    for (const [session, held] of this.#bySession) {
      if (nowMs - held.usedAtMs < IDLE_MS) break;
      this.#bySession.delete(session);
    }
    const sessionless = this.#bySession.get(SESSIONLESS);
    if (sessionless !== undefined && nowMs - sessionless.sinceMs >= SESSIONLESS_MS) this.forget(SESSIONLESS);
  }

  async #fill(): Promise<void> {
    const { disk, dir, random, recipients, nextSeq } = this.#deps;
    const made: DataKey[] = [];
    while (!this.#closed && this.#pool.length + made.length < POOL_KEYS) {
      const key = Buffer.from(random.bytes(DATA_KEY_BYTES));
      const id = keyId(nextSeq(), random.bytes(8));
      await replaceFile(disk, this.#path(id), [Buffer.from(await wrapDataKey(key, recipients))]);
      made.push(dataKey(id, key));
      key.fill(0);
    }
    await disk.syncDir(dir);
    this.#pool.push(...made);
  }

  #path(id: string): string {
    return join(this.#deps.dir, `${id}.age`);
  }
}
