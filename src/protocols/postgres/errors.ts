// Our errors as PostgreSQL ErrorResponse and NoticeResponse messages. The table maps category to SQLSTATE; a few codes
// have a better one. Message = what, DETAIL = reason codes and rules, HINT = what to do and the session id.

import type { Deny } from '../../core/decision.ts';
import { type Category, ERROR_CODES, type ErrorCode, SallyportError } from '../../core/error.ts';
import type { Facts, Unknown } from '../../core/facts.ts';
import type { SessionId } from '../../core/ids.ts';
import { isNothingElse, toldDenial } from '../../session/denial.ts';
import { UNKNOWN_NAME } from '../../sql/resolve.ts';
import { fieldsMessage } from './messages.ts';

/** docs/protocols/postgres.md lists the same rows (tested). */
export const SQLSTATE = {
  malformed: '08P01',
  unsupported: '0A000',
  identity: '28000',
  denied: '42501',
  cancelled: '57014',
  limit: '53300',
  audit: '58030',
  upstream: '08006',
  unavailable: '57P03',
  config: 'F0000',
  internal: 'XX000',
} as const satisfies Record<Category, string>;

/** Codes that PostgreSQL clients know a better SQLSTATE for. */
export const SQLSTATE_OF_CODE: Partial<Record<ErrorCode, string>> = {
  SP_AUTH_INVALID_TOKEN: '28P01',
  SP_TARGET_UNKNOWN: '3D000',
  SP_SHUTTING_DOWN: '57P01',
  SP_POLICY_CHANGED: '57P01',
  SP_SESSION_ENDED: '57P01',
  SP_WIRE_TOO_LARGE: '54000',
  SP_ROW_TOO_LARGE: '54000',
  SP_WIRE_TIMEOUT: '57P05',
  SP_UPSTREAM_UNREACHABLE: '08001',
  SP_GRANT_ROWS: '53400',
};

/** What was not understood, where PostgreSQL has a SQLSTATE for it that is not one of a denial. */
export const SQLSTATE_OF_UNKNOWN: Partial<Record<Unknown['code'], string>> = {
  syntax: '42601',
  'too-large': '54000',
  'too-deep': '54001',
  relation: '42P01',
  schema: '3F000',
  token: '22023',
};

export function sqlstateOf(code: ErrorCode): string {
  return SQLSTATE_OF_CODE[code] ?? SQLSTATE[ERROR_CODES[code].category];
}

export interface NativeError {
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Where in the client's text, in characters from 1. */
  readonly position?: number;
}

export function errorMessage(severity: 'ERROR' | 'FATAL', error: NativeError): Uint8Array {
  return fieldsMessage('E', fieldsOf(severity, error));
}

export function noticeMessage(notice: NativeError): Uint8Array {
  return fieldsMessage('N', fieldsOf('NOTICE', notice));
}

function fieldsOf(severity: string, error: NativeError): [string, string][] {
  const fields: [string, string][] = [
    ['S', severity],
    ['V', severity],
    ['C', error.sqlstate],
    ['M', clean(error.message)],
  ];
  if (error.detail !== undefined && error.detail !== '') fields.push(['D', clean(error.detail)]);
  if (error.hint !== undefined && error.hint !== '') fields.push(['H', clean(error.hint)]);
  if (error.position !== undefined) fields.push(['P', String(error.position)]);
  return fields;
}

function clean(text: string): string {
  return text.replaceAll('\0', '');
}

/** Public form of a fault: fixed texts only, never `fault.message`. */
export function nativeFault(fault: SallyportError, session: SessionId | null): NativeError {
  const { text, remedy } = ERROR_CODES[fault.code];
  return { sqlstate: sqlstateOf(fault.code), message: `sallyport: ${text}`, detail: fault.code, hint: withSession(remedy, session) };
}

