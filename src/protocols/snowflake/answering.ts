// From the account's answer to the client's: compared with the plan, rows counted against grants, masked, recorded. Texts of errors are
// withheld where they may tell a protected value.
// REFUSES: answers that are not of the planned shape, and whatever only PUT and GET have. INVARIANT: recorded, then released.

import { SallyportError } from '../../core/error.ts';
import type { Payload } from '../../core/event.ts';
import type { Permit } from '../../session/permit.ts';
import type { PlannedOutput, PlannedStatement } from '../../sql/snowflake/types.ts';
import { RecordingWriter } from '../../wire/pg-recording.ts';
import { clientData, errorFields, isStageTransfer } from './answer-data.ts';
import { errorEnvelope, NATIVE, withheldMessage } from './errors.ts';
import { type JobSession, mayShare, settleOnce } from './job.ts';
import type { PlannedRequest } from './planning.ts';
import { CODES, type Envelope, isQueryId, type JsonObject, MULTI_STATEMENT_TYPE, numberAt, ok, textAt } from './protocol.ts';
import { recordTo, type SnowflakeQueryData, type SnowflakeRowType } from './results/index.ts';
import type { StatementRequest } from './statement-request.ts';
import type { StoredResult } from './stored-results.ts';

export interface Run {
  readonly permit: Permit;
  readonly planned: PlannedRequest;
  readonly asked: StatementRequest;
  readonly chunkBase: string;
  readonly startedMs: number;
}

/** @throws SP_LINEAGE_DISAGREEMENT, SP_GRANT_ROWS, what the masker throws, SP_AUDIT_UNWRITABLE: nothing may be told then. */
export async function answerDone(session: JobSession, run: Run, answer: Envelope): Promise<Envelope> {
  const { state, planning } = session;
  const { permit, planned, asked } = run;
  const { statements } = planned.plan;
  const data: JsonObject = answer.data ?? {};
  if (asked.isDescribe) {
    if (!mayShare(planned)) state.described(statements, data);
    return masked(session, run, data, statements[0]?.outputs ?? null);
  }
  state.succeeded(statements, data);
  if (statements.some(({ changes }) => changes.some(({ kind }) => kind === 'catalogue'))) planning.refresh();
  const children = await childrenOf(session, data, statements);
  const queryId = textAt(data, 'queryId');
  const stored = (statement: PlannedStatement): StoredResult => ({
    permit,
    outputs: statement.outputs,
    protection: planned.protection,
    mayTell: statement.mayTell,
  });
  if (children !== null) {
    for (const [index, child] of children.entries()) {
      const statement = statements[index];
      if (statement !== undefined) session.store(child, stored(statement));
    }
    // Which of its statements LAST_QUERY_ID() would tell is not known.
    state.last(null);
    return masked(session, run, data, null);
  }
  const [statement] = statements;
  if (statement === undefined) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'an answer to no statement');
  const envelope = await masked(session, run, data, statement.outputs);
  if (queryId !== null) {
    session.store(queryId, stored(statement));
    state.know(queryId, statement.outputs, rowtypeOf(data));
  }
  state.last(queryId);
  return envelope;
}

/** Reads a result again that was answered before, or that of one of several statements. `permit` is a new one for it. */
export function answerAgain(
  session: JobSession,
  again: Omit<Run, 'planned' | 'asked'>,
  stored: StoredResult,
  answer: Envelope,
): Promise<Envelope> {
  const data: JsonObject = answer.data ?? {};
  const queryId = textAt(data, 'queryId');
  if (queryId !== null) session.state.know(queryId, stored.outputs, rowtypeOf(data));
  return masked(session, { ...again, planned: stored }, data, stored.outputs);
}

/** What changes where names are looked up. */
const MOVING = /^(?:USE|(?:CREATE|DROP) (?:SCHEMA|DATABASE))\b/;

export async function answerFailed(session: JobSession, run: Pick<Run, 'permit' | 'planned'>, answer: Envelope): Promise<Envelope> {
  const { state, gate } = session;
  const { plan } = run.planned;
  if (plan.statements.length > 1) {
    // Those before the one that failed have happened.
    state.failed(plan.statements);
    state.lost();
  } else if (answer.code === CODES.cancelled && !mayShare(run.planned)) {
    // The cancel may have come too late.
    state.failed(plan.statements);
    if (plan.statements.some(({ verb }) => MOVING.test(verb))) state.lost();
  }
  const mayTell = plan.statements.length === 0 || plan.statements.some((statement) => statement.mayTell);
  return failure(session, run.permit, answer, mayTell, gate.id);
}

