// Non-interference: thousands of generated statements through the real gateway to two databases that differ in protected
// values only; every byte of the answers must be equal. And the proof that this can fail: with one protected column left out of
// the policy a difference is found and made small. SALLYPORT_NONINTERFERENCE=statements[:seed]
// changes size (1000 or more) and seed.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createParser, type Parser } from '../../src/sql/parser.ts';
import { type CorpusPolicy, corpusFiles, readCases } from '../bypass/cases.ts';
import { type Server, startEmbedded } from '../bypass/worlds.ts';
import { Campaign, type CampaignDeps, type Finding, type Tally, unitOf } from '../noninterference/campaign.ts';
import type { LaneStep } from '../noninterference/lane.ts';
import { Mutator } from '../noninterference/mutate.ts';
import { Referee } from '../noninterference/referee.ts';
import { caseOf, refusals, summary } from '../noninterference/report.ts';
import { shrink } from '../noninterference/shrink.ts';
import { formNames } from '../noninterference/units.ts';
import { type Pairs, readPairsPolicy, startPairs } from '../noninterference/worlds.ts';

const [statements = 10_000, seed = 1] = (process.env['SALLYPORT_NONINTERFERENCE'] ?? '').split(':').filter(Boolean).map(Number);
const laneCount = 4;
const maxShrunkChars = 140;
/** Far more than it took so far: 55 to 870. */
const maxUntilFound = 6000;
const policy = readPairsPolicy();
const found = readCases(join(import.meta.dirname, '../noninterference/found.json'));

/** Answered with rows at least so often in 20,000 statements, so that the run cannot pass by refusing. */
const floors: Readonly<Record<string, number>> = {
  plain: 1500,
  extended: 700,
  'binary-results': 500,
  parameters: 400,
  copy: 200,
  cursor: 100,
  prepared: 100,
  explain: 150,
  write: 200,
  insert: 20,
  update: 50,
  delete: 50,
  merge: 20,
  cte: 500,
  'cte-named-like-table': 200,
  recursive: 100,
  lateral: 250,
  window: 600,
  'set-operation': 250,
  'group-by': 1000,
  'grouping-sets': 250,
  'distinct-on': 400,
  'row-lock': 10,
  tablesample: 150,
  subquery: 600,
  'whole-row': 500,
  view: 1000,
  partitions: 1000,
  inheritance: 800,
  mutated: 900,
};

