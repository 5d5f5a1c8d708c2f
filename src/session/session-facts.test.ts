// What conditions see of a session: how old it is and how much it asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../core/decision.ts';
import type { Request } from '../core/request.ts';
import { agent, allow, benchOf, client, countingBench, deny, factsOf, hold, never, requestOf, target } from './testing.ts';

test('a decision sees whole seconds since the session was opened, whatever the wall clock does, and its statements so far', async () => {
  const seen: (readonly [number, number])[] = [];
  const answers: Decision[] = [];
  const bench = benchOf((_request, _grants, { ageSeconds, statements }) => {
    seen.push([ageSeconds, statements]);
    return answers.shift() ?? allow;
  });
  bench.isTimeless = false;
  bench.reload();
  bench.steadyMs = 1_000_000;
  const session = await bench.gate.openSession(agent, target, client);
  const ask = (change: Partial<Request> = {}): unknown => session.ask(requestOf({ facts: factsOf(), ...change }), never);
  await ask();
  bench.steadyMs += 2999;
  bench.nowMs = 500;
  await ask({ facts: factsOf({ statements: 3 }) });
  await ask({ action: 'prepare' });
  answers.push(deny);
  await ask({ action: 'execute' });
  bench.nowMs = 0;
  bench.steadyMs += 1;
  await ask();
  assert.deepEqual(seen, [
    [0, 1],
    [2, 4],
    [2, 4],
    [2, 5],
    [3, 6],
  ]);
});

test('a held request is decided again at release as the same statement of its session', async () => {
  const seen: number[] = [];
  const bench = benchOf((_request, _grants, { statements }) => {
    seen.push(statements);
    return hold;
  });
  const session = await bench.gate.openSession(agent, target, client);
  const answer = await session.ask(requestOf(), never);
  assert.ok(answer.kind === 'held');
  await answer.wait(never);
  assert.deepEqual(seen, [1, 1]);
});

test('a decision that was kept is not used for a request that is expected to return another number of rows', async () => {
  const { bench, decided } = countingBench();
  const session = await bench.gate.openSession(agent, target, client);
  const facts = factsOf();
  for (const estimatedRows of [10, 10, 11]) await session.ask(requestOf({ facts, estimatedRows }), never);
  await session.ask(requestOf({ facts }), never);
  assert.equal(decided(), 3);
});
