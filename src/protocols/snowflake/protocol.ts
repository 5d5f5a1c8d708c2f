// Shapes of the drivers' protocol (v1 JSON): the envelope of every answer, the codes that steer drivers, and careful readers of JSON
// that others wrote. SPEC: docs/protocols/snowflake.md.

/** Every answer, also of errors, comes with HTTP status 200. */
export interface Envelope {
  readonly success: boolean;
  /** Six digits as text; null on success. */
  readonly code: string | null;
  readonly message: string | null;
  readonly data: JsonObject | null;
}

export type JsonObject = { readonly [name: string]: unknown };

/** Codes that drivers act on. */
export const CODES = {
  inProgress: '333333',
  inProgressAsync: '333334',
  sessionExpired: '390112',
  sessionInvalid: '390104',
  sessionGone: '390111',
  masterExpired: '390114',
  idTokenInvalid: '390195',
  oauthInvalid: '390303',
  oauthExpired: '390318',
  loginFailed: '390100',
  cancelled: '000604',
  notExecuting: '000605',
  noSuchQuery: '000709',
} as const;

/** Statement type of a text of several statements; its children have results of their own. */
export const MULTI_STATEMENT_TYPE = 40_960;

/** What clients think of the limits of the drivers' own features; sent instead of what Snowflake says. */
export const OVERRIDDEN_PARAMETERS: Readonly<Record<string, string | number | boolean>> = {
  CLIENT_TELEMETRY_ENABLED: false,
  // Above it drivers put binds into a stage, where nobody sees them.
  CLIENT_STAGE_ARRAY_BINDING_THRESHOLD: 2_147_483_647,
};

/** Of every session of the account, whatever the account or its user is set to: names mean what the gateway thinks. Without the second, a
 *  table that is dropped while a statement is on its way would be looked for in PUBLIC. */
export const PINNED_PARAMETERS: Readonly<Record<string, string | boolean>> = {
  QUOTED_IDENTIFIERS_IGNORE_CASE: false,
  SEARCH_PATH: '$current',
};

export const ok = (data: JsonObject | null = null): Envelope => ({ success: true, code: null, message: null, data });

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const objectAt = (value: JsonObject | null, name: string): JsonObject => {
  const found = value !== null && Object.hasOwn(value, name) ? value[name] : undefined;
  return isObject(found) ? found : {};
};

/** Null for anything that is no text, and for empty text. */
export const textAt = (value: JsonObject | null, name: string): string | null => {
  const found = value !== null && Object.hasOwn(value, name) ? value[name] : undefined;
  return typeof found === 'string' && found !== '' ? found : null;
};

export const numberAt = (value: JsonObject | null, name: string): number | null => {
  const found = value !== null && Object.hasOwn(value, name) ? value[name] : undefined;
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
};

/** @returns null for what is no envelope. */
export function envelopeOf(value: unknown): Envelope | null {
  if (!isObject(value) || typeof value['success'] !== 'boolean') return null;
  const { success, code, message, data } = value;
  return {
    success,
    code: typeof code === 'string' ? code : typeof code === 'number' ? String(code).padStart(6, '0') : null,
    message: typeof message === 'string' ? message : null,
    data: isObject(data) ? data : null,
  };
}

/** Ids of queries: what Snowflake gives, and what we give while it has not. */
export const isQueryId = (text: string): boolean => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
