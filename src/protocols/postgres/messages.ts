// Frames <-> typed messages of the PostgreSQL frontend/backend protocol 3.0-3.2.
// SPEC: PostgreSQL 18, "Frontend/Backend Protocol", "Message Formats". Client messages are parsed in full; of the
// upstream's only those whose content matters. REFUSES: what is not in `CLIENT_MESSAGES`, and any trailing byte.

import { SallyportError } from '../../core/error.ts';
import { ByteReader } from '../../wire/byte-reader.ts';
import { ByteWriter } from '../../wire/byte-writer.ts';
import type { Frame } from '../../wire/framer.ts';

/** Every message a client may send after the start-up phase. docs/protocols/postgres.md lists the same rows (tested). */
export const CLIENT_MESSAGES = {
  Q: { name: 'Query', treatment: 'gated' },
  P: { name: 'Parse', treatment: 'gated' },
  B: { name: 'Bind', treatment: 'gated' },
  D: { name: 'Describe', treatment: 'forwarded' },
  E: { name: 'Execute', treatment: 'gated' },
  C: { name: 'Close', treatment: 'forwarded' },
  H: { name: 'Flush', treatment: 'forwarded' },
  S: { name: 'Sync', treatment: 'forwarded' },
  d: { name: 'CopyData', treatment: 'forwarded' },
  c: { name: 'CopyDone', treatment: 'forwarded' },
  f: { name: 'CopyFail', treatment: 'forwarded' },
  F: { name: 'FunctionCall', treatment: 'refused' },
  X: { name: 'Terminate', treatment: 'ends the session' },
} as const satisfies Record<string, { name: string; treatment: 'gated' | 'forwarded' | 'refused' | 'ends the session' }>;

/** Messages that run nothing, or only up to the next Sync: when one of them fails, those behind it are skipped up to there. */
const EXTENDED = new Set([...'PBDEC'].map((letter) => letter.charCodeAt(0)));
/** What is looked at even while messages are skipped. */
const NEVER_SKIPPED = new Set([...'SX'].map((letter) => letter.charCodeAt(0)));

export function isExtended(type: number): boolean {
  return EXTENDED.has(type);
}

/** Skipped unread up to the next Sync, as the target does. An unknown type never is. */
export function isSkippable(type: number): boolean {
  return Object.hasOwn(CLIENT_MESSAGES, String.fromCharCode(type)) && !NEVER_SKIPPED.has(type);
}

/** Code of a one-letter message type. */
export function typeCode(letter: string): number {
  return letter.charCodeAt(0);
}

/** Upstream message types by letter, as numbers for the hot path. */
export const UPSTREAM = {
  authentication: typeCode('R'),
  backendKeyData: typeCode('K'),
  bindComplete: typeCode('2'),
  closeComplete: typeCode('3'),
  commandComplete: typeCode('C'),
  copyBothResponse: typeCode('W'),
  copyData: typeCode('d'),
  copyDone: typeCode('c'),
  copyInResponse: typeCode('G'),
  copyOutResponse: typeCode('H'),
  dataRow: typeCode('D'),
  emptyQueryResponse: typeCode('I'),
  errorResponse: typeCode('E'),
  negotiateProtocolVersion: typeCode('v'),
  noData: typeCode('n'),
  noticeResponse: typeCode('N'),
  notificationResponse: typeCode('A'),
  parameterDescription: typeCode('t'),
  parameterStatus: typeCode('S'),
  parseComplete: typeCode('1'),
  portalSuspended: typeCode('s'),
  readyForQuery: typeCode('Z'),
  rowDescription: typeCode('T'),
} as const;

export type TransactionStatus = 'I' | 'T' | 'E';

