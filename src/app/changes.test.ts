import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiChange, LocksSurface } from '../api/index.ts';
import type { EntryOutline } from '../core/event.ts';
import { principalOf } from '../core/testing.ts';
import { createMemoryStore } from '../../test/support/memory-store.ts';
import { createChanges, tellingIndex, tellingLocks } from './changes.ts';

const outline = (seq: number, session?: string): EntryOutline => ({
  seq,
  ts: '2026-11-21T09:00:00.000Z',
  type: 'heartbeat',
  ...(session === undefined ? {} : { session }),
});

test('new entries tell of their sessions, each once, and of the size of the log; old ones are no news', async () => {
  const changes = createChanges();
  const told: ApiChange[] = [];
  const stop = changes.subscribe((change) => told.push(change));
  const index = tellingIndex(createMemoryStore().sessions, 1, changes);
  await index.apply([outline(0, 'ses_old')]);
  assert.deepEqual(told, []);
  await index.apply([outline(1, 'ses_a'), outline(2, 'ses_b'), outline(3, 'ses_a'), outline(4)]);
  assert.deepEqual(told, [
    { kind: 'session', id: 'ses_a' },
    { kind: 'session', id: 'ses_b' },
    { kind: 'log', size: 5 },
  ]);
  await index.clear(0);
  await index.apply([outline(0, 'ses_old'), outline(1, 'ses_a')]);
  assert.equal(told.length, 3, 'an index that is built anew is no news');
  stop();
  await index.apply([outline(2), outline(3), outline(4), outline(5)]);
  assert.equal(told.length, 3);
});

test('a lock is told once it stands, and ends what its principal has open before it answers', async () => {
  const changes = createChanges();
  const told: unknown[] = [];
  changes.subscribe((change) => told.push(change.kind === 'lock' ? change.state : change));
  const by = principalOf();
  let stands = true;
  const locks: LocksSurface = {
    async lock(_by, kind, name) {
      if (!stands) throw new Error('refused');
      told.push('stands');
      return { kind, name, by, atMs: 0 };
    },
    unlock: async () => void told.push('gone'),
    list: async () => [],
    isLockedOut: () => false,
  };
  const telling = tellingLocks(locks, changes, async (principal) => void told.push(principal));
  await telling.lock(by, 'principal', 'corp/olga');
  await telling.lock(by, 'role', 'clerk');
  await telling.unlock(by, 'role', 'clerk');
  assert.deepEqual(told, ['stands', 'set', 'corp/olga', 'stands', 'set', 'gone', 'lifted']);
  stands = false;
  await assert.rejects(telling.lock(by, 'principal', 'corp/olga'));
  assert.equal(told.length, 7);
});
