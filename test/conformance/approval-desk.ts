// What every way to the approvals desk has in common: the desk itself, and the desk seen from another thread.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type ApprovalsService, createApprovalDesk } from '../../src/approvals/index.ts';
import { SallyportError, type ErrorCode } from '../../src/core/error.ts';
import type { Principal } from '../../src/core/identity.ts';
import type { Sha256Hex } from '../../src/core/ids.ts';
import type { Approval, ApprovalDesk } from '../../src/core/ports.ts';
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts';
import { approvalOf } from './approval-store.ts';

export interface DeskUnderTest {
  /** As a session sees it. */
  readonly desk: ApprovalDesk;
  close(): void;
}

const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;
const never = new AbortController().signal;
const lost = new SallyportError('SP_CLIENT_LOST', 'test: the client is gone');
const reviewer: Principal = {
  issuer: 'corp',
  subject: 'bob',
  kind: 'person',
  name: 'Bob',
  groups: ['privacy'],
  claims: {},
  onBehalfOf: null,
  expiresAtMs: Number.MAX_SAFE_INTEGER,
};

function draft(changes: Partial<Approval> = {}): Parameters<ApprovalDesk['open']>[0] {
  const approval = approvalOf({ approvers: { role: 'privacy-officer', count: 1 }, ...changes });
  const { id: _id, state: _state, answers: _answers, createdAtMs: _created, expiresAtMs: _expires, ...rest } = approval;
  return { ...rest, withinMs: 900_000 };
}

