// Records of the subject index (docs/subjects.md, "Files"). REFUSES: a record whose seal is not that of its file, place and key.

import { timingSafeEqual } from 'node:crypto';
import type { SessionId, TargetName } from '../core/ids.ts';
import { DIGEST_BYTES, type SubjectDigests, type SubjectRecord } from '../core/subject.ts';
import { ByteReader } from '../wire/byte-reader.ts';
import type { SubjectKey } from './keys.ts';

export const MAGIC = Buffer.from('SPSUBJ1\n');
/** Length before a record. */
const HEAD_BYTES = 4;
const MAX_RECORD_BYTES = 16 * 1024 * 1024;
const CLOSED = 1;

/** @param at where in the file it will stand */
export function encodeRecord(record: SubjectRecord, key: SubjectKey, file: string, at: number): Buffer {
  const session = Buffer.from(record.session);
  const target = Buffer.from(record.target);
  const parts: Uint8Array[] = [Buffer.of(session.length), session, numbers(record.n, record.atMs), Buffer.of(target.length), target];
  parts.push(Buffer.of(record.subjects.length));
  for (const { subject, asked, returned, isClosed } of record.subjects) {
    const name = Buffer.from(subject);
    const counts = Buffer.alloc(9);
    counts.writeUInt8(isClosed ? CLOSED : 0, 0);
    counts.writeUInt32BE(asked.length, 1);
    counts.writeUInt32BE(returned.length, 5);
    parts.push(Buffer.of(name.length), name, counts, ...asked, ...returned);
  }
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body, key.seal(file, at, body)]);
}

function numbers(n: number, atMs: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(n, 0);
  bytes.writeDoubleBE(atMs, 4);
  return bytes;
}

/** @throws for bytes that `encodeRecord` has not made */
function decodeBody(body: Uint8Array): SubjectRecord {
  const reader = new ByteReader(body);
  const text = (): string => Buffer.from(reader.bytes(reader.uint8())).toString();
  const session = text() as SessionId;
  const n = reader.uint32();
  const atMs = Buffer.from(reader.bytes(8)).readDoubleBE();
  const target = text() as TargetName;
  const subjects: SubjectDigests[] = [];
  for (let left = reader.uint8(); left > 0; left -= 1) {
    const subject = text();
    const isClosed = reader.uint8() === CLOSED;
    const asked = reader.uint32();
    const returned = reader.uint32();
    const digests = (count: number): Uint8Array[] => Array.from({ length: count }, () => reader.bytes(DIGEST_BYTES));
    subjects.push({ subject, isClosed, asked: digests(asked), returned: digests(returned) });
  }
  reader.end();
  return { session, n, atMs, target, subjects };
}

/** Takes the bytes of a file in pieces and gives its records, up to the first that is not as it was written. */
export class RecordDecoder {
  /** Something is not as it was written: nothing behind it counts. What is cut off at the end never was acknowledged and is no fault. */
  isDamaged = false;
  readonly #file: string;
  readonly #key: SubjectKey;
  #rest: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(file: string, key: SubjectKey) {
    this.#file = file;
    this.#key = key;
  }

  *push(chunk: Uint8Array): Generator<SubjectRecord> {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    while (!this.isDamaged) {
      if (this.#at === 0) {
        if (this.#rest.length < MAGIC.length) return;
        this.isDamaged = !this.#rest.subarray(0, MAGIC.length).equals(MAGIC);
        this.#advance(MAGIC.length);
        continue;
      }
      if (this.#rest.length < HEAD_BYTES) return;
      const end = HEAD_BYTES + this.#rest.readUInt32BE(0);
      if (end > MAX_RECORD_BYTES) this.isDamaged = true;
      if (this.isDamaged || end + DIGEST_BYTES > this.#rest.length) return;
      const body = this.#rest.subarray(HEAD_BYTES, end);
      const isGenuine = timingSafeEqual(this.#key.seal(this.#file, this.#at, body), this.#rest.subarray(end, end + DIGEST_BYTES));
      if (isGenuine) yield decodeBody(body);
      else this.isDamaged = true;
      this.#advance(end + DIGEST_BYTES);
    }
  }

  #advance(bytes: number): void {
    this.#rest = this.#rest.subarray(bytes);
    this.#at += bytes;
  }
}
