// First packets of a connection: SSLRequest, GSSENCRequest, CancelRequest, StartupMessage, and what start-up
// parameters a client may set. Pure. SPEC: "Start-up", "Canceling Requests in Progress", "SSL Session Encryption".
// REFUSES: protocol majors other than 3, replication, settings that are not listed, encodings other than UTF-8.

import { SallyportError } from '../../core/error.ts';
import type { SessionId } from '../../core/ids.ts';
import { ByteReader } from '../../wire/byte-reader.ts';
import { ByteWriter } from '../../wire/byte-writer.ts';

export const PROTOCOL = { v3_0: 0x0003_0000, v3_2: 0x0003_0002 } as const;
const requestCode = { cancel: 80877102, ssl: 80877103, gssenc: 80877104 } as const;

/** PostgreSQL's own limit of a start-up packet. */
export const maxStartupBytes = 10_000;

export type FirstPacket =
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gssenc' }
  | { readonly kind: 'cancel'; readonly pid: number; readonly key: Uint8Array }
  | { readonly kind: 'startup'; readonly version: number; readonly parameters: ReadonlyMap<string, string> };

/** Length of the first packet once four bytes are there, or null. @throws SP_WIRE_TOO_LARGE, SP_WIRE_MALFORMED */
export function firstPacketLength(bytes: Uint8Array): number | null {
  if (bytes.length < 4) return null;
  const length = new ByteReader(bytes).uint32();
  if (length > maxStartupBytes) throw new SallyportError('SP_WIRE_TOO_LARGE', 'start-up packet over the limit');
  if (length < 8) throw new SallyportError('SP_WIRE_MALFORMED', 'start-up packet too short');
  return length;
}

/** @param packet exactly one packet, its length included. */
export function parseFirstPacket(packet: Uint8Array): FirstPacket {
  const reader = new ByteReader(packet);
  reader.uint32();
  const code = reader.uint32();
  switch (code) {
    case requestCode.ssl:
      reader.end();
      return { kind: 'ssl' };
    case requestCode.gssenc:
      reader.end();
      return { kind: 'gssenc' };
    case requestCode.cancel: {
      const pid = reader.int32();
      const key = reader.rest();
      if (key.length < 4 || key.length > 256) throw new SallyportError('SP_WIRE_MALFORMED', 'cancel key of impossible length');
      return { kind: 'cancel', pid, key };
    }
  }
  if (code >>> 16 !== 3) throw new SallyportError('SP_WIRE_UNSUPPORTED', 'protocol major version is not 3');
  const parameters = new Map<string, string>();
  for (let name = reader.cString(); name !== ''; name = reader.cString()) {
    if (parameters.has(name)) throw new SallyportError('SP_WIRE_MALFORMED', 'start-up parameter given twice');
    parameters.set(name, reader.cString());
  }
  reader.end();
  return { kind: 'startup', version: code, parameters };
}

export const sslRequest = (): Uint8Array => new ByteWriter(8).int32(8).uint32(requestCode.ssl).finish();

export const cancelRequest = (pid: number, key: Uint8Array): Uint8Array =>
  new ByteWriter(16)
    .int32(12 + key.length)
    .uint32(requestCode.cancel)
    .int32(pid)
    .bytes(key)
    .finish();

export function startupMessage(parameters: Iterable<readonly [string, string]>): Uint8Array {
  const writer = new ByteWriter(512);
  writer.int32(0).uint32(PROTOCOL.v3_0);
  for (const [name, value] of parameters) writer.cString(name).cString(value);
  writer.uint8(0);
  return writer.patchInt32(0, writer.length).finish();
}

/** `application_name` on the target: it leads to the session. */
export const targetApplication = (session: SessionId): string => `sallyport ${session}`;

/** Settings a client may choose at start-up, by lower-case name. Anything else is refused: a setting can move literal
 *  boundaries, the search path or what the server logs. */
export const STARTUP_SETTINGS: Readonly<Record<string, string>> = {
  datestyle: 'DateStyle',
  timezone: 'TimeZone',
  intervalstyle: 'IntervalStyle',
  extra_float_digits: 'extra_float_digits',
  bytea_output: 'bytea_output',
  statement_timeout: 'statement_timeout',
  lock_timeout: 'lock_timeout',
  idle_in_transaction_session_timeout: 'idle_in_transaction_session_timeout',
  default_transaction_read_only: 'default_transaction_read_only',
  default_transaction_isolation: 'default_transaction_isolation',
};

