import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Request } from '../core/request.ts';
import { agent, allow, asPermit, benchOf, client, countingBench, deny, factsOf, never, requestOf, target } from './testing.ts';

test('a repeated request is decided once, and anew when anything the decision rests on has changed', async () => {
  const { bench, decided } = countingBench();
  const session = await bench.gate.openSession(agent, target, client);
  const facts = factsOf();
  const ask = async (change: Partial<Request> = {}): Promise<number> => {
    await session.ask(requestOf({ facts, ...change }), never);
    return decided();
  };
  assert.equal(await ask(), 1);
  assert.equal(await ask({ sealed: { statement: Buffer.from('another text of the same shape'), parameters: null } }), 1);
  assert.equal(await ask({ parameters: [{ type: '23', bytes: 4 }] }), 2);
  assert.equal(await ask({ parameters: [{ type: '23', bytes: 2 }] }), 2);
  assert.equal(await ask({ parameters: [{ type: '25', bytes: 4 }] }), 3);
  assert.equal(await ask({ facts: factsOf() }), 4);
  bench.reload();
  assert.equal(await ask(), 5);
  bench.nowMs = agent.expiresAtMs;
  assert.equal(await ask(), 6);
  const intents = bench.log.entries.filter(({ type }) => type === 'request.intent');
  assert.equal(intents.length, 8);
  assert.deepEqual(intents[1]?.statement?.bytes, 30);
  assert.deepEqual(intents[2]?.statement?.parameters, [{ type: '23', bytes: 4 }]);
});

test('a policy that reads the time decides every request anew', async () => {
  let decided = 0;
  const bench = benchOf(() => {
    decided += 1;
    return decided === 1 ? allow : deny;
  });
  bench.isTimeless = false;
  bench.reload();
  const session = await bench.gate.openSession(agent, target, client);
  const request = requestOf();
  asPermit(await session.ask(request, never));
  assert.equal((await session.ask(request, never)).kind, 'denied');
});

test('what a session keeps ready for repetitions is bounded, and released only when no result is outstanding', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const first = asPermit(await session.ask(requestOf(), never));
  for (let each = 0; each < 300; each += 1) {
    session.settle(asPermit(await session.ask(requestOf({ facts: factsOf() }), never)), { rows: 0, bytes: 0, code: 'ok' });
  }
  assert.equal(bench.log.templates, 2 * (256 + 1));
  session.settle(first, { rows: 1, bytes: 1, code: 'ok' });
  assert.equal(bench.log.templates, 2 * 256);
});

test('a request that goes on is recorded anew under the same decision, also after its entries were forgotten', async () => {
  const { bench, decided } = countingBench();
  bench.isTimeless = false;
  bench.reload();
  const session = await bench.gate.openSession(agent, target, client);
  const first = asPermit(await session.ask(requestOf({ action: 'execute' }), never));
  session.settle(first, { rows: 2, bytes: 20, code: 'ok' });
  assert.equal(bench.log.templates, 0);
  const second = await session.again(first);
  const third = await session.again(second);
  session.settle(second, { rows: 1, bytes: 10, code: 'ok' });
  session.settle(third, { rows: 0, bytes: 0, code: 'ok' });
  assert.equal(decided(), 1);
  assert.equal(bench.log.templates, 0);
  const results = bench.log.entries.filter(({ type }) => type === 'request.result');
  assert.deepEqual(
    results.map(({ intent }) => bench.log.entries[intent ?? -1]?.type),
    ['request.intent', 'request.intent', 'request.intent'],
  );
  assert.equal(new Set(results.map(({ intent }) => intent)).size, 3);
  bench.log.writable = false;
  await assert.rejects(async () => session.again(first), { code: 'SP_AUDIT_UNWRITABLE' });
});

test('the text of a prepared statement is handed over for sealing once, that of a simple query every time', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const request = requestOf({ action: 'execute', sealed: { statement: Buffer.from('prepared'), parameters: Buffer.from('p1') } });
  const kinds = (): string =>
    bench.log.payloads
      .splice(0)
      .map(({ kind }) => kind)
      .join(' ');
  asPermit(await session.ask(request, never));
  // Shared payloads come with the template.
  assert.equal(kinds(), 'statement parameters');
  const simple = requestOf();
  asPermit(await session.ask(simple, never));
  asPermit(await session.ask(simple, never));
  assert.equal(kinds(), 'statement statement');
});
