// The tripwire over result columns, and what a cached plan may be used for. The catalogue is the small clinic of the tests.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { catalogue, parser } from '../../../test/support/plan.ts';
import type { Mask, MaskSet } from '../../core/decision.ts';
import type { Catalogue, Relation } from '../../sql/catalogue.ts';
import { lineage } from '../../sql/lineage.ts';
import { plan } from '../../sql/plan.ts';
import { protect } from '../../sql/protection.ts';
import type { ResultColumn } from './messages.ts';
import { Planner, type TargetPolicy } from './planner.ts';
import { LiveObjects } from './session-objects.ts';
import { testTokens } from '../../../test/support/tokens.ts';

const protecting = (version: string, ...patterns: readonly string[]): TargetPolicy => ({
  version,
  classRules: patterns.map((pattern) => ({ class: `phi.${pattern.split('.').at(-1)}`, pattern })),
  safeFunctions: new Set(),
});
const masksOf = (id: string, byClass: Readonly<Record<string, Mask>> = {}): MaskSet => ({ id, byClass });
const hidden = masksOf('hidden');

function planner(first: TargetPolicy = protecting('1', 'public.patients.ssn')): {
  planner: Planner;
  policy: TargetPolicy;
  catalogue: Catalogue | null;
} {
  const state = { policy: first, catalogue: catalogue as Catalogue | null };
  const made = new Planner({
    engine: { plan, protect: (of, rules, safe, by, bound) => protect(of, rules, by, lineage, safe, bound) },
    parser,
    policy: () => state.policy,
    catalogue: () => state.catalogue,
    searchPath: ['public'],
    tokens: testTokens,
    maxCachedTexts: 100,
  });
  return Object.assign(state, { planner: made });
}

const relation = (name: string, schema = 'public'): Relation => catalogue.relation(schema, name) ?? assert.fail(name);
/** A result column as the server describes one that comes from a table. */
function from(table: string, column: string, schema = 'public'): ResultColumn {
  const { oid, byName } = relation(table, schema);
  return { name: 'x', tableOid: oid, attnum: byName.get(column)?.attnum ?? assert.fail(column), typeOid: 25 } as ResultColumn;
}
const wholeRow = (table: string): ResultColumn => ({ ...from(table, 'id'), attnum: 0 });
const computed = { ...from('clinics', 'id'), tableOid: 0, attnum: 0 };

describe('the tripwire', () => {
  it('sees a protected column wherever it stands, and nothing else', () => {
    const { planner: made } = planner();
    for (const columns of [[from('patients', 'ssn')], [computed, from('clinics', 'id'), from('patients', 'ssn')]])
      assert.equal(made.exposesProtected(columns, hidden), true);
    for (const columns of [[], [computed], [from('patients', 'id'), from('clinics', 'name')], [from('patients', 'ssn', 'legacy')]])
      assert.equal(made.exposesProtected(columns, hidden), false);
  });

  it('sees a whole row of a relation that has a protected column', () => {
    const { planner: made } = planner();
    assert.equal(made.exposesProtected([wholeRow('patients')], hidden), true);
    assert.equal(made.exposesProtected([wholeRow('clinics')], hidden), false);
  });

  it('sees children and views of what policy names', () => {
    const { planner: made } = planner(protecting('1', 'public.patients.name'));
    assert.equal(made.exposesProtected([from('patients_archive', 'name')], hidden), true);
    assert.equal(made.exposesProtected([from('directory', 'who')], hidden), true);
    assert.equal(made.exposesProtected([from('directory', 'id')], hidden), false);
  });

  it('lets pass what the masks in force show in clear', () => {
    const { planner: made } = planner();
    const cleared = masksOf('cleared', { 'phi.ssn': 'clear' });
    assert.equal(made.exposesProtected([from('patients', 'ssn'), wholeRow('patients')], cleared), false);
    assert.equal(made.exposesProtected([from('patients', 'ssn')], hidden), true);
  });

  it('goes by the newest policy, not by the one a statement was planned under', () => {
    const state = planner();
    assert.equal(state.planner.exposesProtected([from('clinics', 'region')], hidden), false);
    state.policy = protecting('2', 'public.clinics.region');
    assert.equal(state.planner.exposesProtected([from('clinics', 'region')], hidden), true);
    assert.equal(state.planner.exposesProtected([wholeRow('clinics')], hidden), true);
  });

  it('refuses to answer without a catalogue', () => {
    const state = planner();
    state.catalogue = null;
    assert.throws(() => state.planner.exposesProtected([computed], hidden), { code: 'SP_CATALOGUE_UNAVAILABLE' });
  });
});

