// What every ApprovalStore does. `make` gives an empty one and a way to dispose of it.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SallyportError } from '../../src/core/error.ts';
import type { ApprovalId, SessionId, Sha256Hex, TargetName } from '../../src/core/ids.ts';
import type { Approval, ApprovalAnswer, ApprovalStore } from '../../src/core/ports.ts';

export interface Made<Port> {
  readonly port: Port;
  close(): Promise<void>;
}

const hex = (digit: string) => digit.repeat(64) as Sha256Hex;

export function approvalOf(changes: Partial<Approval> = {}): Approval {
  return {
    id: 'apr_aaaa' as ApprovalId,
    state: 'pending',
    session: 'ses_aaaa' as SessionId,
    requester: { issuer: 'corp', subject: 'agent-1', kind: 'agent', name: 'Reporting agent' },
    onBehalfOf: { issuer: 'corp', subject: 'alice', kind: 'person' },
    binding: {
      principal: 'corp/agent-1',
      target: 'clinic' as TargetName,
      statementSha256: hex('1'),
      parametersSha256: hex('2'),
      policySha256: hex('3'),
      catalogueVersion: 'c1',
      maskSetId: 'm1',
    },
    action: 'query',
    statement: 'select * from patients',
    effects: ['read'],
    relations: [{ name: 'public.patients', access: 'read' }],
    outputs: [{ name: 'ssn', classes: ['phi.ssn'], mask: 'redact' }],
    unbounded: true,
    rules: ['bulk-read-of-phi'],
    say: null,
    approvers: { role: 'privacy-officer', count: 2 },
    createdAtMs: 1_000,
    expiresAtMs: 901_000,
    answers: [],
    ...changes,
  };
}

const answerBy = (subject: string, verdict: 'approve' | 'deny' = 'approve'): ApprovalAnswer => ({
  by: { issuer: 'corp', subject, kind: 'person' },
  verdict,
  atMs: 2_000,
});

