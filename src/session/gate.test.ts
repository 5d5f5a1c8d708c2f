import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../core/decision.ts';
import { SallyportError } from '../core/error.ts';
import type { ActorRef } from '../core/identity.ts';
import type { ApprovalId, SessionId, Sha256Hex } from '../core/ids.ts';
import type { Denied, Held } from './gate.ts';
import { PreviewPass } from '../core/preview.ts';
import { Permit } from './permit.ts';
import { agent, allow, asPermit, benchOf, client, deny, factsOf, hold, masks, never, requestOf, target } from './testing.ts';

test('a session is opened only for a principal with access, and the refusal is recorded', async () => {
  const bench = benchOf(() => allow);
  bench.access = false;
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_TARGET_UNKNOWN' });
  assert.deepEqual(bench.log.types(), ['auth.fail']);
});

test('a session cannot be opened while the audit log is not writable', async () => {
  const bench = benchOf(() => allow);
  bench.log.writable = false;
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_AUDIT_UNWRITABLE' });
  assert.equal(bench.gate.liveSessions, 0);
});

test('an allowed request is recorded before the permit exists, with the statement sealed and not in the header', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const permit = asPermit(await session.ask(requestOf(), never));
  assert.ok(Permit.isGenuine(permit));
  assert.deepEqual(bench.log.types(), ['auth.ok', 'session.open', 'request.intent']);
  assert.ok(!JSON.stringify(bench.log.entries).includes('123-45-6789'));
  assert.equal(bench.log.payloads[0]?.kind, 'statement');
});

test('a read gets its permit while its intent is still syncing; a write waits until it is durable', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.log.stalled = true;
  asPermit(await session.ask(requestOf(), never));
  let settled = false;
  const asked = session.ask(requestOf({ facts: factsOf({ effects: ['write'] }) }), never);
  assert.ok(asked instanceof Promise);
  const write = asked.then((answer) => {
    settled = true;
    return answer;
  });
  await new Promise((done) => setImmediate(done));
  assert.equal(settled, false);
  bench.log.sync();
  asPermit(await write);
});

test('INVARIANT: a write is not permitted when its intent cannot be recorded', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.log.writable = false;
  await assert.rejects(async () => session.ask(requestOf({ facts: factsOf({ effects: ['write'] }) }), never), {
    code: 'SP_AUDIT_UNWRITABLE',
  });
  bench.log.writable = true;
  bench.log.failing = true;
  await assert.rejects(async () => session.ask(requestOf({ facts: factsOf({ effects: ['write'] }) }), never), {
    code: 'SP_AUDIT_UNWRITABLE',
  });
});

test('a read whose intent cannot be recorded carries a rejecting intent, so that no result byte is released', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.log.failing = true;
  const permit = asPermit(await session.ask(requestOf(), never));
  assert.equal(permit.facts.intent.isDone, false);
  await assert.rejects(permit.facts.intent.wait(), { code: 'SP_AUDIT_UNWRITABLE' });
  bench.log.writable = false;
  const result = session.settle(permit, { rows: 1, bytes: 1, code: 'ok' });
  assert.equal(result.isDone, false);
  await assert.rejects(result.wait(), { code: 'SP_AUDIT_UNWRITABLE' });
});

test('INVARIANT: once the log has failed, a live session sends nothing more, not even a read', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  await session.ask(requestOf(), never);
  bench.log.writable = false;
  await assert.rejects(async () => session.ask(requestOf(), never), { code: 'SP_AUDIT_UNWRITABLE' });
});

test('a denial is recorded with its rules and gives no permit', async () => {
  const bench = benchOf(() => deny);
  const session = await bench.gate.openSession(agent, target, client);
  const answer = await session.ask(requestOf(), never);
  assert.equal(answer.kind, 'denied');
  const entry = bench.log.entries.at(-1);
  assert.equal(entry?.type, 'request.denied');
  assert.deepEqual(entry?.rules, ['no-ddl']);
});

test('a statement rewritten under other masks than the decision demands is refused', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const answer = await session.ask(requestOf({ maskSetId: 'masks-0' }), never);
  assert.equal(answer.kind, 'denied');
  assert.deepEqual((answer as Denied).decision.reasons, ['approval-void']);
});

test('a held request waits, is decided again at release, and uses its approval once', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  assert.equal(held.kind, 'held');
  assert.deepEqual(bench.log.types().slice(2), ['request.held']);
  const permit = asPermit(await held.wait(never));
  assert.equal(bench.desk.used.length, 1);
  assert.equal(bench.log.entries.at(-1)?.approval, 'apr_1');
  assert.equal(permit.facts.request.statementSha256, 'aa');
});

test('an approval is void when the policy denies at release', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  bench.decide = () => deny;
  assert.equal((await held.wait(never)).kind, 'denied');
  assert.equal(bench.desk.used.length, 0);
});

test('INVARIANT: an approval that was used or is bound to something else gives no permit', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  bench.desk.usable = false;
  const answer = await held.wait(never);
  assert.deepEqual((answer as Denied).decision.reasons, ['approval-void']);
});

test('INVARIANT: what is approved for an agent on behalf of one person is bound to that person', async () => {
  const bench = benchOf(() => hold);
  const person = (subject: string): ActorRef => ({ issuer: 'corp', subject, kind: 'person' });
  const bindings = new Set<string>();
  for (const onBehalfOf of [null, person('alice'), person('bob')]) {
    const session = await bench.gate.openSession({ ...agent, onBehalfOf }, target, client);
    const held = (await session.ask(requestOf(), never)) as Held;
    asPermit(await held.wait(never));
    bindings.add(bench.desk.opened.at(-1)?.binding.principal ?? '');
    assert.equal(bench.desk.used.at(-1)?.maskSetId, masks.id);
    assert.equal(bench.desk.used.at(-1)?.principal, bench.desk.opened.at(-1)?.binding.principal);
    await session.close('client');
  }
  assert.equal(bindings.size, 3);
});

