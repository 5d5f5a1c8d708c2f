import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { principalKey, type Principal } from '../core/identity.ts';
import type { ConsoleSessionRow, ConsoleSessionStore } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { principalOf } from '../core/testing.ts';
import { type ConsoleSessions, createConsoleSessions } from './console-sessions.ts';

const START_MS = Date.UTC(2026, 10, 21);
const HOUR_MS = 3_600_000;
const IDLE_MS = 1_800_000;

function memory(): ConsoleSessionStore & { readonly rows: Map<string, ConsoleSessionRow>; seenWrites: number } {
  const rows = new Map<string, ConsoleSessionRow>();
  const change = (id: string, to: Partial<ConsoleSessionRow>): void => {
    const row = rows.get(id);
    if (row !== undefined) rows.set(id, { ...row, ...to });
  };
  return {
    rows,
    seenWrites: 0,
    async create(row) {
      rows.set(row.sha256, { ...row, seenAtMs: row.createdAtMs, endedAtMs: null });
    },
    get: async (id) => rows.get(id) ?? null,
    async seen(id, atMs) {
      this.seenWrites += 1;
      change(id, { seenAtMs: atMs });
    },
    end: async (id, atMs) => change(id, { endedAtMs: atMs, sealed: '' }),
    liveOf: async (principal) =>
      [...rows.values()]
        .filter((row) => row.principal === principal && row.endedAtMs === null)
        .toReversed()
        .map(({ sha256 }) => sha256),
    async prune(beforeMs) {
      for (const [id, row] of rows) if (row.expiresAtMs < beforeMs) rows.delete(id);
    },
  };
}

function setUp() {
  const store = memory();
  const now = { wallMs: START_MS, monoMs: 0 };
  const pass = (ms: number): void => {
    now.wallMs += ms;
    now.monoMs += ms;
  };
  /** What a restart makes of the same store. */
  const start = (change: { readonly secret?: string; readonly provider?: string } = {}): ConsoleSessions =>
    createConsoleSessions({
      store,
      clock: { nowMs: () => now.wallMs, monotonicMs: () => now.monoMs },
      random: { bytes: (length) => randomBytes(length) },
      secret: new Secret(change.secret ?? 'of the gateway'),
      idleMs: IDLE_MS,
      providers: new Map([['corp', change.provider ?? 'as configured']]),
    });
  const person = (change: Partial<Principal> = {}): Principal =>
    principalOf({ kind: 'person', claims: { mrn: 'CANARY' }, expiresAtMs: now.wallMs + HOUR_MS, ...change });
  return { store, now, pass, start, person };
}

