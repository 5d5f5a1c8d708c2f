import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { agent, benchOf, type Bench, code, hour, offer, olga, omar, person, wish } from '../../test/support/grants-bench.ts';
import type { DelegationId } from '../core/ids.ts';
import { isEscalated } from './escalation.ts';

let bench: Bench;
beforeEach(() => {
  bench = benchOf();
});

describe('a lock', () => {
  it('is told to every thread, voids what it concerns, and is recorded with its reason sealed', async () => {
    const lock = await bench.locks.lock(olga, 'principal', 'corp/agent-1', 'laptop stolen');
    assert.deepEqual(bench.told.at(-1)?.locks, [{ kind: 'principal', name: 'corp/agent-1' }]);
    assert.deepEqual(await bench.locks.list(), [lock]);
    assert.deepEqual(bench.voided, [lock]);
    const [{ entry, payloads } = assert.fail()] = bench.log;
    assert.deepEqual(
      [entry.type, entry.principal?.subject, entry.detail],
      ['lock.set', 'olga', { kind: 'principal', name: 'corp/agent-1' }],
    );
    assert.equal(new TextDecoder().decode(payloads[0]?.bytes), 'laptop stolen');
    assert.doesNotMatch(JSON.stringify([entry, bench.notices]), /stolen/);
    assert.deepEqual([bench.notices[0]?.kind, bench.notices[0]?.who], ['lock.set', null]);
  });

  it('stands until it is lifted, also after a restart', async () => {
    await bench.locks.lock(olga, 'target', 'clinic');
    const restarted = bench.another();
    await restarted.watch.refresh();
    assert.deepEqual(restarted.told.at(-1)?.locks, [{ kind: 'target', name: 'clinic' }]);
    await restarted.locks.unlock(omar, 'target', 'clinic', 'found');
    assert.deepEqual(restarted.told.at(-1)?.locks, []);
    await bench.watch.poll();
    assert.deepEqual(bench.told.at(-1)?.locks, []);
    assert.equal(bench.types().at(-1), 'lock.lifted');
    await assert.rejects(bench.locks.unlock(olga, 'target', 'clinic'), code('SP_API_NOT_FOUND'));
  });

  it('set twice is one', async () => {
    const first = await bench.locks.lock(olga, 'role', 'reader');
    bench.nowMs += 5;
    assert.deepEqual(await bench.locks.lock(omar, 'role', 'reader'), first);
    assert.deepEqual(bench.types(), ['lock.set']);
  });

  it('is refused on what is not there and on oneself: whoever locks can unlock', async () => {
    await assert.rejects(bench.locks.lock(olga, 'target', 'nobody'), code('SP_API_NOT_FOUND'));
    await assert.rejects(bench.locks.lock(olga, 'principal', 'corp/olga'), code('SP_API_FORBIDDEN'));
    await assert.rejects(bench.locks.lock(olga, 'role', 'officer'), code('SP_API_FORBIDDEN'));
    await assert.rejects(bench.locks.lock(olga, 'target', 'clinic', 'x'.repeat(4_001)), code('SP_API_BAD_REQUEST'));
    assert.deepEqual(bench.log, []);
  });

  it('INVARIANT: takes effect even when it cannot be recorded, and is not lifted then', async () => {
    bench.auditFails = true;
    await assert.rejects(bench.locks.lock(olga, 'target', 'clinic'), code('SP_AUDIT_UNWRITABLE'));
    assert.equal(bench.told.at(-1)?.locks.length, 1);
    await assert.rejects(bench.locks.unlock(olga, 'target', 'clinic'), code('SP_AUDIT_UNWRITABLE'));
    assert.equal((await bench.locks.list()).length, 1);
  });

  it('keeps the locked from asking and from answering', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    await bench.locks.lock(olga, 'principal', 'corp/omar');
    await assert.rejects(bench.grants.answer(id, omar, 'approve'), code('SP_API_FORBIDDEN'));
    assert.equal(bench.locks.isLockedOut(omar), true);
    assert.equal(bench.locks.isLockedOut({ ...agent, onBehalfOf: omar }), true);
    assert.equal(bench.locks.isLockedOut(olga), false);
    for (const [kind, name] of [
      ['principal', 'corp/agent-1'],
      ['target', 'clinic'],
      ['role', 'reader'],
    ] as const) {
      await bench.locks.lock(olga, kind, name);
      await assert.rejects(bench.grants.request(agent, wish({ rowsPerHour: 1 }), 'why'), code('SP_LOCKED'), kind);
      await bench.locks.unlock(olga, kind, name);
    }
    const root = person('root', ['agents']);
    await bench.locks.lock(root, 'role', 'officer');
    await assert.rejects(bench.grants.answer(id, olga, 'approve'), code('SP_API_FORBIDDEN'));
  });

  it('names people of any alphabet and length in the log', async () => {
    const name = `corp/${encodeURIComponent('Zoë!~')}${'x'.repeat(300)}`;
    await bench.locks.lock(olga, 'principal', name);
    const detail = bench.log[0]?.entry.detail ?? {};
    assert.equal(`${detail['name']}${detail['name2']}${detail['name3']}`, name.replace('!', '%21').replace('~', '%7E'));
    for (const text of Object.values(detail)) assert.match(String(text), /^[A-Za-z0-9 ._:/@+,=[\]()%*#-]{0,128}$/);
  });
});

describe('a delegation', () => {
  const dave = person('dave', []);
  const lend = (from = olga, hours = 8) => bench.delegations.delegate(from, 'officer', { issuer: 'corp', subject: 'dave' }, hours * hour);

  it('lets the named person answer until it ends, and says by whose right', async () => {
    const lent = await lend();
    const { id } = await bench.grants.request(agent, wish(), 'why');
    const grant = await bench.grants.answer(id, dave, 'approve');
    assert.equal(grant.state, 'active');
    assert.deepEqual(grant.answers[0]?.lentBy, { issuer: 'corp', subject: 'olga', kind: 'person' });
    const answered = bench.log.find(({ entry }) => entry.type === 'grant.answered')?.entry;
    assert.equal(answered?.detail?.['delegation'], lent.id);
    assert.deepEqual(bench.log[0]?.entry.detail, {
      delegation: lent.id,
      role: 'officer',
      expiresAt: new Date(lent.expiresAtMs).toISOString(),
      from: 'corp/olga',
      to: 'corp/dave',
    });
    const second = await bench.grants.request(agent, wish({ rowsPerHour: 2 }), 'why');
    bench.nowMs = lent.expiresAtMs;
    await assert.rejects(bench.grants.answer(second.id, dave, 'approve'), code('SP_API_FORBIDDEN'));
  });

  it('is not longer because the clock was set back, not even when it was seen to be over before', async () => {
    const { id } = await bench.grants.request(agent, wish(), 'why');
    await lend();
    bench.nowMs += 7 * hour;
    bench.steadyMs += 7 * hour;
    assert.equal(bench.authoritiesOf(dave, 'officer', 0).length, 1);
    // Not to before it was lent.
    bench.nowMs -= 5 * hour;
    bench.steadyMs += hour;
    await assert.rejects(bench.grants.answer(id, dave, 'approve'), code('SP_API_FORBIDDEN'));
    // Another change of the store has it listed again.
    bench.nowMs -= hour;
    await bench.locks.lock(omar, 'target', 'lab');
    await assert.rejects(bench.grants.answer(id, dave, 'approve'), code('SP_API_FORBIDDEN'));
    assert.equal((await bench.grants.answer(id, olga, 'approve')).state, 'active');
  });

  it('does not count after a restart with a clock that was set back to before it, and is over when the clock jumps ahead', async () => {
    await lend();
    const restarted = bench.another();
    await restarted.watch.refresh();
    assert.equal(restarted.authoritiesOf(dave, 'officer', 0).length, 1);
    bench.nowMs -= 2 * hour;
    assert.equal(restarted.authoritiesOf(dave, 'officer', 0).length, 0);
    bench.nowMs += 11 * hour;
    assert.equal(restarted.authoritiesOf(dave, 'officer', 0).length, 0);
  });

  it('INVARIANT: does not answer what the lender or the borrower asked', async () => {
    bench.offers = [{ ...offer, role: 'officer' }];
    await lend();
    const { id } = await bench.grants.request(olga, wish(), 'why');
    await assert.rejects(bench.grants.answer(id, dave, 'approve'), code('SP_API_FORBIDDEN'));
    bench.offers = [offer];
    const asAgent = person('dave', ['agents']);
    const own = await bench.grants.request(asAgent, wish(), 'why');
    await assert.rejects(bench.grants.answer(own.id, asAgent, 'approve'), code('SP_API_FORBIDDEN'));
  });

  it('counts lender and borrower as one', async () => {
    bench.offers = [{ ...offer, approvers: { role: 'officer', count: 2 } }];
    await lend();
    const { id } = await bench.grants.request(agent, wish(), 'why');
    await bench.grants.answer(id, dave, 'approve');
    await assert.rejects(bench.grants.answer(id, olga, 'approve'), code('SP_GRANT_CONFLICT'));
    assert.equal((await bench.grants.answer(id, omar, 'approve')).state, 'active');
  });

  it('is given by a person who has the role, to somebody else, for a while', async () => {
    const to = { issuer: 'corp', subject: 'dave' };
    for (const who of [dave, { ...olga, kind: 'agent' as const }, { ...olga, onBehalfOf: omar }]) {
      await assert.rejects(bench.delegations.delegate(who, 'officer', to, hour), code('SP_API_FORBIDDEN'));
    }
    for (const [role, target, ms] of [
      ['officer', { issuer: 'corp', subject: 'olga' }, hour],
      ['officer', { issuer: 'elsewhere', subject: 'dave' }, hour],
      ['officer', to, 59_999],
      ['officer', to, 31 * 24 * hour],
      ['officer', to, Number.NaN],
    ] as const) {
      await assert.rejects(bench.delegations.delegate(olga, role, target, ms), code('SP_API_BAD_REQUEST'));
    }
    await assert.rejects(bench.delegations.delegate(person('a', ['agents']), 'reader', to, hour), code('SP_API_BAD_REQUEST'));
    await assert.rejects(bench.delegations.delegate({ ...olga, expiresAtMs: 0 }, 'officer', to, hour), code('SP_AUTH_EXPIRED'));
    assert.deepEqual(bench.log, []);
    // What was lent is not lent on.
    await lend();
    await assert.rejects(bench.delegations.delegate(dave, 'officer', { issuer: 'corp', subject: 'erin' }, hour), code('SP_API_FORBIDDEN'));
  });

  it('is taken back by who gave it or an operator, and ends with a lock on the lender', async () => {
    const { id } = await lend();
    await assert.rejects(bench.delegations.end(id, dave, false), code('SP_API_FORBIDDEN'));
    await bench.delegations.end(id, olga, false);
    assert.equal(bench.types().at(-1), 'delegation.ended');
    await assert.rejects(bench.delegations.end(id, olga, true), code('SP_API_NOT_FOUND'));
    await assert.rejects(bench.delegations.end('dlg_x' as DelegationId, olga, true), code('SP_API_NOT_FOUND'));
    await lend();
    await bench.locks.lock(omar, 'principal', 'corp/olga');
    assert.deepEqual(bench.authoritiesOf(dave, 'officer', 0), []);
    assert.equal((await bench.delegations.list()).length, 1);
  });

  it('is nobody’s while the store does not answer', async () => {
    await lend();
    assert.equal(bench.authoritiesOf(dave, 'officer', 0).length, 1);
    bench.storeFails = true;
    bench.steadyMs += 1_000;
    await bench.watch.poll();
    assert.deepEqual(bench.authoritiesOf(dave, 'officer', 0), []);
    assert.equal(bench.authoritiesOf(olga, 'officer', 0).length, 1);
  });
});

describe('escalation', () => {
  const night = person('nina', ['nights']);
  const escalation = { role: 'night-officer', afterMs: hour, quietHours: null };

  it('lets a second role answer after a while, and tells it once', async () => {
    bench = benchOf({ escalation });
    const { id } = await bench.grants.request(agent, wish(), 'why');
    await bench.grants.tick();
    await assert.rejects(bench.grants.answer(id, night, 'approve'), code('SP_API_FORBIDDEN'));
    bench.nowMs += hour;
    await bench.grants.tick();
    await bench.grants.tick();
    assert.deepEqual(
      bench.notices.map(({ kind, who, event }) => [kind, who, event]),
      [
        ['grant.requested', 'officer', 'grant.requested'],
        ['grant.requested', 'night-officer', 'escalated'],
      ],
    );
    assert.equal((await bench.grants.answer(id, night, 'approve')).state, 'active');
    assert.equal(bench.log.find(({ entry }) => entry.type === 'grant.answered')?.entry.detail?.['as'], 'night-officer');
  });

  it('does not need fewer people, and the first role still answers', async () => {
    bench = benchOf({ escalation });
    bench.offers = [{ ...offer, approvers: { role: 'officer', count: 2 } }];
    const { id } = await bench.grants.request(agent, wish(), 'why');
    bench.nowMs += hour;
    assert.equal((await bench.grants.answer(id, night, 'approve')).state, 'requested');
    assert.equal((await bench.grants.answer(id, olga, 'approve')).state, 'active');
  });

  it('is at once in quiet hours, which may go over midnight, in their own time zone', () => {
    const at = (text: string) => Date.parse(text);
    const quiet = { ...escalation, quietHours: { from: '22:00', to: '06:00', timeZone: 'America/Chicago' } };
    const isNow = (text: string, rules = quiet) => isEscalated(rules, at(text), at(text));
    assert.equal(isNow('2026-01-05T03:59:00Z'), false);
    assert.equal(isNow('2026-01-05T04:00:00Z'), true);
    assert.equal(isNow('2026-01-05T06:30:00Z'), true);
    assert.equal(isNow('2026-01-05T11:59:00Z'), true);
    assert.equal(isNow('2026-01-05T12:00:00Z'), false);
    // Summer time moves it.
    assert.equal(isNow('2026-07-05T03:00:00Z'), true);
    const lunch = { ...escalation, quietHours: { from: '12:00', to: '13:00', timeZone: 'UTC' } };
    assert.deepEqual(
      ['11:59', '12:00', '12:59', '13:00'].map((time) => isNow(`2026-01-05T${time}:00Z`, lunch)),
      [false, true, true, false],
    );
    assert.equal(isEscalated(escalation, 0, hour - 1), false);
    assert.equal(isEscalated(escalation, 0, hour), true);
  });
});