export type ClientMessage =
  | { readonly kind: 'query'; readonly text: string }
  | { readonly kind: 'parse'; readonly name: string; readonly text: string; readonly parameterTypes: readonly number[] }
  | {
      readonly kind: 'bind';
      readonly portal: string;
      readonly statement: string;
      /** Parameter formats and values exactly as sent; identifies the parameters of an approval. */
      readonly parameterBytes: Uint8Array;
      /** Length of each value; NULL is 0. */
      readonly parameterLengths: readonly number[];
    }
  | { readonly kind: 'describe' | 'close'; readonly what: 'statement' | 'portal'; readonly name: string }
  | { readonly kind: 'execute'; readonly portal: string; readonly maxRows: number }
  | { readonly kind: 'flush' | 'sync' | 'copy-data' | 'copy-done' | 'copy-fail' | 'function-call' | 'terminate' };

/** @throws SP_WIRE_MALFORMED for a body that does not fit its type, SP_WIRE_UNEXPECTED for an unknown type. */
export function parseClientMessage(frame: Frame): ClientMessage {
  const body = new ByteReader(frame.body);
  switch (String.fromCharCode(frame.type)) {
    case 'Q': {
      const text = body.cString();
      body.end();
      return { kind: 'query', text };
    }
    case 'P': {
      const name = body.cString();
      const text = body.cString();
      const parameterTypes: number[] = [];
      for (let left = body.uint16(); left > 0; left -= 1) parameterTypes.push(body.uint32());
      body.end();
      return { kind: 'parse', name, text, parameterTypes };
    }
    case 'B':
      return parseBind(frame.body, body);
    case 'D':
      return { kind: 'describe', ...parseNamed(body) };
    case 'C':
      return { kind: 'close', ...parseNamed(body) };
    case 'E': {
      const portal = body.cString();
      const maxRows = body.int32();
      body.end();
      return { kind: 'execute', portal, maxRows };
    }
    case 'H':
      body.end();
      return { kind: 'flush' };
    case 'S':
      body.end();
      return { kind: 'sync' };
    case 'd':
      return { kind: 'copy-data' };
    case 'c':
      body.end();
      return { kind: 'copy-done' };
    case 'f':
      body.cString();
      body.end();
      return { kind: 'copy-fail' };
    case 'F':
      return { kind: 'function-call' };
    case 'X':
      return { kind: 'terminate' };
    default:
      throw new SallyportError('SP_WIRE_UNEXPECTED', 'unknown client message type');
  }
}

function parseBind(bytes: Uint8Array, body: ByteReader): ClientMessage {
  const portal = body.cString();
  const statement = body.cString();
  const start = body.position;
  readFormats(body);
  const parameterLengths: number[] = [];
  for (let left = body.uint16(); left > 0; left -= 1) {
    const length = body.int32();
    if (length < -1) throw new SallyportError('SP_WIRE_MALFORMED', 'negative length');
    if (length > 0) body.bytes(length);
    parameterLengths.push(Math.max(0, length));
  }
  const end = body.position;
  readFormats(body);
  body.end();
  return { kind: 'bind', portal, statement, parameterBytes: bytes.subarray(start, end), parameterLengths };
}

function readFormats(body: ByteReader): void {
  for (let left = body.uint16(); left > 0; left -= 1) {
    const format = body.int16();
    if (format !== 0 && format !== 1) throw new SallyportError('SP_WIRE_MALFORMED', 'unknown format code');
  }
}

function parseNamed(body: ByteReader): { what: 'statement' | 'portal'; name: string } {
  const letter = String.fromCharCode(body.uint8());
  const name = body.cString();
  body.end();
  if (letter === 'S') return { what: 'statement', name };
  if (letter === 'P') return { what: 'portal', name };
  throw new SallyportError('SP_WIRE_MALFORMED', 'neither statement nor portal');
}

/** Origin of a result column as the upstream reports it; 0 = an expression. */
export interface ResultColumn {
  readonly name: string;
  readonly tableOid: number;
  readonly attnum: number;
}

export function parseRowDescription(body: Uint8Array): ResultColumn[] {
  const reader = new ByteReader(body);
  const columns: ResultColumn[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1) {
    const name = reader.cString();
    const tableOid = reader.uint32();
    const attnum = reader.int16();
    reader.bytes(12);
    columns.push({ name, tableOid, attnum });
  }
  reader.end();
  return columns;
}

