import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { GrantId, Sha256Hex } from '../core/ids.ts';
import { MAX_REASON_LENGTH } from './grants.ts';
import {
  agent,
  benchOf,
  type Bench,
  code,
  hour,
  offer,
  olga,
  omar,
  openGrant,
  pass,
  person,
  rescue,
  wish,
} from '../../test/support/grants-bench.ts';

let bench: Bench;
beforeEach(() => {
  bench = benchOf();
});

describe('a request for access', () => {
  it('is recorded and stored, told to those who answer, and gives nothing', async () => {
    const grant = await bench.grants.request(agent, wish({ relations: ['public.patients'], rowsPerHour: 50 }), 'patient 4711 called');
    assert.match(grant.id, /^grt_[a-z2-7]{26}$/);
    assert.equal(grant.state, 'requested');
    assert.deepEqual(await bench.grants.show(grant.id), grant);
    assert.deepEqual(bench.ids(), []);
    const [{ entry, payloads } = assert.fail()] = bench.log;
    assert.equal(entry.type, 'grant.requested');
    assert.equal(entry.grant, grant.id);
    assert.deepEqual(entry.resource, { target: 'clinic', objects: ['public.patients'] });
    assert.deepEqual(entry.detail, {
      role: 'reader',
      effects: 'read,write',
      durationMs: hour,
      approvers: 'officer',
      count: 1,
      rowsPerHour: 50,
    });
    assert.deepEqual(
      bench.notices.map(({ kind, who, actions }) => [kind, who, actions]),
      [['grant.requested', 'officer', ['approve', 'deny']]],
    );
    // INVARIANT: the reason is in the sealed payload only.
    assert.equal(new TextDecoder().decode(payloads[0]?.bytes), 'patient 4711 called');
    assert.doesNotMatch(JSON.stringify([entry, grant, bench.notices, bench.told]), /4711/);
  });

  it('needs a reason that is not empty and not endless', async () => {
    for (const reason of ['', '  ', 'x'.repeat(MAX_REASON_LENGTH + 1)]) {
      await assert.rejects(bench.grants.request(agent, wish(), reason), code('SP_API_BAD_REQUEST'));
    }
    assert.deepEqual(bench.log, []);
  });

  it('is refused beyond what the policy offers to a role of the requester', async () => {
    const refused = (who: Parameters<typeof bench.grants.request>[0], change: Parameters<typeof wish>[0]) =>
      assert.rejects(bench.grants.request(who, wish(change), 'why'), code('SP_GRANT_REFUSED'));
    await refused(agent, { durationMs: 2 * hour + 1 });
    await refused(agent, { effects: ['ddl'] });
    await refused(agent, { role: 'officer' });
    await refused(agent, { kind: 'break-glass' });
    await refused(olga, {});
    bench.offers = [];
    await refused(agent, {});
    assert.deepEqual(bench.log, []);
  });

  it('is refused when it means nothing', async () => {
    for (const change of [
      { effects: [] },
      { relations: [] },
      { relations: ['patients'] },
      { relations: ['a.b.c.d'] },
      { relations: ['public.pa tients'] },
      { relations: Array.from({ length: 201 }, (_, n) => `public.t${n}`) },
      { rowsPerHour: 0 },
      { rowsPerHour: 1.5 },
      { durationMs: 0 },
      { durationMs: Number.NaN },
    ]) {
      await assert.rejects(bench.grants.request(agent, wish(change), 'why'), code('SP_API_BAD_REQUEST'), JSON.stringify(change));
    }
  });

  it('must name a role when several offer it', async () => {
    bench.offers = [offer, { ...offer, role: 'rescue' }];
    const both = person('b', ['agents', 'clinicians']);
    await assert.rejects(bench.grants.request(both, wish(), 'why'), code('SP_GRANT_REFUSED'));
    assert.equal((await bench.grants.request(both, wish({ role: 'rescue' }), 'why')).role, 'rescue');
  });

  it('finds itself again, so that a retry asks nobody twice', async () => {
    const first = await bench.grants.request(agent, wish({ effects: ['write', 'read'] }), 'why');
    assert.equal((await bench.grants.request(agent, wish({ effects: ['read', 'write'] }), 'why')).id, first.id);
    assert.notEqual((await bench.grants.request(agent, wish({ effects: ['read'] }), 'why')).id, first.id);
    const forAlice = { ...agent, onBehalfOf: { issuer: 'corp', subject: 'alice', kind: 'person' as const } };
    assert.notEqual((await bench.grants.request(forAlice, wish(), 'why')).id, first.id);
  });

  it('is refused to who asks for too much at once, and to an identity that has expired', async () => {
    for (let n = 1; n <= 10; n += 1) await bench.grants.request(agent, wish({ rowsPerHour: n }), 'why');
    await assert.rejects(bench.grants.request(agent, wish({ rowsPerHour: 99 }), 'why'), code('SP_API_RATE_LIMITED'));
    await assert.rejects(bench.grants.request({ ...agent, expiresAtMs: bench.nowMs }, wish(), 'why'), code('SP_AUTH_EXPIRED'));
  });

  it('opens nothing when log or store cannot keep it', async () => {
    bench.auditFails = true;
    await assert.rejects(bench.grants.request(agent, wish(), 'why'), code('SP_AUDIT_UNWRITABLE'));
    bench.auditFails = false;
    assert.deepEqual(await bench.grants.list({ limit: 10 }), []);
    bench.storeFails = true;
    await assert.rejects(bench.grants.request(agent, wish(), 'why'), code('SP_STORE_UNAVAILABLE'));
  });
});

