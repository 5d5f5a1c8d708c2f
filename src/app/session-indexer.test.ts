import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logOf } from '../../test/conformance/session-index.ts';
import { createMemoryStore } from '../../test/support/memory-store.ts';
import type { EntryDraft } from '../core/event.ts';
import type { SessionId } from '../core/ids.ts';
import { startSessionIndexer } from './session-indexer.ts';

const session = 'ses_a' as SessionId;
const log = logOf([
  { type: 'session.open', session, principal: { issuer: 'corp', subject: 'a', kind: 'agent' }, resource: { target: 'clinic' } },
  ...Array.from({ length: 9000 }, (): EntryDraft => ({ type: 'request.intent', session })),
]);

test('the index is built anew from the log, with progress, while it is kept up; also after it was damaged', async () => {
  const { sessions: index } = createMemoryStore();
  const reader = {
    entries: async function* () {},
    async *outlines(from: number, to: number) {
      for (let first = from; first < to; first += 256) yield log.slice(first, Math.min(to, first + 256));
    },
    size: () => log.length,
    firstIndex: 0,
    checkpoint: async () => null,
    sealed: async () => null,
  };
  const indexer = startSessionIndexer({ reader, index, logger: { info: () => undefined, warn: () => undefined, error: () => undefined } });
  const progress: number[] = [];
  const [entries] = await Promise.all([indexer.rebuild(({ done }) => progress.push(done)), indexer.catchUp()]);
  assert.deepEqual([entries, progress], [9001, [4096, 8192]]);
  const row = await index.get(session);
  assert.equal(row?.statements, 9000);
  // Damaged: as if it had come from another log.
  await index.apply([{ ...log[0]!, seq: 9001, session: 'ses_b' as SessionId }]);
  assert.equal(await indexer.rebuild(() => undefined), 9001);
  assert.deepEqual([await index.get(session), await index.get('ses_b' as SessionId)], [row, null]);
  await indexer.stop();
});
