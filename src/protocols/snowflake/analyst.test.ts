import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MaskSet } from '../../core/decision.ts';
import { NO_FACTS } from '../../core/facts.ts';
import type { TargetName } from '../../core/ids.ts';
import { deriveTokenKey, TokenSpace } from '../../masking/index.ts';
import type { SnowflakeParsers } from '../../sql/snowflake/parsers.ts';
import type { PlanContext, SnowflakeClassRule } from '../../sql/snowflake/types.ts';
import { createSnowflakeAnalyst } from './analyst.ts';
import { SnowflakePlanner } from './planner.ts';
import { testCatalogue } from './testing.ts';

const catalogue = testCatalogue('c1', { PATIENTS: ['ID', 'SSN'], PATIENTS_V: ['SSN'] });
const masks: MaskSet = { id: 'm', byClass: {} };
let asked: PlanContext | null = null;

const loader = {
  ready: async () => catalogue,
  current: () => catalogue,
  newest: catalogue,
  state: 'ready' as const,
  missed: async () => false,
  refresh: async () => undefined,
  outdate: () => undefined,
};
const planner = new SnowflakePlanner({
  sql: {
    plan(input, context) {
      asked = context;
      return { facts: NO_FACTS, forward: { text: input.text, binds: [] }, statements: [] };
    },
    protect: (_catalogue, rules: readonly SnowflakeClassRule[]) => ({
      columns: new Map(rules.map(({ class: name, pattern }) => [pattern, [name]])),
      opaque: new Set(),
    }),
    formSha256: (text) => text,
  },
  parsers: async () => ({}) as SnowflakeParsers,
  policy: () => ({ version: 'p', classRules: [{ class: 'phi.ssn', pattern: 'CLINIC.PUBLIC.PATIENTS.SSN' }], safeFunctions: new Set() }),
  loader,
  tokens: new TokenSpace([deriveTokenKey('k', 'active', 'x'.repeat(32), 't')]),
  maxCachedPlans: 10,
});
const analyst = createSnowflakeAnalyst({
  target: { name: 'warehouse' as TargetName, protocol: 'snowflake', address: 'a:443/acct' },
  databases: ['CLINIC', 'OTHER'],
  loader,
  planner,
});

test('names of explained statements begin in the first database, schema PUBLIC', async () => {
  assert.deepEqual(await analyst.analyse('SELECT 1', masks), { facts: NO_FACTS, forward: 'SELECT 1' });
  assert.deepEqual([asked?.session.database, asked?.session.schema], ['CLINIC', 'PUBLIC']);
});

test('the state has the catalogue and how much of it is protected', () => {
  assert.deepEqual(analyst.status(), {
    name: 'warehouse',
    protocol: 'snowflake',
    address: 'a:443/acct',
    catalogue: 'ready',
    catalogueVersion: 'c1',
    protectedColumns: 1,
  });
});

test('another policy protects other columns', async () => {
  const under = analyst.under({ version: 'q', classRules: [{ class: 'phi.id', pattern: 'CLINIC.PUBLIC.PATIENTS.ID' }] });
  assert.deepEqual([...(await under.protectedColumns()).keys()], ['CLINIC.PUBLIC.PATIENTS.ID']);
  assert.deepEqual([...(await analyst.protectedColumns()).keys()], ['CLINIC.PUBLIC.PATIENTS.SSN']);
});

test('a column is known by three or four parts, in any case', async () => {
  for (const name of ['public.patients.ssn', 'CLINIC.PUBLIC.PATIENTS.SSN', 'clinic.public.patients_v.ssn'])
    assert.equal(await analyst.knowsColumn(name), true, name);
  for (const name of ['patients.ssn', 'OTHER.PUBLIC.PATIENTS.SSN', 'public.patients.name', 'x.clinic.public.patients.ssn'])
    assert.equal(await analyst.knowsColumn(name), false, name);
});

test('the tree has database and schema as one, stored columns are those of tables', async () => {
  assert.deepEqual(
    (await analyst.tree()).map(({ schema, relation, relationKind, column }) => `${schema} ${relation} ${relationKind} ${column}`),
    ['CLINIC.PUBLIC PATIENTS table ID', 'CLINIC.PUBLIC PATIENTS table SSN', 'CLINIC.PUBLIC PATIENTS_V view SSN'],
  );
  assert.equal(await analyst.tree(), await analyst.tree());
  assert.deepEqual(
    (await analyst.columns()).map(({ database, schema, relation, column, kind }) => [database, schema, relation, column, kind]),
    [
      ['CLINIC', 'PUBLIC', 'PATIENTS', 'ID', 'text'],
      ['CLINIC', 'PUBLIC', 'PATIENTS', 'SSN', 'text'],
    ],
  );
});

test('no values are read, and no subjects are known', async () => {
  assert.equal(await analyst.sample({ schema: 'PUBLIC', relation: 'PATIENTS' }, ['SSN'], new AbortController().signal), null);
  assert.equal(await analyst.relationsOf('patient'), null);
});