describe('an answer', () => {
  it('opens the grant from now until an absolute time, on every thread before it returns', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    pass(bench, 30 * 60_000);
    const grant = await bench.grants.answer(id, olga, 'approve', 'ward round');
    assert.deepEqual([grant.state, grant.openedAtMs, grant.expiresAtMs], ['active', bench.nowMs, bench.nowMs + hour]);
    assert.deepEqual(bench.told.at(-1)?.grants, [
      {
        id,
        role: 'reader',
        targets: ['clinic'],
        effects: ['read', 'write'],
        relations: null,
        rowsPerHour: null,
        expiresAtMs: grant.expiresAtMs,
        openedAtMs: grant.openedAtMs,
        holder: 'corp/agent-1',
      },
    ]);
    assert.deepEqual(bench.types(), ['grant.requested', 'grant.answered', 'grant.opened']);
    assert.deepEqual(bench.log[1]?.entry.answer, { by: { issuer: 'corp', subject: 'olga', kind: 'person' }, verdict: 'approve' });
    assert.equal(bench.log[1]?.entry.detail?.['via'], 'api');
    assert.equal(bench.log[2]?.entry.detail?.['expiresAt'], new Date(bench.nowMs + hour).toISOString());
    assert.doesNotMatch(JSON.stringify(bench.log.map(({ entry }) => entry)), /ward round/);
  });

  it('denies, and nothing opens', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    assert.equal((await bench.grants.answer(id, olga, 'deny', undefined, 'slack')).state, 'denied');
    assert.deepEqual(bench.ids(), []);
    assert.equal(bench.log[1]?.entry.detail?.['via'], 'slack');
    await assert.rejects(bench.grants.answer(id, omar, 'approve'), code('SP_GRANT_CONFLICT'));
  });

  it('INVARIANT: is never the requester’s, an agent’s, or of somebody without the role', async () => {
    bench.offers = [{ ...offer, role: 'officer' }];
    const { id } = await bench.grants.request(olga, wish(), 'why');
    for (const who of [olga, person('bot', ['officers'], { kind: 'agent' }), person('sam', ['agents'])]) {
      await assert.rejects(bench.grants.answer(id, who, 'approve'), code('SP_API_FORBIDDEN'), who.subject);
    }
    await assert.rejects(bench.grants.answer(id, { ...omar, expiresAtMs: bench.nowMs }, 'approve'), code('SP_AUTH_EXPIRED'));
    assert.equal((await bench.grants.answer(id, omar, 'approve')).state, 'active');
  });

  it('needs as many different people as the policy says', async () => {
    bench.offers = [{ ...offer, approvers: { role: 'officer', count: 2 } }];
    const { id } = await bench.grants.request(agent, wish(), 'why');
    assert.equal((await bench.grants.answer(id, olga, 'approve')).state, 'requested');
    assert.deepEqual(bench.ids(), []);
    await assert.rejects(bench.grants.answer(id, olga, 'approve'), code('SP_GRANT_CONFLICT'));
    assert.equal((await bench.grants.answer(id, omar, 'approve')).state, 'active');
  });

  it('of two reviewers at once counts once, also from two gateways', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    const other = bench.another();
    await other.watch.refresh();
    const results = await Promise.allSettled([bench.grants.answer(id, olga, 'approve'), other.grants.answer(id, omar, 'deny')]);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    const again = benchOf();
    again.offers = [{ ...offer, approvers: { role: 'officer', count: 2 } }];
    const asked = await again.grants.request(agent, wish(), 'why');
    const second = again.another();
    await Promise.all([again.grants.answer(asked.id, olga, 'approve'), second.grants.answer(asked.id, omar, 'approve')]);
    assert.equal((await again.grants.show(asked.id))?.state, 'active');
  });

  it('has no effect when it cannot be recorded', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    bench.auditFails = true;
    await assert.rejects(bench.grants.answer(id, olga, 'approve'), code('SP_AUDIT_UNWRITABLE'));
    bench.auditFails = false;
    assert.equal((await bench.grants.show(id))?.state, 'requested');
  });

  it('says what could be answered', async () => {
    const grant = await bench.grants.request(agent, wish(), 'why');
    assert.equal(bench.grants.mayAnswer(grant, olga), true);
    assert.equal(bench.grants.mayAnswer(grant, agent), false);
    const open = await bench.grants.answer(grant.id, olga, 'approve');
    assert.equal(bench.grants.mayAnswer(open, omar), false);
    await assert.rejects(bench.grants.answer('grt_none' as GrantId, olga, 'approve'), code('SP_GRANT_NOT_FOUND'));
    assert.equal(await bench.grants.show('grt_none' as GrantId), null);
  });
});