/** Explains a denial: reason, rules, what could not be proven, and what to do instead. */
export function nativeDenial(decision: Deny, facts: Facts, session: SessionId): NativeError {
  const { code, reason, text, remedy, unknown, why } = toldDenial(decision, facts);
  const state = unknown === undefined || !isNothingElse(unknown, decision) ? undefined : SQLSTATE_OF_UNKNOWN[unknown.code];
  return {
    sqlstate: state ?? (reason === 'no-access' ? SQLSTATE.denied : sqlstateOf(code)),
    message: `sallyport: ${unknown === undefined ? (decision.say ?? text) : whatIsUnknown(unknown, state === undefined ? text : null)}`,
    detail: why,
    hint: withSession(remedy, session),
    ...(unknown?.at === undefined ? {} : { position: unknown.at }),
  };
}

/** @param denial public text of the denial that it is; null = it is none. */
function whatIsUnknown({ code, what, at }: Unknown, denial: string | null): string {
  if (denial !== null) return `${denial}: ${code} ${what}`;
  if (code === 'syntax') return at === undefined ? what : `${what} at character ${at}`;
  if (code !== 'relation') return `refused: ${what}`;
  return what === UNKNOWN_NAME ? 'a relation of the statement does not exist' : `relation "${what}" does not exist`;
}

export function withSession(remedy: string, session: SessionId | null): string {
  return session === null ? remedy : `${remedy} Session ${session}.`;
}

/** Data of COPY FROM holds a token, which would be stored as it is. */
export function tokenInCopy(session: SessionId): NativeError {
  return {
    sqlstate: SQLSTATE_OF_UNKNOWN.token ?? SQLSTATE.denied,
    message: 'sallyport: refused: a token in the data of COPY',
    hint: withSession('It would be stored as it is: use INSERT, with tokens as constants or parameters.', session),
  };
}

export function noStatement(name: string): NativeError {
  return {
    sqlstate: '26000',
    message: name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist`,
  };
}

export function noPortal(name: string): NativeError {
  return { sqlstate: '34000', message: `portal "${name}" does not exist` };
}

/** The frame is whole: the session goes on behind the next Sync. */
export function malformedMessage(session: SessionId): NativeError {
  return {
    sqlstate: sqlstateOf('SP_WIRE_MALFORMED'),
    message: `sallyport: ${ERROR_CODES.SP_WIRE_MALFORMED.text}`,
    detail: 'SP_WIRE_MALFORMED',
    hint: withSession('Check the client; messages up to the next Sync are skipped.', session),
  };
}

/** SQLSTATE and text are the target's own for this case: drivers know them and prepare again. */
export const stalePlan: NativeError = {
  sqlstate: '0A000',
  message: 'cached plan must not change result type',
  hint: 'sallyport: the policy or the schema has changed; prepare the statement again.',
};

/** Nothing of it has reached the target. */
export function cancelledBeforeSent(session: SessionId): NativeError {
  return {
    sqlstate: sqlstateOf('SP_REQUEST_CANCELLED'),
    message: 'sallyport: the statement was cancelled by the client',
    detail: 'It was cancelled before it was sent to the target.',
    hint: withSession(ERROR_CODES.SP_REQUEST_CANCELLED.remedy, session),
  };
}

/** The statement was cancelled for it. */
export function rowTooLarge(maxRowBytes: number, session: SessionId): NativeError {
  const { text, remedy } = ERROR_CODES.SP_ROW_TOO_LARGE;
  return {
    sqlstate: sqlstateOf('SP_ROW_TOO_LARGE'),
    message: `sallyport: ${text} (${maxRowBytes} bytes)`,
    detail: 'The statement was cancelled. SP_ROW_TOO_LARGE',
    hint: withSession(remedy, session),
  };
}

export const tooManyPrepared: NativeError = {
  sqlstate: '53400',
  message: 'sallyport: too many prepared statements and portals',
  hint: 'Close or DEALLOCATE some.',
};

export function refusedFunctionCall(session: SessionId): NativeError {
  return {
    sqlstate: SQLSTATE.unsupported,
    message: 'sallyport: fast-path function calls are not supported',
    hint: withSession('Call the function in a SELECT.', session),
  };
}

/** Any thrown value as a fault of ours. */
export function asFault(fault: unknown): SallyportError {
  return fault instanceof SallyportError ? fault : new SallyportError('SP_INTERNAL', 'unexpected fault', { cause: fault });
}
