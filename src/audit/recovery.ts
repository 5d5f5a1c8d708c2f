// Start of the log: what the last checkpoint says, then what the journal has beyond it. A torn tail is cut only behind
// the last published checkpoint and only if nothing later was committed. REFUSES everything else: that is a rollback
// or damage, and going on would hide it.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Disk, DiskFile } from './disk.ts';
import { readWhole } from './disk.ts';
import { hasCommitAfter, readRecords, readSegmentHeader, SEGMENT_HEADER_BYTES, segmentFirstSeq } from './journal.ts';
import type { AuditDirs } from './log-files.ts';
import { readBundle, tileReader } from './log-files.ts';
import { decodeHeader } from './entry.ts';
import type { BlobPlace } from './blob-table.ts';
import { BlobTable } from './blob-table.ts';
import type { JournalPosition, Segment } from './segments.ts';
import { createSegment } from './segments.ts';
import { equalHashes, Frontier, hashAt, leafHash, openCheckpoint, parseVerifierKey, sha256, TILE_WIDTH } from './tlog/index.ts';

export interface Recovered {
  readonly frontier: Frontier;
  readonly checkpoint: string | null;
  /** Entries from `tailStart` (multiple of 256) to the durable end. */
  readonly tail: Buffer[];
  readonly tailStart: number;
  readonly journal: JournalPosition;
  /** Bytes of an unacknowledged commit that were cut. */
  readonly cutBytes: number;
}

const corrupt = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);

export async function recover(disk: Disk, dirs: AuditDirs, vkey: string): Promise<Recovered> {
  const checkpoint = (await readWhole(disk, dirs.checkpoint))?.toString('utf8') ?? null;
  const head = checkpoint === null ? null : openCheckpoint(checkpoint, parseVerifierKey(vkey));
  const published = head?.size ?? 0;
  const frontier = await Frontier.restore(published, tileReader(disk, dirs.log));
  if (head !== null && !equalHashes(frontier.root(), head.root)) throw corrupt('the tiles do not have the root of the checkpoint');

  const tailStart = published - (published % TILE_WIDTH);
  const tail = await publishedTail(disk, dirs.log, frontier, tailStart);
  const { journal, cutBytes } = await recoverJournal(disk, dirs.journal, published, tail);
  return { frontier, checkpoint, tail, tailStart, journal, cutBytes };
}

/** Entries of the bundle at the right edge, checked against its tile. */
async function publishedTail(disk: Disk, log: string, frontier: Frontier, tailStart: number): Promise<Buffer[]> {
  const width = frontier.size - tailStart;
  if (width === 0) return [];
  const entries = await readBundle(disk, log, tailStart / TILE_WIDTH, width);
  const tile = frontier.partial()[0];
  if (entries?.length !== width || tile === undefined) throw corrupt('the last entry bundle under the checkpoint is missing or short');
  for (const [at, entry] of entries.entries()) {
    if (!equalHashes(leafHash(entry), hashAt(tile.bytes, at))) throw corrupt(`entry ${tailStart + at} is not the one under the checkpoint`);
  }
  return entries;
}

async function recoverJournal(
  disk: Disk,
  dir: string,
  published: number,
  tail: Buffer[],
): Promise<{ journal: JournalPosition; cutBytes: number }> {
  const names = (await disk.list(dir)).filter((name) => segmentFirstSeq(name) !== null);
  if (names.length === 0) {
    if (published > 0) throw corrupt('the journal is gone, but entries were published: entries may be lost');
    const active = await createSegment(disk, dir, 0);
    return { journal: { closed: [], active, offset: SEGMENT_HEADER_BYTES, commit: 0 }, cutBytes: 0 };
  }
  const closed: Segment[] = [];
  let next = segmentFirstSeq(names[0] ?? '') ?? 0;
  if (next > published) throw corrupt(`the journal starts at entry ${next}, the checkpoint ends at ${published}`);
  for (const name of names) {
    const file = await disk.open(join(dir, name), 'write');
    try {
      const firstSeq = await readSegmentHeader(file);
      // What is under the checkpoint lies in tiles and packs; of segments that were being removed, any may be gone.
      const isNext = firstSeq === next || (firstSeq > next && firstSeq <= published);
      if (!isNext || segmentFirstSeq(name) !== firstSeq) throw corrupt(`the journal has no segment for entry ${next}`);
      next = firstSeq;
      const scan = await scanSegment(file, next, published, tail);
      next = scan.segment.endSeq;
      if (name !== names.at(-1)) {
        if (!scan.clean) throw corrupt(`the journal is damaged after entry ${next}`);
        closed.push(scan.segment);
        continue;
      }
      if (next < published)
        throw corrupt(`the journal ends at entry ${next}, the checkpoint at ${published}: this is a rollback, not a torn tail`);
      if (!scan.clean && (await hasCommitAfter(file, scan.brokenAt, scan.brokenCommit + 1))) {
        throw corrupt(`the journal is damaged after entry ${next}, and later entries follow`);
      }
      const cutBytes = (await file.size()) - scan.end;
      if (cutBytes > 0) await file.truncate(scan.end);
      // In any case: of a process that was killed, what was read may be in memory only, and the next commit relies on it.
      await file.datasync();
      // A commit that lost its last record would make the next one look like part of it: start afresh behind it.
      if (!scan.endsCommit && scan.segment.endSeq > scan.segment.firstSeq) {
        closed.push(scan.segment);
        const active = await createSegment(disk, dir, next);
        return { journal: { closed, active, offset: SEGMENT_HEADER_BYTES, commit: 0 }, cutBytes };
      }
      return { journal: { closed, active: scan.segment, offset: scan.end, commit: scan.nextCommit }, cutBytes };
    } finally {
      await file.close();
    }
  }
  throw corrupt('the journal has no last segment');
}

interface Scan {
  readonly segment: Segment;
  /** Behind the last entry. */
  readonly end: number;
  readonly endsCommit: boolean;
  readonly nextCommit: number;
  /** Nothing but whole entries up to the end of the file. */
  readonly clean: boolean;
  readonly brokenAt: number;
  readonly brokenCommit: number;
}

async function scanSegment(file: DiskFile, firstSeq: number, published: number, tail: Buffer[]): Promise<Scan> {
  const segment: Segment = { firstSeq, endSeq: firstSeq, blobs: new BlobTable() };
  let end = SEGMENT_HEADER_BYTES;
  let endsCommit = true;
  let nextCommit = 0;
  let brokenAt = end;
  let brokenCommit = 0;
  let blobs: BlobPlace[] = [];
  for await (const record of readRecords(file)) {
    brokenAt = record.offset + record.bytes.length;
    brokenCommit = record.last ? record.commit + 1 : record.commit;
    if (record.kind === 'blob') {
      blobs.push({ sha256: sha256(record.bytes).toString('hex'), offset: record.offset, bytes: record.bytes.length });
      continue;
    }
    if (segment.endSeq >= published) {
      decodeHeader(record.bytes, segment.endSeq);
      tail.push(Buffer.from(record.bytes));
    }
    for (const { sha256: hash, offset, bytes } of blobs) segment.blobs.add(hash, offset, bytes);
    blobs = [];
    segment.endSeq += 1;
    end = brokenAt;
    endsCommit = record.last;
    nextCommit = record.commit + 1;
  }
  return { segment, end, endsCommit, nextCommit, clean: end === (await file.size()), brokenAt, brokenCommit };
}
