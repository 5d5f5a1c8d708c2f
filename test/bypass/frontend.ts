// Messages that a client sends, written without the code of the gateway: what it reads wrong must not be sent wrong as well.
// SPEC: "Message Formats".

import type { Value } from './cases.ts';

export const cString = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf8');

function int16s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeInt16BE(value, index * 2);
  return bytes;
}

export const int16 = (value: number): Buffer => int16s(value);

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function frame(type: string, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from(type), int32(length), ...parts]);
}

/** StartupMessage of protocol 3.0. */
export function startup(parameters: Readonly<Record<string, string>>): Buffer {
  const body = Buffer.concat([int32(196_608), ...Object.entries(parameters).flatMap((pair) => pair.map(cString)), Buffer.from([0])]);
  return Buffer.concat([int32(body.length + 4), body]);
}

/** A parameter or argument with its length. */
export function valueOf(value: Value): Buffer {
  if (value === null) return int32(-1);
  const bytes = typeof value === 'object' ? Buffer.from(value.hex, 'hex') : Buffer.from(String(value));
  return Buffer.concat([int32(bytes.length), bytes]);
}

/** A count, and so many numbers. */
export const list16 = (values: readonly number[]): Buffer => int16s(values.length, ...values);

export const parse = (name: string, text: string, types: readonly number[] = []): Buffer =>
  frame('P', cString(name), cString(text), int16(types.length), ...types.map(int32));

export const bind = (
  portal: string,
  statement: string,
  params: readonly Value[] = [],
  formats: readonly number[] = [],
  results: readonly number[] = [],
): Buffer =>
  frame('B', cString(portal), cString(statement), list16(formats), int16(params.length), ...params.map(valueOf), list16(results));

export const byName = (type: 'D' | 'C', what: string, name: string): Buffer => frame(type, Buffer.from(what), cString(name));
export const execute = (portal: string, maxRows = 0): Buffer => frame('E', cString(portal), int32(maxRows));

/** One message as a case writes it: `["P", name, text, types?]`, `["B", portal, statement, params?, formats?, results?]`,
 *  `["D", "S" or "P", name]`, `["C", "S" or "P", name]`, `["E", portal, maxRows?]`, `["Q", text]`, `["H"]`, `["S"]`,
 *  `["d", data]`, `["c"]`, `["f", reason]`. */
export function messageOf([type, ...fields]: readonly unknown[]): Buffer {
  switch (type) {
    case 'P':
      return parse(...(fields as Parameters<typeof parse>));
    case 'B':
      return bind(...(fields as Parameters<typeof bind>));
    case 'D':
    case 'C':
      return byName(type, String(fields[0]), String(fields[1]));
    case 'E':
      return execute(...(fields as Parameters<typeof execute>));
    case 'Q':
    case 'f':
      return frame(type, cString(String(fields[0])));
    case 'd':
      return frame('d', Buffer.from(String(fields[0])));
    case 'H':
    case 'S':
    case 'c':
      return frame(type);
    default:
      throw new Error(`no such message in a case: ${String(type)}`);
  }
}
