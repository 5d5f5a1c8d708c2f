// The tripwire over result columns, and what a cached plan may be used for. The catalogue is the small clinic of the tests.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { catalogue, parser } from '../../../test/support/plan.ts';
import type { MaskMethod, MaskSet } from '../../core/decision.ts';
import type { Catalogue, Relation } from '../../sql/catalogue.ts';
import { lineage } from '../../sql/lineage.ts';
import { plan } from '../../sql/plan.ts';
import { protect } from '../../sql/protection.ts';
import type { ResultColumn } from './messages.ts';
import { Planner, type TargetPolicy } from './planner.ts';
import { LiveObjects } from './session-objects.ts';

const protecting = (version: string, ...patterns: readonly string[]): TargetPolicy => ({
  version,
  classRules: patterns.map((pattern) => ({ class: `phi.${pattern.split('.').at(-1)}`, pattern })),
  safeFunctions: new Set(),
});
const masksOf = (id: string, byClass: Readonly<Record<string, MaskMethod>> = {}): MaskSet => ({ id, byClass });
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
    state.policy = protecting('2', 'public.clinics.region');
    assert.equal(state.planner.isStale(first, hidden), true);
    assert.equal(state.planner.plan(text, hidden, none).plan.forward, text);
  });

  it('is stale when the catalogue is not the one it was made with', () => {
    const state = planner();
    const first = state.planner.plan(text, hidden, none);
    state.catalogue = null;
    assert.equal(state.planner.isStale(first, hidden), true);
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
