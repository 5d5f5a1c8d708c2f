// Tokens among bound parameters, in text and in binary format: checked where the statement takes them, replaced by the token
// that stands for the same value today, and refused where they would be stored as they are. What is recorded stays what the
// client has sent. Nothing is looked at unless the plan asks for it.
// REFUSES: what it cannot read to the end, and tokens under a type whose text the target would make of other bytes.

import type { Unknown } from '../../core/facts.ts';
import { checkToken, type PlanTokens, strayToken, type TokenParameter, type TokenPlace, type Tokens } from '../../sql/token-values.ts';
import { ByteReader } from '../../wire/byte-reader.ts';
import type { ClientMessage } from './messages.ts';
import { message as buildMessage } from './messages.ts';

type Bind = Extract<ClientMessage, { kind: 'bind' }>;

/** `bytes`: the message to forward. */
export type BoundTokens = { readonly bytes: Uint8Array } | { readonly refused: Unknown };

const binary = 1;
/** Types whose binary format is their text: unspecified, text, varchar, char, name, unknown. And arrays of them. */
const textTypes: ReadonlySet<number> = new Set([0, 25, 1043, 1042, 19, 705]);
const arrayTypes: ReadonlySet<number> = new Set([0, 1009, 1015, 1014, 1003, 705]);
const UUID_BYTES = 16;

interface Value {
  readonly bytes: Uint8Array | null;
  readonly format: number;
  readonly type: number;
}

/** @param frameBytes the whole Bind message. @param types as Parse gave them; 0 or absent = unspecified */
export function bindTokens(bind: Bind, frameBytes: Uint8Array, types: readonly number[], asked: PlanTokens, tokens: Tokens): BoundTokens {
  const { values, formatBytes } = readValues(bind.parameterBytes, types);
  const places = new Map<number, TokenParameter[]>();
  for (const place of asked.parameters) places.set(place.number - 1, [...(places.get(place.number - 1) ?? []), place]);
  const sent: (Uint8Array | null)[] = [];
  for (const [index, value] of values.entries()) {
    const mine = places.get(index);
    if (mine === undefined && asked.refusesOthers && value.bytes !== null && tokens.holdsToken(latin1(value.bytes))) {
      return { refused: strayToken('') };
    }
    const checked = checkValue(value, mine ?? [], tokens);
    if (checked !== null && 'refused' in checked) return checked;
    sent.push(checked === null ? null : checked.bytes);
  }
  if (sent.every((bytes, index) => bytes === values[index]?.bytes)) return { bytes: frameBytes };
  return { bytes: rebuilt(bind, frameBytes, formatBytes, sent) };
}

/** @returns null for NULL. */
function checkValue({ bytes, format, type }: Value, places: readonly TokenPlace[], tokens: Tokens): BoundTokens | null {
  if (bytes === null) return null;
  let sent = bytes;
  for (const place of places) {
    const isKnown = (place.isArray === true ? arrayTypes : textTypes).has(type);
    // Another type may make a token of bytes that are none, or have one further on.
    if (!isKnown && tokens.holdsToken(latin1(bytes))) return { refused: strayToken(place.column) };
    const checked =
      place.isArray === true && format === binary ? checkElements(sent, place, tokens) : checkText(sent, format, place, tokens);
    if ('refused' in checked) return checked;
    sent = checked.bytes;
  }
  return { bytes: sent };
}

function checkText(bytes: Uint8Array, format: number, place: TokenPlace, tokens: Tokens): BoundTokens {
  const isUuid = place.inside === true && format === binary && bytes.length === UUID_BYTES;
  const text = isUuid ? uuidText(bytes) : utf8(bytes);
  // Not UTF-8: the target refuses it as a text, and no token is in it.
  if (text === null) return tokens.holdsToken(latin1(bytes)) ? { refused: strayToken(place.column) } : { bytes };
  const checked = checkToken(text, place, tokens);
  if ('refused' in checked) return checked;
  return { bytes: checked.text === text ? bytes : Buffer.from(checked.text, 'utf8') };
}

/** SPEC: `array_recv`: dimensions, flags, element type; for each dimension its size and lower bound; then the elements. */
function checkElements(bytes: Uint8Array, place: TokenPlace, tokens: Tokens): BoundTokens {
  const { isArray: _ofArrays, ...element } = place;
  const reader = new ByteReader(bytes);
  const parts: Uint8Array[] = [];
  let isChanged = false;
  try {
    const dimensions = reader.int32();
    if (dimensions < 0 || dimensions > 6) return { refused: strayToken(place.column) };
    reader.bytes(8 + 8 * dimensions);
    parts.push(bytes.subarray(0, reader.position));
    while (reader.remaining > 0) {
      const length = reader.int32();
      const own = length === -1 ? null : reader.bytes(length);
      const checked = own === null ? null : checkText(own, binary, element, tokens);
      if (checked !== null && 'refused' in checked) return checked;
      const sent = checked === null ? null : checked.bytes;
      isChanged ||= sent !== own;
      parts.push(int32(sent === null ? -1 : sent.length), sent ?? new Uint8Array());
    }
  } catch {
    return { refused: strayToken(place.column) };
  }
  return { bytes: isChanged ? Buffer.concat(parts) : bytes };
}

function readValues(parameterBytes: Uint8Array, types: readonly number[]): { values: Value[]; formatBytes: Uint8Array } {
  const reader = new ByteReader(parameterBytes);
  const formats: number[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1) formats.push(reader.int16());
  const formatBytes = parameterBytes.subarray(0, reader.position);
  const values: Value[] = [];
  const count = reader.uint16();
  for (let index = 0; index < count; index += 1) {
    const length = reader.int32();
    // One format is for all; none at all means text.
    const format = (formats.length === 1 ? formats[0] : formats[index]) ?? 0;
    values.push({ bytes: length === -1 ? null : reader.bytes(length), format, type: types[index] ?? 0 });
  }
  return { values, formatBytes };
}

/** The same Bind with other values. */
function rebuilt(bind: Bind, frameBytes: Uint8Array, formatBytes: Uint8Array, values: readonly (Uint8Array | null)[]): Uint8Array {
  const head = 5 + Buffer.byteLength(bind.portal) + 1 + Buffer.byteLength(bind.statement) + 1;
  const tail = frameBytes.subarray(head + bind.parameterBytes.length);
  return buildMessage('B', (body) => {
    body.bytes(frameBytes.subarray(5, head)).bytes(formatBytes).int16(values.length);
    for (const value of values) body.int32(value === null ? -1 : value.length).bytes(value ?? new Uint8Array());
    body.bytes(tail);
  });
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const uuidText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
