// Thousands of held statements: what happens to all of them at once takes work in their number, not in its square.

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { approvalOf } from '../../test/conformance/approval-store.ts';
import { type Bench, createBench, draft, never } from '../../test/support/desk-bench.ts';
import { SallyportError } from '../core/error.ts';
import type { ApprovalId } from '../core/ids.ts';
import type { ApprovalStore } from '../core/ports.ts';
import type { ApprovalsService } from './desk.ts';

describe('the approvals desk, with many at once', () => {
  let bench: Bench;
  let desk: ApprovalsService;
  beforeEach(() => {
    bench = createBench();
    desk = bench.desk;
  });

  /** @returns how often the store was asked for one approval so far */
  function countReads(): () => number {
    let reads = 0;
    const store: { get: ApprovalStore['get'] } = bench.memory.approvals;
    const { get } = store;
    store.get = (id) => {
      reads += 1;
      return get(id);
    };
    return () => reads;
  }

  it('takes up what was lost without looking through all that was lost, and each only once', async () => {
    const lost: string[] = [];
    for (let n = 0; n < 200; n += 1) {
      const { id } = await desk.open(draft());
      lost.push(id);
    }
    for (const id of lost) await desk.wait(id as ApprovalId, AbortSignal.abort(new SallyportError('SP_CLIENT_LOST', 'test')));
    const reads = countReads();
    const other = approvalOf().binding;
    for (let n = 0; n < 50; n += 1)
      await desk.open(draft({ binding: { ...other, statementSha256: String(n).padStart(64, '0') } as never }));
    assert.equal(reads(), 0, 'another statement is no concern of theirs');
    const again = await Promise.all(lost.map(() => desk.open(draft())));
    assert.deepEqual(
      again.map(({ id }) => id),
      lost,
    );
    assert.equal(reads(), lost.length);
  });

  it('ends 500 in less than 20 commits of the log, and tells everyone who waits', async () => {
    const ids = Array.from({ length: 500 }, (_, n) => `apr_${String(n).padStart(26, 'a')}` as ApprovalId);
    for (const id of ids) await bench.memory.approvals.create(approvalOf({ id, expiresAtMs: bench.nowMs + 900_000 }));
    let commits = 0;
    let commit: Promise<void> | null = null;
    // As the log does it: what arrives while one commit is under way shares the next.
    bench.beforeAppend = () => {
      commit ??= new Promise((resolve) =>
        setImmediate(() => {
          commits += 1;
          commit = null;
          resolve();
        }),
      );
      return commit;
    };
    const outcomes = ids.map((id) => desk.wait(id, never));
    await desk.voidAll('policy-changed');
    for (const outcome of outcomes) assert.equal((await outcome).outcome, 'void');
    assert.equal(bench.types().filter((type) => type === 'approval.expired').length, ids.length);
    assert.ok(commits < 20, `${commits} commits`);
  });

  it('a log that fails while they are ended keeps none of them usable', async () => {
    const { id, binding } = await desk.open(draft());
    bench.auditFails = true;
    await assert.rejects(desk.voidAll('policy-changed'), SallyportError);
    bench.auditFails = false;
    assert.equal(await desk.use(id, binding), false);
    assert.equal((await desk.show(id))?.state, 'cancelled');
  });
});
