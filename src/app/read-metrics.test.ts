import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { readCounter, readGauge } from './read-metrics.ts';

test('what is read is what there is now: labels that are gone are gone, and a counter is not added to what it was', async () => {
  const registry = new Registry();
  let state = new Map([
    ['one', 1],
    ['two', 2],
  ]);
  readGauge(registry, { name: 'gauge', help: 'a gauge', labelNames: ['of'] }, (gauge) => {
    for (const [of, value] of state) gauge.set({ of }, value);
  });
  readCounter(registry, { name: 'counter', help: 'a counter', labelNames: ['of'] }, (counter) => {
    for (const [of, value] of state) counter.inc({ of }, value);
  });
  readGauge(registry, { name: 'later', help: 'one that has to ask' }, async (gauge) => gauge.set(state.size));
  const values = async (): Promise<string[]> => (await registry.metrics()).split('\n').filter((line) => /^[a-z]/.test(line));
  const both = ['gauge{of="one"} 1', 'gauge{of="two"} 2', 'counter{of="one"} 1', 'counter{of="two"} 2', 'later 2'];
  assert.deepEqual(await values(), both);
  assert.deepEqual(await values(), both);
  state = new Map([['two', 5]]);
  assert.deepEqual(await values(), ['gauge{of="two"} 5', 'counter{of="two"} 5', 'later 1']);
});
