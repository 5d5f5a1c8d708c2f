import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { MaskSet } from '../../core/decision.ts';
import { SallyportError } from '../../core/error.ts';
import { NO_FACTS } from '../../core/facts.ts';
import { deriveTokenKey, TokenSpace } from '../../masking/index.ts';
import type { SnowflakeParsers } from '../../sql/snowflake/parsers.ts';
import type { PlanContext, PlanInput, SnowflakeCatalogue, SnowflakePlan } from '../../sql/snowflake/types.ts';
import { SnowflakePlanner, type SnowflakeTargetPolicy } from './planner.ts';
import { testCatalogue, testSession } from './testing.ts';

const masks: MaskSet = { id: 'm1', byClass: {} };
const tokens = new TokenSpace([deriveTokenKey('k1', 'active', 'x'.repeat(32), 'clinic')]);
const parsers = {} as SnowflakeParsers;

/** What the engine is asked, and what it looks at in the session. */
let made: { readonly input: PlanInput; readonly context: PlanContext }[] = [];
let look: (context: PlanContext) => Partial<SnowflakePlan['facts']> = () => ({});
let protections = 0;
let policy: SnowflakeTargetPolicy;
let catalogue: SnowflakeCatalogue | null;
let afterMiss: SnowflakeCatalogue | null;
let looks: string[] = [];

const planner = (): SnowflakePlanner =>
  new SnowflakePlanner({
    sql: {
      plan(input, context) {
        made.push({ input, context });
        return { facts: { ...NO_FACTS, ...look(context) }, forward: { text: input.text, binds: input.binds }, statements: [] };
      },
      protect() {
        protections += 1;
        return { columns: new Map([['CLINIC.PUBLIC.PATIENTS.SSN', ['phi.ssn']]]), opaque: new Set() };
      },
      formSha256: (text) => text.trim(),
    },
    parsers: async () => parsers,
    policy: () => policy,
    loader: {
      async ready() {
        looks.push('ready');
        if (catalogue === null) throw new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'none');
        return catalogue;
      },
      current: () => catalogue,
      async missed() {
        looks.push('missed');
        if (afterMiss === null) return false;
        catalogue = afterMiss;
        return true;
      },
      refresh: async () => void looks.push('refresh'),
      outdate: () => void looks.push('outdate'),
    },
    tokens,
    maxCachedPlans: 2,
  });

const of = (text: string, binds: PlanInput['binds'] = []): PlanInput => ({ text, binds, statements: 1 });

