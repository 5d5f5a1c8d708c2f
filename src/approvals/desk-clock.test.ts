import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type Bench, code, createBench, draft, never, person } from '../../test/support/desk-bench.ts';
import type { ApprovalsService } from './desk.ts';

const hour = 3_600_000;

describe('the approvals desk, while the clock is set', () => {
  let bench: Bench;
  let desk: ApprovalsService;
  beforeEach(() => {
    bench = createBench();
    desk = bench.desk;
  });

  it('tells who waits at once when the clock jumps past the end, without a timer of that length', async () => {
    const { id } = await desk.open({ ...draft(), withinMs: 8 * hour });
    const outcome = desk.wait(id, never);
    bench.setBackMs = -8 * hour;
    assert.equal((await outcome).outcome, 'expired');
    await assert.rejects(desk.answer(id, person('bob'), 'approve'), code('SP_APPROVAL_CONFLICT'));
  });

  it('gives nobody more time to answer, or to use the answer, when the clock is set back', async () => {
    const waiting = await desk.open({ ...draft(), withinMs: hour });
    const approved = await desk.open({ ...draft(), withinMs: hour });
    await desk.answer(approved.id, person('bob'), 'approve');
    bench.nowMs += hour;
    bench.setBackMs = 24 * hour;
    await assert.rejects(desk.answer(waiting.id, person('bob'), 'approve'), code('SP_APPROVAL_CONFLICT'));
    assert.equal((await desk.show(waiting.id))?.state, 'expired');
    assert.equal(await desk.use(approved.id, approved.binding), false);
    assert.equal(await desk.find(approved.binding), null);
  });
});
