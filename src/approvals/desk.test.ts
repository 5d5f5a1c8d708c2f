import assert from 'node:assert/strict';
import { beforeEach, describe, it, type TestContext } from 'node:test';
import { SallyportError } from '../core/error.ts';
import type { ApprovalId, DelegationId, Sha256Hex } from '../core/ids.ts';
import { createApprovalDesk, MAX_JUSTIFICATION_LENGTH, type ApprovalsService } from './desk.ts';
import { type Bench, code, createBench, draft, never, person, policySha256 } from '../../test/support/desk-bench.ts';

/** Lets promise chains that are ready run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the approvals desk', () => {
  let bench: Bench;
  let desk: ApprovalsService;
  beforeEach(() => {
    bench = createBench();
    desk = bench.desk;
  });

  it('records and stores a request before it is open', async () => {
    const approval = await desk.open(draft());
    assert.match(approval.id, /^apr_[a-z2-7]{26}$/);
    assert.equal(approval.expiresAtMs, bench.nowMs + 900_000);
    assert.deepEqual(await desk.show(approval.id), approval);
    assert.deepEqual(bench.types(), ['approval.requested']);
    assert.deepEqual(bench.log[0]?.entry.detail, { role: 'privacy-officer', count: 1, withinMs: 900_000 });
    assert.equal(bench.log[0]?.entry.approval, approval.id);
    assert.deepEqual(bench.log[0]?.entry.onBehalfOf, { issuer: 'corp', subject: 'alice', kind: 'person' });
    assert.deepEqual(bench.seen, [approval]);
  });

  it('opens nothing when the log or the store cannot keep it', async () => {
    bench.auditFails = true;
    await assert.rejects(desk.open(draft()), code('SP_AUDIT_UNWRITABLE'));
    bench.auditFails = false;
    for (const fault of ['lose', 'persist'] as const) {
      bench.memory.failNext(fault);
      await assert.rejects(desk.open(draft()), code('SP_STORE_UNAVAILABLE'));
    }
  });

  it('refuses a hold that nobody could answer', async () => {
    await assert.rejects(desk.open(draft({ approvers: { role: 'x', count: 0 } })), code('SP_INTERNAL'));
    await assert.rejects(desk.open(draft({ approvers: { role: 'x', count: 1.5 } })), code('SP_INTERNAL'));
    await assert.rejects(desk.open(draft({ approvers: { role: '', count: 1 } })), code('SP_INTERNAL'));
    await assert.rejects(desk.open({ ...draft(), withinMs: Number.NaN }), code('SP_INTERNAL'));
    assert.deepEqual(bench.log, []);
  });

  it('wakes the waiting request when a reviewer approves, and is used exactly once', async () => {
    const { id, binding } = await desk.open(draft());
    const outcome = desk.wait(id, never);
    await desk.answer(id, person('bob'), 'approve');
    assert.deepEqual(await outcome, { outcome: 'approved', approval: id });
    assert.deepEqual(await Promise.all([desk.use(id, binding), desk.use(id, binding), desk.use(id, binding)]), [true, false, false]);
    assert.equal(await desk.use(id, binding), false);
    assert.deepEqual(bench.types(), ['approval.requested', 'approval.answered', 'approval.used']);
    assert.equal((await desk.show(id))?.state, 'used');
  });

  it('wakes the waiting request when a reviewer denies', async () => {
    const { id, binding } = await desk.open(draft());
    const outcome = desk.wait(id, never);
    await desk.answer(id, person('bob'), 'deny');
    assert.equal((await outcome).outcome, 'denied');
    assert.equal(await desk.use(id, binding), false);
  });

  it('records who said what, and seals the justification', async () => {
    const { id } = await desk.open(draft());
    await desk.answer(id, person('bob'), 'approve', 'patient 4711 asked for it');
    const { entry, payloads } = bench.log[1] ?? assert.fail('no entry');
    assert.deepEqual(entry.answer, { by: { issuer: 'corp', subject: 'bob', kind: 'person' }, verdict: 'approve' });
    assert.deepEqual(entry.detail, { role: 'privacy-officer', count: 1, state: 'approved', via: 'api' });
    assert.equal(payloads[0]?.kind, 'justification');
    assert.equal(new TextDecoder().decode(payloads[0]?.bytes), 'patient 4711 asked for it');
    // INVARIANT: free text is in the sealed payload only.
    assert.doesNotMatch(JSON.stringify([entry, await desk.show(id), bench.seen]), /4711/);
  });

  it('records when an answer came from Slack', async () => {
    const { id } = await desk.open(draft());
    await desk.answer(id, person('bob'), 'approve', undefined, undefined, 'slack');
    assert.equal(bench.log[1]?.entry.detail?.['via'], 'slack');
  });

  it('refuses a justification that is too long, and records nothing', async () => {
    const { id } = await desk.open(draft());
    await assert.rejects(desk.answer(id, person('bob'), 'approve', 'x'.repeat(MAX_JUSTIFICATION_LENGTH + 1)), code('SP_API_BAD_REQUEST'));
    assert.deepEqual(bench.types(), ['approval.requested']);
  });

  it('gives no effect to an answer that could not be recorded', async () => {
    const { id } = await desk.open(draft());
    bench.auditFails = true;
    await assert.rejects(desk.answer(id, person('bob'), 'approve'), code('SP_AUDIT_UNWRITABLE'));
    assert.equal((await desk.show(id))?.state, 'pending');
  });

  it('releases nothing when the use could not be recorded, and burns the approval', async () => {
    const { id, binding } = await desk.open(draft());
    await desk.answer(id, person('bob'), 'approve');
    bench.auditFails = true;
    await assert.rejects(desk.use(id, binding), code('SP_AUDIT_UNWRITABLE'));
    bench.auditFails = false;
    assert.equal(await desk.use(id, binding), false);
  });

  for (const fault of ['lose', 'persist'] as const) {
    it(`releases nothing when the store fails while an approval is used (${fault})`, async () => {
      const { id, binding } = await desk.open(draft());
      await desk.answer(id, person('bob'), 'approve');
      bench.memory.failNext(fault);
      await assert.rejects(desk.use(id, binding), code('SP_STORE_UNAVAILABLE'));
      assert.ok(!bench.types().includes('approval.used'));
    });
  }

  it('never lets the requester answer, nor the person on whose behalf it was asked', async () => {
    const { id } = await desk.open(draft({ requester: { issuer: 'corp', subject: 'bob', kind: 'person', name: 'Bob' } }));
    await assert.rejects(desk.answer(id, person('bob'), 'approve'), code('SP_API_FORBIDDEN'));
    await assert.rejects(desk.answer(id, person('alice'), 'approve'), code('SP_API_FORBIDDEN'));
    await desk.answer(id, person('bob', { issuer: 'partner' }), 'approve');
  });

  it('lets neither agents nor services nor delegated identities answer', async () => {
    const { id } = await desk.open(draft());
    const alice = { issuer: 'corp', subject: 'eve', kind: 'person' } as const;
    for (const changes of [{ kind: 'agent' }, { kind: 'service' }, { onBehalfOf: alice }] as const) {
      await assert.rejects(desk.answer(id, person('bot', changes), 'approve'), code('SP_API_FORBIDDEN'));
    }
    assert.deepEqual(bench.types(), ['approval.requested']);
  });

  it('checks the role and the identity of the reviewer when the answer arrives', async () => {
    const { id } = await desk.open(draft());
    await assert.rejects(desk.answer(id, person('bob', { groups: [] }), 'approve'), code('SP_API_FORBIDDEN'));
    await assert.rejects(desk.answer(id, person('bob', { expiresAtMs: bench.nowMs }), 'approve'), code('SP_AUTH_EXPIRED'));
    assert.equal((await desk.show(id))?.state, 'pending');
  });

  it('takes the answer of somebody whom the role was lent, and says whose right it was', async () => {
    const carol = { issuer: 'corp', subject: 'carol', kind: 'person' } as const;
    bench.lent = (groups) => (groups.includes('lent') ? [{ kind: 'delegation', id: 'dlg_1' as DelegationId, from: carol }] : []);
    const { id } = await desk.open(draft({ approvers: { role: 'privacy-officer', count: 2 } }));
    const dave = person('dave', { groups: ['lent'] });
    const row = await desk.answer(id, dave, 'approve');
    assert.deepEqual(row.answers[0]?.lentBy, carol);
    assert.equal(row.state, 'pending');
    assert.equal(bench.log[1]?.entry.detail?.['delegation'], 'dlg_1');
    // Who lent the right and who used it are one: the second answer has to be somebody else's.
    await assert.rejects(desk.answer(id, person('carol'), 'approve'), code('SP_APPROVAL_CONFLICT'));
    assert.equal((await desk.answer(id, person('erin'), 'approve')).state, 'approved');
  });

  it('needs as many different people as the policy says', async () => {
    const { id, binding } = await desk.open(draft({ approvers: { role: 'privacy-officer', count: 2 } }));
    assert.equal((await desk.answer(id, person('bob'), 'approve')).state, 'pending');
    assert.equal(await desk.use(id, binding), false);
    await assert.rejects(desk.answer(id, person('bob'), 'approve'), code('SP_APPROVAL_CONFLICT'));
    assert.equal((await desk.answer(id, person('carol'), 'approve')).state, 'approved');
    assert.equal(await desk.use(id, binding), true);
  });

  it('counts answers of two gateways that saw the same state', async () => {
    const { id } = await desk.open(draft({ approvers: { role: 'privacy-officer', count: 2 } }));
    const other = bench.restart();
    await Promise.all([desk.answer(id, person('bob'), 'approve'), other.answer(id, person('carol'), 'approve')]);
    assert.equal((await desk.show(id))?.state, 'approved');
  });

  it('lets one denial outweigh earlier approvals', async () => {
    const { id } = await desk.open(draft({ approvers: { role: 'privacy-officer', count: 2 } }));
    await desk.answer(id, person('bob'), 'approve');
    assert.equal((await desk.answer(id, person('carol'), 'deny')).state, 'denied');
    await assert.rejects(desk.answer(id, person('dave'), 'approve'), code('SP_APPROVAL_CONFLICT'));
  });

  it('lets one of two reviewers who answer at once decide, and tells the other', async () => {
    const { id } = await desk.open(draft());
    const results = await Promise.allSettled([desk.answer(id, person('bob'), 'approve'), desk.answer(id, person('carol'), 'deny')]);
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'rejected'],
    );
    assert.equal(bench.types().filter((type) => type === 'approval.answered').length, 1);
  });

  it('says so when there is no such approval', async () => {
    await assert.rejects(desk.answer('apr_none' as ApprovalId, person('bob'), 'approve'), code('SP_APPROVAL_NOT_FOUND'));
    assert.equal(await desk.show('apr_none' as ApprovalId), null);
    assert.equal((await desk.wait('apr_none' as ApprovalId, never)).outcome, 'void');
  });

  it('is used only for exactly the binding it was given for', async () => {
    const { id, binding } = await desk.open(draft());
    await desk.answer(id, person('bob'), 'approve');
    for (const key of Object.keys(binding) as (keyof typeof binding)[]) {
      assert.equal(await desk.use(id, { ...binding, [key]: `${binding[key]}x` }), false, key);
    }
    assert.equal(await desk.use(id, binding), true);
  });

  it('lets a retry find what was approved for the same binding, until it is used', async () => {
    const { id, binding } = await desk.open(draft());
    assert.equal(await desk.find(binding), null);
    await desk.answer(id, person('bob'), 'approve');
    assert.equal(await desk.find({ ...binding, catalogueVersion: 'c2' }), null);
    assert.equal(await desk.find(binding), id);
    assert.equal(await desk.use(id, binding), true);
    assert.equal(await desk.find(binding), null);
  });

  it('ends with its time: no answer, no use, no find', async () => {
    const first = await desk.open(draft());
    await desk.answer(first.id, person('bob'), 'approve');
    const second = await desk.open(draft());
    bench.nowMs = first.expiresAtMs;
    assert.equal(await desk.find(first.binding), null);
    assert.equal(await desk.use(first.id, first.binding), false);
    await assert.rejects(desk.answer(second.id, person('bob'), 'approve'), code('SP_APPROVAL_CONFLICT'));
    assert.equal((await desk.show(second.id))?.state, 'expired');
    const ends = bench.log.filter(({ entry }) => entry.type === 'approval.expired').map(({ entry }) => entry.detail);
    assert.deepEqual(ends, [{ reason: 'time' }, { reason: 'time' }]);
  });

  it('lists nothing as pending whose time is over', async () => {
    const { expiresAtMs } = await desk.open(draft());
    bench.nowMs = expiresAtMs;
    assert.deepEqual(await desk.list({ state: 'pending', limit: 10 }), []);
    assert.equal((await desk.list({ limit: 10 }))[0]?.state, 'expired');
  });

  const advance = async (t: TestContext, ms: number) => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      bench.nowMs += 1_000;
      t.mock.timers.tick(1_000);
      await settle();
    }
  };

  it('tells the waiting request when nobody answered in time', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { id } = await desk.open({ ...draft(), withinMs: 5_000 });
    const outcome = desk.wait(id, never);
    await settle();
    await advance(t, 5_000);
    assert.deepEqual(await outcome, { outcome: 'expired', approval: id });
  });

  it('ends an approval in time that nobody waits for', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { id } = await desk.open({ ...draft(), withinMs: 5_000 });
    await advance(t, 5_000);
    assert.equal((await bench.memory.approvals.get(id))?.state, 'expired');
    assert.deepEqual(bench.types(), ['approval.requested', 'approval.expired']);
  });

  it('notices an answer that another gateway took', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { id } = await desk.open(draft());
    const outcome = desk.wait(id, never);
    await settle();
    await bench.restart().answer(id, person('bob'), 'approve');
    await advance(t, 1_000);
    assert.equal((await outcome).outcome, 'approved');
  });

  it('is cancelled when the client cancels, and cannot be approved any more', async () => {
    const { id } = await desk.open(draft());
    const client = new AbortController();
    const outcome = desk.wait(id, client.signal);
    await settle();
    client.abort(new SallyportError('SP_REQUEST_CANCELLED', 'test'));
    assert.equal((await outcome).outcome, 'cancelled');
    await assert.rejects(desk.answer(id, person('bob'), 'approve'), code('SP_APPROVAL_CONFLICT'));
    assert.deepEqual(bench.log.at(-1)?.entry.detail, { reason: 'cancelled' });
  });

  it('is cancelled when the client had cancelled before it waited', async () => {
    const { id } = await desk.open(draft());
    assert.equal((await desk.wait(id, AbortSignal.abort())).outcome, 'cancelled');
    assert.equal((await desk.show(id))?.state, 'cancelled');
  });

  it('stays open when the client was lost, and its retry takes it over', async () => {
    const { id, binding } = await desk.open(draft());
    const outcome = await desk.wait(id, AbortSignal.abort(new SallyportError('SP_CLIENT_LOST', 'test')));
    assert.equal(outcome.outcome, 'cancelled');
    const again = await desk.open(draft());
    assert.equal(again.id, id);
    assert.notEqual((await desk.open(draft())).id, id, 'one approval never serves two requests');
    await desk.answer(id, person('bob'), 'approve');
    assert.equal(await desk.find(binding), id);
  });

  it('gives two equal requests at once an approval each', async () => {
    const [a, b] = await Promise.all([desk.open(draft()), desk.open(draft())]);
    assert.notEqual(a?.id, b?.id);
  });

  it('voids what is open when the policy changes', async () => {
    const pending = await desk.open(draft());
    const approved = await desk.open(draft());
    await desk.answer(approved.id, person('bob'), 'approve');
    const outcome = desk.wait(pending.id, never);
    await settle();
    await desk.voidAll('policy-changed');
    assert.equal((await outcome).outcome, 'void');
    assert.equal(await desk.use(approved.id, approved.binding), false);
    assert.deepEqual(bench.log.at(-1)?.entry.detail, { reason: 'policy-changed' });
  });

  it('refuses an answer to what was asked under another policy', async () => {
    const { id } = await desk.open(draft());
    const outcome = desk.wait(id, never);
    bench.policy = '9'.repeat(64) as Sha256Hex;
    await assert.rejects(desk.answer(id, person('bob'), 'approve'), code('SP_APPROVAL_VOID'));
    assert.equal((await outcome).outcome, 'void');
  });

  it('answers waiting requests at shutdown and opens nothing more', async () => {
    const { id } = await desk.open(draft());
    const outcome = desk.wait(id, never);
    await settle();
    await desk.drain();
    assert.equal((await outcome).outcome, 'shutting-down');
    assert.equal((await desk.wait(id, never)).outcome, 'shutting-down');
    assert.equal((await desk.show(id))?.state, 'cancelled');
    await assert.rejects(desk.open(draft()), code('SP_SHUTTING_DOWN'));
  });

  it('ends at start what an earlier process left pending, and keeps what was approved', async () => {
    const pending = await desk.open(draft());
    const approved = await desk.open(draft());
    const late = await desk.open({ ...draft(), withinMs: 1 });
    await desk.answer(approved.id, person('bob'), 'approve');
    bench.nowMs += 1;
    const next = bench.restart();
    await next.recover();
    assert.equal((await next.show(pending.id))?.state, 'cancelled');
    assert.equal((await next.show(late.id))?.state, 'expired');
    assert.equal(await next.find(approved.binding), approved.id);
    assert.equal(await next.use(approved.id, approved.binding), true);
  });

  it('rejects the wait when the store fails, instead of guessing', async () => {
    const { id } = await desk.open(draft());
    const broken = createApprovalDesk({
      store: { ...bench.memory.approvals, get: async () => Promise.reject(new SallyportError('SP_STORE_UNAVAILABLE', 'test')) },
      audit: { writable: true, append: async () => 0 },
      clock: { nowMs: () => bench.nowMs, monotonicMs: () => 0 },
      random: { bytes: (length) => new Uint8Array(length) },
      logger: { info() {}, warn() {}, error() {} },
      authoritiesOf: () => [],
      policySha: () => policySha256,
    });
    await assert.rejects(broken.wait(id, never), code('SP_STORE_UNAVAILABLE'));
  });

  it('tells subscribers of every change, survives a faulty one, and stops when asked', async () => {
    let after = 0;
    desk.subscribe(() => assert.fail('test: a faulty listener'));
    const stop = desk.subscribe(() => (after += 1));
    const { id, binding } = await desk.open(draft());
    await desk.answer(id, person('bob'), 'approve');
    stop();
    await desk.use(id, binding);
    assert.deepEqual(
      bench.seen.map((approval) => approval.state),
      ['pending', 'approved', 'used'],
    );
    assert.equal(after, 2);
  });

  it('says beforehand whether a reviewer may answer', async () => {
    const approval = await desk.open(draft());
    assert.equal(desk.mayAnswer(approval, person('bob')), true);
    assert.equal(desk.mayAnswer(approval, person('alice')), false);
    assert.equal(desk.mayAnswer(approval, person('bob', { groups: [] })), false);
    assert.equal(desk.mayAnswer({ ...approval, state: 'approved' }, person('bob')), false);
    bench.nowMs = approval.expiresAtMs;
    assert.equal(desk.mayAnswer(approval, person('bob')), false);
  });
});
