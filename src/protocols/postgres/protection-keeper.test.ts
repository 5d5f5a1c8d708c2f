import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type TestObjects, testCatalogue } from '../../../test/support/catalogue.ts';
import { type MemoryStore, createMemoryStore } from '../../../test/support/memory-store.ts';
import { parser } from '../../../test/support/plan.ts';
import { SallyportError } from '../../core/error.ts';
import type { TargetName } from '../../core/ids.ts';
import type { DatabaseOrigin, SharedBoundColumns } from '../../core/ports.ts';
import type { Catalogue, ColumnRule } from '../../sql/catalogue.ts';
import { lineage } from '../../sql/lineage.ts';
import { protect } from '../../sql/protection.ts';
import { ProtectionKeeper } from './protection-keeper.ts';
import type { TargetPolicy } from './planner.ts';

const clinic = 'clinic' as TargetName;
const origin: DatabaseOrigin = { cluster: '1', database: 5 };
const SSN: ColumnRule = { class: 'phi.ssn', pattern: 'public.patients.ssn' };
const policyOf = (version: string, ...classRules: readonly ColumnRule[]): TargetPolicy => ({
  version,
  classRules,
  safeFunctions: new Set(),
});

const tables = (all: NonNullable<TestObjects['tables']>): Catalogue => testCatalogue({ tables: all });
const early = tables({ 'public.patients': { columns: { id: 'integer', ssn: 'text' } } });
const late = tables({ 'public.people': { columns: { id: 'integer', tax_id: 'text' } } });
const none = tables({});

/** The store, and the counter that all threads see. */
interface Shared {
  readonly store: MemoryStore;
  readonly columns: SharedBoundColumns;
  version: number;
  loads: number;
  records: number;
  isLocked: boolean;
  /** Something that another thread does while this one waits for the store. */
  meanwhile: (() => Promise<void>) | null;
  readonly known: () => Promise<readonly string[]>;
}

function sharedStore(): Shared {
  const store = createMemoryStore();
  const shared: Shared = {
    store,
    version: 0,
    loads: 0,
    records: 0,
    isLocked: false,
    meanwhile: null,
    known: async () => (await store.boundColumns.load(clinic, origin)).columns.map(({ name }) => name.join('.')),
    columns: {
      get version() {
        return shared.version;
      },
      async load(...args) {
        shared.loads += 1;
        if (shared.isLocked) throw new SallyportError('SP_STORE_UNAVAILABLE', 'test: locked');
        return store.boundColumns.load(...args);
      },
      async record(...args) {
        shared.records += 1;
        const { meanwhile } = shared;
        shared.meanwhile = null;
        await meanwhile?.();
        await store.boundColumns.record(...args).finally(() => (shared.version += 1));
      },
    },
  };
  return shared;
}

/** One thread of the gateway. */
function threadOf(shared: Shared, first = policyOf('1', SSN)) {
  const state = { policy: first, lines: [] as string[] };
  const say = (fields: Readonly<Record<string, unknown>>, message: string): void =>
    void state.lines.push(`${message} ${JSON.stringify(fields)}`);
  const keeper = new ProtectionKeeper({
    target: clinic,
    columns: shared.columns,
    policy: () => state.policy,
    protect: (catalogue, { classRules, safeFunctions }, bound) => protect(catalogue, classRules, parser, lineage, safeFunctions, bound),
    logger: { info: say, warn: say, error: say },
  });
  return Object.assign(state, {
    keeper,
    settle: async (catalogue: Catalogue, of = origin): Promise<void> => (await keeper.settle(catalogue, of)) ?? undefined,
    columns: (catalogue: Catalogue): Record<string, readonly string[]> => Object.fromEntries(keeper.of(catalogue).columns),
  });
}

const isUnavailable = (fault: unknown): boolean => fault instanceof SallyportError && fault.code === 'SP_STORE_UNAVAILABLE';
const renamed = { 'public.people.tax_id': ['phi.ssn'] };

