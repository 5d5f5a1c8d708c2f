// Parameters of a session that the account tells at log-in and with every answer.

const defaults: Readonly<Record<string, string | number | boolean>> = {
  AUTOCOMMIT: true,
  BINARY_OUTPUT_FORMAT: 'HEX',
  CLIENT_CONSENT_CACHE_ID_TOKEN: false,
  CLIENT_DISABLE_INCIDENTS: true,
  CLIENT_ENABLE_LOG_INFO_STATEMENT_PARAMETERS: false,
  CLIENT_FORCE_PROTECT_ID_TOKEN: true,
  CLIENT_HONOR_CLIENT_TZ_FOR_TIMESTAMP_NTZ: true,
  CLIENT_MEMORY_LIMIT: 1536,
  CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX: false,
  CLIENT_METADATA_USE_SESSION_DATABASE: false,
  CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED: false,
  CLIENT_PREFETCH_THREADS: 4,
  CLIENT_RESULT_CHUNK_SIZE: 160,
  CLIENT_RESULT_COLUMN_CASE_INSENSITIVE: false,
  CLIENT_RESULT_PREFETCH_SLOTS: 2,
  CLIENT_RESULT_PREFETCH_THREADS: 1,
  CLIENT_SESSION_CLONE: false,
  CLIENT_SESSION_KEEP_ALIVE: false,
  CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY: 3600,
  CLIENT_STAGE_ARRAY_BINDING_THRESHOLD: 65_280,
  CLIENT_TELEMETRY_ENABLED: true,
  CLIENT_TIMESTAMP_TYPE_MAPPING: 'TIMESTAMP_LTZ',
  CLIENT_USE_V1_QUERY_API: true,
  DATE_OUTPUT_FORMAT: 'YYYY-MM-DD',
  JDBC_TREAT_DECIMAL_AS_INT: true,
  JS_TREAT_INTEGER_AS_BIGINT: false,
  QUERY_CONTEXT_CACHE_SIZE: 5,
  TIMESTAMP_LTZ_OUTPUT_FORMAT: '',
  TIMESTAMP_NTZ_OUTPUT_FORMAT: 'YYYY-MM-DD HH24:MI:SS.FF3',
  TIMESTAMP_OUTPUT_FORMAT: 'YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM',
  TIMESTAMP_TZ_OUTPUT_FORMAT: '',
  TIMEZONE: 'UTC',
  TIME_OUTPUT_FORMAT: 'HH24:MI:SS',
};

/** With what the client gave. */
export function toldParameters(given: ReadonlyMap<string, string>): { name: string; value: unknown }[] {
  const typed = (name: string, value: string): unknown => {
    if (typeof defaults[name] === 'boolean') return /^true$/i.test(value);
    return typeof defaults[name] === 'number' ? Number(value) : value;
  };
  const all = new Map<string, unknown>(Object.entries(defaults));
  for (const [name, value] of given) all.set(name, typed(name, value));
  return [...all].map(([name, value]) => ({ name, value }));
}