export interface StartupWishes {
  readonly user: string;
  /** Target name and, after a slash, the database the client believes it talks to. */
  readonly target: string;
  readonly database: string | null;
  readonly application: string;
  /** Settings to pass on, canonical names. */
  readonly settings: ReadonlyMap<string, string>;
  readonly version: number;
  /** `_pq_.` options that are not known. */
  readonly unknownOptions: readonly string[];
}

/** A start-up parameter that is refused: which one and what to do. Values are not in the message. */
export class StartupRefusal extends SallyportError {
  readonly parameter: string;
  readonly remedy: string;

  constructor(parameter: string, remedy: string) {
    super('SP_WIRE_UNSUPPORTED', 'start-up parameter is refused');
    this.parameter = parameter;
    this.remedy = remedy;
  }
}

/** The database asked for is no target, or none that the principal has access to: told alike. */
export class TargetRefusal extends SallyportError {
  /** The name as the client gave it, as it may be shown back. */
  readonly database: string;

  constructor(database: string, options?: { cause?: unknown }) {
    super('SP_TARGET_UNKNOWN', 'no such target, or no access to it', options);
    this.database = database.replaceAll(/[^\p{L}\p{N}_./ -]/gu, '?').slice(0, 63);
  }
}

/** @throws StartupRefusal */
export function readStartup(version: number, parameters: ReadonlyMap<string, string>): StartupWishes {
  const settings = new Map<string, string>();
  const unknownOptions: string[] = [];
  let application = '';
  for (const [name, value] of parameters) {
    const lower = name.toLowerCase();
    if (name.startsWith('_pq_.')) unknownOptions.push(name);
    else if (lower === 'user' || lower === 'database') continue;
    else if (lower === 'options') for (const [option, wish] of parseOptions(value)) addSetting(settings, option, wish);
    else if (lower === 'application_name') application = value;
    else if (lower === 'replication') {
      if (!['false', 'off', 'no', '0'].includes(value.toLowerCase())) {
        throw new StartupRefusal('replication', 'Replication does not pass the gateway.');
      }
    } else addSetting(settings, name, value);
  }
  const user = parameters.get('user') ?? '';
  if (user === '') throw new StartupRefusal('user', 'Give any user name; it is for display only.');
  const [target = '', ...rest] = (parameters.get('database') ?? user).split('/');
  return {
    user,
    target,
    database: rest.length === 0 ? null : rest.join('/'),
    application,
    settings,
    version,
    unknownOptions,
  };
}

function addSetting(settings: Map<string, string>, name: string, value: string): void {
  const lower = name.toLowerCase();
  if (lower === 'client_encoding') {
    const encoding = value.replaceAll(/['"\s_-]/g, '').toLowerCase();
    if (encoding !== 'utf8' && encoding !== 'unicode') {
      throw new StartupRefusal('client_encoding', 'Set client_encoding to UTF8 (PGCLIENTENCODING=UTF8).');
    }
    return;
  }
  if (lower === 'application_name') return;
  if (lower === 'standard_conforming_strings' && ['on', 'true', 'yes', '1'].includes(value.toLowerCase())) return;
  const canonical = STARTUP_SETTINGS[lower];
  if (canonical === undefined)
    throw new StartupRefusal(printable(name), 'Remove this parameter; the gateway sets it or does not allow it.');
  settings.set(canonical, value);
}

/** `-c name=value` and `--name=value`, as a server's command line; backslash escapes the next character. */
export function parseOptions(text: string): [string, string][] {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === '\\') {
      at += 1;
      word = (word ?? '') + text.charAt(at);
    } else word = (word ?? '') + char;
  }
  if (word !== null) words.push(word);

  const settings: [string, string][] = [];
  for (let at = 0; at < words.length; at += 1) {
    const current = words[at] ?? '';
    let assignment: string;
    if (current === '-c') {
      at += 1;
      assignment = words[at] ?? '';
    } else if (current.startsWith('-c')) assignment = current.slice(2);
    else if (current.startsWith('--')) assignment = current.slice(2);
    else throw new StartupRefusal('options', 'Only -c name=value of listed settings is understood in options.');
    const equals = assignment.indexOf('=');
    if (equals <= 0) throw new StartupRefusal('options', 'Only -c name=value of listed settings is understood in options.');
    settings.push([assignment.slice(0, equals).replaceAll('-', '_'), assignment.slice(equals + 1)]);
  }
  return settings;
}

/** A parameter name as it may be shown: short, printable. */
function printable(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_.]/g, '?').slice(0, 63);
}
