// The log part of a bundle: every entry of the range is under the signed root, none is missing, and the range is all that there is
// between its two times. Entries that hold are handed on.

import type { NoteVerifier, TreeHead } from '../audit/tlog/index.ts';
import {
  bundlePath,
  decodeBundle,
  equalHashes,
  HASH_BYTES,
  hashAt,
  leafHash,
  openCheckpoint,
  TILE_WIDTH,
  tilePath,
} from '../audit/tlog/index.ts';
import { SallyportError } from '../core/error.ts';
import type { BundleFiles } from './bundle-files.ts';
import { readFileOf } from './bundle-files.ts';
import { type RangeEntry, rangeEntryOf, type Scope } from './derivation.ts';
import { parseHeader } from './fields.ts';
import type { LogFiles } from './log-range.ts';
import { entryTime, isInTime } from './log-range.ts';
import { prefixRoot, TileTree } from './tiles.ts';
import type { Problems } from './verdict.ts';

const MAX_NOTE_BYTES = 64 * 1024;
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + 0xffff);

export class BundleLog {
  readonly #bundle: BundleFiles;
  readonly #scope: Scope;
  readonly #problems: Problems;
  readonly #files: LogFiles;
  readonly tree: TileTree;

  /** @param scope as the manifest states it, compared with the checkpoint */
  constructor(bundle: BundleFiles, scope: Scope, head: TreeHead, files: LogFiles, problems: Problems) {
    this.#bundle = bundle;
    this.#scope = scope;
    this.#problems = problems;
    this.#files = files;
    this.tree = new TileTree(head.size, head.root, (level, index, width) =>
      readFileOf(bundle, `log/${tilePath(level, index, width)}`, TILE_WIDTH * HASH_BYTES),
    );
  }

  /** The signed beginning is a prefix of the signed log. */
  async checkStart(verifier: NoteVerifier): Promise<void> {
    const start = await readHead(this.#bundle, 'log/checkpoint.start', verifier, this.#problems);
    if (start === null) return;
    try {
      await this.tree.requireRoot();
      const root = await prefixRoot(this.#scope.first, this.#scope.size, this.tree.reader);
      if (start.size === this.#scope.first && equalHashes(start.root, root)) return;
      this.#problems.add('checkpoint-invalid', 'it is not the beginning of the range in this log', { file: 'log/checkpoint.start' });
    } catch (fault) {
      this.#problems.add('tile-altered', messageOf(fault));
    }
  }

  /** Entries of the range in order, some hundred at a time; each is looked at when it is asked for. WHY: what is parsed of one is garbage
   *  before the next one comes, and never has to be copied by the collector.
   *  @param isSilent problems were told in an earlier pass */
  async *entries(isSilent = false): AsyncGenerator<Iterable<RangeEntry>> {
    const report: Problems['add'] = (...problem) => {
      if (!isSilent) this.#problems.add(...problem);
    };
    const load = (at: number) => {
      const bundle = this.#files.bundles[at];
      if (bundle === undefined) return null;
      const { index, width } = bundle;
      const file = `log/${bundlePath(index, width)}`;
      return Promise.all([this.#read(file, width, index * TILE_WIDTH, report), this.#hashes(index, report)]).then(([entries, hashes]) => ({
        entries,
        hashes,
        index,
        file,
      }));
    };
    let ahead = load(0);
    for (let at = 0; ahead !== null; at += 1) {
      const { entries, hashes, index, file } = await ahead;
      // The disk reads the next 256 while these are looked at.
      ahead = load(at + 1);
      ahead?.catch(() => undefined);
      if (entries === null) continue;
      yield this.#checked(entries, hashes, index * TILE_WIDTH, file, report);
    }
  }

  *#checked(
    entries: readonly Buffer[],
    hashes: Uint8Array | null,
    start: number,
    file: string,
    report: Problems['add'],
  ): Generator<RangeEntry> {
    const { first, end } = this.#scope;
    for (const [at, bytes] of entries.entries()) {
      const seq = start + at;
      const leaf = leafHash(bytes);
      if (hashes !== null && !equalHashes(leaf, hashAt(hashes, at))) {
        report('entry-altered', 'the entry is not the one that was signed', { file, index: seq });
      }
      const header = parseHeader(bytes);
      const entry = header === null ? null : rangeEntryOf(seq, header, bytes, leaf.toString('hex'));
      if (entry === null || entry.typed?.v !== 1 || entry.header['type'] === '') {
        report('entry-malformed', 'the entry is not a version 1 header', { file, index: seq });
        continue;
      }
      if (entry.header['seq'] !== seq) report('entry-out-of-order', 'the entry names another index', { file, index: seq });
      this.#border(seq, bytes, report);
      if (seq >= first && seq < end) yield entry;
    }
  }

  /** The range begins and ends where its time does: its ends are in it, their neighbours are not. */
  #border(seq: number, bytes: Buffer, report: Problems['add']): void {
    const { first, end, from, to } = this.#scope;
    const isNeighbour = seq === first - 1 || seq === end;
    const isEnd = first < end && (seq === first || seq === end - 1);
    if (!isNeighbour && !isEnd) return;
    if (isInTime(entryTimeOr(bytes), Date.parse(from), Date.parse(to)) === isEnd) return;
    const what = isEnd
      ? 'the range begins or ends with an entry that is not of its time'
      : 'the entry is of the time of the range, and is not in it';
    report('range-incomplete', what, { index: seq });
  }

  async #read(file: string, width: number, start: number, report: Problems['add']): Promise<readonly Buffer[] | null> {
    if (!this.#bundle.files.has(file)) {
      report('entries-missing', 'the entries are not in the bundle', { file, index: start });
      return null;
    }
    try {
      const entries = decodeBundle(await readFileOf(this.#bundle, file, MAX_BUNDLE_BYTES));
      if (entries.length === width) return entries;
      report('entries-missing', `the file has ${entries.length} entries where ${width} are signed`, {
        file,
        index: start + Math.min(entries.length, width),
      });
      return entries.slice(0, width);
    } catch (fault) {
      report('entries-missing', messageOf(fault), { file, index: start });
      return null;
    }
  }

  async #hashes(index: number, report: Problems['add']): Promise<Uint8Array | null> {
    try {
      return await this.tree.tile(0, index);
    } catch (fault) {
      report('tile-altered', messageOf(fault));
      return null;
    }
  }
}

/** A signed checkpoint of the bundle, or null when it is none (reported). */
export async function readHead(bundle: BundleFiles, file: string, verifier: NoteVerifier, problems: Problems): Promise<TreeHead | null> {
  try {
    return openCheckpoint((await readFileOf(bundle, file, MAX_NOTE_BYTES)).toString('utf8'), verifier);
  } catch (fault) {
    problems.add('checkpoint-invalid', messageOf(fault), { file });
    return null;
  }
}

/** @throws what is none of a bundle's faults */
export function messageOf(fault: unknown): string {
  if (fault instanceof SallyportError) return fault.message;
  throw fault;
}

function entryTimeOr(bytes: Buffer): number {
  try {
    return entryTime(bytes);
  } catch {
    return Number.NaN;
  }
}