describe('non-interference', () => {
  let server: Server;
  let pairs: Pairs;
  let parser: Parser;
  /** Made once: it parses the whole corpus. */
  let mutator: Mutator;
  const newMutator = (): Mutator => new Mutator(parser, pairs.catalogue, corpusFiles());
  const depsFor = (with_: Pairs): CampaignDeps => ({ pairs: with_, parser, mutator, nowMs: () => performance.now() });

  before(async () => {
    server = await startEmbedded();
    parser = await createParser();
    pairs = await startPairs(server, policy, laneCount);
    mutator = newMutator();
  });
  after(async () => {
    await pairs.stop();
    await server.stop();
  });

  it('is large enough for its floors to mean something', () => assert.ok(statements >= 1000));

  it('makes the same statement of the same numbers', () => {
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    const units = numbers.map((number) => unitOf(seed, number, { pairs, mutator }));
    // Whoever makes it, and whatever was made before.
    const other = { pairs, mutator: newMutator() };
    const again = numbers.toReversed().map((number) => unitOf(seed, number, other));
    assert.deepEqual(again.toReversed(), units);
    assert.ok(new Set(units.map(({ steps }) => JSON.stringify(steps))).size > 190);
  });

  it('shows nothing of protected values, whatever is asked', async (t) => {
    const tally = await new Campaign(depsFor(pairs), { seed, statements, bareShare: 0.03, signal: t.signal }).run();
    t.diagnostic(summary(tally));
    t.diagnostic(refusals(tally, 10));
    assert.deepEqual(
      tally.findings.map((finding) => caseOf(finding, seed)),
      [],
    );
    powerful(tally);
  });

  describe('what it found before', () => {
    for (const { id, title, sql } of found) {
      it(`${id}: ${title}`, async () => {
        const referee = new Referee(pairs.referee, pairs.token);
        const verdict = await referee.judge(sql as readonly LaneStep[]);
        referee.end();
        assert.equal(verdict, 'same');
      });
    }
  });

  describe('can fail:', () => {
    for (const { relation, column } of [
      { relation: 'public.patients', column: 'email' },
      { relation: 'public.lab_results', column: 'markers' },
      { relation: 'public.encounters', column: 'reason' },
    ]) {
      it(`without ${relation}.${column} in the policy it finds a difference and makes it small`, async (t) => {
        const holed = await pairs.withPolicy(without(policy, relation, column), 1);
        t.after(() => holed.stop());
        const tally = await new Campaign(depsFor(holed), {
          seed,
          statements: maxUntilFound,
          bareShare: 0,
          untilFound: true,
          signal: t.signal,
        }).run();
        const finding: Finding = tally.findings[0] ?? assert.fail(`nothing in ${tally.statements} statements`);
        const text = JSON.stringify(finding.shrunk);
        t.diagnostic(`after ${tally.statements} statements: ${text}`);
        // PREPARE and EXECUTE, DECLARE and FETCH are as small as can be.
        assert.ok(finding.shrunk.length <= 2 && text.length <= maxShrunkChars, text);
        // And it is about that hole: behind the whole policy there is no difference.
        await pairs.renewReferee();
        const referee = new Referee(pairs.referee, pairs.token);
        assert.equal(await referee.judge(finding.shrunk), 'same');
        referee.end();
      });
    }

    it('a statement is made small whatever makes it fail', async () => {
      const fails = (word: string) => async (steps: readonly LaneStep[]) =>
        steps.some((step) => (typeof step === 'string' ? step : step.q).includes(word));
      const deps = (word: string) => ({ parser, fails: fails(word), nowMs: () => performance.now() });
      const long =
        'WITH a AS (SELECT id, ssn AS hit FROM patients WHERE dob > $$1$$ GROUP BY 1, 2) SELECT a.*, (SELECT max(b.x) FROM (VALUES (1)) b(x)) FROM a JOIN clinics c USING (id) ORDER BY 1 LIMIT 3';
      assert.deepEqual(await shrink(['BEGIN', 'SELECT 1', long, 'ROLLBACK'], deps('ssn')), ['SELECT ssn']);
      assert.deepEqual(await shrink(['not a statement ( with ssn in it'], deps('ssn')), ['ssn']);
      assert.deepEqual(await shrink([{ q: 'SELECT id, ssn FROM patients', resultFormats: [1] }], deps('ssn')), ['SELECT ssn']);
    });
  });
});

function powerful(tally: Tally): void {
  const scale = tally.statements / 20_000;
  const { rows, empty, refused, error } = tally.outcomes;
  assert.ok(tally.statements >= statements, 'all statements were answered');
  assert.ok(tally.bareDiffered >= tally.bareSampled * 0.1, `${tally.bareDiffered} of ${tally.bareSampled} differ past the gateway`);
  assert.ok(rows >= tally.statements * 0.3, `${rows} answered with rows`);
  assert.ok(rows + empty >= tally.statements * 0.5, `${rows + empty} answered`);
  assert.ok(refused >= tally.statements * 0.03 && refused <= tally.statements * 0.25, `${refused} refused`);
  assert.ok(error >= tally.statements * 0.03 && error <= tally.statements * 0.3, `${error} errors`);
  // What is set aside could hide something.
  assert.ok(tally.noise.length + tally.timeouts + tally.unconfirmed.length <= Math.max(3, tally.statements * 0.003), 'hardly any noise');
  for (const form of formNames) assert.ok(tally.features.has(form), form);
  for (const [feature, floor] of Object.entries(floors)) {
    const answered = tally.features.get(feature)?.rows ?? 0;
    assert.ok(answered >= Math.floor(floor * scale), `${feature}: ${answered} answered with rows, ${Math.floor(floor * scale)} wanted`);
  }
}

function without(whole: CorpusPolicy, relation: string, column: string): CorpusPolicy {
  const columns = whole.protected[relation] ?? [];
  assert.ok(columns.includes(column));
  return { ...whole, protected: { ...whole.protected, [relation]: columns.filter((name) => name !== column) } };
}
