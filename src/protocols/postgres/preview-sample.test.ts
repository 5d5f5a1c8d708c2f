import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue, parser } from '../../../test/support/plan.ts';
import { testTokens } from '../../../test/support/tokens.ts';
import { SallyportError } from '../../core/error.ts';
import { PreviewPass } from '../../core/preview.ts';
import { lineage } from '../../sql/lineage.ts';
import { plan } from '../../sql/plan.ts';
import { protect } from '../../sql/protection.ts';
import { Planner } from './planner.ts';
import type { ClientStatement, PreviewAnswer, PreviewConnection } from './preview-connection.ts';
import { SAMPLE_MASKS } from './preview-sample-plan.ts';
import { type Sampled, takeSample } from './preview-sample.ts';
import { LiveObjects } from './session-objects.ts';

const planner = new Planner({
  engine: { plan, protect: (of, rules, safe, by, bound) => protect(of, rules, by, lineage, safe, bound) },
  parser,
  policy: () => ({ version: '1', classRules: [{ class: 'phi.v', pattern: 'public.scratch.v' }], safeFunctions: new Set() }),
  catalogue: () => catalogue,
  searchPath: ['public'],
  tokens: testTokens,
  maxCachedTexts: 100,
});
const scratch = catalogue.relation('public', 'scratch') ?? assert.fail();
const origin = (column: string) => ({ name: column, tableOid: scratch.oid, attnum: scratch.byName.get(column)?.attnum ?? 0 });

interface Sent {
  readonly text: string;
  readonly maxRows: number | null;
}

/** @param answer of a statement that is not the gateway's own */
async function taken(
  sql: string,
  answer: (statement: ClientStatement) => Partial<PreviewAnswer>,
  confirm: () => Promise<void> | null = () => null,
): Promise<{ found: Sampled; sent: Sent[] }> {
  const sent: Sent[] = [];
  const empty: PreviewAnswer = { rows: [], columns: [], tag: '', fault: null };
  const connection: Pick<PreviewConnection, 'own' | 'statement'> = {
    async own(text) {
      sent.push({ text, maxRows: null });
      return empty;
    },
    async statement(_pass, statement, maxRows = 0) {
      sent.push({ text: statement.text, maxRows });
      return { ...empty, ...answer(statement) };
    },
  };
  const planned = planner.plan(sql, { id: 'm', byClass: {} }, new LiveObjects());
  const found = await takeSample(
    { planned, statement: { text: sql, parameterTypes: [], parameters: null }, written: [scratch] },
    connection as PreviewConnection,
    PreviewPass.mint(),
    {
      parser,
      protection: () => planner.protection(),
      confirm,
      planForSample: (text) => planner.plan(text, SAMPLE_MASKS, new LiveObjects()),
      exposesProtected: (columns) => planner.exposesProtected(columns, SAMPLE_MASKS),
    },
  );
  return { found, sent };
}

const rows = [['1', '1', 'k', '5']];
const update = 'UPDATE scratch SET n = 5 WHERE id = 1';
const isWrite = ({ text }: ClientStatement): boolean => text.startsWith('UPDATE');
const answered = (statement: ClientStatement): Partial<PreviewAnswer> => ({
  rows: isWrite(statement) ? [['1']] : rows,
  columns: [origin('id')],
});

test('rows are read after the write and, once it is undone, before it, under a limit that the undoing keeps', async () => {
  const { found, sent } = await taken(update, answered);
  assert.equal(found.sampling, 'taken');
  assert.deepEqual(
    sent.map(({ text }) => /^(ROLLBACK TO|SET LOCAL statement_timeout|SAVEPOINT|UPDATE|SELECT)/.exec(text)?.[0]),
    ['ROLLBACK TO', 'SET LOCAL statement_timeout', 'SAVEPOINT', 'UPDATE', 'SELECT', 'ROLLBACK TO', 'ROLLBACK TO', 'SELECT'],
  );
  assert.deepEqual(new Set(sent.flatMap(({ maxRows }) => maxRows ?? [])), new Set([5]));
});

test('of a DELETE nothing is read before it is undone', async () => {
  const { found, sent } = await taken('DELETE FROM scratch WHERE id = 1', ({ text }) => ({
    rows: text.startsWith('DELETE') ? [['1']] : rows,
  }));
  assert.deepEqual([found.sampling, found.sample?.rows[0]?.after], ['taken', null]);
  assert.deepEqual(
    sent.slice(3).map(({ text }) => text.split(' ')[0]),
    ['DELETE', 'ROLLBACK', 'ROLLBACK', 'SELECT'],
  );
});

test('INVARIANT: no sample where a protected column is the origin of a column of an answer, whoever made the text', async () => {
  for (const isAsked of [isWrite, (each: ClientStatement) => !isWrite(each)]) {
    const { found } = await taken(update, (each) => ({ ...answered(each), columns: isAsked(each) ? [origin('id'), origin('v')] : [] }));
    assert.deepEqual(found, { sampling: 'failed', sample: null });
  }
});

test('what the target refuses, what finds nothing, and a catalogue or a connection that is lost, cost the sample alone', async () => {
  const lost = new SallyportError('SP_UPSTREAM_LOST', 'test');
  const throwing = (fault: Error) => () => {
    throw fault;
  };
  for (const [answer, confirm] of [
    [() => ({ fault: '57014' }), undefined],
    [(each: ClientStatement) => (isWrite(each) ? answered(each) : { fault: '42501' }), undefined],
    [(each: ClientStatement) => (isWrite(each) ? answered(each) : {}), undefined],
    [throwing(lost), undefined],
    [answered, () => Promise.reject(new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'test'))],
  ] as const) {
    assert.deepEqual((await taken(update, answer, confirm)).found, { sampling: 'failed', sample: null });
  }
  await assert.rejects(taken(update, throwing(new TypeError('a fault of ours'))), TypeError);
});
