// AuditLog and AuditReader in memory, for tests of whoever writes to the log or reads it. Same checks and same errors as
// the real one; payloads stay readable by the test. Can fail with or without having kept the entry.

import { createHash } from 'node:crypto';
import { decodeHeader, encodeDraft, encodeHeader } from '../../src/audit/entry.ts';
import type { EncodedDraft } from '../../src/audit/entry.ts';
import { decodeOutline } from '../../src/audit/outline.ts';
import type { TemplateParts } from '../../src/audit/template.ts';
import { checkVariables, encodeTemplate, encodeVariables } from '../../src/audit/template.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { EntryDraft, EntryHeader, EntryOutline, EntryType, Payload, SealedRef } from '../../src/core/event.ts';
import type { AuditLog, AuditReader, EntryTemplate, EntryVariables, TemplateDraft, Ticket } from '../../src/core/ports.ts';

/** `drop`: the next append fails and is not stored; `persist`: it fails although it was stored. */
export type FailMode = 'drop' | 'persist';

interface LaterRef extends SealedRef {
  readonly first: number;
}

class MemoryTemplate implements EntryTemplate {
  readonly parts: TemplateParts;
  readonly payloads: readonly Payload[];
  /** Its sealed payloads, as entries after the first name them. */
  sealed: readonly LaterRef[] | null = null;

  constructor(parts: TemplateParts, payloads: readonly Payload[]) {
    this.parts = parts;
    this.payloads = payloads;
  }

  get type(): EntryType {
    return this.parts.type;
  }
}

export class MemoryAuditLog implements AuditLog, AuditReader {
  readonly #entries: Buffer[] = [];
  readonly #payloads: (readonly Payload[])[] = [];
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #templates = new Set<MemoryTemplate>();
  /** Index of a posted entry by its ticket. */
  readonly #posted: number[] = [];
  /** Intents without a result, by ticket. */
  readonly #intents = new Map<number, string>();
  readonly #waiting: { readonly ticket: number; readonly resolve: () => void; readonly reject: (fault: SallyportError) => void }[] = [];
  readonly #nowMs: () => number;
  #isHeld = false;
  /** Tickets below it are recorded. */
  #recordedEnd = 0;
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

  /** From here on nothing posted is recorded, until `recordHeld`. */
  hold(): void {
    this.#isHeld = true;
  }

