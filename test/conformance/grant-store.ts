// What every GrantStore, LockStore and DelegationStore does. `make` gives empty ones over one store.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Answer } from '../../src/core/answering.ts';
import { SallyportError } from '../../src/core/error.ts';
import { type Delegation, type Grant, type Lock, UNANSWERED } from '../../src/core/grant.ts';
import type { DelegationId, GrantId, Sha256Hex, TargetName } from '../../src/core/ids.ts';
import type { DelegationStore, GrantStore, LockStore } from '../../src/core/ports.ts';
import type { Made } from './approval-store.ts';

export interface AccessStores {
  readonly grants: GrantStore;
  readonly locks: LockStore;
  readonly delegations: DelegationStore;
}

export function grantOf(changes: Partial<Grant> = {}): Grant {
  return {
    id: 'grt_aaaa' as GrantId,
    kind: 'on-request',
    requester: { issuer: 'corp', subject: 'agent-1', kind: 'agent', name: 'Reporting agent' },
    onBehalfOf: { issuer: 'corp', subject: 'alice', kind: 'person' },
    role: 'reporting-agent',
    target: 'clinic' as TargetName,
    effects: ['read'],
    relations: ['public.patients'],
    rowsPerHour: 100,
    durationMs: 3_600_000,
    approvers: { role: 'privacy-officer', count: 1 },
    policySha256: '3'.repeat(64) as Sha256Hex,
    requestedAtMs: 1_000,
    answerByMs: 901_000,
    ...UNANSWERED,
    ...changes,
  };
}

const officer = { issuer: 'corp', subject: 'bob', kind: 'person' } as const;
const answerBy = (subject: string, verdict: Answer['verdict'] = 'approve'): Answer => ({
  by: { issuer: 'corp', subject, kind: 'person' },
  verdict,
  atMs: 2_000,
});
const opened = { state: 'active', openedAtMs: 2_000, expiresAtMs: 3_602_000 } as const;
const lock: Lock = { kind: 'principal', name: 'corp/agent-1', by: officer, atMs: 5_000 };
const delegation: Delegation = {
  id: 'dlg_aaaa' as DelegationId,
  role: 'privacy-officer',
  from: officer,
  to: { issuer: 'corp', subject: 'dave' },
  createdAtMs: 1_000,
  expiresAtMs: 9_000,
  endedAtMs: null,
};

