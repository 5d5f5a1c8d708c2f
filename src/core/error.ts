// One error class and one closed table of codes. `message` is for operators; a client gets the code's public
// text, the session id and a remedy. Neither ever holds data of a statement or a result.

/** Adapters map each category to their own wire error with `satisfies Record<Category, ...>`. */
export const CATEGORIES = [
  'malformed',
  'unsupported',
  'identity',
  'denied',
  'cancelled',
  'limit',
  'audit',
  'upstream',
  'unavailable',
  'config',
  'internal',
] as const;
export type Category = (typeof CATEGORIES)[number];

interface CodeFacts {
  readonly category: Category;
  readonly retriable: boolean;
  /** Fixed text a client may see. */
  readonly text: string;
  /** Fixed remedy a client may see. */
  readonly remedy: string;
}

const code = (category: Category, retriable: boolean, text: string, remedy: string): CodeFacts => ({
  category,
  retriable,
  text,
  remedy,
});

export const ERROR_CODES = {
  SP_WIRE_MALFORMED: code('malformed', false, 'malformed protocol message', 'Check the client; the connection is closed.'),
  SP_WIRE_TOO_LARGE: code('limit', false, 'protocol message is too large', 'Send smaller statements or parameters.'),
  SP_WIRE_UNEXPECTED: code(
    'malformed',
    false,
    'protocol message is not valid in this state',
    'Check the client; the connection is closed.',
  ),
  SP_WIRE_UNSUPPORTED: code(
    'unsupported',
    false,
    'protocol feature is not supported by the gateway',
    'See docs/protocols for what is understood.',
  ),
  SP_WIRE_TIMEOUT: code('limit', true, 'the client was silent for too long', 'Connect again.'),
  SP_TLS_REQUIRED: code('identity', false, 'TLS is required', 'Connect with sslmode=verify-full and the gateway CA.'),
  SP_AUTH_INVALID_TOKEN: code('identity', false, 'the token was not accepted', 'Get a new token from your identity provider.'),
  SP_AUTH_UNAVAILABLE: code('unavailable', true, 'the identity provider cannot be reached', 'Try again later.'),
  SP_AUTH_EXPIRED: code('identity', true, 'the identity has expired', 'Connect again with a new token.'),
  SP_AUTH_THROTTLED: code(
    'limit',
    true,
    'too many log-ins have failed; the next one has to wait',
    'Wait a minute; check the token and the name of the target.',
  ),
  SP_TARGET_UNKNOWN: code(
    'denied',
    false,
    'no such target, or no access to it',
    'Use the name of a target you have access to as database (PostgreSQL) or account (Snowflake).',
  ),
  SP_SESSION_LIMIT: code('limit', true, 'too many sessions', 'Close other sessions and try again.'),
  SP_ROW_TOO_LARGE: code(
    'limit',
    false,
    'a row of the answer is over limits.maxRowBytes of the gateway',
    'Select fewer or smaller columns, or parts of them, or ask the operator to raise the limit.',
  ),
  SP_REQUEST_DENIED: code('denied', false, 'denied by policy', 'Ask your privacy officer, or change the statement.'),
  SP_REQUEST_NOT_UNDERSTOOD: code('denied', false, 'the statement is not provably safe', 'Simplify the statement.'),
  SP_CLIENT_LOST: code('cancelled', true, 'the connection to the client was lost', 'Connect and send the statement again.'),
  SP_REQUEST_CANCELLED: code('cancelled', true, 'the held statement was cancelled', 'Send it again if it is still needed.'),
  SP_APPROVAL_DENIED: code('denied', false, 'a reviewer denied the statement', 'Talk to the reviewer.'),
  SP_APPROVAL_EXPIRED: code('cancelled', true, 'nobody approved the statement in time', 'Send it again, or ask a reviewer first.'),
  SP_APPROVAL_VOID: code('cancelled', true, 'the approval no longer applies', 'Send the statement again.'),
  SP_APPROVAL_NOT_FOUND: code('denied', false, 'no such approval', 'List approvals to see what is pending.'),
  SP_APPROVAL_CONFLICT: code('denied', false, 'the approval cannot be answered', 'List approvals to see its state.'),
  SP_GRANT_NOT_FOUND: code('denied', false, 'no such grant', 'List grants to see which there are.'),
  SP_GRANT_CONFLICT: code('denied', false, 'the grant is not in a state for this', 'List grants to see its state.'),
  SP_GRANT_REFUSED: code('denied', false, 'this access is not offered to you', 'See what you can ask for: sallyport grants offers.'),
  SP_GRANT_ENDED: code('identity', true, 'the access that this session was opened under has ended', 'Connect again; ask for access again.'),
  SP_GRANT_SCOPE: code(
    'denied',
    false,
    'the statement is outside the scope of your grant',
    'Stay within its tables and effects, ask for access that covers them, or give the grant back and connect again.',
  ),
  SP_GRANT_ROWS: code(
    'limit',
    true,
    'the rows per hour of your grant are used up',
    'Wait, ask for fewer rows, or ask for access with a higher limit.',
  ),
  SP_SESSION_ENDED: code(
    'unavailable',
    true,
    'the session was ended by an operator, or by whom it belongs to',
    'Ask the operator of the gateway before you connect again.',
  ),
  SP_POLICY_CHANGED: code('unavailable', true, 'the policy has changed what this session may do or see', 'Connect again.'),
  SP_POLICY_CONFLICT: code(
    'denied',
    false,
    'the policy in force is not the one that was expected',
    'Look at what is in force now: sallyport policy history.',
  ),
  SP_POLICY_VERSION_UNKNOWN: code('denied', false, 'no such policy version', 'List the versions: sallyport policy history.'),
  SP_LOCKED: code('denied', false, 'access is locked', 'Talk to the operator of the gateway.'),
  SP_AUDIT_UNWRITABLE: code(
    'audit',
    true,
    'the audit log cannot be written; traffic is stopped',
    'Ask the operator to restore the audit log.',
  ),
  SP_AUDIT_ENTRY_INVALID: code('internal', false, 'internal fault of the gateway', 'Report this with the session id.'),
  SP_AUDIT_ENTRY_TOO_LARGE: code('limit', false, 'the statement is too large to be recorded', 'Send a smaller statement.'),
  SP_AUDIT_CORRUPT: code('audit', false, 'the audit log is damaged', 'Ask the operator; run sallyport audit verify.'),
  SP_AUDIT_ROLLED_BACK: code(
    'audit',
    false,
    'the audit log is shorter than, or another than, the one that its anchors saw',
    'Ask the operator; see docs/anchors.md.',
  ),
  SP_UNSEAL_NOT_APPROVED: code(
    'denied',
    false,
    'sealed payloads are given out for an approved request only',
    'Ask with sallyport unseal; a second person approves with sallyport unseals approve.',
  ),
  SP_SUBJECT_UNKNOWN: code(
    'denied',
    false,
    'no target of this name has such a subject',
    'List them with sallyport subject ls; the operator configures them (targets[].subjects).',
  ),
  SP_DATA_DIR_LOCKED: code('config', false, 'another gateway uses this data directory', 'Stop it, or use another data directory.'),
  SP_STORE_UNAVAILABLE: code('unavailable', true, 'the state store cannot be used', 'Ask the operator.'),
  SP_UPSTREAM_UNREACHABLE: code('upstream', true, 'the target cannot be reached', 'Try again later.'),
  SP_UPSTREAM_AUTH: code('upstream', false, 'the target refused the credential of the gateway', 'Ask the operator.'),
  SP_UPSTREAM_LOST: code('upstream', true, 'the connection to the target was lost', 'Connect again.'),
  SP_UPSTREAM_PROTOCOL: code('upstream', false, 'the target sent something that is not understood', 'Ask the operator.'),
  SP_MASK_TRIPWIRE: code(
    'internal',
    false,
    'a protected column was about to leave unmasked; the session was ended',
    'Report this to the operator.',
  ),
  SP_LINEAGE_DISAGREEMENT: code(
    'internal',
    false,
    'the answer does not have the columns that were planned for; nothing of it was passed',
    'Name the columns one by one, or report this to the operator.',
  ),
  SP_CATALOGUE_UNAVAILABLE: code('upstream', true, 'the catalogue of the target cannot be read', 'Try again later.'),
  SP_SHUTTING_DOWN: code('unavailable', true, 'the gateway is shutting down', 'Connect again.'),
  SP_API_BAD_REQUEST: code('malformed', false, 'the request is not valid', 'See the API description.'),
  SP_API_NOT_FOUND: code('denied', false, 'no such thing, or you may not see it', 'List what you can see first.'),
  SP_API_RATE_LIMITED: code('limit', true, 'too many requests', 'Wait a minute and try again.'),
  SP_API_FORBIDDEN: code('denied', false, 'your roles do not allow this', 'Ask a colleague who has the role.'),
  SP_API_CROSS_SITE: code('denied', false, 'the request was not made by the console itself', 'Open the console and try again there.'),
  SP_CONFIG_INVALID: code('config', false, 'the configuration is not valid', 'Fix the faults listed.'),
  SP_INTERNAL: code('internal', false, 'internal fault of the gateway', 'Report this with the session id.'),
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

export class SallyportError extends Error {
  readonly code: ErrorCode;

  /** @param message for operators; must not hold data of statements or results. */
  constructor(errorCode: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SallyportError';
    this.code = errorCode;
  }

  get category(): Category {
    return ERROR_CODES[this.code].category;
  }

  get retriable(): boolean {
    return ERROR_CODES[this.code].retriable;
  }
}
