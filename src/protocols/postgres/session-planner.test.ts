// Which catalogue a statement is planned with, when a transaction has one of its own. The target is a list of objects; the
// session says where it stands.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type TestObjects, testCatalogue, testCatalogueRows } from '../../../test/support/catalogue.ts';
import { parser } from '../../../test/support/plan.ts';
import type { MaskSet } from '../../core/decision.ts';
import { SallyportError } from '../../core/error.ts';
import { buildCatalogue } from '../../sql/catalogue-build.ts';
import type { Catalogue, ColumnRule } from '../../sql/catalogue.ts';
import { lineage } from '../../sql/lineage.ts';
import { plan } from '../../sql/plan.ts';
import { protect } from '../../sql/protection.ts';
import { type PlannedText, Planner, maxTransactions } from './planner.ts';
import { LiveObjects } from './session-objects.ts';
import { SessionPlanner, type Standing } from './session-planner.ts';
import { testTokens } from '../../../test/support/tokens.ts';

const columns = { id: 'integer not null', ssn: 'text' };
const committed: TestObjects = { tables: { 'public.patients': { columns }, 'public.clinics': { columns: { id: 'integer' } } } };
/** The protected table was dropped and made anew. */
const ofTransaction: TestObjects = {
  tables: { 'public.patients': { columns: { id: 'integer' } }, 'public.made': { columns: { id: 'integer' } } },
};
const atFirst = testCatalogue(committed);
const ssn: readonly ColumnRule[] = [{ class: 'phi.ssn', pattern: 'public.patients.ssn' }];
const hidden: MaskSet = { id: 'hidden', byClass: {} };
const objects = new LiveObjects();
const whole = 'SELECT upper(p::text) FROM patients p';

class Session {
  standing: Standing = 'idle';
  catalogue: Catalogue | null = atFirst;
  own = ofTransaction;
  readsCommitted = true;
  reads = 0;
  policy: { version: string; classRules: readonly ColumnRule[]; safeFunctions: Set<string> };
  /** Called while the catalogue is read. */
  meanwhile = (): void => undefined;
  readonly planner: SessionPlanner;

  readonly shared: Planner;

  /** @param other a session of the same target. */
  constructor(classRules = ssn, other: Session | null = null) {
    this.policy = { version: '1', classRules, safeFunctions: new Set() };
    const ofTarget = new Planner({
      engine: { plan, protect: (of, rules, safe, by, bound) => protect(of, rules, by, lineage, safe, bound) },
      parser,
      policy: () => this.policy,
      catalogue: () => this.catalogue,
      searchPath: ['public'],
      tokens: testTokens,
      maxCachedTexts: 100,
    });
    this.shared = other?.shared ?? ofTarget;
    this.planner = new SessionPlanner({
      shared: this.shared,
      standing: () => this.standing,
      read: async () => {
        this.reads += 1;
        this.meanwhile();
        return { rows: testCatalogueRows(this.own), readsCommitted: this.readsCommitted };
      },
      refreshCatalogue: async () => undefined,
    });
  }

  plan(text: string): PlannedText {
    this.planner.next();
    return this.planner.plan(text, hidden, objects);
  }

  /** The target has carried out the last statement of `text`. */
  done(text: string, tag: string): boolean {
    const planned = this.plan(text);
    return this.planner.completed(tag, planned.plan.statements.at(-1), planned);
  }

  /** A transaction that has changed the catalogue, which was read. */
  static async changed(session = new Session()): Promise<Session> {
    session.plan('BEGIN');
    session.standing = 'block';
    session.done('DROP TABLE patients', 'DROP TABLE');
    assert.ok(session.planner.mustRead);
    await session.planner.read();
    assert.ok(!session.planner.mustRead);
    return session;
  }

  commitElsewhere(): void {
    this.catalogue = testCatalogue({ ...committed, views: { 'public.other': { columns: { id: 'integer' }, sql: 'SELECT 1 AS id' } } });
  }
}

const unknown = (planned: PlannedText): string => planned.plan.facts.unknowns.map(({ code, what }) => `${code}: ${what}`).join();
const isMasked = (planned: PlannedText): boolean => planned.plan.forward?.includes('***') === true;

