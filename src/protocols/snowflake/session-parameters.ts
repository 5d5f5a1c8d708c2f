// Which parameters of a Snowflake session, or of one statement, clients may set. What is not listed may move what names mean, where rows
// go or what is written down.

import { isObject, type JsonObject } from './protocol.ts';

/** Prefixes of what only drivers look at. */
const ofDrivers = /^(?:CLIENT|JDBC|ODBC|GO|JS|PYTHON_CONNECTOR|PYTHON_SNOWPARK|SNOWPARK|GCS)_[A-Z0-9_]{1,100}$/;

const harmless: ReadonlySet<string> = new Set([
  'ABORT_DETACHED_QUERY',
  'AUTOCOMMIT',
  'BINARY_INPUT_FORMAT',
  'BINARY_OUTPUT_FORMAT',
  'DATE_INPUT_FORMAT',
  'DATE_OUTPUT_FORMAT',
  'ERROR_ON_NONDETERMINISTIC_MERGE',
  'ERROR_ON_NONDETERMINISTIC_UPDATE',
  'GEOGRAPHY_OUTPUT_FORMAT',
  'GEOMETRY_OUTPUT_FORMAT',
  'JSON_INDENT',
  'LOCK_TIMEOUT',
  'QUERY_CONTEXT_CACHE_SIZE',
  'ROWS_PER_RESULTSET',
  'STATEMENT_QUEUED_TIMEOUT_IN_SECONDS',
  'STATEMENT_TIMEOUT_IN_SECONDS',
  'STRICT_JSON_OUTPUT',
  'TIME_INPUT_FORMAT',
  'TIME_OUTPUT_FORMAT',
  'TIMESTAMP_DAY_IS_ALWAYS_24H',
  'TIMESTAMP_INPUT_FORMAT',
  'TIMESTAMP_LTZ_OUTPUT_FORMAT',
  'TIMESTAMP_NTZ_OUTPUT_FORMAT',
  'TIMESTAMP_OUTPUT_FORMAT',
  'TIMESTAMP_TYPE_MAPPING',
  'TIMESTAMP_TZ_OUTPUT_FORMAT',
  'TIMEZONE',
  'TRANSACTION_ABORT_ON_ERROR',
  'TRANSACTION_DEFAULT_ISOLATION_LEVEL',
  'TWO_DIGIT_CENTURY_START',
  'UNSUPPORTED_DDL_ACTION',
  'USE_CACHED_RESULT',
  'WEEK_OF_YEAR_POLICY',
  'WEEK_START',
]);

/** Set by the gateway itself; what a client says is not listened to. */
const ours: ReadonlySet<string> = new Set([
  'QUERY_TAG',
  'MULTI_STATEMENT_COUNT',
  'CLIENT_TELEMETRY_ENABLED',
  'CLIENT_STAGE_ARRAY_BINDING_THRESHOLD',
]);

const maxParameters = 200;

/** @returns those to pass on, or the first that may not be set, as it may be shown. */
export function harmlessParameters(given: JsonObject): { readonly harmless: JsonObject } | { readonly refused: string } {
  const entries = Object.entries(given);
  if (entries.length > maxParameters) return { refused: 'of so many' };
  const kept: [string, unknown][] = [];
  for (const [name, value] of entries) {
    const upper = name.toUpperCase();
    if (ours.has(upper)) continue;
    const isScalar = value === null || (!isObject(value) && !Array.isArray(value));
    if (!isScalar || (!harmless.has(upper) && !ofDrivers.test(upper)))
      return { refused: upper.replaceAll(/[^A-Z0-9_]/g, '?').slice(0, 63) };
    kept.push([upper, value]);
  }
  return { harmless: Object.fromEntries(kept) };
}