describe('what is protected on a target', () => {
  it('is what was renamed while the gateway was down, under the same policy and under another that has the name', async () => {
    const shared = sharedStore();
    await threadOf(shared).settle(early);
    const restarted = threadOf(shared);
    await restarted.settle(late);
    assert.deepEqual(restarted.columns(late), renamed);
    const other = threadOf(shared, policyOf('2', { class: 'pii', pattern: '*.patients.ssn' }));
    await other.settle(late);
    assert.deepEqual(other.columns(late), { 'public.people.tax_id': ['pii'] });
    const without = threadOf(shared, policyOf('3', { class: 'phi.id', pattern: 'public.*.id' }));
    await without.settle(late);
    assert.deepEqual(without.columns(late), { 'public.people.id': ['phi.id'] });
  });

  it('is found and recorded once: looks that bring nothing new wait for nothing', async () => {
    const shared = sharedStore();
    const thread = threadOf(shared);
    await thread.settle(early);
    const value = thread.keeper.of(early);
    assert.deepEqual([shared.loads, shared.records, shared.version], [1, 1, 1]);
    for (let look = 0; look < 3; look += 1) assert.equal(thread.keeper.settle(early, origin), null);
    assert.equal(thread.keeper.of(early), value);
    // Another catalogue that binds nothing anew.
    await thread.settle(late);
    assert.deepEqual([shared.loads, shared.records], [1, 1]);
  });

  it('is not what a catalogue says that was not settled yet', async () => {
    const shared = sharedStore();
    const thread = threadOf(shared);
    await thread.settle(early);
    const value = thread.keeper.of(early);
    const settling = thread.settle(late);
    assert.equal(thread.keeper.of(early), value);
    await settling;
    assert.equal(thread.keeper.of(early), value, 'the old one is in force until the new one is published');
    assert.deepEqual(thread.columns(late), renamed);
  });

  it('is what any thread has seen: one that came late hears of it at its next look', async () => {
    const shared = sharedStore();
    const [quick, slow] = [threadOf(shared), threadOf(shared)];
    await slow.settle(late);
    assert.deepEqual(slow.columns(late), {});
    const { version } = slow.keeper.of(late);
    await quick.settle(early);
    await slow.settle(late);
    assert.deepEqual(slow.columns(late), renamed);
    assert.notEqual(slow.keeper.of(late).version, version, 'no plan of before is used any more');
    assert.equal(slow.keeper.settle(late, origin), null);
    // And while it recorded something itself.
    const both = sharedStore();
    const [one, two] = [threadOf(both), threadOf(both, policyOf('1', SSN, { class: 'phi.id', pattern: 'public.people.id' }))];
    both.meanwhile = () => one.settle(early);
    await two.settle(late);
    assert.deepEqual(two.columns(late), { 'public.people.id': ['phi.id'] });
    await two.settle(late);
    assert.deepEqual(two.columns(late), { 'public.people.id': ['phi.id'], ...renamed });
    assert.equal(two.keeper.settle(late, origin), null);
  });

  it('INVARIANT: is not known while the store cannot be asked, or told: no catalogue counts before', async () => {
    const shared = sharedStore();
    await threadOf(shared).settle(early);
    const restarted = threadOf(shared);
    shared.isLocked = true;
    await assert.rejects(restarted.settle(late), isUnavailable);
    await assert.rejects(restarted.settle(late), isUnavailable);
    shared.isLocked = false;
    await restarted.settle(late);
    assert.deepEqual(restarted.columns(late), renamed);

    for (const fault of ['lose', 'persist'] as const) {
      const fresh = sharedStore();
      const thread = threadOf(fresh);
      fresh.store.failNext(fault);
      await assert.rejects(thread.settle(early), isUnavailable, fault);
      await thread.settle(early);
      assert.deepEqual(await fresh.known(), ['public.patients.ssn']);
      assert.equal(thread.keeper.settle(early, origin), null);
    }
  });

  it('is what another thread recorded, also when that was told it failed', async () => {
    const shared = sharedStore();
    const [one, two] = [threadOf(shared), threadOf(shared)];
    await two.settle(late);
    shared.store.failNext('persist');
    await assert.rejects(one.settle(early), isUnavailable);
    await two.settle(late);
    assert.deepEqual(two.columns(late), renamed);
  });

  it('follows the policy at once, and records what that names', async () => {
    const shared = sharedStore();
    const thread = threadOf(shared);
    await thread.settle(late);
    thread.policy = policyOf('2', { class: 'phi.id', pattern: 'public.people.id' });
    assert.deepEqual(thread.columns(late), { 'public.people.id': ['phi.id'] });
    assert.deepEqual(await shared.known(), []);
    await thread.settle(late);
    assert.deepEqual(await shared.known(), ['public.people.id']);
    assert.equal(thread.keeper.settle(late, origin), null);
  });

  it('goes by names alone in another database, says so, and comes back with the first one', async () => {
    const shared = sharedStore();
    const thread = threadOf(shared);
    await thread.settle(early);
    await thread.settle(late, { cluster: '2', database: 5 });
    assert.deepEqual(thread.columns(late), {});
    assert.match(thread.lines.join('\n'), /another database than before/);
    assert.deepEqual(await shared.known(), ['public.patients.ssn']);
    await thread.settle(late, origin);
    assert.deepEqual(thread.columns(late), renamed);
    assert.equal(thread.lines.filter((line) => line.includes('another database')).length, 1);
  });

  it('is forgotten with a column that this thread saw and that is gone, never with one that it does not know yet', async () => {
    const shared = sharedStore();
    const thread = threadOf(shared);
    await thread.settle(none);
    // Another thread has a newer catalogue.
    await threadOf(shared).settle(early);
    await thread.settle(none);
    assert.deepEqual(await shared.known(), ['public.patients.ssn']);
    await thread.settle(early);
    await thread.settle(none);
    assert.deepEqual(await shared.known(), []);
    assert.equal(thread.keeper.settle(none, origin), null);
  });

  it('is remembered as opaque for as long as the gateway runs', async () => {
    const shared = sharedStore();
    const thread = threadOf(shared);
    await thread.settle(tables({ 'public.patients': { columns: { id: 'integer', ssn: 'text' }, kind: 'foreign' } }));
    await thread.settle(early);
    assert.deepEqual(thread.columns(early)['public.patients.id'], ['opaque']);
    const restarted = threadOf(shared);
    await restarted.settle(early);
    assert.deepEqual(restarted.columns(early), { 'public.patients.ssn': ['phi.ssn'] });
  });
});