  recordHeld(): void {
    this.#isHeld = false;
    this.#recordedEnd = this.#posted.length;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  async append(entry: EntryDraft, payloads: readonly Payload[] = [], signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    const draft = encodeDraft(entry, payloads.length);
    if (this.#failed) throw stopped();
    const seq = this.#entries.length;
    this.#add(draft, payloads, (at) => payloads.map((payload, index) => this.#seal(payload, at, index)));
    if (this.#failed) throw stopped();
    if (draft.type === 'session.close' && draft.session !== null) this.#endSession(draft.session);
    return seq;
  }

  template(draft: TemplateDraft, payloads: readonly Payload[] = []): EntryTemplate {
    const parts = encodeTemplate(draft, payloads.length);
    const template = new MemoryTemplate(parts, payloads.map(copyOf));
    this.#templates.add(template);
    return template;
  }

  /** Templates that were not released. */
  get templates(): number {
    return this.#templates.size;
  }

  release(template: EntryTemplate): void {
    if (template instanceof MemoryTemplate) this.#templates.delete(template);
  }

  post(template: EntryTemplate, variables: EntryVariables, payloads: readonly Payload[] = []): Ticket {
    if (!(template instanceof MemoryTemplate) || !this.#templates.has(template))
      throw new SallyportError('SP_AUDIT_ENTRY_INVALID', 'audit entry refused: its template was released');
    const { parts } = template;
    checkVariables(parts, variables, template.payloads.length + payloads.length);
    const { intent } = variables;
    if (intent !== undefined && this.#intents.get(intent) !== parts.session)
      throw new SallyportError('SP_AUDIT_ENTRY_INVALID', 'audit entry refused: intent names no unanswered intent of its session');
    const intentMember = intent === undefined ? '' : `,"intent":${this.#posted[intent]}`;
    const draft = { ...parts, members: parts.head + encodeVariables(parts, variables) + intentMember };
    if (this.#failed) throw stopped();
    const seal = (seq: number): readonly SealedRef[] => {
      const own = payloads.map((payload, index) => this.#seal(payload, seq, template.payloads.length + index));
      if (template.sealed !== null) return [...template.sealed, ...own];
      const shared = template.payloads.map((payload, index) => this.#seal(payload, seq, index));
      template.sealed = shared.map((ref) => ({ ...ref, first: seq }));
      return [...shared, ...own];
    };
    // What goes wrong with a posted entry shows when somebody waits for it.
    const ticket = this.#posted.push(this.#entries.length) - 1;
    this.#add(draft, [...template.payloads, ...payloads], seal);
    if (this.#failed) for (const { reject } of this.#waiting.splice(0)) reject(stopped());
    else if (!this.#isHeld) this.#recordedEnd = this.#posted.length;
    if (intent !== undefined) this.#intents.delete(intent);
    if (parts.type === 'request.intent') this.#intents.set(ticket, parts.session);
    if (parts.type === 'session.close') this.#endSession(parts.session);
    return ticket as Ticket;
  }

  isRecorded(ticket: Ticket): boolean {
    return ticket < this.#recordedEnd;
  }

  recorded(ticket: Ticket): Promise<void> {
    if (this.isRecorded(ticket)) return Promise.resolve();
    if (this.#failed) return Promise.reject(stopped());
    return new Promise((resolve, reject) => this.#waiting.push({ ticket, resolve, reject }));
  }

  async *entries(from: number, to: number, signal?: AbortSignal): AsyncGenerator<EntryHeader> {
    for (let seq = Math.max(0, from); seq < Math.min(to, this.#entries.length); seq += 1) {
      signal?.throwIfAborted();
      const entry = this.#entries[seq];
      if (entry !== undefined) yield decodeHeader(entry, seq);
    }
  }

  async *outlines(from: number, to: number): AsyncGenerator<EntryOutline[]> {
    yield this.#entries.slice(from, to).map((entry, index) => decodeOutline(entry, from + index));
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

  /** Stores an entry; after `fail` it is the one that fails. */
  #add(draft: EncodedDraft, payloads: readonly Payload[], seal: (seq: number) => readonly SealedRef[]): void {
    this.#failed = this.#failMode !== null;
    if (this.#failMode === 'drop') return;
    const seq = this.#entries.length;
    this.#entries.push(encodeHeader(draft, { seq, atMs: this.#nowMs(), replica: 'memory' }, seal(seq)));
    this.#payloads.push(payloads.map(copyOf));
  }

  #endSession(session: string): void {
    for (const template of this.#templates) if (template.parts.session === session) this.#templates.delete(template);
    for (const [ticket, of] of this.#intents) if (of === session) this.#intents.delete(ticket);
  }

  #seal(payload: Payload, seq: number, at: number): SealedRef {
    const ciphertext = Buffer.concat([Buffer.from(`${seq}.${at}.`), payload.bytes.map((byte) => byte ^ 0xff)]);
    const sha256 = createHash('sha256').update(ciphertext).digest('hex');
    const key = '00000000000000-0000000000000000';
    this.#blobs.set(`${key}/${sha256}`, ciphertext);
    return { kind: payload.kind, sha256, bytes: ciphertext.length, commitment: '0'.repeat(64), key };
  }
}

function copyOf({ kind, bytes }: Payload): Payload {
  return { kind, bytes: Uint8Array.from(bytes) };
}

function stopped(): SallyportError {
  return new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log has stopped');
}
