// Rows of an answer as the recording has them (wire/pg-recording.ts): PostgreSQL's RowDescription and DataRow in text form, so that one
// player shows what clients of every protocol saw. Made of the masked cells.

import { civilOf, DAY_SECONDS } from '../../../masking/index.ts';
import { ByteWriter } from '../../../wire/byte-writer.ts';
import type { RecordingWriter } from '../../../wire/pg-recording.ts';
import { instantOf } from './cell.ts';
import type { ColumnPlan } from './columns.ts';
import type { SnowflakeRow } from './query-data.ts';

/** Takes an answer for its recording. Rows come in the order in which clients fetch them. */
export interface RowSink {
  /** How much of the answer is still wanted; asked before rows are made into frames. */
  readonly wanted: { readonly rows: number; readonly bytes: number };
  /** One whole RowDescription. */
  columns(frame: Uint8Array): void;
  /** Whole DataRows, one after the other. */
  rows(frames: Uint8Array): void;
}

/** @param elapsedMs since the statement was let through */
export function recordTo(writer: RecordingWriter, limits: RowSink['wanted'], elapsedMs: () => number): RowSink {
  let { rows, bytes } = limits;
  return {
    get wanted() {
      return { rows, bytes };
    },
    columns(frame) {
      bytes -= frame.length;
      writer.add(elapsedMs(), frame);
    },
    rows(frames) {
      bytes -= frames.length;
      for (let at = 0; at < frames.length; rows -= 1) {
        const end = at + 1 + new DataView(frames.buffer, frames.byteOffset + at + 1, 4).getInt32(0);
        writer.add(elapsedMs(), frames.subarray(at, end));
        at = end;
      }
    },
  };
}

const TEXT_OID = 25;
const VARIABLE_LENGTH = -1;
const NO_MODIFIER = -1;

export function rowDescription(columns: readonly Pick<ColumnPlan, 'name'>[]): Uint8Array {
  const writer = new ByteWriter().uint8(0x54).int32(0).int16(columns.length);
  for (const { name } of columns) {
    writer.cString(name.replaceAll('\0', '')).int32(0).int16(0).int32(TEXT_OID).int16(VARIABLE_LENGTH).int32(NO_MODIFIER).int16(0);
  }
  return writer.patchInt32(1, writer.length - 1).finish();
}

/** Makes frames of rows as long as any are wanted. */
export class RowCollector {
  readonly #columns: readonly ColumnPlan[];
  readonly #frames: Uint8Array[] = [];
  #rows: number;
  #bytes: number;

  constructor(columns: readonly ColumnPlan[], wanted: RowSink['wanted']) {
    this.#columns = columns;
    this.#rows = wanted.rows;
    this.#bytes = wanted.bytes;
  }

  get isOpen(): boolean {
    return this.#rows > 0 && this.#bytes > 0;
  }

  row(cells: SnowflakeRow): void {
    const writer = new ByteWriter().uint8(0x44).int32(0).int16(cells.length);
    for (const [index, column] of this.#columns.entries()) {
      const cell = cells[index] ?? null;
      if (cell === null) {
        writer.int32(-1);
        continue;
      }
      const bytes = Buffer.from(shownText(column, cell), 'utf8');
      writer.int32(bytes.length).bytes(bytes);
    }
    const frame = writer.patchInt32(1, writer.length - 1).finish();
    this.#rows -= 1;
    this.#bytes -= frame.length;
    this.#frames.push(frame);
  }

  /** What was made since it was asked last. */
  drain(): Uint8Array {
    const frames = Buffer.concat(this.#frames);
    this.#frames.length = 0;
    return frames;
  }
}

const pad = (value: number, length = 2): string => String(value).padStart(length, '0');

function dateText(days: number): string {
  const { year, month, day } = civilOf(days);
  return `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
}

function timeText(seconds: number, nanos: number, digits: number): string {
  const fraction = digits === 0 ? '' : `.${pad(nanos, 9).slice(0, digits)}`;
  return `${pad(Math.floor(seconds / 3600))}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}${fraction}`;
}

/** As people read it; a cell that cannot be read so stays as it is. */
export function shownText({ type, family }: Pick<ColumnPlan, 'type' | 'family'>, cell: string): string {
  switch (family) {
    case 'boolean':
      return cell === '1' || cell === 'true' ? 't' : 'f';
    case 'binary':
      return `\\x${cell.toLowerCase()}`;
    case 'date':
      return /^-?\d{1,9}$/.test(cell) ? dateText(Number(cell)) : cell;
    case 'time':
    case 'timestamp': {
      const instant = instantOf(cell);
      if (instant === null) return cell;
      const minutes = instant.zone ?? 0;
      const local = instant.seconds + 60 * minutes;
      const days = Math.floor(local / DAY_SECONDS);
      const time = timeText(local - days * DAY_SECONDS, instant.nanos, instant.digits);
      if (family === 'time') return time;
      const zone = `${minutes < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(minutes) / 60))}${minutes % 60 === 0 ? '' : `:${pad(Math.abs(minutes) % 60)}`}`;
      return `${dateText(days)} ${time}${type === 'timestamp_ntz' ? '' : zone}`;
    }
    default:
      return cell;
  }
}
