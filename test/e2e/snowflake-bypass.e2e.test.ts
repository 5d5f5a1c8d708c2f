// The Snowflake corpus: proven on the bare accounts, then through a gateway.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corpusCases } from '../snowflake/corpus/cases.ts';
import { CorpusRunner, type Verdict } from '../snowflake/run-corpus.ts';
import { startWorlds } from '../snowflake/worlds.ts';

const cases = corpusCases();

async function runAll(how: 'attack' | 'prove'): Promise<Verdict[]> {
  const worlds = await startWorlds(how === 'attack');
  const verdicts: Verdict[] = [];
  try {
    const runner = await CorpusRunner.make(worlds.first, worlds.twin, cases);
    await runner.runAll(cases, how, (verdict) => verdicts.push(verdict));
    return verdicts;
  } finally {
    await worlds.stop();
  }
}

const faultsOf = (verdicts: readonly Verdict[]): string[] =>
  verdicts.flatMap(({ id, faults, error }) => faults.map((fault) => `${id}: ${fault} | ${error}`));

test('the corpus has at least 150 attacks and 60 ordinary statements', () => {
  const ordinary = cases.filter(({ expect }) => expect === 'clean');
  assert.ok(ordinary.length >= 60, String(ordinary.length));
  assert.ok(cases.length - ordinary.length >= 150);
  assert.equal(new Set(cases.map(({ id }) => id)).size, cases.length);
});

test('on the bare account every attack shows protected values, every guess is told, and what is ordinary is answered', async () => {
  const verdicts = await runAll('prove');
  assert.equal(verdicts.length, cases.length);
  assert.deepEqual(faultsOf(verdicts), []);
});

test('through the gateway nothing protected is shown or told, and what is ordinary is answered as the account answers', async () => {
  const verdicts = await runAll('attack');
  assert.equal(verdicts.length, cases.length);
  const known = new Map(cases.flatMap(({ id, hard }) => (hard === undefined ? [] : [[id, hard]])));
  assert.deepEqual(faultsOf(verdicts.filter(({ id }) => !known.has(id))), []);
  // What is listed as not possible must not be possible.
  for (const id of known.keys()) assert.notDeepEqual(verdicts.find((verdict) => verdict.id === id)?.faults, [], `${id} is possible now`);
});
