// What every SessionIndex does: a pure function of the log, idempotent, never with a gap.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SallyportError } from '../../src/core/error.ts';
import type { EntryDraft, EntryHeader } from '../../src/core/event.ts';
import type { SessionId, TargetName } from '../../src/core/ids.ts';
import type { SessionIndex } from '../../src/core/ports.ts';
import type { Made } from './approval-store.ts';

const agent = { issuer: 'corp', subject: 'agent-1', kind: 'agent' } as const;
const alice = { issuer: 'corp', subject: 'alice', kind: 'person' } as const;
const ses = (name: string) => `ses_${name}` as SessionId;

/** A log of drafts: the index in the list is `seq`. */
export function logOf(drafts: readonly EntryDraft[]): EntryHeader[] {
  return drafts.map((draft, seq) => ({
    ...draft,
    v: 1,
    seq,
    ts: new Date(1_700_000_000_000 + seq * 1000).toISOString(),
    replica: 'r1',
  }));
}

const open = (name: string, target = 'clinic'): EntryDraft => ({
  type: 'session.open',
  session: ses(name),
  principal: agent,
  resource: { target },
});

const result = (name: string, rows: number): EntryDraft => ({
  type: 'request.result',
  session: ses(name),
  result: { rows, bytes: 10, code: 'ok', ms: 3 },
});

export function describeSessionIndex(name: string, make: () => Promise<Made<SessionIndex>>): void {
  describe(`session index: ${name}`, () => {
    let made: Made<SessionIndex>;
    let index: SessionIndex;

    beforeEach(async () => {
      made = await make();
      index = made.port;
    });
    afterEach(() => made.close());

    const feed = async (drafts: readonly EntryDraft[]) => {
      for (const entry of logOf(drafts)) await index.apply([entry]);
    };

    const day: EntryDraft[] = [
      { type: 'log.opened' },
      { ...open('a'), onBehalfOf: alice },
      { type: 'request.intent', session: ses('a') },
      open('b', 'billing'),
      result('a', 12),
      { type: 'request.denied', session: ses('a') },
      { type: 'request.held', session: ses('b') },
      { type: 'approval.requested', session: ses('b') },
      { type: 'request.intent', session: ses('b') },
      result('b', 1),
      result('a', 30),
      { type: 'session.close', session: ses('a'), detail: { reason: 'client' } },
    ];

    it('starts empty at position 0', async () => {
      assert.equal(await index.position(), 0);
      assert.equal(await index.get(ses('a')), null);
      assert.deepEqual(await index.list({ limit: 10 }), []);
      assert.deepEqual(await index.entriesOf(ses('a')), []);
    });

    it('counts statements, denials, holds and rows of each session', async () => {
      await feed(day);
      assert.deepEqual(await index.get(ses('a')), {
        id: ses('a'),
        target: 'clinic',
        principal: agent,
        onBehalfOf: alice,
        openedAtMs: 1_700_000_001_000,
        closedAtMs: 1_700_000_011_000,
        closeReason: 'client',
        statements: 2,
        denied: 1,
        held: 0,
        rows: 42,
        openIndex: 1,
      });
      const other = await index.get(ses('b'));
      assert.deepEqual([other?.statements, other?.held, other?.rows, other?.closedAtMs], [1, 1, 1, null]);
      assert.equal(await index.position(), day.length);
    });

    it('names the entries of a session in ascending order', async () => {
      await feed(day);
      assert.deepEqual(await index.entriesOf(ses('a')), [1, 2, 4, 5, 10, 11]);
      assert.deepEqual(await index.entriesOf(ses('b')), [3, 6, 7, 8, 9]);
    });

    it('changes nothing when entries are applied again', async () => {
      await feed(day);
      const before = [await index.get(ses('a')), await index.entriesOf(ses('a')), await index.position()];
      await feed(day);
      assert.deepEqual([await index.get(ses('a')), await index.entriesOf(ses('a')), await index.position()], before);
    });

    it('is the same again when it is cleared and built anew', async () => {
      await feed(day);
      const before = [await index.get(ses('a')), await index.get(ses('b')), await index.entriesOf(ses('a'))];
      await index.clear(3);
      assert.equal(await index.position(), 3);
      await index.clear(0);
      assert.equal(await index.position(), 0);
      assert.deepEqual([await index.get(ses('a')), await index.entriesOf(ses('a')), await index.list({ limit: 10 })], [null, [], []]);
      await feed(day);
      assert.deepEqual([await index.get(ses('a')), await index.get(ses('b')), await index.entriesOf(ses('a'))], before);
    });

    it('gives the same rows when calls overlap', async () => {
      await Promise.all(logOf(day).map((entry) => index.apply([entry])));
      assert.equal((await index.get(ses('a')))?.rows, 42);
      assert.deepEqual(await index.entriesOf(ses('b')), [3, 6, 7, 8, 9]);
      assert.equal(await index.position(), day.length);
    });

    it('refuses a gap and stays where it was', async () => {
      const log = logOf(day);
      await index.apply([log[0] as EntryHeader]);
      await assert.rejects(
        index.apply([log[2] as EntryHeader]),
        (fault) => fault instanceof SallyportError && fault.code === 'SP_INTERNAL',
      );
      assert.equal(await index.position(), 1);
      // All or nothing: what came before the gap in the same call is not applied either.
      await assert.rejects(
        index.apply([log[1], log[3]] as EntryHeader[]),
        (fault) => fault instanceof SallyportError && fault.code === 'SP_INTERNAL',
      );
      assert.equal(await index.position(), 1);
      await index.apply([log[1] as EntryHeader]);
      assert.equal(await index.position(), 2);
    });

    it('keeps entries of a session that it never saw open without inventing a row', async () => {
      await feed([{ type: 'request.intent', session: ses('x') }]);
      assert.equal(await index.get(ses('x')), null);
      assert.deepEqual(await index.entriesOf(ses('x')), [0]);
    });

    it('lists newest first by target, liveness and limit', async () => {
      await feed([...day, open('c')]);
      const ids = async (filter: Parameters<SessionIndex['list']>[0]) => (await index.list(filter)).map((row) => row.id);
      assert.deepEqual(await ids({ limit: 10 }), [ses('c'), ses('b'), ses('a')]);
      assert.deepEqual(await ids({ limit: 1 }), [ses('c')]);
      assert.deepEqual(await ids({ target: 'clinic' as TargetName, limit: 10 }), [ses('c'), ses('a')]);
      assert.deepEqual(await ids({ live: true, limit: 10 }), [ses('c'), ses('b')]);
      assert.deepEqual(await ids({ live: false, limit: 10 }), [ses('a')]);
    });
  });
}
