// Recording of one answer as the client saw it: the server messages, masked, each with the time since the statement
// was let through. Sealed as payload `result`; `session replay` renders it. This is the definition of the format:
//
//   "SPREC\x01"  then records of  [uint32 ms since start] [type: 1 byte] [int32 length, counts itself] [body]
//   last record: type `~`, body = [uint32 rows shown] [uint32 rows in all, saturating] [flags: 1 = truncated]

import { SallyportError } from '../core/error.ts';
import { ByteReader } from './byte-reader.ts';
import { Framer, readInt32 } from './framer.ts';

const magic = Uint8Array.of(0x53, 0x50, 0x52, 0x45, 0x43, 0x01);
const endType = 0x7e;
const endBytes = 18;
const maxUint32 = 0xffff_ffff;

const frameType = { rowDescription: 0x54, dataRow: 0x44, commandComplete: 0x43, error: 0x45, notice: 0x4e, copyData: 0x64 } as const;

export interface RecordingLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** Collects what goes to the client, up to the limits. Holds views of what it was given until `finish`. */
export class RecordingWriter {
  readonly #limits: RecordingLimits;
  /** Whole frames with their times, in turn. */
  readonly #times: number[] = [];
  readonly #frames: Uint8Array[] = [];
  #bytes = magic.length;
  /** Only for rows that come in pieces. */
  #pieces: Framer | null = null;
  #rowsShown = 0;
  #isTruncated = false;

  constructor(limits: RecordingLimits) {
    this.#limits = limits;
  }

  /** One whole frame, header included. */
  add(ms: number, frame: Uint8Array): void {
    const isRow = frame[0] === frameType.dataRow || frame[0] === frameType.copyData;
    if (isRow && (this.#isTruncated || this.#rowsShown >= this.#limits.maxRows)) {
      this.#isTruncated = true;
      return;
    }
    if (this.#bytes + frame.length + 4 > this.#limits.maxBytes) {
      this.#isTruncated = true;
      return;
    }
    if (isRow) this.#rowsShown += 1;
    this.#bytes += 4 + frame.length;
    this.#times.push(Math.min(maxUint32, Math.max(0, Math.round(ms))));
    this.#frames.push(frame);
  }

  /** A stretch of row frames as they pass, cut anywhere. `isBoundary`: it ends where a frame ends. */
  addRows(ms: number, bytes: Uint8Array, isBoundary: boolean): void {
    if (this.#isTruncated) return;
    if (this.#pieces === null && isBoundary) {
      for (let at = 0; at < bytes.length && !this.#isTruncated;) {
        const end = at + 1 + readInt32(bytes, at + 1);
        this.add(ms, bytes.subarray(at, end));
        at = end;
      }
      return;
    }
    this.#pieces ??= new Framer(this.#limits.maxBytes);
    try {
      for (const row of this.#pieces.push(bytes)) this.add(ms, row.bytes);
    } catch {
      // A row larger than the whole recording: what follows cannot be cut into rows any more.
      this.#isTruncated = true;
    }
    if (isBoundary) this.#pieces = null;
  }

  finish(ms: number, rows: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(this.#bytes + endBytes);
    bytes.set(magic);
    let at = magic.length;
    for (const [index, frame] of this.#frames.entries()) {
      at = bytes.writeUInt32BE(this.#times[index] ?? 0, at);
      bytes.set(frame, at);
      at += frame.length;
    }
    at = bytes.writeUInt32BE(Math.min(maxUint32, Math.max(0, Math.round(ms))), at);
    at = bytes.writeUInt8(endType, at);
    at = bytes.writeInt32BE(4 + 9, at);
    at = bytes.writeUInt32BE(this.#rowsShown, at);
    at = bytes.writeUInt32BE(Math.min(maxUint32, rows), at);
    bytes.writeUInt8(this.#isTruncated ? 1 : 0, at);
    return bytes;
  }
}

export type RecordedEvent =
  | { readonly kind: 'columns'; readonly ms: number; readonly names: readonly string[]; readonly binary: readonly boolean[] }
  | { readonly kind: 'row'; readonly ms: number; readonly values: readonly (Uint8Array | null)[] }
  | { readonly kind: 'copy'; readonly ms: number; readonly bytes: Uint8Array }
  | { readonly kind: 'complete'; readonly ms: number; readonly tag: string }
  | { readonly kind: 'error' | 'notice'; readonly ms: number; readonly severity: string; readonly code: string; readonly message: string };

export interface Recording {
  readonly events: readonly RecordedEvent[];
  readonly rows: number;
  readonly rowsShown: number;
  readonly isTruncated: boolean;
}

/** Pure. @throws SP_WIRE_MALFORMED when `bytes` are not a whole recording. */
export function decodeRecording(bytes: Uint8Array): Recording {
  const reader = new ByteReader(bytes);
  const head = reader.bytes(magic.length);
  if (!head.every((byte, index) => byte === magic[index])) throw new SallyportError('SP_WIRE_MALFORMED', 'not a recording');
  const events: RecordedEvent[] = [];
  for (;;) {
    const ms = reader.uint32();
    const type = reader.uint8();
    const body = new ByteReader(reader.bytes(reader.int32() - 4));
    if (type === endType) {
      const rowsShown = body.uint32();
      const rows = body.uint32();
      const isTruncated = body.uint8() === 1;
      body.end();
      reader.end();
      return { events, rows, rowsShown, isTruncated };
    }
    const event = decodeEvent(ms, type, body);
    if (event !== null) events.push(event);
  }
}

function decodeEvent(ms: number, type: number, body: ByteReader): RecordedEvent | null {
  switch (type) {
    case frameType.rowDescription: {
      const names: string[] = [];
      const binary: boolean[] = [];
      for (let left = body.uint16(); left > 0; left -= 1) {
        names.push(body.cString());
        body.bytes(16);
        binary.push(body.int16() === 1);
      }
      return { kind: 'columns', ms, names, binary };
    }
    case frameType.dataRow: {
      const values: (Uint8Array | null)[] = [];
      for (let left = body.uint16(); left > 0; left -= 1) {
        const length = body.int32();
        values.push(length === -1 ? null : body.bytes(length));
      }
      return { kind: 'row', ms, values };
    }
    case frameType.copyData:
      return { kind: 'copy', ms, bytes: body.rest() };
    case frameType.commandComplete:
      return { kind: 'complete', ms, tag: body.cString() };
    case frameType.error:
    case frameType.notice: {
      const fields = new Map<number, string>();
      for (let field = body.uint8(); field !== 0; field = body.uint8()) fields.set(field, body.cString());
      return {
        kind: type === frameType.error ? 'error' : 'notice',
        ms,
        severity: fields.get(0x53) ?? '',
        code: fields.get(0x43) ?? '',
        message: fields.get(0x4d) ?? '',
      };
    }
    default:
      return null;
  }
}