describe('the end of a grant', () => {
  it('comes with its time, is recorded, and told to every thread', async () => {
    const { id } = await openGrant(bench);
    pass(bench, hour - 1);
    await bench.grants.tick();
    assert.deepEqual(bench.ids(), [id]);
    pass(bench, 1);
    await bench.grants.tick();
    assert.deepEqual(bench.ids(), []);
    assert.equal(bench.log.at(-1)?.entry.type, 'grant.ended');
    assert.deepEqual(bench.log.at(-1)?.entry.detail, { role: 'reader', effects: 'read,write', reason: 'time' });
    assert.equal((await bench.grants.show(id))?.end, 'time');
  });

  it('is not put off by a clock that is set back', async () => {
    const { id } = await openGrant(bench);
    await bench.grants.tick();
    bench.nowMs -= 10 * hour;
    bench.steadyMs += hour;
    await bench.grants.tick();
    assert.equal((await bench.grants.show(id))?.state, 'ended');
  });

  it('of a request is not put off either', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    await bench.grants.tick();
    bench.nowMs -= 10 * hour;
    bench.steadyMs += 24 * hour;
    await assert.rejects(bench.grants.answer(id, olga, 'approve'), code('SP_GRANT_CONFLICT'));
    assert.equal((await bench.grants.show(id))?.end, 'unanswered');
  });

  it('comes early when the clock jumps ahead: the time is absolute', async () => {
    await openGrant(bench);
    bench.nowMs += 2 * hour;
    await bench.grants.tick();
    assert.deepEqual(bench.ids(), []);
  });

  it('of a request comes when nobody answers, and says so', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    pass(bench, 24 * hour);
    await assert.rejects(bench.grants.answer(id, olga, 'approve'), code('SP_GRANT_CONFLICT'));
    const grant = await bench.grants.show(id);
    assert.deepEqual([grant?.state, grant?.end], ['expired', 'unanswered']);
    assert.deepEqual(bench.log.at(-1)?.entry.detail?.['reason'], 'unanswered');
    assert.equal(bench.notices.at(-1)?.kind, 'grant.ended');
  });

  it('comes when an officer, an operator or its holder takes it back, and for nobody else', async () => {
    for (const [who, mayOperate, end] of [
      [omar, false, 'revoked'],
      [person('otto', []), true, 'revoked'],
      [agent, false, 'withdrawn'],
    ] as const) {
      const { id } = await openGrant(bench);
      await assert.rejects(bench.grants.revoke(id, person('sam', ['agents']), false), code('SP_API_FORBIDDEN'));
      const grant = await bench.grants.revoke(id, who, mayOperate, 'no more');
      assert.deepEqual([grant.state, grant.end, bench.ids()], ['revoked', end, []]);
      assert.equal(bench.log.at(-1)?.entry.answer?.by.subject, who.subject);
      await assert.rejects(bench.grants.revoke(id, who, mayOperate), code('SP_GRANT_CONFLICT'));
    }
  });

  it('INVARIANT: a grant that is taken back is gone for every thread even when that cannot be recorded', async () => {
    const { id } = await openGrant(bench);
    bench.auditFails = true;
    await assert.rejects(bench.grants.revoke(id, olga, false), code('SP_AUDIT_UNWRITABLE'));
    assert.deepEqual(bench.ids(), []);
  });

  it('comes when the policy no longer offers it, whether it waits or is in force', async () => {
    const open = await openGrant(bench);
    const waiting = await bench.grants.request(agent, wish({ rowsPerHour: 5 }), 'why');
    bench.policySha256 = '4'.repeat(64) as Sha256Hex;
    bench.offers = [{ ...offer, approvers: { role: 'officer', count: 2 } }];
    await bench.grants.tick();
    // More people would have to answer now: the request is over; what was approved stays.
    assert.deepEqual([(await bench.grants.show(waiting.id))?.end, (await bench.grants.show(open.id))?.state], ['policy-changed', 'active']);
    bench.policySha256 = '5'.repeat(64) as Sha256Hex;
    bench.offers = [rescue];
    await bench.grants.tick();
    assert.equal((await bench.grants.show(open.id))?.end, 'policy-changed');
    assert.deepEqual(bench.ids(), []);
    assert.equal(bench.log.at(-1)?.entry.policy?.sha256, '5'.repeat(64));
  });

  it('is found out at the next start', async () => {
    const { id } = await openGrant(bench);
    const restarted = bench.another();
    await restarted.watch.refresh();
    assert.deepEqual(restarted.ids(), [id]);
    pass(bench, hour);
    const late = bench.another();
    await late.watch.refresh();
    await late.grants.tick();
    assert.deepEqual(late.ids(), []);
    assert.equal((await late.grants.list({ states: ['ended'], limit: 10 }))[0]?.end, 'time');
  });
});

