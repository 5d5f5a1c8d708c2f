// One masking of one stream of bytes, in the thread that does it: unzip, mask, zip. What is given goes in piece by piece, and what may be
// passed comes back with each, so that nothing piles up here. REFUSES: as the maskers do, and streams that are cut off.

import { createGunzip, createGzip, type Gunzip, type Gzip } from 'node:zlib';
import { SallyportError } from '../../../core/error.ts';
import { malformed } from './columns.ts';
import { JsonChunk } from './json-chunk.ts';
import { receivedPlan, type SentPlan } from './plan.ts';
import { RowCollector, type RowSink } from './row-frames.ts';

/** Plain data. */
export interface TransformOptions {
  readonly plan: SentPlan;
  readonly format: 'json' | 'arrow';
  readonly output: 'gzip' | 'plain';
  /** The account says so many; another number ends the answer. Null = not said. */
  readonly rowCount: number | null;
  readonly wanted: RowSink['wanted'];
  readonly maxRowBytes: number;
  readonly maxMessageBytes: number;
}

/** What came of one step. */
export interface Stepped {
  readonly output: Uint8Array;
  /** DataRows for the recording. */
  readonly frames: Uint8Array;
  /** So far. */
  readonly rows: number;
}

interface Masker {
  readonly rows: number;
  push(piece: Uint8Array): Uint8Array | readonly Uint8Array[];
  end(): readonly Uint8Array[] | void;
}

/** One stage of zlib as calls: all that comes of one write is there when it is done. */
class Stage {
  readonly #stream: Gunzip | Gzip;
  #output: Buffer[] = [];
  #fault: Error | null = null;

  constructor(stream: Gunzip | Gzip) {
    this.#stream = stream;
    stream.on('data', (piece: Buffer) => this.#output.push(piece));
    stream.on('error', (fault) => (this.#fault = fault));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#stream.write(bytes, (fault) => (fault ? reject(fault) : resolve())));
    this.#check();
  }

  async end(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.once('end', resolve);
      this.#stream.once('error', reject);
      this.#stream.end();
    });
    this.#check();
  }

  drain(): Buffer[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }

  close(): void {
    this.#stream.destroy();
  }

  #check(): void {
    if (this.#fault !== null) throw this.#fault;
  }
}

const GZIP_MAGIC = 0x1f;
const PIECE_BYTES = 128 * 1024;

export class Transform {
  readonly #options: TransformOptions;
  /** Undefined until the first byte came, which tells. */
  #unzip: Stage | null | undefined;
  readonly #zip: Stage | null;
  readonly #masker: Masker;
  readonly #collector: RowCollector;
  /** The last write to `#zip`: it goes on while the next piece is unzipped and masked. */
  #zipping: Promise<void> = Promise.resolve();
  #zipFault: Error | null = null;
  /** Around the rows of a partition; empty once it was given. */
  #head = '';

  static async create(options: TransformOptions): Promise<Transform> {
    const plan = receivedPlan(options.plan);
    const collector = new RowCollector(plan.columns, options.wanted);
    if (options.format === 'json') return new Transform(options, collector, new JsonChunk(plan, options, collector));
    // WHY here: a thread that masks JSON needs no Arrow.
    const { ArrowStream } = await import('./arrow-stream.ts');
    return new Transform(options, collector, new ArrowStream(plan, options, collector));
  }

  private constructor(options: TransformOptions, collector: RowCollector, masker: Masker) {
    this.#options = options;
    this.#masker = masker;
    this.#collector = collector;
    this.#head = options.plan.jsonv2 === undefined ? '' : '{"data":[';
    this.#zip = options.output === 'gzip' ? new Stage(createGzip({ level: 1, chunkSize: PIECE_BYTES })) : null;
  }

  /** @param bytes null = that was all
   *  @throws SallyportError; nothing more may be asked then */
  async step(bytes: Uint8Array | null): Promise<Stepped> {
    const masked = bytes === null ? await this.#last() : this.#mask(await this.#unzipped(bytes));
    return {
      output: await this.#zipped(this.#enclosed(masked, bytes === null), bytes === null),
      frames: this.#collector.drain(),
      rows: this.#masker.rows,
    };
  }

  /** A partition is an object of its own, where chunks are bare rows. */
  #enclosed(pieces: readonly Uint8Array[], isLast: boolean): readonly Uint8Array[] {
    if (this.#options.plan.jsonv2 === undefined) return pieces;
    const hasRows = pieces.some(({ length }) => length > 0);
    const head = hasRows || isLast ? this.#head : '';
    if (head !== '') this.#head = '';
    return [Buffer.from(head), ...pieces, Buffer.from(isLast ? ']}' : '')];
  }

  close(): void {
    this.#unzip?.close();
    this.#zip?.close();
  }

  async #unzipped(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    if (bytes.length === 0) return [];
    // No rows of JSON and no Arrow stream begin like that.
    this.#unzip ??= this.#unzip === undefined && bytes[0] === GZIP_MAGIC ? new Stage(createGunzip({ chunkSize: PIECE_BYTES })) : null;
    if (this.#unzip === null) return [bytes];
    await this.#unzip.write(bytes).catch(notZipped);
    return this.#unzip.drain();
  }

  #mask(pieces: readonly Uint8Array[]): Uint8Array[] {
    const masked = pieces.flatMap((piece) => this.#masker.push(piece));
    const { rowCount } = this.#options;
    if (rowCount !== null && this.#masker.rows > rowCount) throw malformed('a chunk with more rows than were announced');
    return masked;
  }

  async #last(): Promise<Uint8Array[]> {
    await this.#unzip?.end().catch(notZipped);
    const masked = this.#mask(this.#unzip?.drain() ?? []);
    masked.push(...(this.#masker.end() ?? []));
    const { rowCount } = this.#options;
    if (rowCount !== null && this.#masker.rows !== rowCount) throw malformed('a chunk with fewer rows than were announced');
    return masked;
  }

  async #zipped(pieces: readonly Uint8Array[], isLast: boolean): Promise<Uint8Array> {
    if (this.#zip === null) return Buffer.concat(pieces);
    await this.#zipping;
    if (this.#zipFault !== null) throw new SallyportError('SP_INTERNAL', 'a chunk could not be compressed', { cause: this.#zipFault });
    this.#zipping = this.#feed(this.#zip, pieces).catch((fault: unknown) => {
      this.#zipFault = fault instanceof Error ? fault : new Error('unknown');
    });
    if (isLast) {
      await this.#zipping;
      await this.#zip.end();
    }
    return Buffer.concat(this.#zip.drain());
  }

  async #feed(zip: Stage, pieces: readonly Uint8Array[]): Promise<void> {
    let small: Uint8Array[] = [];
    let size = 0;
    for (const piece of pieces) {
      small.push(piece);
      size += piece.length;
      if (size < PIECE_BYTES) continue;
      await zip.write(small.length === 1 ? piece : Buffer.concat(small));
      small = [];
      size = 0;
    }
    if (size > 0) await zip.write(Buffer.concat(small));
  }
}

function notZipped(): never {
  throw malformed('a chunk that is not compressed as it says');
}