describe('log-ins to the console', () => {
  it('stand for the identity, over a restart too, and the store has neither the value nor the claims', async () => {
    const { store, start, person } = setUp();
    const principal = person();
    const { value, expiresAtMs } = await start().open(principal);
    assert.equal(expiresAtMs, principal.expiresAtMs);
    const found = await start().find(value, true);
    assert.deepEqual(found.state === 'live' && found.principal, principal);
    assert.doesNotMatch(JSON.stringify([...store.rows]), new RegExp(`${value}|CANARY|Agent 1`));
  });

  it('are unknown under another secret of the gateway, or when their row was moved to another value', async () => {
    const { store, start, person } = setUp();
    const { value } = await start().open(person());
    assert.equal((await start({ secret: 'another' }).find(value, true)).state, 'unknown');
    const other = await start().open(person({ subject: 'olga' }));
    const [mine, hers] = [...store.rows.values()];
    assert.ok(mine && hers);
    store.rows.set(mine.sha256, { ...hers, sha256: mine.sha256 });
    assert.equal((await start().find(value, true)).state, 'unknown');
    store.rows.set(mine.sha256, { ...mine, principal: hers.principal });
    assert.equal((await start().find(value, true)).state, 'unknown', 'sealed for somebody else than the row says');
    assert.equal((await start().find(other.value, true)).state, 'live');
  });

  it('are unknown when their provider is configured otherwise now', async () => {
    const { start, person } = setUp();
    const { value } = await start().open(person());
    assert.equal((await start({ provider: 'another audience' }).find(value, true)).state, 'unknown');
  });

  it('end with the identity, also when the clock is set back, and after twelve hours', async () => {
    const { now, pass, start, person } = setUp();
    const sessions = start();
    const short = await sessions.open(person({ expiresAtMs: now.wallMs + 600_000 }));
    pass(599_999);
    assert.equal((await sessions.find(short.value, true)).state, 'live');
    pass(1);
    now.wallMs -= HOUR_MS;
    assert.equal((await sessions.find(short.value, true)).state, 'over');
    const long = await sessions.open(person({ expiresAtMs: now.wallMs + 100 * HOUR_MS }));
    assert.equal(long.expiresAtMs, now.wallMs + 12 * HOUR_MS);
  });

  it('end when they are not used, in memory and from the store; each use counts, and few are written', async () => {
    const { store, now, pass, start, person } = setUp();
    const sessions = start();
    const { value } = await sessions.open(person({ expiresAtMs: START_MS + 10 * HOUR_MS }));
    for (let use = 0; use < 100; use += 1) {
      pass(IDLE_MS / 60);
      assert.equal((await sessions.find(value, true)).state, 'live');
    }
    assert.ok(store.seenWrites <= 51, `${store.seenWrites} writes`);
    pass(IDLE_MS);
    assert.equal((await sessions.find(value, true)).state, 'over');
    const again = await sessions.open(person({ expiresAtMs: now.wallMs + 10 * HOUR_MS }));
    pass(IDLE_MS);
    assert.equal((await start().find(again.value, true)).state, 'over');
    const future = await sessions.open(person({ expiresAtMs: now.wallMs + 10 * HOUR_MS }));
    now.wallMs -= HOUR_MS;
    assert.equal((await start().find(future.value, true)).state, 'over', 'last used in the future: the clock was set back');
  });

  it('do not go on for requests that nobody made, nor for those of a restarted gateway', async () => {
    const { store, pass, start, person } = setUp();
    const sessions = start();
    const { value } = await sessions.open(person({ expiresAtMs: START_MS + 10 * HOUR_MS }));
    pass(IDLE_MS - 60_000);
    assert.equal((await sessions.find(value, false)).state, 'live');
    assert.equal((await start().find(value, false)).state, 'live');
    assert.equal(store.seenWrites, 0);
    pass(60_000);
    assert.equal((await sessions.find(value, false)).state, 'over');
  });

  it('stay ended when a request was reading them in that moment', async () => {
    const { store, start, person } = setUp();
    const sessions = start();
    const { value } = await sessions.open(person());
    const get = store.get.bind(store);
    const reading = Promise.withResolvers<void>();
    store.get = async (id) => {
      const row = await get(id);
      await reading.promise;
      return row;
    };
    const found = sessions.find(value, true);
    const end = store.end.bind(store);
    store.end = async (id, atMs) => {
      await end(id, atMs);
      reading.resolve();
      await found;
    };
    await sessions.endAllOf(principalKey(person()));
    store.get = get;
    assert.equal((await sessions.find(value, true)).state, 'over');
  });

  it('that are over and never came back are not kept in memory', async () => {
    const { store, pass, start, person } = setUp();
    const sessions = start();
    const { value } = await sessions.open(person({ expiresAtMs: START_MS + 10 * HOUR_MS }));
    const found = await sessions.find(value, true);
    assert.ok(found.state === 'live');
    let told = 0;
    sessions.onEnd(found.id, () => (told += 1));
    pass(IDLE_MS);
    await sessions.open(person({ subject: 'somebody else', expiresAtMs: START_MS + 10 * HOUR_MS }));
    assert.equal(told, 1);
    let reads = 0;
    const get = store.get.bind(store);
    store.get = async (id) => {
      reads += 1;
      return get(id);
    };
    assert.equal((await sessions.find(value, true)).state, 'over');
    assert.equal(reads, 1);
  });

  it('end when told to: one, or all of a principal, and who listens hears of it once', async () => {
    const { start, person } = setUp();
    const sessions = start();
    const [one, two, other] = [await sessions.open(person()), await sessions.open(person()), await sessions.open(person({ subject: 'x' }))];
    const heard: string[] = [];
    for (const [name, { value }] of Object.entries({ one, two, other })) {
      const found = await sessions.find(value, true);
      assert.ok(found.state === 'live');
      assert.equal(sessions.isOver(found.id), false);
      sessions.onEnd(found.id, () => heard.push(name));
      if (name === 'one') {
        await sessions.end(found.id);
        assert.equal(sessions.isOver(found.id), true);
      }
    }
    await sessions.endAllOf(principalKey(person()));
    assert.deepEqual(heard, ['one', 'two']);
    const states = await Promise.all([one, two, other].map(async ({ value }) => (await sessions.find(value, true)).state));
    assert.deepEqual(states, ['over', 'over', 'live']);
    assert.equal((await start().find(two.value, true)).state, 'over', 'also after a restart');
  });

  it('are twenty of one principal at most: a new one ends the oldest', async () => {
    const { pass, start, person } = setUp();
    const sessions = start();
    const values: string[] = [];
    for (let n = 0; n < 21; n += 1) {
      pass(1);
      values.push((await sessions.open(person())).value);
    }
    const states = await Promise.all(values.map(async (value) => (await sessions.find(value, true)).state));
    assert.deepEqual(states, ['over', ...Array.from({ length: 20 }, () => 'live')]);
  });

  it('are not found by values of another form', async () => {
    const sessions = setUp().start();
    for (const value of ['', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}=`, `${'A'.repeat(42)};`])
      assert.equal((await sessions.find(value, true)).state, 'unknown');
  });
});