// Hooks outside of a suite would run for the tests of all files.
describe('the planner of Snowflake statements', () => {
  beforeEach(() => {
    made = [];
    look = () => ({});
    protections = 0;
    policy = { version: 'p1', classRules: [], safeFunctions: new Set() };
    catalogue = testCatalogue('c1');
    afterMiss = null;
    looks = [];
  });

  test('a plan is used again for the same text, binds, place, masks, catalogue and policy, and for nothing else', async () => {
    const one = planner();
    const first = await one.plan(of('SELECT 1'), testSession(), masks);
    assert.equal(await one.plan(of('SELECT 1'), testSession(), masks), first);
    assert.deepEqual(one.lookups, { texts: 1, shapes: 0, misses: 1 });
    const other = async (change: () => Promise<unknown>): Promise<void> => {
      const before = made.length;
      await change();
      assert.equal(made.length, before + 1, String(change));
    };
    await other(() => one.plan(of('SELECT 1 '), testSession(), masks));
    await other(() => one.plan(of('SELECT 1', [{ type: 'TEXT', value: 'T' }]), testSession(), masks));
    await other(() => one.plan(of('SELECT 1', [{ type: 'TEXT', value: 'U' }]), testSession(), masks));
    await other(() => one.plan({ ...of('SELECT 1'), statements: 0 }, testSession(), masks));
    await other(() => one.plan(of('SELECT 1'), testSession({ schema: 'OTHER' }), masks));
    await other(() => one.plan(of('SELECT 1'), testSession({ database: null }), masks));
    await other(() => one.plan(of('SELECT 1'), testSession(), { ...masks, id: 'm2' }));
    catalogue = testCatalogue('c2');
    await other(() => one.plan(of('SELECT 1'), testSession(), masks));
    policy = { ...policy, version: 'p2' };
    await other(() => one.plan(of('SELECT 1'), testSession(), masks));
  });

  test('only so many plans are kept, the latest used ones', async () => {
    const one = planner();
    for (const text of ['a', 'b', 'a', 'c', 'a', 'b']) await one.plan(of(text), testSession(), masks);
    assert.deepEqual(
      made.map(({ input }) => input.text),
      ['a', 'b', 'c', 'b'],
    );
  });

  test('INVARIANT: a plan that looked at what only its session has is nobody else’s, and neither is an approval of it', async () => {
    const own = new Map([['CLINIC.PUBLIC.T', testCatalogue('', { T: ['A'] }).relations[0]!]]);
    const cases = [
      ['a result', testSession(), (context: PlanContext) => context.session.result('1')],
      ['the last query', testSession(), (context: PlanContext) => context.session.lastQueryId],
      ['a variable', testSession({ variables: new Map([['V', '1']]) }), (context: PlanContext) => context.session.variables.get('V')],
      ['a table', testSession({ own }), (context: PlanContext) => context.session.own.get('CLINIC.PUBLIC.T')],
      ['a table, by looking at all', testSession({ own }), (context: PlanContext) => [...context.session.own.values()]],
    ] as const;
    for (const [what, session, asks] of cases) {
      look = (context) => {
        asks(context);
        return {};
      };
      const one = planner();
      const first = await one.plan(of('SELECT x'), session, masks);
      assert.notEqual(await one.plan(of('SELECT x'), testSession(), masks), first, what);
      assert.equal(first.formSha256(), null, what);
    }
    look = (context) => {
      context.session.own.get('CLINIC.PUBLIC.T');
      context.session.variables.get('V');
      return {};
    };
    const one = planner();
    const without = await one.plan(of('SELECT x'), testSession(), masks);
    assert.notEqual(without.formSha256(), null);
    assert.notEqual(await one.plan(of('SELECT x'), testSession({ own }), masks), without, 'who has the table plans anew');
  });

  test('an approval is bound to the text without its layout, and to where names are looked up', async () => {
    const one = planner();
    const formOf = async (text: string, session = testSession()): Promise<string | null> =>
      (await one.plan(of(text), session, masks)).formSha256();
    assert.equal(await formOf('SELECT 1'), await formOf(' SELECT 1 '));
    assert.notEqual(await formOf('SELECT 1'), await formOf('SELECT 2'));
    assert.notEqual(await formOf('SELECT 1'), await formOf('SELECT 1', testSession({ schema: 'OTHER' })));
    assert.notEqual(await formOf('SELECT 1'), await formOf('SELECT 1', testSession({ database: 'OTHER' })));
  });

  test('without a catalogue nothing is understood and nothing forwarded', async () => {
    catalogue = null;
    const one = planner();
    assert.equal(one.isReady, false);
    const { plan, catalogueVersion } = await one.plan(of('SELECT 1'), testSession(), masks);
    assert.deepEqual([plan.forward, plan.facts.unknowns.map(({ code }) => code), catalogueVersion], [null, ['catalogue'], '']);
    assert.equal(made.length, 0);
  });

  test('a name that is not there is looked for in a newer catalogue, once', async () => {
    look = (context) => ({
      unknowns: context.catalogue.version === 'c2' ? [] : [{ code: 'relation', what: 'T', remedy: '' }],
    });
    afterMiss = testCatalogue('c2');
    const planned = await planner().plan(of('SELECT * FROM T'), testSession(), masks);
    assert.deepEqual([planned.catalogueVersion, planned.plan.facts.unknowns], ['c2', []]);
    assert.deepEqual(looks, ['ready', 'missed', 'ready']);
    catalogue = testCatalogue('c1');
    afterMiss = null;
    looks = [];
    assert.equal((await planner().plan(of('SELECT * FROM T'), testSession(), masks)).plan.facts.unknowns.length, 1);
    assert.deepEqual(looks, ['ready', 'missed']);
  });

  test('DDL outdates the catalogue, and after a wait it is read again', async () => {
    const one = planner();
    const planned = await one.plan(of('SELECT 1'), testSession(), masks);
    one.refresh();
    assert.equal(await one.stillHolds(planned, new AbortController().signal), true);
    catalogue = testCatalogue('c2');
    assert.equal(await one.stillHolds(planned, new AbortController().signal), false);
    assert.deepEqual(looks, ['ready', 'outdate', 'refresh', 'refresh']);
    await assert.rejects(one.stillHolds(planned, AbortSignal.abort(new SallyportError('SP_REQUEST_CANCELLED', 'no'))), {
      code: 'SP_REQUEST_CANCELLED',
    });
  });

  test('protection is found once for each catalogue and policy; another policy has a planner of its own', async () => {
    const one = planner();
    assert.equal(one.protectedCount(catalogue!), 0, 'the parsers are not there yet');
    await one.plan(of('a'), testSession(), masks);
    await one.plan(of('b'), testSession(), masks);
    assert.equal(protections, 1);
    assert.equal(one.protectedCount(catalogue!), 1);
    policy = { ...policy, version: 'p2' };
    await one.plan(of('a'), testSession(), masks);
    assert.equal(protections, 2);
    const rules = [{ class: 'phi.x', pattern: '*.*.x', predicates: 'equality' as const }];
    await one.under({ version: 'p3', classRules: rules }).plan(of('a'), testSession(), masks);
    assert.deepEqual(made.at(-1)?.context.rules, rules);
    assert.equal(protections, 3);
  });

  test('tokens of the target are opened for their class only', async () => {
    await planner().plan(of('a'), testSession(), masks);
    const reader = made[0]!.context.tokens;
    const token = tokens.issue('phi.mrn', 'M1');
    assert.equal(reader.meansToken(token), true);
    assert.deepEqual(reader.open('phi.mrn', token), { value: 'M1' });
    assert.ok('fault' in reader.open('phi.ssn', token));
  });
});