describe('break-glass', () => {
  const doctor = person('dana', ['clinicians']);
  const alarm = wish({ kind: 'break-glass' });

  it('opens at once, tells everyone, and owes a review until one is done', async () => {
    const grant = await bench.grants.request(doctor, alarm, 'cardiac arrest');
    assert.deepEqual([grant.state, grant.review, grant.expiresAtMs], ['active', 'owed', bench.nowMs + hour]);
    assert.deepEqual(bench.ids(), [grant.id]);
    assert.deepEqual(bench.types(), ['breakglass.opened']);
    assert.deepEqual(
      bench.notices.map(({ kind, who }) => [kind, who]),
      [
        ['breakglass.opened', null],
        ['breakglass.review-due', 'officer'],
      ],
    );
    assert.doesNotMatch(JSON.stringify([bench.log[0]?.entry, bench.notices]), /cardiac/);
    pass(bench, hour);
    await bench.grants.tick();
    assert.equal(bench.log.at(-1)?.entry.type, 'breakglass.ended');
    assert.deepEqual(
      (await bench.grants.list({ review: 'owed', limit: 10 })).map(({ id }) => id),
      [grant.id],
    );
    await assert.rejects(bench.grants.review(grant.id, doctor, 'fine'), code('SP_API_FORBIDDEN'));
    await assert.rejects(bench.grants.review(grant.id, olga, ' '), code('SP_API_BAD_REQUEST'));
    assert.equal((await bench.grants.review(grant.id, olga, 'justified')).review, 'done');
    assert.equal(bench.log.at(-1)?.entry.type, 'breakglass.reviewed');
    await assert.rejects(bench.grants.review(grant.id, omar, 'again'), code('SP_GRANT_CONFLICT'));
  });

  it('is for people who act for themselves, and needs a reason', async () => {
    const bot = person('bot', ['clinicians'], { kind: 'agent' });
    const forAlice = { ...doctor, onBehalfOf: { issuer: 'corp', subject: 'alice', kind: 'person' as const } };
    for (const who of [bot, forAlice]) await assert.rejects(bench.grants.request(who, alarm, 'why'), code('SP_GRANT_REFUSED'));
    await assert.rejects(bench.grants.request(doctor, alarm, ''), code('SP_API_BAD_REQUEST'));
  });

  it('does not open when it cannot be recorded', async () => {
    bench.auditFails = true;
    await assert.rejects(bench.grants.request(doctor, alarm, 'why'), code('SP_AUDIT_UNWRITABLE'));
    await bench.watch.refresh();
    assert.deepEqual(bench.ids(), []);
  });
});

