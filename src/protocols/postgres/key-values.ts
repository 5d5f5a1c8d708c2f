// Values of keys on the wire, as text: parameters, columns of rows, lines of COPY. Only for statements that touch a subject of the
// configuration. REFUSES, by null: every form that it cannot tell the value of.

import type { KeyFamily } from '../../core/facts.ts';
import { canonicalKey } from '../../core/subject-value.ts';
import { arrayElements } from '../../sql/subject-values.ts';
import { ByteReader } from '../../wire/byte-reader.ts';

export interface WireValue {
  readonly bytes: Uint8Array;
  readonly isBinary: boolean;
  /** OID; 0 = the target works it out. */
  readonly type: number;
}

const INT2 = 21;
const INT4 = 23;
const INT8 = 20;
const NUMERIC = 1700;
const UUID = 2950;
const BPCHAR = 1042;
/** Unknown, text, varchar, char(n). */
const TEXTS: ReadonlySet<number> = new Set([705, 25, 1043, BPCHAR]);
const ARRAYS: Readonly<Record<number, number>> = {
  1005: INT2,
  1007: INT4,
  1016: INT8,
  1231: NUMERIC,
  2951: UUID,
  1009: 25,
  1015: 1043,
  1014: BPCHAR,
};
const NUMBERS: ReadonlySet<number> = new Set([INT2, INT4, INT8, NUMERIC]);
const MAX_KEY_BYTES = 4096;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What `SubjectIndex.digest` takes; null = it cannot be told. */
export function keyOf(value: WireValue, family: KeyFamily): string | null {
  const text = value.bytes.length > MAX_KEY_BYTES || !isExact(value.type, family) ? null : textOf(value, family);
  // char(n) is compared without the blanks at its end.
  return text === null ? null : canonicalKey(value.type === BPCHAR && family === 'text' ? 'padded' : family, text);
}

/** Values of the type are compared with keys of the family as they are written: floats are rounded, and names are cut. */
function isExact(type: number, family: KeyFamily): boolean {
  if (type === 0 || type === 705) return true;
  if (family === 'uuid') return type === UUID;
  return (family === 'number' || family === 'integer' ? NUMBERS : TEXTS).has(type);
}

/** Of all elements of an array that are not NULL; null = one of them cannot be told. */
export function keysOf({ bytes, isBinary, type }: WireValue, family: KeyFamily): readonly string[] | null {
  const elementType = type === 0 ? 0 : ARRAYS[type];
  const elements = elementType === undefined ? null : isBinary ? binaryElements(bytes) : textElements(bytes, elementType);
  const keys = elements?.map((element) => keyOf(element, family)) ?? [null];
  return keys.every((key) => key !== null) ? keys : null;
}

function textOf({ bytes, isBinary, type }: WireValue, family: KeyFamily): string | null {
  if (!isBinary || TEXTS.has(type)) return utf8(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isInteger = type === 0 && (family === 'number' || family === 'integer');
  switch (bytes.length) {
    case 2:
      if (type === INT2 || isInteger) return String(view.getInt16(0));
      break;
    case 4:
      if (type === INT4 || isInteger) return String(view.getInt32(0));
      break;
    case 8:
      if (type === INT8) return String(view.getBigInt64(0));
      break;
    case 16:
      if (type === UUID || (type === 0 && family === 'uuid')) return Buffer.from(bytes).toString('hex');
  }
  if (type === NUMERIC) return numericText(view);
  return type === 0 && (family === 'text' || family === 'padded') ? utf8(bytes) : null;
}

/** SPEC: `numeric_send`: digits of base 10,000 from weight downwards. */
function numericText(view: DataView): string | null {
  if (view.byteLength < 8) return null;
  const count = view.getUint16(0);
  const weight = view.getInt16(2);
  const sign = view.getUint16(4);
  if ((sign !== 0 && sign !== 0x4000) || view.byteLength !== 8 + 2 * count) return null;
  let digits = '';
  for (let index = 0; index < count; index += 1) digits += String(view.getUint16(8 + 2 * index)).padStart(4, '0');
  return `${sign === 0 ? '' : '-'}${digits || '0'}e${4 * (weight + 1 - count)}`;
}

/** @param type of an element */
function textElements(bytes: Uint8Array, type: number): readonly WireValue[] | null {
  const text = utf8(bytes);
  const elements = text === null ? null : arrayElements(text);
  return elements?.map((each) => ({ bytes: Buffer.from(each), isBinary: false, type })) ?? null;
}

/** SPEC: `array_recv`. */
function binaryElements(bytes: Uint8Array): readonly WireValue[] | null {
  const reader = new ByteReader(bytes);
  const found: WireValue[] = [];
  try {
    const dimensions = reader.int32();
    if (dimensions < 0 || dimensions > 6) return null;
    reader.bytes(4);
    const type = reader.uint32();
    reader.bytes(8 * dimensions);
    while (reader.remaining > 0) {
      const length = reader.int32();
      if (length !== -1) found.push({ bytes: reader.bytes(length), isBinary: true, type });
    }
    return found;
  } catch {
    return null;
  }
}

/** Fields of one line of COPY TO in its default text or CSV form; null for NULL.
 *  @returns null for what is no whole line of that form */
export function copyFields(line: Uint8Array, form: 'text' | 'csv'): readonly (string | null)[] | null {
  const text = utf8(line);
  if (text === null || !text.endsWith('\n')) return null;
  return form === 'text' ? textFields(text.slice(0, -1)) : csvFields(text.slice(0, -1));
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function textFields(line: string): readonly (string | null)[] | null {
  if (line.includes('\n')) return null;
  return line
    .split('\t')
    .map((field) => (field === '\\N' ? null : field.replaceAll(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter)));
}

function csvFields(line: string): readonly (string | null)[] | null {
  const fields: (string | null)[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\n\r]*))(,|$)/gy;
  for (;;) {
    const match = field.exec(line);
    if (match === null) return null;
    const [, quoted, bare = '', end] = match;
    fields.push(quoted === undefined ? bare || null : quoted.replaceAll('""', '"'));
    if (end === '') return fields;
  }
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}
