// Data keys in use, one per session (or per ten minutes when there is no session), and a small pool of fresh ones whose
// wrapped form is already durable: taking a key in the hot path then costs no sync of its own.

import { join } from 'node:path';
import type { Clock, Random } from '../core/ports.ts';
import type { Disk } from './disk.ts';
import { readWhole, replaceFile } from './disk.ts';
import type { DataKey } from './sealing.ts';
import { commitKeyOf, DATA_KEY_BYTES, isKeyId, keyId, wrapDataKey } from './sealing.ts';

const POOL_KEYS = 8;
const SESSIONLESS_MS = 10 * 60 * 1000;
const SESSIONLESS = '';

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
  readonly #bySession = new Map<string, DataKey>();
  #sessionlessSinceMs = 0;
  #refilling: Promise<void> | null = null;
  #closed = false;

  constructor(deps: DataKeysDeps) {
    this.#deps = deps;
  }

  /** The key of a session; a promise only when the pool has run dry. */
  take(session: string | null): DataKey | Promise<DataKey> {
    const owner = session ?? SESSIONLESS;
    if (session === null && this.#deps.clock.monotonicMs() - this.#sessionlessSinceMs >= SESSIONLESS_MS) this.forget(SESSIONLESS);
    const held = this.#bySession.get(owner);
    if (held !== undefined) return held;
    const fresh = this.#pool.shift();
    if (fresh === undefined) return this.refill().then(() => this.take(session));
    this.#bySession.set(owner, fresh);
    if (session === null) this.#sessionlessSinceMs = this.#deps.clock.monotonicMs();
    if (this.#pool.length < POOL_KEYS / 2) this.refill().catch(this.#deps.onFault);
    return fresh;
  }

  /** Wipes the key of a session; its payloads can then be opened by the recipients only. */
  forget(session: string): void {
    const held = this.#bySession.get(session);
    if (held === undefined) return;
    this.#bySession.delete(session);
    wipe(held);
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

  /** Wipes all keys and removes the files of those never used. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#refilling?.catch(() => undefined);
    for (const key of this.#bySession.values()) wipe(key);
    this.#bySession.clear();
    for (const key of this.#pool.splice(0)) {
      wipe(key);
      await this.#deps.disk.remove(this.#path(key.id));
    }
  }

  async #fill(): Promise<void> {
    const { disk, dir, random, recipients, nextSeq } = this.#deps;
    const made: DataKey[] = [];
    while (!this.#closed && this.#pool.length + made.length < POOL_KEYS) {
      const key = Buffer.from(random.bytes(DATA_KEY_BYTES));
      const id = keyId(nextSeq(), random.bytes(8));
      await replaceFile(disk, this.#path(id), [Buffer.from(await wrapDataKey(key, recipients))]);
      made.push({ id, key, commitKey: commitKeyOf(key), nonce: 0n });
    }
    await disk.syncDir(dir);
    this.#pool.push(...made);
  }

  #path(id: string): string {
    return join(this.#deps.dir, `${id}.age`);
  }
}

function wipe(key: DataKey): void {
  key.key.fill(0);
  key.commitKey.fill(0);
}