export function describeApprovalDesk(name: string, reach: (desk: ApprovalDesk) => DeskUnderTest): void {
  describe(name, () => {
    let memory: MemoryStore;
    let service: ApprovalsService;
    let reached: DeskUnderTest;
    let desk: ApprovalDesk;
    let nowMs = 0;
    let isAuditBroken = false;
    beforeEach(() => {
      nowMs = 1_000_000;
      isAuditBroken = false;
      memory = createMemoryStore();
      let counter = 0;
      service = createApprovalDesk({
        store: memory.approvals,
        audit: {
          writable: true,
          async append() {
            if (isAuditBroken) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'test: disk full');
            return 0;
          },
        },
        clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
        random: { bytes: (length) => new Uint8Array(length).fill((counter += 1)) },
        logger: { info() {}, warn() {}, error() {} },
        authoritiesOf: (_principal, role) => [{ kind: 'role', role }],
        policySha: () => draft().binding.policySha256,
      });
      reached = reach(service);
      desk = reached.desk;
    });
    afterEach(() => reached.close());

    /** Resolves once the desk has the request waiting. */
    async function waits(id: Approval['id'], signal: AbortSignal): Promise<{ outcome: ReturnType<ApprovalDesk['wait']> }> {
      const outcome = desk.wait(id, signal);
      outcome.catch(() => undefined);
      // A call after it is answered after it was heard.
      await desk.find(draft().binding);
      return { outcome };
    }

    it('opens an approval as the store has it', async () => {
      const approval = await desk.open(draft());
      assert.deepEqual(await service.show(approval.id), approval);
      assert.equal(approval.expiresAtMs, nowMs + 900_000);
    });

    it('finds nothing that is not approved, and is used exactly once under exactly its binding', async () => {
      const { id, binding } = await desk.open(draft());
      assert.equal(await desk.find(binding), null);
      const { outcome } = await waits(id, never);
      await service.answer(id, reviewer, 'approve');
      assert.deepEqual(await outcome, { outcome: 'approved', approval: id });
      assert.equal(await desk.find(binding), id);
      assert.equal(await desk.use(id, { ...binding, statementSha256: 'f'.repeat(64) as Sha256Hex }), false);
      assert.deepEqual(await Promise.all([desk.use(id, binding), desk.use(id, binding)]), [true, false]);
      assert.equal(await desk.find(binding), null);
    });

    it('keeps the sample of a preview while it is pending, in memory and nowhere else', async () => {
      const column = { name: 'note', type: 'text', classes: [], shown: 'value', isKey: false, isAssigned: true } as const;
      const rows = [{ before: ['CANARY-before'], after: ['CANARY-after'] }];
      const sample = { columns: [column], columnsLeftOut: 0, isPaired: true, rows };
      const preview = { estimatedRows: 1, affectedRows: 1, notCounted: null, sampling: 'taken' } as const;
      const heard: Approval[] = [];
      service.subscribe((approval) => heard.push(approval));
      const [answered, voided] = [await desk.open(draft()), await desk.open(draft())];
      for (const { id } of [answered, voided]) await desk.preview(id, { preview, sample });
      for (const { id } of [answered, voided]) {
        const row = (await service.show(id)) ?? assert.fail();
        assert.deepEqual([row.preview, service.sampleOf(row)], [preview, sample]);
      }
      assert.doesNotMatch(JSON.stringify([await memory.approvals.list({ limit: 10 }), heard]), /CANARY/);
      await service.answer(answered.id, reviewer, 'approve');
      await service.voidAll('policy-changed', ({ id }) => id === voided.id);
      for (const before of [answered, voided]) {
        // Nor for somebody who looks at an older state of it.
        assert.equal(service.sampleOf(before), null);
        await desk.preview(before.id, { preview, sample });
        assert.equal(service.sampleOf(before), null);
      }
    });

    it('says denied, expired and void', async () => {
      const denied = await desk.open(draft());
      const first = await waits(denied.id, never);
      await service.answer(denied.id, reviewer, 'deny');
      assert.equal((await first.outcome).outcome, 'denied');
      const late = await desk.open(draft());
      nowMs = late.expiresAtMs;
      assert.equal((await desk.wait(late.id, never)).outcome, 'expired');
      const voided = await desk.open(draft());
      const third = await waits(voided.id, never);
      await service.voidAll('locked');
      assert.equal((await third.outcome).outcome, 'void');
    });

    it('cancels the approval when the client cancels, before or while it waits', async () => {
      for (const isEarly of [true, false]) {
        const { id } = await desk.open(draft());
        const cancel = new AbortController();
        if (isEarly) cancel.abort(new SallyportError('SP_REQUEST_CANCELLED', 'test'));
        const { outcome } = await waits(id, cancel.signal);
        cancel.abort(new SallyportError('SP_REQUEST_CANCELLED', 'test'));
        assert.deepEqual(await outcome, { outcome: 'cancelled', approval: id });
        assert.equal((await service.show(id))?.state, 'cancelled');
      }
    });

    it('cancels for a reason of the platform too', async () => {
      const { id } = await desk.open(draft());
      const cancel = new AbortController();
      const { outcome } = await waits(id, cancel.signal);
      cancel.abort();
      assert.equal((await outcome).outcome, 'cancelled');
      assert.equal((await service.show(id))?.state, 'cancelled');
    });

    it('keeps the approval of a client that was lost, for its retry', async () => {
      for (const isEarly of [true, false]) {
        const { id, binding } = await desk.open(draft());
        const gone = new AbortController();
        if (isEarly) gone.abort(lost);
        const { outcome } = await waits(id, gone.signal);
        gone.abort(lost);
        assert.deepEqual(await outcome, { outcome: 'cancelled', approval: id });
        assert.equal((await service.show(id))?.state, 'pending');
        const again = await desk.open(draft());
        assert.equal(again.id, id);
        await service.answer(id, reviewer, 'approve');
        assert.equal(await desk.use(id, binding), true);
      }
    });

    it('an abort after the answer changes nothing', async () => {
      const { id, binding } = await desk.open(draft());
      const cancel = new AbortController();
      const { outcome } = await waits(id, cancel.signal);
      await service.answer(id, reviewer, 'approve');
      assert.equal((await outcome).outcome, 'approved');
      cancel.abort();
      assert.equal(await desk.use(id, binding), true);
    });

    it('lets waiting requests go at shutdown, and opens nothing after it', async () => {
      const { id } = await desk.open(draft());
      const { outcome } = await waits(id, never);
      await service.drain();
      assert.equal((await outcome).outcome, 'shutting-down');
      await assert.rejects(desk.open(draft()), code('SP_SHUTTING_DOWN'));
    });

    it('fails by the code of the fault: log, store, a request that makes no sense', async () => {
      isAuditBroken = true;
      await assert.rejects(desk.open(draft()), code('SP_AUDIT_UNWRITABLE'));
      isAuditBroken = false;
      const broken = async (asked: () => Promise<unknown>): Promise<void> => {
        memory.failNext('lose');
        await assert.rejects(asked(), code('SP_STORE_UNAVAILABLE'));
      };
      await broken(() => desk.open(draft()));
      const { id, binding, expiresAtMs } = await desk.open(draft());
      await service.answer(id, reviewer, 'approve');
      await broken(() => desk.use(id, binding));
      // Whoever looks at it now has to end it.
      nowMs = expiresAtMs;
      await broken(() => desk.find(binding));
      await broken(() => desk.wait(id, never));
      await assert.rejects(desk.open(draft({ approvers: { role: '', count: 1 } })), code('SP_INTERNAL'));
    });
  });
}
