// Offline verification of a whole log: signature, every entry and tile against the root, order, session counters, and
// the sealed payloads that are present. Streaming, dependency-free, needs no private key. Reads, never writes.
// A verdict says what is wrong; it cannot tell a rollback to an older signed state: compare with an anchored checkpoint.

import { SallyportError } from '../core/error.ts';
import type { Disk } from './disk.ts';
import { nodeDisk, readWhole } from './disk.ts';
import type { AuditDirs } from './log-files.ts';
import { auditDirs, readBundle, readMinimumIndex, tileReader } from './log-files.ts';
import { readKeyStatements } from './key-files.ts';
import { checkPayloads, sealedHashes } from './payload-check.ts';
import type { PayloadFindings } from './payload-check.ts';
import { payloadsAside } from './payloads-aside.ts';
import type { PayloadJob, PayloadsAside } from './payloads-aside.ts';
import { SessionCounters } from './session-counters.ts';
import type { KeyInTurn, NoteVerifier, Tile, TreeHead } from './tlog/index.ts';
import {
  emptyRoot,
  equalHashes,
  Frontier,
  HASH_BYTES,
  hashAt,
  keyChain,
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  TILE_WIDTH,
  tileWidth,
} from './tlog/index.ts';

export const PROBLEM_CODES = [
  'checkpoint-missing',
  'checkpoint-invalid',
  'entries-missing',
  'entry-altered',
  'entry-malformed',
  'entry-out-of-order',
  'tile-missing',
  'tile-altered',
  'root-mismatch',
  'session-gap',
  'payload-altered',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

export interface Problem {
  readonly code: ProblemCode;
  /** Index of the entry it is about; null when it is about a file. */
  readonly index: number | null;
  /** Never holds data of an entry. */
  readonly what: string;
}

export interface LogVerdict {
  readonly ok: boolean;
  readonly origin: string | null;
  /** Entries under the checkpoint. */
  readonly size: number;
  /** Root of the checkpoint, base64. */
  readonly root: string | null;
  /** The first 100. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly entries: { readonly checked: number; readonly firstTs: string | null; readonly lastTs: string | null };
  readonly payloads: { readonly named: number; readonly present: number };
  /** Entries before it were pruned, and the log says so; 0 = none. */
  readonly firstIndex: number;
}

export interface VerifyOptions {
  /** A public key of the log, from somewhere else than the log's own directory: the one that signs now, or one before it. */
  readonly vkey: string;
  /** Called about every 65,536 entries. */
  readonly onProgress?: (checked: number, size: number) => void;
  readonly signal?: AbortSignal;
  readonly disk?: Disk;
}

const MAX_PROBLEMS = 100;
const PROGRESS_ENTRIES = 65_536;
/** Payloads by a thread of their own; in smaller logs it takes longer to start than it saves. */
const ASIDE = { fromEntries: 10_000, start: payloadsAside } as const;

export interface VerifyAside {
  /** Logs of this size and more. */
  readonly fromEntries: number;
  readonly start: (job: PayloadJob) => PayloadsAside;
}

/** @param dir the directory given to `openAuditLog`, or any directory with a copy of its `log/`.
 *  @param aside when by two threads, which come to the same verdict
 *  @throws SP_INTERNAL when a thread ends early; faults of the disk as they are
 *  The verdict is about the checkpoint found at the start; a gateway may go on writing meanwhile. */
export async function verifyLog(dir: string, options: VerifyOptions, aside: VerifyAside = ASIDE): Promise<LogVerdict> {
  const run = new Verification(dir, options, aside);
  return run.verdict();
}

class Verification {
  readonly #disk: Disk;
  readonly #dirs: AuditDirs;
  readonly #options: VerifyOptions;
  readonly #aside: VerifyAside;
  readonly #problems: Problem[] = [];
  #sessions = new SessionCounters();
  #firstIndex = 0;
  #prunedBefore = 0;
  #problemCount = 0;
  #checked = 0;
  #firstTs: string | null = null;
  #lastTs: string | null = null;
  #named = 0;
  #present = 0;

  constructor(dir: string, options: VerifyOptions, aside: VerifyAside) {
    this.#aside = aside;
    this.#disk = options.disk ?? nodeDisk;
    this.#dirs = auditDirs(dir);
    this.#options = options;
  }

  async verdict(): Promise<LogVerdict> {
    const verifier = this.#verifier();
    const head = verifier === null ? null : await this.#head(verifier);
    if (head !== null) await this.#all(head);
    return {
      ok: this.#problemCount === 0,
      origin: verifier?.name ?? null,
      size: head?.size ?? 0,
      root: head === null ? null : Buffer.from(head.root).toString('base64'),
      problems: this.#problems,
      problemCount: this.#problemCount,
      entries: { checked: this.#checked, firstTs: this.#firstTs, lastTs: this.#lastTs },
      payloads: { named: this.#named, present: this.#present },
      firstIndex: this.#firstIndex,
    };
  }

  async #all(head: TreeHead): Promise<void> {
    const { signal } = this.#options;
    const isAside = this.#disk === nodeDisk && head.size >= this.#aside.fromEntries;
    const aside = isAside ? this.#aside.start({ directory: this.#dirs.root, kept: MAX_PROBLEMS }) : null;
    // Told when it is waited for.
    aside?.findings.catch(() => undefined);
    try {
      await this.#tree(head);
      this.#payloads(await (aside?.findings ?? checkPayloads(this.#disk, this.#dirs, MAX_PROBLEMS, signal)));
    } finally {
      await aside?.stop();
    }
  }

  #payloads({ present, altered, alteredCount }: PayloadFindings): void {
    this.#present = present;
    for (const { index, what } of altered) this.#report('payload-altered', index, what);
    this.#problemCount += alteredCount - altered.length;
  }

  #report(code: ProblemCode, index: number | null, what: string): void {
    this.#problemCount += 1;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ code, index, what });
  }

  #verifier(): NoteVerifier | null {
    try {
      return parseVerifierKey(this.#options.vkey);
    } catch (error) {
      this.#report('checkpoint-invalid', null, messageOf(error));
      return null;
    }
  }

  async #head(verifier: NoteVerifier): Promise<TreeHead | null> {
    const note = await readWhole(this.#disk, this.#dirs.checkpoint);
    if (note === null) {
      this.#report('checkpoint-missing', null, 'there is no log/checkpoint');
      return null;
    }
    try {
      return openByChain(note.toString('utf8'), keyChain(verifier, await readKeyStatements(this.#disk, this.#dirs)));
    } catch (error) {
      this.#report('checkpoint-invalid', null, messageOf(error));
      return null;
    }
  }

  async #tree(head: TreeHead): Promise<void> {
    if (head.size === 0) {
      if (!equalHashes(emptyRoot(), head.root)) this.#report('root-mismatch', null, 'the checkpoint of an empty log has another root');
      return;
    }
    const frontier = await this.#start(head);
    if (frontier === null) return;
    this.#firstIndex = frontier.size;
    this.#sessions = new SessionCounters(frontier.size > 0);
    const load = (first: number) => {
      const width = Math.min(TILE_WIDTH, head.size - first);
      return Promise.all([this.#bundle(first / TILE_WIDTH, width), this.#tile(0, first / TILE_WIDTH, width)]);
    };
    let ahead = load(frontier.size);
    for (let first = frontier.size; first < head.size; first += TILE_WIDTH) {
      this.#options.signal?.throwIfAborted();
      const [entries, tile] = await ahead;
      if (entries === null) return;
      // The disk reads the next 256 while these are hashed.
      if (first + TILE_WIDTH < head.size) {
        ahead = load(first + TILE_WIDTH);
        ahead.catch(() => undefined);
      }
      for (const [at, entry] of entries.entries()) {
        const seq = first + at;
        const leaf = leafHash(entry);
        if (tile !== null && !equalHashes(leaf, hashAt(tile, at)))
          this.#report('entry-altered', seq, 'the entry does not have the hash in its tile');
        this.#header(entry, seq);
        for (const full of frontier.push(leaf)) if (full.level > 0) await this.#compare(full);
      }
      this.#checked += entries.length;
      if (this.#checked % PROGRESS_ENTRIES === 0) this.#options.onProgress?.(this.#checked, head.size);
    }
    for (const partial of frontier.partial()) if (partial.level > 0) await this.#compare(partial);
    if (!equalHashes(frontier.root(), head.root))
      this.#report('root-mismatch', null, 'the entries do not have the root that the checkpoint signs');
    this.#options.onProgress?.(this.#checked, head.size);
    if (this.#prunedBefore < this.#firstIndex)
      this.#report('entries-missing', 0, `entries before ${this.#firstIndex} are missing, and the log does not say that they were pruned`);
  }

  /** The tree before the first entry that there should be; null when it cannot be had (reported). */
  async #start(head: TreeHead): Promise<Frontier | null> {
    const tile = tileReader(this.#disk, this.#dirs.log);
    try {
      const first = await readMinimumIndex(this.#disk, this.#dirs);
      if (first > head.size) throw new SallyportError('SP_AUDIT_CORRUPT', 'log/minimum-index is beyond the checkpoint');
      // Tiles at that edge have grown since.
      return await Frontier.restore(first, async (level, index, width) =>
        (await tile(level, index, tileWidth(level, index, head.size))).subarray(0, width * HASH_BYTES),
      );
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      this.#report('entries-missing', 0, messageOf(error));
      return null;
    }
  }

  async #bundle(index: number, width: number): Promise<Buffer[] | null> {
    let entries: Buffer[] | null = null;
    try {
      entries = await readBundle(this.#disk, this.#dirs.log, index, width);
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      this.#report('entries-missing', index * TILE_WIDTH, messageOf(error));
      return null;
    }
    const first = index * TILE_WIDTH;
    if (entries === null || entries.length < width) {
      const missing = first + (entries?.length ?? 0);
      this.#report('entries-missing', missing, `entries from ${missing} on are missing, the checkpoint has more`);
      return null;
    }
    if (entries.length !== width && entries.length !== TILE_WIDTH) {
      this.#report('entry-malformed', first, `entry bundle ${index} has ${entries.length} entries`);
    }
    return entries.slice(0, width);
  }

  /** First `width` hashes of a tile, or null when it cannot be used (reported). */
  async #tile(level: number, index: number, width: number): Promise<Uint8Array | null> {
    try {
      const tile = await tileReader(this.#disk, this.#dirs.log)(level, index, width);
      if (tile.length % HASH_BYTES === 0 && tile.length >= width * HASH_BYTES) return tile.subarray(0, width * HASH_BYTES);
      this.#report('tile-altered', null, `tile ${level}/${index} has a wrong length`);
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      this.#report('tile-missing', null, messageOf(error));
    }
    return null;
  }

  async #compare(expected: Tile): Promise<void> {
    const found = await this.#tile(expected.level, expected.index, expected.width);
    if (found !== null && !equalHashes(found, expected.bytes)) {
      this.#report('tile-altered', null, `tile ${expected.level}/${expected.index} is not the hash of what is below it`);
    }
  }

  #header(entry: Buffer, seq: number): void {
    const header = parseObject(entry);
    if (header === null || header['v'] !== 1 || typeof header['type'] !== 'string' || typeof header['ts'] !== 'string') {
      this.#report('entry-malformed', seq, 'the entry is not a version 1 header');
      return;
    }
    if (header['seq'] !== seq) this.#report('entry-out-of-order', seq, 'the entry names another index');
    this.#firstTs ??= header['ts'];
    this.#lastTs = header['ts'];
    if (header['type'] === 'log.pruned') this.#prunedBefore = Math.max(this.#prunedBefore, prunedBeforeOf(header));
    this.#named += sealedHashes(header['sealed']).length;
    const gap = this.#sessions.apply(header);
    if (gap !== null) this.#report('session-gap', seq, gap);
  }
}

/** The checkpoint must be signed by the last key of the chain; up to where that one began, by the one before it.
 *  @throws SP_AUDIT_CORRUPT */
function openByChain(note: string, chain: readonly KeyInTurn[]): TreeHead {
  const [before, last] = [chain.at(-2), chain.at(-1)];
  if (last === undefined) throw new SallyportError('SP_AUDIT_CORRUPT', 'there is no key to verify with');
  try {
    return openCheckpoint(note, last.verifier);
  } catch (error) {
    if (before === undefined || before.aloneUpTo === null) throw error;
    const head = openCheckpoint(note, before.verifier);
    if (head.size <= before.aloneUpTo) return head;
    throw new SallyportError('SP_AUDIT_CORRUPT', `the checkpoint is signed by a key that was replaced after entry ${before.aloneUpTo}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof SallyportError ? error.message : 'unreadable';
}

function parseObject(bytes: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function prunedBeforeOf({ detail }: Record<string, unknown>): number {
  return typeof detail === 'object' && detail !== null && 'before' in detail && typeof detail.before === 'number' ? detail.before : 0;
}