describe('the operator', () => {
  it('is told once of every name that protects nothing, with target and class, and again when it comes back', async () => {
    const shared = sharedStore();
    const thread = threadOf(shared, policyOf('1', SSN, { class: 'phi.x', pattern: 'public.none.x' }));
    await thread.settle(early);
    const missing =
      'policy names a column that the target does not have: nothing is protected by it {"target":"clinic","class":"phi.x","column":"public.none.x"}';
    assert.deepEqual(thread.lines, [missing]);
    await thread.settle(late);
    await thread.settle(early);
    assert.deepEqual(thread.lines.filter((line) => line === missing).length, 1);
    await thread.settle(
      tables({ 'public.patients': { columns: { id: 'integer', ssn: 'text' } }, 'public.none': { columns: { x: 'text' } } }),
    );
    await thread.settle(early);
    assert.deepEqual(thread.lines.filter((line) => line === missing).length, 2);
  });

  it('is told what a column is called now that policy calls otherwise', async () => {
    const thread = threadOf(sharedStore());
    await thread.settle(early);
    assert.deepEqual(thread.lines, []);
    await thread.settle(late);
    assert.deepEqual(thread.lines, [
      'a column is not called what policy calls it; it stays protected {"target":"clinic","class":"phi.ssn","column":"public.patients.ssn","now":["public.people.tax_id"]}',
    ]);
  });

  it('is not told of what packs name for every clinic', async () => {
    const policy = { ...policyOf('1', SSN), mayBeMissing: new Set([SSN.pattern]) };
    const thread = threadOf(sharedStore(), policy);
    await thread.settle(none);
    assert.deepEqual(thread.lines, []);
  });
});