export function describeApprovalStore(name: string, make: () => Promise<Made<ApprovalStore>>): void {
  describe(`approval store: ${name}`, () => {
    let made: Made<ApprovalStore>;
    let store: ApprovalStore;
    const id = approvalOf().id;

    beforeEach(async () => {
      made = await make();
      store = made.port;
    });
    afterEach(() => made.close());

    it('gives back exactly the approval that was created', async () => {
      await store.create(approvalOf());
      assert.deepEqual(await store.get(id), approvalOf());
    });

    it('keeps nulls, empty lists and text of any alphabet', async () => {
      const odd = approvalOf({
        statement: null,
        onBehalfOf: null,
        say: 'Fragen Sie Zoë: "\u{1F6A6}"; \'--',
        effects: [],
        relations: [],
        outputs: [],
      });
      await store.create(odd);
      assert.deepEqual(await store.get(id), odd);
    });

    it('knows nothing of an id that was never created', async () => {
      assert.equal(await store.get('apr_zzzz' as ApprovalId), null);
      assert.equal(await store.transition('apr_zzzz' as ApprovalId, 'pending', 'denied'), false);
      assert.equal(await store.answer('apr_zzzz' as ApprovalId, answerBy('bob'), 'approved'), null);
    });

    it('refuses a second approval with the same id and leaves the first as it was', async () => {
      await store.create(approvalOf());
      await assert.rejects(
        store.create(approvalOf({ say: 'other' })),
        (fault) => fault instanceof SallyportError && fault.code === 'SP_APPROVAL_CONFLICT',
      );
      assert.equal((await store.get(id))?.say, null);
    });

    it('refuses an approval that is created with answers', async () => {
      await assert.rejects(store.create(approvalOf({ answers: [answerBy('bob')] })), SallyportError);
      assert.equal(await store.get(id), null);
    });

    it('lists newest first, by state, up to the limit', async () => {
      for (const [index, suffix] of ['b', 'c', 'd'].entries()) {
        await store.create(approvalOf({ id: `apr_${suffix}` as ApprovalId, createdAtMs: 1_000 + index }));
      }
      await store.transition('apr_c' as ApprovalId, 'pending', 'denied');
      assert.deepEqual(
        (await store.list({ limit: 10 })).map((a) => a.id),
        ['apr_d', 'apr_c', 'apr_b'],
      );
      assert.deepEqual(
        (await store.list({ limit: 2 })).map((a) => a.id),
        ['apr_d', 'apr_c'],
      );
      assert.deepEqual(
        (await store.list({ state: 'pending', limit: 10 })).map((a) => a.id),
        ['apr_d', 'apr_b'],
      );
      assert.deepEqual((await store.list({ state: 'used', limit: 10 })).length, 0);
    });

    it('keeps answers in the order in which they came', async () => {
      await store.create(approvalOf());
      assert.equal((await store.answer(id, answerBy('zoe'), 'pending'))?.state, 'pending');
      const row = await store.answer(id, answerBy('bob'), 'approved');
      assert.equal(row?.state, 'approved');
      assert.deepEqual(row?.answers, [answerBy('zoe'), answerBy('bob')]);
      assert.deepEqual(await store.get(id), row);
    });

    it('keeps whose right an answer was', async () => {
      await store.create(approvalOf());
      const lent: ApprovalAnswer = { ...answerBy('dave'), lentBy: { issuer: 'corp', subject: 'Zoë/1', kind: 'person' } };
      await store.answer(id, lent, 'pending');
      assert.deepEqual((await store.get(id))?.answers, [lent]);
    });

    it('counts one person once, and changes nothing at the second answer', async () => {
      await store.create(approvalOf());
      await store.answer(id, answerBy('bob'), 'pending');
      assert.equal(await store.answer(id, answerBy('bob'), 'approved'), null);
      const row = await store.get(id);
      assert.equal(row?.state, 'pending');
      assert.equal(row?.answers.length, 1);
    });

    it('tells apart people of the same subject at different issuers', async () => {
      await store.create(approvalOf());
      await store.answer(id, answerBy('bob'), 'pending');
      const other = { ...answerBy('bob'), by: { issuer: 'partner', subject: 'bob', kind: 'person' as const } };
      assert.equal((await store.answer(id, other, 'approved'))?.answers.length, 2);
    });

    for (const state of ['approved', 'denied', 'expired', 'cancelled', 'used'] as const) {
      it(`takes no answer once it is ${state}`, async () => {
        await store.create(approvalOf());
        assert.equal(await store.transition(id, 'pending', state), true);
        assert.equal(await store.answer(id, answerBy('bob'), 'approved'), null);
        const row = await store.get(id);
        assert.equal(row?.state, state);
        assert.deepEqual(row?.answers, []);
      });
    }

    it('lets exactly one of many concurrent deciding answers win', async () => {
      await store.create(approvalOf());
      const people = ['a', 'b', 'c', 'd', 'e', 'f'];
      const results = await Promise.all(
        people.map((person, n) => store.answer(id, answerBy(person, n % 2 ? 'deny' : 'approve'), n % 2 ? 'denied' : 'approved')),
      );
      assert.equal(results.filter((row) => row !== null).length, 1);
      assert.equal((await store.get(id))?.answers.length, 1);
    });

    it('lets exactly one of many concurrent uses win', async () => {
      await store.create(approvalOf());
      await store.transition(id, 'pending', 'approved');
      const results = await Promise.all(Array.from({ length: 8 }, () => store.transition(id, 'approved', 'used')));
      assert.equal(results.filter(Boolean).length, 1);
    });

    it('does not move from a state in which it is not', async () => {
      await store.create(approvalOf());
      assert.equal(await store.transition(id, 'approved', 'used'), false);
      assert.equal((await store.get(id))?.state, 'pending');
    });

    it('counts uses of one that is approved for a time, each of many concurrent ones, until it ends', async () => {
      await store.create(approvalOf());
      assert.equal(await store.useAgain(id), null);
      const row = await store.answer(id, { ...answerBy('a'), forMs: 60_000 }, 'approved', 62_000);
      assert.deepEqual([row?.expiresAtMs, row?.repeated, row?.answers[0]?.forMs], [62_000, { uses: 0 }, 60_000]);
      const uses = await Promise.all(Array.from({ length: 8 }, () => store.useAgain(id)));
      assert.ok(uses.every((each) => each !== null));
      assert.deepEqual((await store.get(id))?.repeated, { uses: 8 });
      await store.transition(id, 'approved', 'expired');
      assert.equal(await store.useAgain(id), null);
    });

    it('never makes one that is approved once usable again', async () => {
      await store.create(approvalOf());
      const row = await store.answer(id, answerBy('a'), 'approved');
      assert.equal(row?.repeated, undefined);
      assert.equal(await store.useAgain(id), null);
    });

    it('keeps a preview of a pending one only', async () => {
      const preview = { estimatedRows: 12, affectedRows: null, notCounted: 'trigger', sampling: null } as const;
      assert.equal(await store.preview(id, preview), null);
      await store.create(approvalOf());
      assert.deepEqual((await store.preview(id, preview))?.preview, preview);
      assert.deepEqual((await store.get(id))?.preview, preview);
      await store.transition(id, 'pending', 'approved');
      assert.equal(await store.preview(id, { ...preview, estimatedRows: 0 }), null);
      assert.deepEqual((await store.get(id))?.preview, preview);
    });

    it('finds by state and by exactly the same binding only', async () => {
      const { binding } = approvalOf();
      await store.create(approvalOf());
      await store.create(approvalOf({ id: 'apr_b' as ApprovalId, createdAtMs: 5_000 }));
      assert.deepEqual(
        (await store.find(binding, 'pending')).map((a) => a.id),
        ['apr_b', id],
      );
      assert.deepEqual(await store.find(binding, 'approved'), []);
      for (const key of Object.keys(binding) as (keyof typeof binding)[]) {
        assert.deepEqual(await store.find({ ...binding, [key]: 'x' }, 'pending'), [], key);
      }
      // Two fields whose concatenation is the same as before.
      assert.deepEqual(await store.find({ ...binding, principal: 'corp/agent-1clinic', target: '' as TargetName }, 'pending'), []);
    });
  });
}
