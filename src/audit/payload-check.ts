// The sealed payloads of a log directory that are present, against the hashes they are kept under: those in packs, and those that are still
// in the journal.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isAbsent } from './disk.ts';
import { readRecords, segmentFirstSeq } from './journal.ts';
import type { AuditDirs } from './log-files.ts';
import { packOf, readBlobs, readPackIndex } from './packs.ts';
import { sha256 } from './tlog/index.ts';

const SEALED_MEMBER = ',"sealed":';

export interface PayloadFindings {
  readonly present: number;
  /** Of those that were altered: the entry, where it is known, and what is wrong. Some hundred of them. */
  readonly altered: readonly { readonly index: number | null; readonly what: string }[];
  readonly alteredCount: number;
}

/** @param kept how many of the altered are told one by one */
export async function checkPayloads(disk: Disk, dirs: AuditDirs, kept: number, signal?: AbortSignal): Promise<PayloadFindings> {
  const check = new PayloadCheck(disk, dirs, kept, signal);
  await check.packs();
  await check.journal();
  return { present: check.present, altered: check.altered, alteredCount: check.alteredCount };
}

class PayloadCheck {
  readonly #disk: Disk;
  readonly #dirs: AuditDirs;
  readonly #kept: number;
  readonly #signal: AbortSignal | undefined;
  readonly altered: { readonly index: number | null; readonly what: string }[] = [];
  alteredCount = 0;
  present = 0;

  constructor(disk: Disk, dirs: AuditDirs, kept: number, signal?: AbortSignal) {
    this.#disk = disk;
    this.#dirs = dirs;
    this.#kept = kept;
    this.#signal = signal;
  }

  async packs(): Promise<void> {
    for (const name of await this.#disk.list(this.#dirs.blobs)) {
      if (packOf(name) === null) continue;
      await this.#withFile(join(this.#dirs.blobs, name), async (file) => {
        const inOrder = (await readPackIndex(file)).byOffset();
        for await (const { from, to, start, bytes } of readBlobs(file, inOrder)) {
          this.#signal?.throwIfAborted();
          this.present += to - from;
          for (let at = from; at < to; at += 1) {
            const offset = inOrder.offset(at) - start;
            if (!inOrder.hasHash(at, sha256(bytes.subarray(offset, offset + inOrder.bytes(at)))))
              this.#report(null, `a sealed payload in ${name} was altered`);
          }
        }
      });
    }
  }

  /** Payloads that are still in the journal, against the entry that follows them. */
  async journal(): Promise<void> {
    for (const name of await this.#disk.list(this.#dirs.journal)) {
      const first = segmentFirstSeq(name);
      if (first === null) continue;
      await this.#withFile(join(this.#dirs.journal, name), async (file) => {
        let seq = first;
        let blobs: string[] = [];
        for await (const record of readRecords(file)) {
          this.#signal?.throwIfAborted();
          if (record.kind === 'blob') {
            blobs.push(sha256(record.bytes).toString('hex'));
            continue;
          }
          const sealed = sealedHashesIn(record.bytes);
          this.present += blobs.length;
          if (blobs.length !== sealed.length || blobs.some((hash, at) => hash !== sealed[at]))
            this.#report(seq, 'a sealed payload in the journal was altered');
          blobs = [];
          seq += 1;
        }
      });
    }
  }

  #report(index: number | null, what: string): void {
    this.alteredCount += 1;
    if (this.altered.length < this.#kept) this.altered.push({ index, what });
  }

  async #withFile(path: string, read: (file: DiskFile) => Promise<void>): Promise<void> {
    let file: DiskFile;
    try {
      file = await this.#disk.open(path, 'read');
    } catch (error) {
      // A running gateway retires segments; their payloads are in a pack by then.
      if (isAbsent(error)) return;
      throw error;
    }
    try {
      await read(file);
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      this.#report(null, error.message);
    } finally {
      await file.close();
    }
  }
}

/** Hashes of the payloads that came with an entry; those it shares with an earlier one lie there. */
export function sealedHashes(sealed: unknown): unknown[] {
  if (!Array.isArray(sealed)) return [];
  return sealed.flatMap((ref: unknown) => {
    if (typeof ref !== 'object' || ref === null) return [null];
    return 'first' in ref ? [] : 'sha256' in ref ? [ref.sha256] : [null];
  });
}

/** Of the stored bytes of an entry. The writer puts `sealed` last, and then nothing before it has to be parsed, which is most of the work:
 *  what stands between the last such name and the last byte is JSON only when it is that member of the entry itself. Inside of a text the
 *  quotes would be escaped. */
export function sealedHashesIn(entry: Buffer): unknown[] {
  const at = entry.lastIndexOf(SEALED_MEMBER, undefined, 'latin1');
  const last = at < 0 ? undefined : parsed(entry.subarray(at + SEALED_MEMBER.length, entry.length - 1));
  if (Array.isArray(last)) return sealedHashes(last);
  const header = parsed(entry);
  return typeof header === 'object' && header !== null && 'sealed' in header ? sealedHashes(header.sealed) : [];
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
