import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { SallyportError } from '../../core/error.ts';
import type { Principal } from '../../core/identity.ts';
import { agent } from '../../session/testing.ts';
import type { SnowflakeSession } from './session.ts';
import { ApiSessions, identityOf, type Wanted } from './sql-api-sessions.ts';

interface Double {
  isOver: boolean;
  unfinished: number;
  readonly handles: Set<string>;
}

describe('sessions behind the SQL API', () => {
  let nowMs = 0;
  let opened: Double[] = [];
  let sessions: ApiSessions;

  beforeEach(() => {
    nowMs = 0;
    opened = [];
    sessions = new ApiSessions({ clock: { nowMs: () => nowMs, monotonicMs: () => nowMs }, idleMs: 20 });
  });
  afterEach(() => sessions.close());

  const none = { database: null, schema: null, warehouse: null, role: null };

  async function open(): Promise<SnowflakeSession> {
    const double = {
      isOver: false,
      unfinished: 0,
      handles: new Set<string>(),
      owns: (handle: string) => double.handles.has(handle),
      async end() {
        double.isOver = true;
        sessions.ended(double as unknown as SnowflakeSession);
      },
    };
    opened.push(double);
    return double as unknown as SnowflakeSession;
  }

  let requests = 0;
  const wanted = (change: Partial<Wanted> = {}): Wanted => ({
    principal: agent,
    target: 'clinic',
    context: none,
    isAlone: false,
    requestId: String((requests += 1)),
    open,
    ...change,
  });

  test('one identity in one context shares a session; everybody and everything else has another', async () => {
    const [one, same] = await Promise.all([sessions.take(wanted()), sessions.take(wanted())]);
    assert.equal(one, same);
    const others: Partial<Wanted>[] = [
      { isAlone: true },
      { target: 'other' },
      { context: { ...none, schema: 'X' } },
      { principal: { ...agent, subject: 'else' } },
      { principal: { ...agent, groups: [...agent.groups, 'more'] } },
      { principal: { ...agent, kind: 'service' } },
      { principal: { ...agent, claims: { dept: 'x' } } },
      { principal: { ...agent, onBehalfOf: { issuer: 'corp', subject: 'alice', kind: 'person' } } },
    ];
    for (const change of others) assert.notEqual(await sessions.take(wanted(change)), one, JSON.stringify(change));
    assert.equal(opened.length, 1 + others.length);
  });

  test('tokens of one identity differ in what is theirs only', () => {
    const of = (claims: Principal['claims'], groups: readonly string[] = ['a', 'b']): string => identityOf({ ...agent, claims, groups });
    assert.equal(of({ exp: 1, iat: 1, jti: 'x', dept: 'd' }), of({ jti: 'y', dept: 'd', exp: 2, iat: 2 }, ['b', 'a']));
    assert.notEqual(of({ dept: 'd' }), of({ dept: 'e' }));
    assert.notEqual(of({}, ['a,b']), of({}));
  });

  test('a handle is found by its own identity only, and not when its session is over', async () => {
    const { session } = await sessions.take(wanted());
    opened[0]?.handles.add('h');
    assert.equal(sessions.find(agent, null, 'h')?.session, session);
    assert.equal(sessions.find(agent, 'clinic', 'h')?.session, session);
    assert.equal(sessions.find(agent, 'other', 'h'), null);
    assert.equal(sessions.find({ ...agent, groups: ['x'] }, null, 'h'), null);
    assert.equal(sessions.find({ ...agent, subject: 'else' }, null, 'h'), null);
    Object.assign(opened[0] ?? {}, { isOver: true });
    assert.equal(sessions.find(agent, null, 'h'), null);
  });

  test('a request that comes again goes where it went, even while that is being opened', async () => {
    const again = wanted({ isAlone: true });
    const [one, two] = await Promise.all([sessions.take(again), sessions.take(again)]);
    assert.equal(one, two);
    const other = await sessions.take({ ...again, principal: { ...agent, subject: 'else' } });
    assert.notEqual(other, one);
  });

  test('an opening that fails leaves nothing behind', async () => {
    const failing = wanted({ open: async () => Promise.reject(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'x')) });
    await assert.rejects(sessions.take(failing), { code: 'SP_UPSTREAM_UNREACHABLE' });
    assert.ok(await sessions.take({ ...failing, open }));
  });

  test('a session that is over, or ends long before the token, is not begun with', async () => {
    const soon: Principal = { ...agent, expiresAtMs: 60_000 };
    const one = await sessions.take(wanted({ principal: soon }));
    assert.equal(await sessions.take(wanted({ principal: soon })), one);
    const longer = await sessions.take(wanted({ principal: { ...agent, expiresAtMs: 3_600_000 } }));
    assert.notEqual(longer, one);
    Object.assign(opened[1] ?? {}, { isOver: true });
    assert.notEqual(await sessions.take(wanted({ principal: soon })), longer);
  });

  test('of one identity there are so many; idle ones make room, busy ones do not', async () => {
    for (let count = 0; count < 16; count += 1) await sessions.take(wanted({ isAlone: true }));
    for (const double of opened.slice(1)) double.unfinished = 1;
    await sessions.take(wanted({ isAlone: true }));
    assert.equal(opened[0]?.isOver, true);
    (opened.at(-1) as Double).unfinished = 1;
    await assert.rejects(sessions.take(wanted({ isAlone: true })), { code: 'SP_SESSION_LIMIT' });
    assert.ok(await sessions.take(wanted({ isAlone: true, principal: { ...agent, subject: 'else' } })));
  });

  test('where the gateway is full an idle session of the same identity makes room', async () => {
    await sessions.take(wanted());
    const full = async (): Promise<SnowflakeSession> => {
      if (opened.some(({ isOver }) => !isOver)) throw new SallyportError('SP_SESSION_LIMIT', 'full');
      return open();
    };
    await assert.rejects(sessions.take(wanted({ open: full, principal: { ...agent, subject: 'else' } })), { code: 'SP_SESSION_LIMIT' });
    assert.ok(await sessions.take(wanted({ open: full, isAlone: true })));
    assert.equal(opened[0]?.isOver, true);
  });

  test('a session ends when nobody has used it for a while, but not what runs or is being read', async () => {
    const idle = await sessions.take(wanted());
    const busy = await sessions.take(wanted({ isAlone: true }));
    (opened[1] as Double).unfinished = 1;
    const read = await sessions.take(wanted({ isAlone: true }));
    const done = Promise.withResolvers<void>();
    const reading = sessions.use(read, () => done.promise);
    nowMs = 1_000;
    while (!idle.session.isOver) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual([busy.session.isOver, read.session.isOver], [false, false]);
    assert.equal(sessions.has(idle.session), true);
    done.resolve();
    await reading;
  });
});
