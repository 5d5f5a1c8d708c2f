// The little of DER (ITU-T X.690) that RFC 3161 messages need: definite lengths, single-byte tags.
// REFUSES: everything else, and whatever does not fill its frame.

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  octets: 0x04,
  null: 0x05,
  oid: 0x06,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
} as const;

export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly raw: Buffer;
}

export function encode(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  if (length > 0xffff) throw new RangeError('too long for a request');
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

/** The elements that fill `bytes`; null when they do not. */
export function decodeAll(bytes: Buffer): Element[] | null {
  const elements: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1] ?? 0xff;
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if ((tag & 0x1f) === 0x1f || first === 0x80 || lengthBytes > 3 || at + 2 + lengthBytes > bytes.length) return null;
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    if (start + length > bytes.length) return null;
    elements.push({ tag, content: bytes.subarray(start, start + length), raw: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return elements;
}

/** What is inside of an element of this tag; null for any other. */
export function inside(element: Element | undefined, tag: number): Element[] | null {
  return element?.tag === tag ? decodeAll(element.content) : null;
}
