// Which parameters of a Snowflake session, or of one statement, clients may set. What is not listed may move what names mean, where rows
// go or what is written down.

import { isHarmlessParameter } from '../../sql/snowflake/session-parameters.ts';
import { isObject, type JsonObject } from './protocol.ts';

/** Prefixes of what only drivers look at. */
const ofDrivers = /^(?:CLIENT|JDBC|ODBC|GO|JS|PYTHON_CONNECTOR|PYTHON_SNOWPARK|SNOWPARK|GCS)_[A-Z0-9_]{1,100}$/;

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
    if (!isScalar || (!isHarmlessParameter(upper) && !ofDrivers.test(upper)))
      return { refused: upper.replaceAll(/[^A-Z0-9_]/g, '?').slice(0, 63) };
    kept.push([upper, value]);
  }
  return { harmless: Object.fromEntries(kept) };
}
