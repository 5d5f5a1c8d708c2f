import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { approvalOf } from '../../test/conformance/approval-store.ts';
import type { ApprovalId } from '../core/ids.ts';
import type { ApprovalsService } from './desk.ts';
import { type Bench, code, createBench, draft, person } from '../../test/support/desk-bench.ts';

describe('the approvals desk, over time', () => {
  let bench: Bench;
  let desk: ApprovalsService;
  beforeEach(() => {
    bench = createBench();
    desk = bench.desk;
  });

  describe('approved for a time', () => {
    const minute = 60_000;
    const approveFor = (id: ApprovalId, ms?: number, who = 'bob') => desk.answer(id, person(who), 'approve', undefined, ms);

    it('is used again and again until then, each use recorded, and by exactly its binding only', async () => {
      const { id, binding } = await desk.open(draft());
      const row = await approveFor(id, 15 * minute);
      assert.deepEqual([row.expiresAtMs, row.repeated], [bench.nowMs + 15 * minute, { uses: 0 }]);
      for (let use = 1; use <= 3; use += 1) {
        assert.equal(await desk.find(binding), id);
        assert.equal(await desk.use(id, binding), true);
        assert.deepEqual(bench.log.at(-1)?.entry.detail, { use });
      }
      for (const key of Object.keys(binding)) assert.equal(await desk.use(id, { ...binding, [key]: 'other' }), false, key);
      assert.equal((await desk.show(id))?.repeated?.uses, 3);
      bench.nowMs += 15 * minute;
      assert.equal(await desk.use(id, binding), false);
      assert.equal(await desk.find(binding), null);
      assert.equal((await desk.show(id))?.state, 'expired');
    });

    it('lasts as long as its reviewers all said, and one who said once allows one use', async () => {
      const two = { approvers: { role: 'privacy-officer', count: 2 } };
      const first = await desk.open(draft(two));
      await approveFor(first.id, 30 * minute);
      assert.equal((await approveFor(first.id, 5 * minute, 'carol')).expiresAtMs, bench.nowMs + 5 * minute);
      const second = await desk.open(draft(two));
      await approveFor(second.id, 30 * minute);
      assert.equal((await approveFor(second.id, undefined, 'carol')).repeated, undefined);
      assert.deepEqual([await desk.use(second.id, second.binding), await desk.use(second.id, second.binding)], [true, false]);
    });

    it('is not longer because the clock was set back', async () => {
      const { id, binding } = await desk.open(draft());
      await approveFor(id, minute);
      bench.setBackMs = 3_600_000;
      assert.equal(await desk.use(id, binding), true);
      bench.nowMs += minute;
      assert.equal(await desk.use(id, binding), false);
      assert.equal((await desk.show(id))?.state, 'expired');
    });

    it('ends with the policy, a lock, and a failing log releases nothing', async () => {
      const { id, binding } = await desk.open(draft());
      await approveFor(id, minute);
      bench.auditFails = true;
      await assert.rejects(desk.use(id, binding), code('SP_AUDIT_UNWRITABLE'));
      bench.auditFails = false;
      await desk.voidAll('policy-changed');
      assert.equal(await desk.use(id, binding), false);
    });

    it('refuses times out of range, and a denial for a time', async () => {
      const { id } = await desk.open(draft());
      for (const ms of [0, -1, 59_999, 8 * 60 * minute + 1, Number.NaN, minute + 0.5])
        await assert.rejects(approveFor(id, ms), code('SP_API_BAD_REQUEST'));
      await assert.rejects(desk.answer(id, person('bob'), 'deny', undefined, minute), code('SP_API_BAD_REQUEST'));
      assert.equal((await desk.show(id))?.state, 'pending');
    });

    it('survives a restart, until the same time', async () => {
      const { id, binding } = await desk.open(draft());
      const { expiresAtMs } = await approveFor(id, 15 * minute);
      desk = bench.restart();
      await desk.recover();
      assert.equal(await desk.use(id, binding), true);
      bench.nowMs = expiresAtMs;
      assert.equal(await desk.use(id, binding), false);
    });
  });

  it('ends every open approval, however many there are', async () => {
    const ids: ApprovalId[] = [];
    for (let n = 0; n < 1_100; n += 1) {
      const id = `apr_${String(n).padStart(26, 'a')}` as ApprovalId;
      await bench.memory.approvals.create(approvalOf({ id }));
      ids.push(id);
    }
    await desk.voidAll('policy-changed');
    for (const id of ids) assert.equal((await bench.memory.approvals.get(id))?.state, 'cancelled');
  });

  it('keeps a preview while it is pending, and tells subscribers', async () => {
    const preview = { estimatedRows: 3, affectedRows: 2, notCounted: null, sampling: null };
    const { id } = await desk.open(draft());
    await desk.preview(id, { preview, sample: null });
    assert.deepEqual((await desk.show(id))?.preview, preview);
    assert.deepEqual(bench.seen.at(-1)?.preview, preview);
    await desk.answer(id, person('bob'), 'approve');
    await desk.preview(id, { preview: { ...preview, affectedRows: 9 }, sample: null });
    assert.deepEqual((await desk.show(id))?.preview, preview);
    assert.doesNotMatch(JSON.stringify(bench.log), /affectedRows/);
  });
});