test('INVARIANT: a preview is recorded before it reaches the target, with a pass, and nobody waits for it', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const found = { preview: { estimatedRows: 1, affectedRows: 1, notCounted: null, sampling: null }, sample: null };
  const asked: { pass: PreviewPass; types: string[] }[] = [];
  const gone = Promise.withResolvers<typeof found>();
  const previewer = {
    preview(pass: PreviewPass) {
      asked.push({ pass, types: bench.log.types() });
      return gone.promise;
    },
  };
  const held = (await session.ask(requestOf({ previewer }), never)) as Held;
  assert.equal(held.kind, 'held');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked[0]?.types.slice(2), ['request.held', 'approval.preview']);
  assert.ok(PreviewPass.isGenuine(asked[0].pass));
  gone.resolve(found);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(bench.desk.previews, [found]);
  assert.doesNotMatch(JSON.stringify(held), /estimatedRows/);
  bench.log.failing = true;
  await assert.rejects(async () => session.ask(requestOf({ previewer }), never));
  assert.equal(asked.length, 1);
});

test('a policy change while held voids the approval even if it still says hold', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  bench.decide = () => ({ ...hold, policySha256: 'p2' as Sha256Hex }) as Decision;
  assert.equal((await held.wait(never)).kind, 'denied');
});

for (const [outcome, reason] of [
  ['denied', 'approval-denied'],
  ['expired', 'approval-expired'],
  ['cancelled', 'cancelled'],
  ['shutting-down', 'shutting-down'],
] as const) {
  test(`a held request whose approval is ${outcome} is denied for that reason and recorded`, async () => {
    const bench = benchOf(() => hold);
    const session = await bench.gate.openSession(agent, target, client);
    const held = (await session.ask(requestOf(), never)) as Held;
    bench.desk.outcome = outcome;
    assert.deepEqual(((await held.wait(never)) as Denied).decision.reasons, [reason]);
    assert.equal(bench.log.entries.at(-1)?.type, 'request.denied');
  });
}

for (const when of ['find', 'open', 'wait', 'use'] as const) {
  test(`a store that fails at \`${when}\` refuses the held request, is recorded, and does not end the session`, async () => {
    const bench = benchOf(() => hold);
    const session = await bench.gate.openSession(agent, target, client);
    Object.assign(bench.desk, { [when]: () => Promise.reject(new SallyportError('SP_STORE_UNAVAILABLE', 'locked')) });
    const asked = await session.ask(requestOf(), never);
    const answer = asked.kind === 'held' ? await asked.wait(never) : asked;
    assert.deepEqual((answer as Denied).decision.reasons, ['unavailable']);
    assert.equal(bench.log.entries.at(-1)?.type, 'request.denied');
    assert.equal(session.ended.aborted, false);
  });
}

test('a retry finds its unused approval and goes through without a second one', async () => {
  const bench = benchOf(() => hold);
  bench.desk.found = 'apr_9' as ApprovalId;
  const session = await bench.gate.openSession(agent, target, client);
  asPermit(await session.ask(requestOf(), never));
  assert.equal(bench.desk.opened.length, 0);
  assert.equal(bench.log.entries.at(-1)?.approval, 'apr_9');
});

test('preparing a held statement is planned and recorded, not held', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  asPermit(await session.ask(requestOf({ action: 'prepare' }), never));
  assert.equal(bench.log.entries.at(-1)?.decision, 'hold');
});

test('entries of a session are numbered densely from zero', async () => {
  const bench = benchOf((request) => (request.facts.effects.includes('ddl') ? deny : allow));
  const session = await bench.gate.openSession(agent, target, client);
  const permit = asPermit(await session.ask(requestOf(), never));
  await session.settle(permit, { rows: 3, bytes: 30, code: 'ok' }).wait();
  await session.ask(requestOf({ facts: factsOf({ effects: ['ddl'] }) }), never);
  await session.close('client');
  await session.close('client');
  assert.deepEqual(
    bench.log.entries.map((entry) => entry.n),
    [0, 1, 2, 3, 4, 5],
  );
  assert.deepEqual(bench.log.types().slice(3), ['request.result', 'request.denied', 'session.close']);
});

test('no session is opened beyond the limit, after draining, or for an expired identity', async () => {
  const bench = benchOf(() => allow);
  await bench.gate.openSession(agent, target, client);
  await bench.gate.openSession(agent, target, client);
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_SESSION_LIMIT' });
  bench.nowMs = 10_000;
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_AUTH_EXPIRED' });
  bench.gate.drain();
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_SHUTTING_DOWN' });
});

test('an ended session asks for nothing more', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.gate.endAll(new SallyportError('SP_SHUTTING_DOWN', 'stop'));
  assert.ok(session.ended.aborted);
  await assert.rejects(async () => session.ask(requestOf(), never), { code: 'SP_SHUTTING_DOWN' });
});

test('session ids are unguessable strings of the documented form', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  assert.match(session.id satisfies SessionId, /^ses_[a-z2-7]{26}$/);
});

test('an alarm is recorded for the session that it is about, and for no session that is not there', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  await bench.gate.openSession(agent, target, client);
  await bench.gate.alarm(session.id, 'lineage-disagreement');
  await bench.gate.alarm('ses_none' as SessionId, 'lineage-disagreement');
  const alarms = bench.log.entries.filter(({ type }) => type === 'alarm');
  assert.deepEqual(
    alarms.map(({ session: of, detail }) => [of, detail]),
    [[session.id, { code: 'lineage-disagreement' }]],
  );
});
