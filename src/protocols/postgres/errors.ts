// Our errors as PostgreSQL ErrorResponse and NoticeResponse messages. The table maps category to SQLSTATE; a few codes
// have a better one. Message = what, DETAIL = reason codes and rules, HINT = what to do and the session id.

import type { Deny, ReasonCode } from '../../core/decision.ts';
import { type Category, ERROR_CODES, type ErrorCode, SallyportError } from '../../core/error.ts';
import type { Facts } from '../../core/facts.ts';
import type { SessionId } from '../../core/ids.ts';
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
  SP_WIRE_TOO_LARGE: '54000',
  SP_WIRE_TIMEOUT: '57P05',
  SP_UPSTREAM_UNREACHABLE: '08001',
};

export function sqlstateOf(code: ErrorCode): string {
  return SQLSTATE_OF_CODE[code] ?? SQLSTATE[ERROR_CODES[code].category];
}

export interface NativeError {
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
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

/** How a denial for each reason is told. */
const denialCode = {
  rule: 'SP_REQUEST_DENIED',
  'no-access': 'SP_TARGET_UNKNOWN',
  'effect-not-granted': 'SP_REQUEST_DENIED',
  'not-understood': 'SP_REQUEST_NOT_UNDERSTOOD',
  'policy-error': 'SP_REQUEST_DENIED',
  predicate: 'SP_REQUEST_DENIED',
  'approval-denied': 'SP_APPROVAL_DENIED',
  'approval-expired': 'SP_APPROVAL_EXPIRED',
  'approval-void': 'SP_APPROVAL_VOID',
  cancelled: 'SP_REQUEST_CANCELLED',
  'shutting-down': 'SP_SHUTTING_DOWN',
  unavailable: 'SP_STORE_UNAVAILABLE',
} as const satisfies Record<ReasonCode, ErrorCode>;

/** Explains a denial: reason, rules, what could not be proven, and what to do instead. */
export function nativeDenial(decision: Deny, facts: Facts, session: SessionId): NativeError {
  const reason = decision.reasons[0] ?? 'policy-error';
  const code = denialCode[reason];
  const { text, remedy } = ERROR_CODES[code];
  const unknown = reason === 'not-understood' ? facts.unknowns[0] : undefined;
  const what = unknown === undefined ? (decision.say ?? text) : `${text}: ${unknown.code} ${unknown.what}`;
  const details = [`reasons: ${decision.reasons.join(', ')}`];
  if (decision.rules.length > 0) details.push(`rules: ${decision.rules.join(', ')}`);
  if (facts.unknowns.length > 1) details.push(`not understood: ${facts.unknowns.map((item) => `${item.code} ${item.what}`).join(', ')}`);
  return {
    sqlstate: reason === 'no-access' ? SQLSTATE.denied : sqlstateOf(code),
    message: `sallyport: ${what}`,
    detail: details.join('; '),
    hint: withSession(unknown?.remedy ?? remedy, session),
  };
}

export function withSession(remedy: string, session: SessionId | null): string {
  return session === null ? remedy : `${remedy} Session ${session}.`;
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

/** SQLSTATE and text are the target's own for this case: drivers know them and prepare again. */
export const stalePlan: NativeError = {
  sqlstate: '0A000',
  message: 'cached plan must not change result type',
  hint: 'sallyport: the policy or the schema has changed; prepare the statement again.',
};

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