describe('a store that does not answer', () => {
  it('leaves nobody access by grant after a second, and gives it back when it answers again', async () => {
    const { id } = await openGrant(bench);
    bench.storeFails = true;
    bench.steadyMs += 999;
    await bench.watch.poll();
    assert.deepEqual(bench.ids(), [id]);
    bench.steadyMs += 1;
    await bench.watch.poll();
    assert.deepEqual(bench.told.at(-1), { isKnown: false, grants: [], locks: [] });
    bench.storeFails = false;
    await bench.watch.poll();
    assert.deepEqual(bench.ids(), [id]);
  });

  it('keeps the locks it last told of', async () => {
    await bench.locks.lock(olga, 'target', 'clinic');
    bench.storeFails = true;
    bench.steadyMs += 1_000;
    await bench.watch.poll();
    assert.deepEqual(bench.told.at(-1)?.locks, [{ kind: 'target', name: 'clinic' }]);
  });

  it('that loses the answer to an approval opens nothing unrecorded for long: the next look finds it', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    bench.loseNextAnswer = true;
    await assert.rejects(bench.grants.answer(id, olga, 'approve'), code('SP_STORE_UNAVAILABLE'));
    await bench.watch.poll();
    assert.deepEqual(bench.ids(), [id]);
    assert.equal(bench.log.at(-1)?.entry.detail?.['state'], 'active');
  });
});

it('what another process changes is noticed at the next look, and nothing is told when nothing changed', async () => {
  const other = bench.another();
  await other.watch.poll();
  const { id } = await openGrant(bench);
  const before = other.told.length;
  await other.watch.poll();
  assert.deepEqual(other.ids(), [id]);
  await other.watch.poll();
  assert.equal(other.told.length, before + 1);
  await bench.grants.revoke(id, olga, false);
  await other.watch.poll();
  assert.deepEqual(other.ids(), []);
});