export function describeAccessStores(name: string, make: () => Promise<Made<AccessStores>>): void {
  describe(`grants, locks and delegations: ${name}`, () => {
    let made: Made<AccessStores>;
    let grants: GrantStore;
    let locks: LockStore;
    let delegations: DelegationStore;
    const { id } = grantOf();

    beforeEach(async () => {
      made = await make();
      ({ grants, locks, delegations } = made.port);
    });
    afterEach(() => made.close());

    it('gives back exactly the grant that was created, in any alphabet', async () => {
      const odd = grantOf({ requester: { ...grantOf().requester, name: 'Zoë "\u{1F6A6}" \'--' }, relations: null, onBehalfOf: null });
      await grants.create(odd);
      assert.deepEqual(await grants.get(id), odd);
    });

    it('knows nothing of an id that was never created', async () => {
      assert.equal(await grants.get(id), null);
      assert.equal(await grants.answer(id, answerBy('bob'), opened), null);
      assert.equal(await grants.change(id, 'active', { state: 'revoked' }), null);
      assert.equal(await grants.reviewed(id, officer, 1), null);
      assert.equal(await grants.version(), 0);
    });

    it('refuses a second grant with the same id and leaves the first as it was', async () => {
      await grants.create(grantOf());
      await assert.rejects(
        grants.create(grantOf({ role: 'other' })),
        (fault) => fault instanceof SallyportError && fault.code === 'SP_GRANT_CONFLICT',
      );
      assert.equal((await grants.get(id))?.role, 'reporting-agent');
    });

    it('lists newest first, by state and owed review, up to the limit', async () => {
      for (const [index, letter] of ['b', 'c', 'd'].entries()) {
        await grants.create(
          grantOf({ id: `grt_${letter}` as GrantId, requestedAtMs: 1_000 + index, review: letter === 'b' ? 'owed' : 'none' }),
        );
      }
      await grants.change('grt_c' as GrantId, 'requested', { state: 'denied' });
      const idsOf = async (filter: Parameters<GrantStore['list']>[0]) => (await grants.list(filter)).map((grant) => grant.id);
      assert.deepEqual(await idsOf({ limit: 10 }), ['grt_d', 'grt_c', 'grt_b']);
      assert.deepEqual(await idsOf({ limit: 2 }), ['grt_d', 'grt_c']);
      assert.deepEqual(await idsOf({ states: ['requested'], limit: 10 }), ['grt_d', 'grt_b']);
      assert.deepEqual(await idsOf({ states: ['denied', 'active'], limit: 10 }), ['grt_c']);
      assert.deepEqual(await idsOf({ review: 'owed', limit: 10 }), ['grt_b']);
    });

    it('takes an answer together with what it makes of the grant', async () => {
      await grants.create(grantOf());
      assert.equal((await grants.answer(id, answerBy('zoe'), {}))?.state, 'requested');
      const row = await grants.answer(id, { ...answerBy('bob'), lentBy: officer }, opened);
      assert.deepEqual(row, grantOf({ ...opened, answers: [answerBy('zoe'), { ...answerBy('bob'), lentBy: officer }] }));
      assert.deepEqual(await grants.get(id), row);
    });

    it('counts one person once, and changes nothing at the second answer', async () => {
      await grants.create(grantOf());
      await grants.answer(id, answerBy('bob'), {});
      const version = await grants.version();
      assert.equal(await grants.answer(id, answerBy('bob'), opened), null);
      assert.equal((await grants.get(id))?.state, 'requested');
      assert.equal(await grants.version(), version);
    });

    for (const state of ['active', 'denied', 'revoked', 'expired', 'ended'] as const) {
      it(`takes no answer once it is ${state}`, async () => {
        await grants.create(grantOf());
        await grants.change(id, 'requested', { state });
        assert.equal(await grants.answer(id, answerBy('bob'), opened), null);
        assert.deepEqual((await grants.get(id))?.answers, []);
      });
    }

    it('lets exactly one of many concurrent deciding answers win', async () => {
      await grants.create(grantOf());
      const results = await Promise.all(
        ['a', 'b', 'c', 'd', 'e', 'f'].map((person, n) =>
          grants.answer(id, answerBy(person, n % 2 ? 'deny' : 'approve'), n % 2 ? { state: 'denied' } : opened),
        ),
      );
      assert.equal(results.filter((row) => row !== null).length, 1);
      assert.equal((await grants.get(id))?.answers.length, 1);
    });

    it('lets exactly one of many concurrent ends win, and none from another state', async () => {
      await grants.create(grantOf({ ...opened }));
      assert.equal(await grants.change(id, 'requested', { state: 'expired' }), null);
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, n) => grants.change(id, 'active', { state: n % 2 ? 'revoked' : 'ended', endedAtMs: n })),
      );
      assert.equal(results.filter((row) => row !== null).length, 1);
    });

    it('ends an owed review once, whatever became of the grant', async () => {
      await grants.create(grantOf({ ...opened, review: 'owed' }));
      await grants.change(id, 'active', { state: 'ended' });
      assert.equal((await grants.reviewed(id, officer, 7_000))?.review, 'done');
      assert.equal(await grants.reviewed(id, officer, 8_000), null);
      const row = await grants.get(id);
      assert.deepEqual([row?.reviewedBy, row?.reviewedAtMs, row?.state], [officer, 7_000, 'ended']);
      assert.deepEqual(await grants.list({ review: 'owed', limit: 10 }), []);
    });

    it('sets a lock once, keeps the first, lists it and lifts it', async () => {
      assert.equal(await locks.set(lock), true);
      assert.equal(await locks.set({ ...lock, atMs: 9_000 }), false);
      assert.equal(await locks.set({ ...lock, kind: 'role', atMs: 4_000 }), true);
      assert.deepEqual(await locks.list(), [{ ...lock, kind: 'role', atMs: 4_000 }, lock]);
      assert.equal(await locks.lift('target', lock.name), false);
      assert.equal(await locks.lift('principal', lock.name), true);
      assert.equal(await locks.lift('principal', lock.name), false);
      assert.equal((await locks.list()).length, 1);
    });

    it('lists delegations until their time or until they are taken back', async () => {
      await delegations.create(delegation);
      await delegations.create({ ...delegation, id: 'dlg_b' as DelegationId, createdAtMs: 2_000, expiresAtMs: 20_000 });
      assert.deepEqual((await delegations.list(1_000))[0], delegation);
      assert.deepEqual(
        (await delegations.list(9_000)).map((each) => each.id),
        ['dlg_b'],
      );
      assert.equal(await delegations.end('dlg_b' as DelegationId, 5_000), true);
      assert.equal(await delegations.end('dlg_b' as DelegationId, 6_000), false);
      assert.equal(await delegations.end('dlg_z' as DelegationId, 6_000), false);
      assert.deepEqual(
        (await delegations.list(1_000)).map((each) => each.id),
        ['dlg_aaaa'],
      );
    });

    it('moves the version with every change, and with nothing else', async () => {
      const seen: number[] = [];
      const note = async (): Promise<number> => seen.push(await grants.version());
      await note();
      const steps: (() => Promise<unknown>)[] = [
        () => grants.create(grantOf({ review: 'owed' })),
        () => grants.answer(id, answerBy('bob'), opened),
        () => grants.change(id, 'active', { state: 'revoked' }),
        () => grants.reviewed(id, officer, 1),
        () => locks.set(lock),
        () => locks.lift(lock.kind, lock.name),
        () => delegations.create(delegation),
        () => delegations.end(delegation.id, 1),
      ];
      for (const step of steps) {
        await step();
        await note();
      }
      for (const [index, version] of seen.entries()) assert.ok(index === 0 || version > (seen[index - 1] ?? 0), String(index));
      await locks.lift(lock.kind, lock.name);
      await grants.list({ limit: 1 });
      assert.equal(await grants.version(), seen.at(-1));
    });
  });
}
