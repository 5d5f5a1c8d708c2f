// What the index says about requests and one value: who asked for it, whose rows had it, and who surely touched nobody else. A request
// without a record is one that nothing is known of.

import { createReadStream } from 'node:fs';
import type { TargetName } from '../core/ids.ts';
import { keysMeant } from '../core/subject-value.ts';
import { endOf, indexFiles, pathOf } from './files.ts';
import { RecordDecoder } from './format.ts';
import type { SubjectKey } from './keys.ts';

/** A statement is recorded when it has ended: so long after it began. */
const MAX_RUN_MS = 8 * 86_400_000;

export interface Verdict {
  readonly asked: boolean;
  readonly returned: boolean;
  readonly isClosed: boolean;
}

export interface Verdicts {
  /** Null: no record of it. */
  of(session: string, n: number): Verdict | null;
  /** Files of which something cannot be read: it was changed, or its key is gone. */
  readonly damaged: readonly string[];
}

export interface VerdictQuery {
  readonly target: TargetName;
  readonly subject: string;
  /** As somebody typed it, and tokens that stand for it. */
  readonly values: readonly string[];
  readonly sinceMs: number;
  /** Exclusive. */
  readonly untilMs: number;
}

const ASKED = 1;
const RETURNED = 2;
const CLOSED = 4;
const KNOWN = 8;

/** Of the requests of one session: a byte for each of its entries up to the last one. Years of requests are held at once. */
class Flags {
  #bytes = new Uint8Array(16);

  /** Two of one request: whatever either of them found. */
  add(n: number, flags: number): void {
    if (n >= this.#bytes.length) {
      const grown = new Uint8Array(Math.max(n + 1, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const known = this.of(n);
    const isClosed = flags & (known === 0 ? CLOSED : known);
    this.#bytes[n] = ((flags | known) & ~CLOSED) | (isClosed & CLOSED) | KNOWN;
  }

  /** 0 = no record. */
  of(n: number): number {
    return this.#bytes[n] ?? 0;
  }
}

/** @param keys all that there are */
export async function readVerdicts(dir: string, keys: readonly SubjectKey[], query: VerdictQuery, signal: AbortSignal): Promise<Verdicts> {
  const { target, subject } = query;
  const bySession = new Map<string, Flags>();
  const damaged: string[] = [];
  const wanted = new Map(keys.map((key) => [key.id, { key, digests: digestsOf(key, query) }]));
  for (const file of await indexFiles(dir)) {
    if (endOf(file) < query.sinceMs || file.dayMs > query.untilMs + MAX_RUN_MS) continue;
    const made = wanted.get(file.keyId);
    if (made === undefined) {
      damaged.push(file.name);
      continue;
    }
    const decoder = new RecordDecoder(file.name, made.key);
    for await (const chunk of createReadStream(pathOf(dir, file), { signal, highWaterMark: 1024 * 1024 })) {
      for (const record of decoder.push(chunk as Buffer)) {
        const about = record.target === target ? record.subjects.find((each) => each.subject === subject) : undefined;
        if (about === undefined) continue;
        const has = (digests: readonly Uint8Array[]): boolean => digests.some((digest) => made.digests.has(textOf(digest)));
        const flags = (has(about.asked) ? ASKED : 0) | (has(about.returned) ? RETURNED : 0) | (about.isClosed ? CLOSED : 0);
        const ofSession = bySession.get(record.session) ?? new Flags();
        ofSession.add(record.n, flags);
        bySession.set(record.session, ofSession);
      }
    }
    if (decoder.isDamaged) damaged.push(file.name);
  }
  return {
    of(session, n) {
      const flags = bySession.get(session)?.of(n) ?? 0;
      if (flags === 0) return null;
      return { asked: (flags & ASKED) !== 0, returned: (flags & RETURNED) !== 0, isClosed: (flags & CLOSED) !== 0 };
    },
    damaged,
  };
}

function digestsOf(key: SubjectKey, { target, subject, values }: VerdictQuery): ReadonlySet<string> {
  return new Set(values.flatMap(keysMeant).map((meant) => textOf(key.digest(target, subject, meant))));
}

const textOf = (digest: Uint8Array): string => Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
