// AuditLog and AuditReader in memory, for tests of whoever writes to the log or reads it. Same checks and same errors as
// the real one; payloads stay readable by the test. Can fail with or without having kept the entry.

import { createHash } from 'node:crypto';
import { decodeHeader, encodeDraft, encodeHeader } from '../../src/audit/entry.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { EntryDraft, EntryHeader, Payload, SealedRef } from '../../src/core/event.ts';
import type { AuditLog, AuditReader } from '../../src/core/ports.ts';

/** `drop`: the next append fails and is not stored; `persist`: it fails although it was stored. */
export type FailMode = 'drop' | 'persist';

export class MemoryAuditLog implements AuditLog, AuditReader {
  readonly #entries: Buffer[] = [];
  readonly #payloads: (readonly Payload[])[] = [];
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #nowMs: () => number;
  #failMode: FailMode | null = null;
  #failed = false;

  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  get writable(): boolean {
    return !this.#failed;
  }

  /** The next append fails, and every later one. */
  fail(mode: FailMode): void {
    this.#failMode = mode;
  }

  /** Every header so far. */
  headers(): EntryHeader[] {
    return this.#entries.map((entry, seq) => decodeHeader(entry, seq));
  }

  /** Plaintext payloads of an entry. */
  payloads(seq: number): readonly Payload[] {
    return this.#payloads[seq] ?? [];
  }

  async append(entry: EntryDraft, payloads: readonly Payload[] = [], signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    const draft = encodeDraft(entry, payloads.length);
    if (this.#failed) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log has stopped');
    this.#failed = this.#failMode !== null;
    if (this.#failMode !== 'drop') {
      const seq = this.#entries.length;
      const sealed = payloads.map((payload, at) => this.#seal(payload, seq, at));
      this.#entries.push(encodeHeader(draft, { seq, atMs: this.#nowMs(), replica: 'memory' }, sealed));
      this.#payloads.push(payloads.map(({ kind, bytes }) => ({ kind, bytes: Uint8Array.from(bytes) })));
      if (!this.#failed) return seq;
    }
    throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log has stopped');
  }

  async *entries(from: number, to: number, signal?: AbortSignal): AsyncGenerator<EntryHeader> {
    for (let seq = Math.max(0, from); seq < Math.min(to, this.#entries.length); seq += 1) {
      signal?.throwIfAborted();
      const entry = this.#entries[seq];
      if (entry !== undefined) yield decodeHeader(entry, seq);
    }
  }

  size(): number {
    return this.#entries.length;
  }

  async checkpoint(): Promise<string | null> {
    return null;
  }

  async sealed(ref: { readonly sha256: string; readonly key: string }): Promise<{ ciphertext: Uint8Array; wrappedKey: string } | null> {
    const ciphertext = this.#blobs.get(`${ref.key}/${ref.sha256}`);
    return ciphertext === undefined ? null : { ciphertext, wrappedKey: 'memory' };
  }

  #seal(payload: Payload, seq: number, at: number): SealedRef {
    const ciphertext = Buffer.concat([Buffer.from(`${seq}.${at}.`), payload.bytes.map((byte) => byte ^ 0xff)]);
    const sha256 = createHash('sha256').update(ciphertext).digest('hex');
    const key = '00000000000000-0000000000000000';
    this.#blobs.set(`${key}/${sha256}`, ciphertext);
    return { kind: payload.kind, sha256, bytes: ciphertext.length, commitment: '0'.repeat(64), key };
  }
}