/** An error of the account, as the client is told. */
export async function failure(
  { gate }: JobSession,
  permit: Permit,
  answer: Envelope,
  mayTell: boolean,
  session: typeof gate.id,
): Promise<Envelope> {
  const sqlState = /^[0-9A-Z]{5}$/.exec(textAt(answer.data, 'sqlState') ?? '')?.[0] ?? NATIVE.upstream.sqlState;
  const code = answer.code ?? NATIVE.upstream.code;
  await settleOnce(gate, permit, { rows: 0, bytes: 0, code: sqlState });
  await permit.facts.intent.wait();
  const message = mayTell ? withheldMessage(session) : (answer.message ?? 'sallyport: the statement failed');
  const queryId = textAt(answer.data, 'queryId');
  return errorEnvelope({ code, sqlState, message }, queryId, errorFields(answer.data, !mayTell));
}

async function masked(
  session: JobSession,
  run: Pick<Run, 'permit' | 'chunkBase' | 'startedMs'> & { readonly planned: Pick<PlannedRequest, 'protection'> },
  data: JsonObject,
  outputs: readonly PlannedOutput[] | null,
): Promise<Envelope> {
  const { gate, results, tokens, clock, limits, over } = session;
  const { permit, chunkBase, startedMs } = run;
  const { request } = permit.facts;
  if (isStageTransfer(data)) return disagreed(session, 'an answer that moves files');
  takeRows(permit, outputs === null || request.action === 'prepare' ? 0 : rowsOf(data));
  const isRecorded = request.action !== 'prepare' && limits.recordRows > 0;
  const elapsedMs = (): number => clock.monotonicMs() - startedMs;
  const recording = isRecorded ? new RecordingWriter({ maxRows: limits.recordRows, maxBytes: limits.recordBytes }) : null;
  const wanted = { rows: limits.recordRows, bytes: limits.recordBytes };
  const result = await results
    .mask({
      data: data as SnowflakeQueryData,
      outputs,
      protection: run.planned.protection,
      chunkBase,
      owner: gate.id,
      tokens,
      record: recording === null ? null : recordTo(recording, wanted, elapsedMs),
      signal: over,
    })
    .catch(async (fault: unknown) => {
      if (fault instanceof SallyportError && isDisagreement(fault)) await gate.alarm('lineage-disagreement');
      throw fault;
    });
  const rows = outputs === null && request.facts.effects.some((effect) => effect !== 'read') ? 0 : result.rows;
  const payloads: Payload[] = recording === null ? [] : [{ kind: 'result', bytes: recording.finish(elapsedMs(), result.rows) }];
  await settleOnce(gate, permit, { rows, bytes: result.bytes, code: 'ok' }, payloads);
  await permit.facts.intent.wait();
  return ok(clientData(result.data));
}

/** Several statements: each has a result of its own, in their order. @returns null for one statement. */
async function childrenOf(
  session: JobSession,
  data: JsonObject,
  statements: readonly PlannedStatement[],
): Promise<readonly string[] | null> {
  const ids = textAt(data, 'resultIds')
    ?.split(',')
    .map((id) => id.trim());
  const isMany = ids !== undefined || numberAt(data, 'statementTypeId') === MULTI_STATEMENT_TYPE;
  if (isMany !== statements.length > 1) return disagreed(session, 'another number of statements than was understood');
  if (!isMany) return null;
  if (ids === undefined || ids.length !== statements.length || !ids.every(isQueryId)) {
    return disagreed(session, 'another number of results than of statements');
  }
  return ids;
}

async function disagreed({ gate }: JobSession, what: string): Promise<never> {
  await gate.alarm('lineage-disagreement');
  throw new SallyportError('SP_LINEAGE_DISAGREEMENT', what);
}

/** @throws SP_GRANT_ROWS before any row of the answer is released. */
function takeRows(permit: Permit, rows: number): void {
  const meter = permit.facts.rows;
  if (meter === null) return;
  for (let row = 0; row < rows; row += 1) {
    if (!meter.take()) throw new SallyportError('SP_GRANT_ROWS', 'the rows per hour of the grant are used up');
  }
}

function rowsOf(data: JsonObject): number {
  const rowset = data['rowset'];
  const inline = Array.isArray(rowset) ? rowset.length : 0;
  const chunks = Array.isArray(data['chunks']) ? (data['chunks'] as readonly JsonObject[]) : [];
  const inChunks = chunks.reduce((sum, chunk) => sum + (numberAt(chunk, 'rowCount') ?? 0), 0);
  return Math.max(numberAt(data, 'total') ?? 0, numberAt(data, 'returned') ?? 0, inline + inChunks);
}

function rowtypeOf(data: JsonObject): readonly SnowflakeRowType[] {
  const rowtype = data['rowtype'];
  return Array.isArray(rowtype) ? (rowtype as readonly SnowflakeRowType[]) : [];
}

const isDisagreement = ({ code }: SallyportError): boolean => code === 'SP_LINEAGE_DISAGREEMENT';