/** Values of a DataRow in text format. Only for our own catalogue queries: client rows are never parsed. */
export function parseTextRow(body: Uint8Array): (string | null)[] {
  const reader = new ByteReader(body);
  const values: (string | null)[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1) {
    const length = reader.int32();
    values.push(length === -1 ? null : reader.text(length));
  }
  reader.end();
  return values;
}

/** Fields of an ErrorResponse or NoticeResponse by letter. */
export function parseFields(body: Uint8Array): Map<string, string> {
  const reader = new ByteReader(body);
  const fields = new Map<string, string>();
  for (let field = reader.uint8(); field !== 0; field = reader.uint8()) fields.set(String.fromCharCode(field), reader.cString());
  reader.end();
  return fields;
}

export function parseParameterStatus(body: Uint8Array): { name: string; value: string } {
  const reader = new ByteReader(body);
  const name = reader.cString();
  const value = reader.cString();
  reader.end();
  return { name, value };
}

/** Status of a ReadyForQuery. @throws SP_UPSTREAM_PROTOCOL */
export function parseStatus(body: Uint8Array): TransactionStatus {
  const status = String.fromCharCode(body[0] ?? 0);
  if (body.length !== 1 || (status !== 'I' && status !== 'T' && status !== 'E')) {
    throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'unknown transaction status');
  }
  return status;
}

/** Builds one typed message. */
export function message(letter: string, build?: (body: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  writer.uint8(typeCode(letter)).int32(0);
  build?.(writer);
  return writer.patchInt32(1, writer.length - 1).finish();
}

export function fieldsMessage(letter: 'E' | 'N', fields: Iterable<readonly [string, string]>): Uint8Array {
  return message(letter, (body) => {
    for (const [field, value] of fields) body.uint8(typeCode(field)).cString(value);
    body.uint8(0);
  });
}

/** Written by hand: every rewritten statement passes here. */
export function queryMessage(text: string): Uint8Array {
  const textBytes = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(textBytes + 6);
  bytes[0] = typeCode('Q');
  bytes.writeInt32BE(textBytes + 5, 1);
  bytes.write(text, 5);
  bytes[textBytes + 5] = 0;
  return bytes;
}

export const parseMessage = (name: string, text: string, parameterTypes: readonly number[]): Uint8Array =>
  message('P', (body) => {
    body.cString(name).cString(text).int16(parameterTypes.length);
    for (const oid of parameterTypes) body.uint32(oid);
  });

/** Ends COPY FROM STDIN with an error of the target, which says `reason`. */
export const copyFailMessage = (reason: string): Uint8Array => message('f', (body) => body.cString(reason));

/** Bind with text parameters, Execute and Sync of a prepared statement, through the unnamed portal. */
export const executeMessages = (statement: string, parameters: readonly string[]): Uint8Array =>
  Buffer.concat([
    message('B', (body) => {
      body.cString('').cString(statement).int16(0).int16(parameters.length);
      for (const parameter of parameters) body.int32(Buffer.byteLength(parameter)).bytes(Buffer.from(parameter));
      body.int16(0);
    }),
    message('E', (body) => body.cString('').int32(0)),
    message('S'),
  ]);

export const readyForQuery = (status: TransactionStatus): Uint8Array => message('Z', (body) => body.uint8(typeCode(status)));

export const parameterStatus = (name: string, value: string): Uint8Array => message('S', (body) => body.cString(name).cString(value));

export const authenticationCleartextPassword = (): Uint8Array => message('R', (body) => body.int32(3));
export const authenticationOk = (): Uint8Array => message('R', (body) => body.int32(0));

export const backendKeyData = (pid: number, key: Uint8Array): Uint8Array => message('K', (body) => body.int32(pid).bytes(key));

export const negotiateProtocolVersion = (version: number, options: readonly string[]): Uint8Array =>
  message('v', (body) => {
    body.int32(version).int32(options.length);
    for (const option of options) body.cString(option);
  });