describe('a plan', () => {
  const text = 'SELECT ssn FROM patients';
  const none = new LiveObjects();

  it('is made anew for other masks and another policy, and is stale under them', () => {
    const state = planner();
    const first = state.planner.plan(text, hidden, none);
    assert.equal(state.planner.plan(text, hidden, none), first);
    assert.doesNotMatch(first.plan.forward ?? '', /NULL::/);
    const nulled = masksOf('nulled', { 'phi.ssn': 'null' });
    assert.match(state.planner.plan(text, nulled, none).plan.forward ?? '', /NULL::/);
    assert.equal(state.planner.isStale(first, hidden), false);
    assert.equal(state.planner.isStale(first, nulled), true);
    // The same columns: what may be done with them is in the version alone.
    state.policy = protecting('2', 'public.patients.ssn');
    assert.equal(state.planner.isStale(first, hidden), true);
    state.policy = protecting('3', 'public.clinics.region');
    assert.equal(state.planner.isStale(first, hidden), true);
    assert.equal(state.planner.plan(text, hidden, none).plan.forward, text);
  });

  it('is stale when the catalogue is not the one it was made with', () => {
    const state = planner();
    const first = state.planner.plan(text, hidden, none);
    state.catalogue = null;
    assert.equal(state.planner.isStale(first, hidden), true);
  });

  it('is stale when other columns are protected, although catalogue and policy are the same', () => {
    const known = protect(catalogue, [], parser, lineage);
    const more = { ...known, version: 'more' };
    let kept = known;
    const made = new Planner({
      engine: { plan, protect: () => assert.fail('somebody else knows') },
      parser,
      policy: () => protecting('1'),
      catalogue: () => catalogue,
      kept: () => kept,
      searchPath: ['public'],
      tokens: testTokens,
      maxCachedTexts: 100,
    });
    const first = made.plan(text, hidden, none);
    assert.equal(made.isStale(first, hidden), false);
    assert.equal(made.plan(text, hidden, none), first);
    kept = more;
    assert.equal(made.isStale(first, hidden), true);
    assert.notEqual(made.plan(text, hidden, none), first);
  });

  it('is not shared with a session that has an object of a name it asked for', () => {
    const state = planner();
    const shared = state.planner.plan(text, hidden, none);
    const own = new LiveObjects();
    own.apply({ kind: 'create-temporary', relation: relation('clinics') });
    assert.equal(state.planner.plan(text, hidden, own), shared);
    own.apply({ kind: 'create-temporary', relation: { ...relation('patients') } });
    assert.notEqual(state.planner.plan(text, hidden, own), shared);
    assert.equal(state.planner.plan(text, hidden, none), shared);
  });

  it('without a catalogue sends nothing and knows nothing', () => {
    const state = planner();
    state.catalogue = null;
    const { plan: blind, messages } = state.planner.plan('SELECT 1', hidden, none);
    assert.equal(blind.forward, null);
    assert.deepEqual(
      blind.facts.unknowns.map(({ code }) => code),
      ['catalogue'],
    );
    assert.equal(messages, 'code-only');
  });
});

describe('a planner under another policy', () => {
  const facts = (made: Planner, text: string) => made.plan(text, hidden, new LiveObjects()).plan.facts;
  const text = 'SELECT ssn, name FROM patients WHERE id = 1';

  it('plans with the classes of that policy and leaves the one in force as it is', () => {
    const { planner: made } = planner();
    assert.deepEqual(facts(made, text).outputClasses, ['phi.ssn']);
    const other = made.under(protecting('2', 'public.patients.name'));
    assert.deepEqual(facts(other, text).outputClasses, ['phi.name']);
    assert.deepEqual(
      [...other.protection().columns.keys()].filter((name) => name.startsWith('public.patients.')),
      ['public.patients.name'],
    );
    assert.deepEqual(facts(made, text).outputClasses, ['phi.ssn']);
    assert.equal(made.exposesProtected([from('patients', 'name')], hidden), false);
  });

  it('follows the catalogue', () => {
    const state = planner();
    const other = state.planner.under(protecting('2', 'public.patients.name'));
    state.catalogue = null;
    assert.deepEqual(
      facts(other, text).unknowns.map(({ code }) => code),
      ['catalogue'],
    );
  });
});

describe('lineage in the facts', () => {
  const lineageOf = (text: string) => planner().planner.plan(text, hidden, new LiveObjects()).plan.facts.lineage;

  it('says which columns are shown, which are tested and which relations are open, protected or not', () => {
    assert.deepEqual(lineageOf('SELECT name, lower(ssn) FROM patients WHERE clinic_id = 3 ORDER BY dob LIMIT 5'), {
      shown: ['public.patients.name', 'public.patients.ssn'],
      tested: ['public.patients.clinic_id', 'public.patients.dob'],
      open: [],
    });
    assert.deepEqual(lineageOf('SELECT 1 FROM clinics'), { shown: [], tested: [], open: ['public.clinics'] });
    // All statements of a text count, also those whose rows are not its last ones.
    assert.deepEqual(lineageOf('SELECT ssn FROM patients LIMIT 1; SELECT name FROM clinics LIMIT 1')?.shown, [
      'public.clinics.name',
      'public.patients.ssn',
    ]);
  });
});
