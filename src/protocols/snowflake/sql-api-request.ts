// Requests of the SQL API, read: whose token, which target, which statement. Pure. SPEC: docs/protocols/snowflake.md, "SQL API".
// REFUSES: key-pair tokens, fields and flags that are not known, and what the drivers' statements are refused for.

import { Secret } from '../../core/secret.ts';
import { SallyportError } from '../../core/error.ts';
import { NATIVE, type NativeError } from './errors.ts';
import { CODES, isObject, type JsonObject, objectAt } from './protocol.ts';
import { readStatement, type StatementRequest } from './statement-request.ts';

/** What a session of the account is begun with; names as it takes them. */
export interface ApiContext {
  readonly database: string | null;
  readonly schema: string | null;
  readonly warehouse: string | null;
  readonly role: string | null;
}

export interface ApiStatement {
  readonly asked: StatementRequest;
  readonly context: ApiContext;
  /** Nothing that it does to its session is seen by another statement. */
  readonly isAlone: boolean;
}

export interface ApiFlags {
  /** Null: the client has none. */
  readonly requestId: string | null;
  readonly isAsync: boolean;
  /** NULL is written as this text; null = as NULL. */
  readonly nulls: string | null;
  readonly partition: number;
}

const invalidJwt = '390144';
const maxTimeoutS = 604_800;
const maxNameChars = 255;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const fields = new Set('statement timeout database schema warehouse role bindings parameters resultSetMetaData'.split(' '));
/** One statement that leaves its session as it was. Everything else gets a session of its own. */
const sharing = /^\s*(?:SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|INSERT|UPDATE|DELETE|MERGE)\b/i;

/** @param type header `X-Snowflake-Authorization-Token-Type` */
export function bearerOf(authorization: string | undefined, type: string | readonly string[] | undefined): Secret | NativeError {
  const kind = typeof type === 'string' ? type.trim().toUpperCase() : type === undefined ? '' : null;
  if (kind === 'KEYPAIR_JWT') {
    return unauthorised(invalidJwt, 'key-pair tokens are not taken: only the gateway has keys of the account');
  }
  if (kind !== '' && kind !== 'OAUTH' && kind !== 'PROGRAMMATIC_ACCESS_TOKEN')
    return unauthorised(CODES.oauthInvalid, 'a token of this type is not taken');
  const token = /^Bearer +([!-~]{1,16384})$/i.exec(authorization ?? '')?.[1];
  return token === undefined ? unauthorised(CODES.oauthInvalid, 'the request brings no bearer token') : new Secret(token);
}

/** @param path target in the path
 *  @param header `Snowflake-Account` @param only the one target of the gateway; null = it has several
 *  @throws SP_WIRE_MALFORMED */
export function targetOf(path: string | null, header: string | readonly string[] | undefined, only: string | null): string {
  if (header !== undefined && typeof header !== 'string') throw malformed('Snowflake-Account is given twice');
  const [inPath, inHeader] = [path?.toLowerCase() ?? null, header?.trim().toLowerCase() ?? null];
  if (inPath !== null && inHeader !== null && inPath !== inHeader) throw malformed('two targets are named');
  const named = inPath ?? inHeader ?? only;
  if (named === null || named === '' || named.length > maxNameChars) {
    throw malformed('name the target: /t/<target>/api/v2/statements, or the header Snowflake-Account');
  }
  return named;
}

/** @throws SP_WIRE_MALFORMED */
export function readFlags(query: URLSearchParams): ApiFlags {
  const requestId = query.get('requestId');
  if (requestId !== null && !uuid.test(requestId)) throw malformed('requestId is no UUID');
  const partition = query.get('partition') ?? '0';
  if (!/^\d{1,9}$/.test(partition)) throw malformed('partition is no number');
  flag(query, 'retry');
  return {
    requestId: requestId?.toLowerCase() ?? null,
    isAsync: flag(query, 'async') ?? false,
    nulls: flag(query, 'nullable') === false ? 'null' : null,
    partition: Number(partition),
  };
}

/** @throws SP_WIRE_MALFORMED, SP_WIRE_TOO_LARGE */
export function readApiStatement(body: JsonObject, isAsync: boolean): ApiStatement | NativeError {
  const unknown = Object.keys(body).find((name) => !fields.has(name));
  if (unknown !== undefined) throw malformed(`the field ${unknown.replaceAll(/[^A-Za-z0-9_]/g, '?').slice(0, 63)} is not known`);
  const format = objectAt(body, 'resultSetMetaData')['format'];
  if (format !== undefined && format !== 'json' && format !== 'jsonv2') throw malformed('results are given as jsonv2 only');
  const { statement, bindings, parameters = null, timeout = null } = body;
  if (parameters !== null && !isObject(parameters)) throw malformed('parameters is no object');
  const asked = readStatement(
    {
      sqlText: statement,
      bindings,
      parameters: { ...parameters, ...(timeout === null ? {} : { STATEMENT_TIMEOUT_IN_SECONDS: secondsOf(timeout) }) },
      asyncExec: isAsync,
    },
    1,
  );
  if ('code' in asked) return asked;
  const context = {
    database: nameAt(body, 'database'),
    schema: nameAt(body, 'schema'),
    warehouse: nameAt(body, 'warehouse'),
    role: nameAt(body, 'role'),
  };
  // A change that is not committed by itself belongs to nobody else's statement.
  const isAlone = asked.statements !== 1 || !sharing.test(asked.text) || Object.hasOwn(asked.parameters, 'AUTOCOMMIT');
  return { asked, context, isAlone };
}

/** 0 = as long as there is. */
function secondsOf(timeout: unknown): number {
  if (typeof timeout !== 'number' || !Number.isInteger(timeout) || timeout < 0 || timeout > maxTimeoutS) {
    throw malformed(`timeout is not between 0 and ${maxTimeoutS}`);
  }
  return timeout === 0 ? maxTimeoutS : timeout;
}

/** Names are told case by case here, and as identifiers to the account. */
function nameAt(body: JsonObject, field: string): string | null {
  const name = Object.hasOwn(body, field) ? body[field] : null;
  if (name === null || name === undefined || name === '') return null;
  if (typeof name !== 'string' || name.length > maxNameChars) throw malformed(`${field} is no name`);
  return /^[A-Z_][A-Z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function flag(query: URLSearchParams, name: string): boolean | null {
  const value = query.get(name)?.toLowerCase() ?? null;
  if (value !== null && value !== 'true' && value !== 'false') throw malformed(`${name} is neither true nor false`);
  return value === null ? null : value === 'true';
}

const unauthorised = (code: string, what: string): NativeError => ({
  code,
  sqlState: NATIVE.identity.sqlState,
  message: `sallyport: ${what}. Send Authorization: Bearer with a token of your identity provider.`,
});

/** The text is fixed and may be shown. */
export class ApiMalformed extends SallyportError {
  constructor(message: string) {
    super('SP_WIRE_MALFORMED', message);
  }
}

const malformed = (what: string): ApiMalformed => new ApiMalformed(what);
