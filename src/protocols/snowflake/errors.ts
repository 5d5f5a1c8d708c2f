// Our errors as Snowflake tells errors: HTTP 200, `success: false`, a code of Snowflake's own, an SQLSTATE. Never 4xx or 5xx, which
// drivers repeat without end. Message = what, why, what to do next. The table maps category; a few codes have a better one.

import type { Deny } from '../../core/decision.ts';
import { type Category, ERROR_CODES, type ErrorCode, SallyportError } from '../../core/error.ts';
import type { Facts, Unknown } from '../../core/facts.ts';
import type { SessionId } from '../../core/ids.ts';
import { isNothingElse, toldDenial } from '../../session/denial.ts';
import type { Held } from '../../session/gate.ts';
import { CODES, type Envelope, type JsonObject } from './protocol.ts';

export interface NativeCode {
  readonly code: string;
  readonly sqlState: string;
}

/** docs/protocols/snowflake.md lists the same rows (tested). */
export const NATIVE = {
  malformed: { code: '390400', sqlState: '08P01' },
  unsupported: { code: '000002', sqlState: '0A000' },
  identity: { code: '390100', sqlState: '28000' },
  denied: { code: '003001', sqlState: '42501' },
  cancelled: { code: '000604', sqlState: '57014' },
  limit: { code: '000603', sqlState: '53300' },
  audit: { code: '000603', sqlState: '58030' },
  upstream: { code: '000603', sqlState: '08006' },
  unavailable: { code: '000603', sqlState: '57P03' },
  config: { code: '000603', sqlState: 'F0000' },
  internal: { code: '000603', sqlState: 'XX000' },
} as const satisfies Record<Category, NativeCode>;

/** Codes that drivers and people know a better one for. A statement that ends with its session is told so by text: of a code that says
 *  that the session is gone some drivers show nothing. */
export const NATIVE_OF_CODE: Partial<Record<ErrorCode, NativeCode>> = {
  SP_AUTH_EXPIRED: { code: '000603', sqlState: '28000' },
  SP_AUTH_THROTTLED: { code: '390100', sqlState: '53300' },
  SP_TARGET_UNKNOWN: { code: '390100', sqlState: '28000' },
  SP_GRANT_ENDED: { code: '000603', sqlState: '28000' },
  SP_SHUTTING_DOWN: { code: '000603', sqlState: '57P01' },
  SP_POLICY_CHANGED: { code: '000603', sqlState: '57P01' },
  SP_SESSION_ENDED: { code: '000603', sqlState: '57P01' },
  SP_WIRE_TOO_LARGE: { code: '000603', sqlState: '54000' },
  SP_GRANT_ROWS: { code: '003001', sqlState: '53400' },
};

/** What was not understood, where Snowflake has a code for it that is not one of a denial. */
export const NATIVE_OF_UNKNOWN: Partial<Record<Unknown['code'], NativeCode>> = {
  syntax: { code: '001003', sqlState: '42000' },
  'too-large': { code: '001003', sqlState: '54000' },
  'too-deep': { code: '001003', sqlState: '54001' },
  relation: { code: '002003', sqlState: '42S02' },
  schema: { code: '002043', sqlState: '02000' },
  token: { code: '100132', sqlState: '22023' },
};

export function nativeOf(code: ErrorCode): NativeCode {
  return NATIVE_OF_CODE[code] ?? NATIVE[ERROR_CODES[code].category];
}

export interface NativeError extends NativeCode {
  readonly message: string;
}

/** @param queryId as the client knows it; null = it has none */
export function errorEnvelope({ code, sqlState, message }: NativeError, queryId: string | null = null, more: JsonObject = {}): Envelope {
  const data = { internalError: false, errorCode: code, age: 0, sqlState, queryId, line: -1, pos: -1, type: 'COMPILATION', ...more };
  return { success: false, code, message, data };
}

/** Public form of a fault: fixed texts only, never `fault.message`. */
export function nativeFault(fault: SallyportError, session: SessionId | null): NativeError {
  const { text, remedy } = ERROR_CODES[fault.code];
  return { ...nativeOf(fault.code), message: withSession(`sallyport: ${text} (${fault.code}). ${remedy}`, session) };
}

/** Explains a denial: what, reason and rules, what could not be proven, and what to do instead. */
export function nativeDenial(decision: Deny, facts: Facts, session: SessionId): NativeError {
  const { code, reason, text, remedy, unknown, why } = toldDenial(decision, facts);
  const native = unknown === undefined || !isNothingElse(unknown, decision) ? null : (NATIVE_OF_UNKNOWN[unknown.code] ?? null);
  const what = unknown === undefined ? (decision.say ?? text) : whatIsUnknown(unknown, native === null ? text : null);
  const message = withSession(`sallyport: ${sentence(what)} ${sentence(why)} ${remedy}`, session);
  return { ...(native ?? (reason === 'no-access' ? NATIVE.denied : nativeOf(code))), message };
}

/** @param denial public text of the denial that it is; null = it is none. */
function whatIsUnknown({ code, what, at }: Unknown, denial: string | null): string {
  const place = at === undefined ? '' : ` at character ${at}`;
  if (denial !== null) return `${denial}: ${code} ${what}${place}`;
  if (code === 'relation') return `Object '${what}' does not exist or not authorized`;
  return code === 'syntax' ? `${what}${place}` : `refused: ${what}${place}`;
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

function withSession(text: string, session: SessionId | null): string {
  return session === null ? text : `${text} Session ${session}.`;
}

/** What a poll of a held statement says; drivers do not show it, their logs do. */
export function heldMessage({ approval, approvers: { role, count }, say, expiresAtMs }: Held): string {
  const needs = `needs ${count} ${count === 1 ? 'approval' : 'approvals'} of role ${role}; expires ${new Date(expiresAtMs).toISOString()}`;
  return `sallyport: held for approval ${approval}.${say === null ? '' : ` ${say}`} ${needs}. Approve with: sallyport approvals approve ${approval}`;
}

/** The account's text may tell a protected value: its code and state stay, the text is ours. */
export function withheldMessage(session: SessionId): string {
  return withSession('sallyport: the statement failed; the message is withheld because protected data is involved.', session);
}

export function refusedFeature(what: string, remedy: string, session: SessionId | null): NativeError {
  return { ...NATIVE.unsupported, message: withSession(`sallyport: ${what}. ${remedy}`, session) };
}

/** The same for an id that there is not, and for one of somebody else's. */
export function noSuchQuery(queryId: string): NativeError {
  return { code: CODES.noSuchQuery, sqlState: '02000', message: `Statement ${queryId} not found` };
}

export const notExecuting: NativeError = {
  code: CODES.notExecuting,
  sqlState: '02000',
  message: 'Identified SQL statement is not currently executing.',
};

/** Why a session's token is not taken. Code 390112 makes every driver renew and send again. */
export const TOKEN_FAULTS = {
  expired: { code: CODES.sessionExpired, sqlState: '08001', message: 'Session token has expired, please re-authenticate.' },
  invalid: { code: CODES.sessionInvalid, sqlState: '08001', message: 'Session token is invalid, please re-authenticate.' },
  masterExpired: {
    code: CODES.masterExpired,
    sqlState: '08001',
    message: 'Authentication token has expired. The user must authenticate again.',
  },
} as const satisfies Record<string, NativeError>;

/** Any thrown value as a fault of ours. */
export function asFault(fault: unknown): SallyportError {
  return fault instanceof SallyportError ? fault : new SallyportError('SP_INTERNAL', 'unexpected fault', { cause: fault });
}