describe('SessionPlanner', () => {
  it('plans with the committed catalogue until the transaction changes it', () => {
    const session = new Session();
    session.standing = 'block';
    assert.ok(isMasked(session.plan(whole)));
    session.done('TRUNCATE clinics', 'TRUNCATE TABLE');
    session.done('SAVEPOINT s', 'SAVEPOINT');
    session.done('ROLLBACK TO s', 'ROLLBACK');
    assert.ok(!session.planner.hasOwnCatalogue);
  });

  it('refuses what depends on a change until it was read, and lets transactions end', () => {
    const session = new Session();
    session.standing = 'block';
    session.done('DROP TABLE patients', 'DROP TABLE');
    assert.equal(unknown(session.plan('SELECT 1')), 'catalogue: changed by this transaction');
    assert.equal(session.planner.catalogueVersion, '');
    for (const text of ['COMMIT', 'rollback;', '  SAVEPOINT s', 'ROLLBACK TO s', 'RELEASE s', 'COMMIT AND CHAIN']) {
      assert.equal(session.plan(text).plan.forward, text);
      assert.ok(session.planner.passesAtOnce(text));
    }
    for (const text of ['ROLLBACK; SELECT 1', 'BEGIN; SELECT 1', 'commitment', 'SELECT 1']) {
      assert.equal(session.plan(text).plan.forward, null);
      assert.ok(!session.planner.passesAtOnce(text));
    }
  });

  it('tells control of transactions from other texts in linear time', () => {
    const session = new Session();
    session.standing = 'block';
    session.done('DROP TABLE patients', 'DROP TABLE');
    const startedMs = performance.now();
    for (const text of [`commit${' '.repeat(250_000)}; x`, `commit;${' '.repeat(250_000)}x`, ' '.repeat(250_000)])
      assert.ok(!session.planner.passesAtOnce(text));
    assert.ok(performance.now() - startedMs < 1000);
  });

  it('plans with what the transaction sees, and shares nothing of it', async () => {
    const session = await Session.changed();
    const other = new Session();
    const inside = session.plan(whole);
    assert.equal(inside.plan.forward, whole);
    assert.equal(session.plan('SELECT id FROM made').plan.forward, 'SELECT id FROM made');
    assert.notEqual(inside.catalogueVersion, other.planner.catalogueVersion);
    session.planner.completed('ROLLBACK', session.plan('ROLLBACK').plan.statements[0], null);
    assert.ok(isMasked(session.plan(whole)));
    assert.ok(session.planner.isStale(inside, hidden));
    assert.equal(session.plan('SELECT id FROM made').plan.forward, null);
  });

  it('reads again after every change, after a step back, and after code that may do anything', async () => {
    const session = await Session.changed();
    const moves: readonly (readonly [text: string, tag: string])[] = [
      ['CREATE TABLE more (id int)', 'CREATE TABLE'],
      ['ROLLBACK TO s', 'ROLLBACK'],
      ['EXECUTE q', 'SELECT 1'],
    ];
    for (const [text, tag] of moves) {
      session.done(text, tag);
      assert.ok(session.planner.mustRead, text);
      assert.equal(session.plan('SELECT id FROM made').plan.forward, null);
      await session.planner.read();
    }
    session.done('SELECT id FROM made', 'SELECT 1');
    session.done('SAVEPOINT s', 'SAVEPOINT');
    assert.ok(!session.planner.mustRead);
    assert.equal(session.reads, 1 + moves.length);
  });

  it('knows DDL that a driver prepared by what EXECUTE inherits of it', () => {
    const session = new Session();
    session.standing = 'block';
    const planned = session.plan('DROP TABLE patients');
    const inherited = { ...session.plan('SELECT 1'), hasChanges: true } as unknown as PlannedText;
    session.planner.completed('DROP TABLE', { ...planned.plan.statements[0]!, verb: 'EXECUTE', changes: [] }, inherited);
    assert.ok(session.planner.mustRead);
  });

  it('is told when a transaction that changed something is committed, and forgets it at the end of any', async () => {
    const committing = await Session.changed();
    assert.equal(committing.done('COMMIT', 'COMMIT'), true);
    assert.ok(!committing.planner.hasOwnCatalogue);
    assert.equal(new Session().done('COMMIT', 'COMMIT'), false);
    const failing = await Session.changed();
    assert.equal(failing.done('COMMIT', 'ROLLBACK'), false);
    assert.ok(!failing.planner.hasOwnCatalogue);
    const chaining = await Session.changed();
    chaining.done('ROLLBACK AND CHAIN', 'ROLLBACK');
    assert.ok(isMasked(chaining.plan(whole)));
    const lost = await Session.changed();
    lost.planner.ended();
    assert.ok(isMasked(lost.plan(whole)));
  });

  it('INVARIANT: a text in which the catalogue changes on the way means the same under all of them, or is refused', async () => {
    const session = await Session.changed();
    for (const text of [
      `ROLLBACK; ${whole}`,
      `SELECT 1; ROLLBACK; ${whole}`,
      `COMMIT; ${whole}`,
      `ROLLBACK TO s; ${whole}`,
      `EXECUTE q; ${whole}`,
      'ROLLBACK TO s; SELECT id FROM clinics',
      'ROLLBACK; SELECT id FROM made',
    ])
      assert.equal(session.plan(text).plan.forward, null, text);
    for (const text of [
      'ROLLBACK; BEGIN',
      'ROLLBACK TO s; RELEASE s',
      'ROLLBACK; RESET ALL; SELECT pg_catalog.lower($$X$$)',
      'ROLLBACK TO s; SELECT 1',
    ])
      assert.equal(session.plan(text).plan.forward, text);
    session.standing = 'failed';
    assert.equal(session.plan(`ROLLBACK TO s; ${whole}`).plan.forward, null);
    // What is committed is in force behind the end of an aborted block.
    for (const end of ['ROLLBACK', 'COMMIT']) assert.ok(isMasked(session.plan(`${end}; ${whole}`)));
  });

  it('reads again when somebody else has changed the catalogue meanwhile, and gives up when that does not end', async () => {
    const once = new Session();
    once.meanwhile = () => {
      if (once.reads === 1) once.commitElsewhere();
    };
    await Session.changed(once);
    assert.equal(once.reads, 2);
    const always = new Session();
    always.plan('BEGIN');
    always.standing = 'block';
    always.meanwhile = () => always.commitElsewhere();
    always.done('DROP TABLE patients', 'DROP TABLE');
    await always.planner.read();
    assert.ok(always.planner.mustRead);
    assert.equal(unknown(always.plan('SELECT 1')), 'catalogue: changed by this transaction');
  });

  it('INVARIANT: what others commit, and other policies, make what was read stale', async () => {
    const session = await Session.changed();
    const planned = session.plan(whole);
    assert.ok(!session.planner.isStale(planned, hidden));
    session.commitElsewhere();
    assert.ok(session.planner.mustRead);
    assert.ok(session.planner.isStale(planned, hidden));
    assert.equal(session.plan(whole).plan.forward, null);
    await session.planner.read();
    session.policy = { ...session.policy, version: '2', classRules: [{ class: 'phi.id', pattern: 'public.patients.id' }] };
    assert.ok(session.planner.isStale(planned, hidden));
    await session.planner.read();
    assert.equal(session.plan(whole).plan.forward === whole, false);
  });

  it('relies on the snapshot of a whole transaction only while nobody has changed anything since it began', async () => {
    const alone = new Session();
    alone.readsCommitted = false;
    await Session.changed(alone);
    assert.equal(alone.plan(whole).plan.forward, whole);
    const behind = new Session();
    behind.readsCommitted = false;
    behind.plan('BEGIN');
    behind.standing = 'block';
    behind.commitElsewhere();
    behind.done('DROP TABLE patients', 'DROP TABLE');
    await behind.planner.read();
    assert.ok(!behind.planner.mustRead);
    assert.equal(behind.plan(whole).plan.forward, null);
    behind.done('CREATE TABLE more (id int)', 'CREATE TABLE');
    assert.ok(!behind.planner.mustRead);
    assert.equal(behind.plan('ROLLBACK').plan.forward, 'ROLLBACK');
  });

  it('what was protected stays so under any name the transaction gives it', async () => {
    const session = new Session();
    const rows = testCatalogueRows(committed);
    const oid = buildCatalogue(rows).relation('public', 'patients')?.oid;
    session.own = {
      tables: { 'public.harmless': { columns: { id: 'integer', body: 'text' } }, 'public.clinics': { columns: { id: 'integer' } } },
    };
    assert.equal(buildCatalogue(testCatalogueRows(session.own)).relation('public', 'harmless')?.oid, oid);
    await Session.changed(session);
    assert.ok(isMasked(session.plan('SELECT upper(body) FROM harmless')));
    assert.equal(session.planner.exposesProtected([{ name: 'x', tableOid: oid ?? 0, attnum: 2 }], hidden), true);
  });

  it('knows the columns of what the transaction made as origins of a result', async () => {
    const session = new Session([{ class: 'phi.ssn', pattern: 'public.*.ssn' }]);
    const made = { 'public.made': { columns } };
    session.own = { tables: { ...committed.tables, ...made } };
    const oid = buildCatalogue(testCatalogueRows(session.own)).relation('public', 'made')?.oid ?? 0;
    const origin = [{ name: 'x', tableOid: oid, attnum: 2 }];
    assert.equal(session.planner.exposesProtected(origin, hidden), false);
    await Session.changed(session);
    assert.equal(session.planner.exposesProtected(origin, hidden), true);
  });

  it('goes on as before where nothing is protected and the change cannot be read', async () => {
    const session = new Session([]);
    session.standing = 'block';
    session.done('DROP TABLE patients', 'DROP TABLE');
    session.standing = 'busy';
    assert.equal(session.plan('SELECT id FROM clinics').plan.forward, 'SELECT id FROM clinics');
    assert.equal(session.plan('SELECT id FROM made').plan.forward, null);
  });

  it('lets definitions and settings go on as before where the change cannot be read yet', () => {
    const session = new Session();
    session.standing = 'busy';
    session.done('DROP TABLE clinics', 'DROP TABLE');
    for (const text of [
      'CREATE TABLE public.more (id int)',
      'DROP INDEX other',
      "SET timezone = 'UTC'",
      'SHOW timezone',
      'DEALLOCATE ALL',
      'CLOSE ALL',
    ])
      assert.equal(session.plan(text).plan.forward, text);
    for (const text of [
      'SELECT 1',
      'CREATE TABLE more AS SELECT 1 AS id',
      'PREPARE q AS SELECT 1',
      'TRUNCATE patients',
      'COPY patients TO STDOUT',
    ])
      assert.equal(unknown(session.plan(text)), 'catalogue: changed by this transaction', text);
  });

  it('bounds how many transactions of a target have a catalogue of their own', async () => {
    const first = new Session();
    const all = Array.from({ length: maxTransactions }, () => new Session(ssn, first));
    for (const each of all) await Session.changed(each);
    const late = new Session(ssn, first);
    late.plan('BEGIN');
    late.standing = 'block';
    late.done('DROP TABLE clinics', 'DROP TABLE');
    await late.planner.read();
    assert.equal(unknown(late.plan('SELECT 1')), 'catalogue: of too many open transactions');
    assert.equal(late.reads, 0);
    all[0]?.planner.ended();
    await late.planner.read();
    assert.equal(late.plan('SELECT 1').plan.forward, 'SELECT 1');
  });

  it('refuses when the reading fails, and when there is no catalogue at all', async () => {
    const session = new Session();
    session.standing = 'block';
    session.done('DROP TABLE patients', 'DROP TABLE');
    session.meanwhile = () => {
      throw new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'no');
    };
    await session.planner.read();
    assert.ok(session.planner.mustRead);
    assert.equal(session.plan('SELECT 1').plan.forward, null);
    const blind = await Session.changed();
    blind.catalogue = null;
    assert.ok(!blind.planner.isReady);
    assert.equal(blind.plan('SELECT 1').plan.forward, null);
  });
});
