// The body of a query-request: read with care, and made anew for the account. Only fields that are understood go on.
// REFUSES: binds that were put into a stage, parameters that are not harmless, bind names with gaps.

import { createHash } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import type { Bind, SnowflakePlan } from '../../sql/snowflake/types.ts';
import { isObject, type JsonObject, numberAt, objectAt, textAt } from './protocol.ts';
import { harmlessParameters } from './session-parameters.ts';
import { type NativeError, refusedFeature } from './errors.ts';

export interface StatementRequest {
  readonly text: string;
  readonly binds: readonly Bind[];
  /** As the client wrote them, in order. */
  readonly bindFields: readonly JsonObject[];
  /** 0 = any number. */
  readonly statements: number;
  readonly isAsync: boolean;
  readonly isDescribe: boolean;
  readonly parameters: JsonObject;
  readonly sequenceId: number;
  readonly submittedMs: number;
  readonly queryContext: JsonObject | null;
}

const maxBinds = 20_000;

/** @param statements what a text may have that does not say it itself. @throws SP_WIRE_MALFORMED */
export function readStatement(body: JsonObject, statements: number): StatementRequest | NativeError {
  const text = body['sqlText'];
  if (typeof text !== 'string') throw malformed('no statement');
  const stage = body['bindStage'];
  if (stage !== undefined && stage !== null && stage !== '') {
    return refusedFeature(
      'values of binds in a stage are not visible to the gateway',
      'Send them with the statement: the log-in tells drivers to (CLIENT_STAGE_ARRAY_BINDING_THRESHOLD).',
      null,
    );
  }
  const given = objectAt(body, 'parameters');
  const parameters = harmlessParameters(given);
  if ('refused' in parameters) {
    return refusedFeature(`the parameter ${parameters.refused} cannot be set through the gateway`, 'Leave it out.', null);
  }
  const bindFields = bindFieldsOf(body['bindings']);
  const context = body['queryContextDTO'];
  return {
    text,
    binds: bindFields.map(bindOf),
    bindFields,
    statements: countOf(given) ?? statements,
    isAsync: body['asyncExec'] === true,
    isDescribe: body['describeOnly'] === true,
    parameters: parameters.harmless,
    sequenceId: numberAt(body, 'sequenceId') ?? 0,
    submittedMs: numberAt(body, 'querySubmissionTime') ?? 0,
    queryContext: isObject(context) ? context : null,
  };
}

/** What is sent to the account. */
export function upstreamBody(request: StatementRequest, plan: SnowflakePlan, queryTag: string): JsonObject {
  const { forward } = plan;
  if (forward === null) throw new SallyportError('SP_REQUEST_NOT_UNDERSTOOD', 'nothing may be sent');
  const bindings = request.bindFields.map((fields, index) => [
    String(index + 1),
    { ...fields, value: forward.binds[index]?.value ?? null },
  ]);
  return {
    sqlText: forward.text,
    asyncExec: request.isAsync,
    sequenceId: request.sequenceId,
    querySubmissionTime: request.submittedMs,
    isInternal: false,
    ...(request.isDescribe ? { describeOnly: true } : {}),
    // Exactly as many as were understood.
    parameters: { ...request.parameters, MULTI_STATEMENT_COUNT: plan.statements.length, QUERY_TAG: queryTag },
    ...(bindings.length === 0 ? {} : { bindings: Object.fromEntries(bindings) }),
    ...(request.queryContext === null ? {} : { queryContextDTO: request.queryContext }),
  };
}

/** Equal for repetitions of one request. */
export function fingerprintOf({ text, bindFields, isAsync, isDescribe }: StatementRequest): string {
  const hash = createHash('sha256').update(JSON.stringify([text, isAsync, isDescribe]));
  for (const fields of bindFields) hash.update(JSON.stringify(fields));
  return hash.digest('base64');
}

function countOf(parameters: JsonObject): number | null {
  const named = Object.entries(parameters).find(([name]) => name.toUpperCase() === 'MULTI_STATEMENT_COUNT')?.[1];
  if (named === undefined || named === null) return null;
  const count = typeof named === 'string' && /^\d{1,4}$/.test(named) ? Number(named) : named;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0) throw malformed('MULTI_STATEMENT_COUNT is not a number');
  return count;
}

function bindFieldsOf(bindings: unknown): JsonObject[] {
  if (bindings === undefined || bindings === null) return [];
  if (!isObject(bindings)) throw malformed('bindings are no object');
  const count = Object.keys(bindings).length;
  if (count > maxBinds) throw new SallyportError('SP_WIRE_TOO_LARGE', 'too many binds');
  return Array.from({ length: count }, (_none, index) => {
    const name = String(index + 1);
    const fields = Object.hasOwn(bindings, name) ? bindings[name] : undefined;
    if (!isObject(fields)) throw malformed('bindings have gaps');
    const { type, value, fmt, schema } = fields;
    if (typeof type !== 'string' || !isBindValue(value)) throw malformed('a bind is not understood');
    return { type, value, ...(typeof fmt === 'string' ? { fmt } : {}), ...(isObject(schema) ? { schema } : {}) };
  });
}

function isBindValue(value: unknown): value is Bind['value'] {
  const isScalar = (one: unknown): boolean => one === null || typeof one === 'string';
  return isScalar(value) || (Array.isArray(value) && value.every(isScalar));
}

function bindOf(fields: JsonObject): Bind {
  return { type: textAt(fields, 'type') ?? '', value: fields['value'] as Bind['value'] };
}

function malformed(what: string): SallyportError {
  return new SallyportError('SP_WIRE_MALFORMED', `query-request: ${what}`);
}
