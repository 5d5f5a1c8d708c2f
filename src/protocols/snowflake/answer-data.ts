// `data` of answers on their way to a client: only fields that are known to carry nothing but what they say. Places and keys of a
// storage never pass.

import { type JsonObject, OVERRIDDEN_PARAMETERS, isObject, textAt } from './protocol.ts';

const passing: ReadonlySet<string> = new Set([
  'rowtype',
  'rowset',
  'rowsetBase64',
  'chunks',
  'chunkHeaders',
  'total',
  'returned',
  'queryId',
  'databaseProvider',
  'finalDatabaseName',
  'finalSchemaName',
  'finalWarehouseName',
  'finalRoleName',
  'numberOfBinds',
  'arrayBindSupported',
  'metaDataOfBinds',
  'statementTypeId',
  'version',
  'sendResultTime',
  'queryResultFormat',
  'queryContext',
  'sqlState',
  'stats',
  'resultIds',
  'resultTypes',
  'asyncResult',
  'asyncRunning',
]);

/** What only answers to PUT and GET have: credentials and keys of a stage. */
const ofStages = ['command', 'stageInfo', 'encryptionMaterial', 'src_locations', 'presignedUrls', 'localLocation'] as const;

export function isStageTransfer(data: JsonObject): boolean {
  return ofStages.some((name) => data[name] !== undefined && data[name] !== null);
}

export function clientData(data: JsonObject): JsonObject {
  return {
    parameters: clientParameters(data['parameters']),
    ...Object.fromEntries(Object.entries(data).filter(([name]) => passing.has(name))),
  };
}

/** What the account tells drivers to do, but for what would lead around the gateway. */
export function clientParameters(parameters: unknown): readonly JsonObject[] {
  const given = Array.isArray(parameters) ? parameters.filter(isObject) : [];
  const kept = given.filter((parameter) => !Object.hasOwn(OVERRIDDEN_PARAMETERS, textAt(parameter, 'name') ?? ''));
  return [...kept, ...Object.entries(OVERRIDDEN_PARAMETERS).map(([name, value]) => ({ name, value }))];
}

/** Of an error: nothing of the target's text. */
export function errorFields(data: JsonObject | null, isPlaceShown: boolean): JsonObject {
  const fields = data ?? {};
  return {
    ...(typeof fields['type'] === 'string' ? { type: fields['type'] } : {}),
    ...(typeof fields['age'] === 'number' ? { age: fields['age'] } : {}),
    ...(isPlaceShown && typeof fields['line'] === 'number' ? { line: fields['line'] } : {}),
    ...(isPlaceShown && typeof fields['pos'] === 'number' ? { pos: fields['pos'] } : {}),
  };
}
