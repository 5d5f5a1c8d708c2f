import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchOf, code, hour, olga, openGrant, pass } from '../../test/support/grants-bench.ts';
import type { Sha256Hex } from '../core/ids.ts';
import { type AccessUses, createRecertification, type RecertificationDecision } from './recertification.ts';

function made() {
  const bench = benchOf();
  const uses: { current: AccessUses } = {
    current: {
      standing: [
        {
          access: { role: 'reader', targets: ['clinic'], effects: ['read'], how: 'standing', member: 'issuer corp, group agents' },
          uses: [
            { principal: 'corp/agent-2', target: 'clinic', lastUsedAtMs: 2_000 },
            { principal: 'corp/agent-1', target: 'clinic', lastUsedAtMs: 1_000 },
          ],
        },
        {
          access: { role: 'officer', targets: ['*'], effects: ['read'], how: 'standing', member: 'issuer corp, group officers' },
          uses: [],
        },
      ],
      grants: new Map(),
    },
  };
  const service = createRecertification({
    grants: bench.grants,
    audit: {
      async append(entry, payloads = []) {
        if (bench.auditFails) throw new Error('disk full');
        return bench.log.push({ entry, payloads }) - 1;
      },
    },
    clock: { nowMs: () => bench.nowMs, monotonicMs: () => bench.steadyMs },
    policySha256: () => bench.policySha256,
    uses: async () => uses.current,
  });
  return { bench, uses, service };
}
const all = (items: readonly { readonly item: string }[], revoke: readonly string[] = []) =>
  new Map(items.map(({ item }): [string, RecertificationDecision] => [item, revoke.includes(item) ? 'revoke' : 'keep']));

test('lists standing access and active grants with their last use', async () => {
  const { bench, uses, service } = made();
  const grant = await openGrant(bench, { relations: ['public.patients'] });
  uses.current = { ...uses.current, grants: new Map([[grant.id, 3_000]]) };
  const { items, sha256 } = await service.list();
  assert.deepEqual(
    items.map(({ item, kind, who, lastUsedAt, usedBy }) => [item, kind, who, lastUsedAt, usedBy]),
    [
      ['access-1', 'standing', 'issuer corp, group agents', '1970-01-01T00:00:02.000Z', ['corp/agent-2', 'corp/agent-1']],
      ['access-2', 'standing', 'issuer corp, group officers', null, []],
      [grant.id, 'grant', 'corp/agent-1', '1970-01-01T00:00:03.000Z', ['corp/agent-1']],
    ],
  );
  assert.equal((await service.list()).sha256, sha256);
  uses.current = { standing: [], grants: new Map() };
  assert.notEqual((await service.list()).sha256, sha256);
});

test('a signed decision names the hash of its list, seals the list, and ends the grants that are to go', async () => {
  const { bench, uses, service } = made();
  const grant = await openGrant(bench);
  const kept = await openGrant(bench, { rowsPerHour: 5 });
  const { items, sha256 } = await service.list();
  // Traffic goes on meanwhile: the list that was looked at still counts.
  uses.current = { standing: [], grants: new Map() };
  const result = await service.sign(olga, sha256, all(items, [grant.id, 'access-2']), 'quarterly');
  assert.deepEqual(result, { kept: 2, revoked: 2, grantsEnded: [grant.id] });
  assert.deepEqual(bench.ids(), [kept.id]);
  const signed = bench.log.find(({ entry }) => entry.type === 'review.signed') ?? assert.fail();
  assert.deepEqual(signed.entry.detail, { review: 'access', listSha256: sha256, items: 4, kept: 2, revoked: 2 });
  assert.equal(signed.entry.principal?.subject, 'olga');
  const sealed = JSON.parse(new TextDecoder().decode(signed.payloads[0]?.bytes)) as {
    list: { sha256: string };
    decisions: object;
    note: string;
  };
  assert.equal(sealed.list.sha256, sha256);
  assert.deepEqual(Object.values(sealed.decisions).toSorted(), ['keep', 'keep', 'revoke', 'revoke']);
  assert.doesNotMatch(JSON.stringify(signed.entry), /quarterly/);
});

test('a decision about another list, an old one, or not about every item is refused', async () => {
  const { bench, service } = made();
  const { items, sha256 } = await service.list();
  await assert.rejects(service.sign(olga, 'f'.repeat(64) as Sha256Hex, all(items)), code('SP_GRANT_CONFLICT'));
  await assert.rejects(service.sign(olga, sha256, all(items.slice(1))), code('SP_API_BAD_REQUEST'));
  await assert.rejects(service.sign(olga, sha256, all([...items, { item: 'access-9' }])), code('SP_API_BAD_REQUEST'));
  assert.deepEqual(bench.types(), []);
  pass(bench, 24 * hour);
  await assert.rejects(service.sign(olga, sha256, all(items)), code('SP_GRANT_CONFLICT'));
});

test('nothing ends when the decision cannot be recorded; a grant that ended by itself is no fault', async () => {
  const { bench, service } = made();
  const grant = await openGrant(bench);
  const { items, sha256 } = await service.list();
  bench.auditFails = true;
  await assert.rejects(service.sign(olga, sha256, all(items, [grant.id])));
  assert.deepEqual(bench.ids(), [grant.id]);
  bench.auditFails = false;
  await bench.grants.revoke(grant.id, olga, false);
  assert.deepEqual((await service.sign(olga, sha256, all(items, [grant.id]))).grantsEnded, []);
});
