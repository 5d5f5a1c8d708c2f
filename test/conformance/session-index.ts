// What every SessionIndex does: a pure function of the log, idempotent, never with a gap.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SallyportError } from '../../src/core/error.ts';
import type { EntryDraft, EntryHeader, EntryType } from '../../src/core/event.ts';
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
        maskedCells: 0,
        classes: [],
        lastAtMs: 1_700_000_011_000,
        isWaiting: false,
      });
      const other = await index.get(ses('b'));
      assert.equal(other?.isWaiting, false);
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

    /** Sessions with something of everything; 5 = not closed. */
    const busy: EntryDraft[] = [
      { ...open('a'), onBehalfOf: alice },
      { type: 'request.intent', session: ses('a') },
      shown('a', 3, ['phi.ssn', 'redact'], ['phi.name', 'clear'], ['', 'clear']),
      { type: 'session.close', session: ses('a'), detail: { reason: 'client' } },
      { ...open('b', 'billing'), principal: { ...alice, kind: 'person' } },
      { type: 'request.held', session: ses('b') },
      open('c'),
      { type: 'request.denied', session: ses('c') },
      { type: 'session.close', session: ses('c') },
      open('d'),
      { type: 'request.intent', session: ses('d') },
      shown('d', 0, ['phi.ssn', 'redact']),
      { ...open('e'), principal: { issuer: 'corp', subject: 'Bob%_x', kind: 'agent' } },
    ];
    const idsOf = async (filter: Omit<Parameters<SessionIndex['list']>[0], 'limit'>, limit = 10) =>
      (await index.list({ ...filter, limit })).map((row) => row.id.slice(4)).join('');

    it('tells masked cells, classes that came out, and whether a session waits', async () => {
      await feed(busy);
      const a = await index.get(ses('a'));
      assert.deepEqual([a?.maskedCells, a?.classes, a?.lastAtMs], [3, ['phi.name', 'phi.ssn'], 1_700_000_003_000]);
      assert.equal((await index.get(ses('b')))?.isWaiting, true);
      // Nothing came out.
      assert.deepEqual([(await index.get(ses('d')))?.classes, (await index.get(ses('d')))?.maskedCells], [[], 0]);
    });

    it('narrows the list down, and pages through it', async () => {
      await feed(busy);
      assert.equal(await idsOf({}), 'edcba');
      assert.equal(await idsOf({ principal: 'AGENT-1' }), 'dca');
      assert.equal(await idsOf({ principal: 'alice' }), 'ba');
      assert.equal(await idsOf({ principal: 'corp/' }), 'edcba');
      // No pattern.
      assert.equal(await idsOf({ principal: 'b%' }), 'e');
      assert.equal(await idsOf({ principal: '%' }), 'e');
      assert.equal(await idsOf({ principal: 'nobody' }), '');
      assert.equal(await idsOf({ owner: 'corp/alice' }), 'ba');
      assert.equal(await idsOf({ owner: 'corp/alice', principal: 'agent' }), 'a');
      assert.equal(await idsOf({ owner: 'corp/ali' }), '');
      assert.equal(await idsOf({ class: 'phi.ssn' }), 'a');
      assert.equal(await idsOf({ class: 'phi' }), '');
      assert.equal(await idsOf({ decision: 'allowed' }), 'da');
      assert.equal(await idsOf({ decision: 'held' }), 'b');
      assert.equal(await idsOf({ decision: 'denied' }), 'c');
      assert.equal(await idsOf({ decision: 'denied', target: 'billing' as TargetName }), '');
      assert.equal(await idsOf({ live: true }), 'edb');
      assert.equal(await idsOf({ live: true, target: 'clinic' as TargetName }), 'ed');
      assert.equal(await idsOf({ live: false, class: 'phi.name' }), 'a');
      assert.equal(await idsOf({ sinceMs: 1_700_000_004_000 }), 'edcb');
      assert.equal(await idsOf({ sinceMs: 1_700_000_004_000, untilMs: 1_700_000_009_000 }), 'cb');
      assert.equal(await idsOf({ untilMs: 1_700_000_000_000 }), '');
      const [, second] = await index.list({ limit: 2 });
      assert.equal(await idsOf({ before: second?.openIndex ?? 0 }, 2), 'cb');
      assert.equal(await idsOf({ before: 0 }), '');
      assert.deepEqual(Object.fromEntries(await index.live()), { clinic: 2, billing: 1 });
      assert.deepEqual(Object.fromEntries(await index.live('corp/alice')), { billing: 1 });
    });

    it('ends the sessions that a process has taken with it', async () => {
      await feed([...busy, { type: 'log.opened' }, open('f')]);
      assert.equal(await idsOf({ live: true }), 'f');
      const b = await index.get(ses('b'));
      assert.deepEqual([b?.closeReason, b?.closedAtMs, b?.isWaiting], ['lost', 1_700_000_013_000, false]);
      assert.equal((await index.get(ses('a')))?.closeReason, 'client');
    });

    it('ends them all the same when it is told in one call', async () => {
      await index.apply(logOf([...busy, { type: 'log.opened' }]));
      assert.equal(await idsOf({ live: true }), '');
    });

    const month = { sinceMs: 1_699_999_800_000, untilMs: 1_700_199_900_000, principals: 5 };

    it('sums up what happened, by time, principal, target and class', async () => {
      await feed(busy);
      const activity = await index.activity({ ...month, stepMs: 300_000 });
      const none = { statements: 0, held: 0, denied: 0, rows: 0, maskedCells: 0 };
      assert.deepEqual(activity.totals, { statements: 3, held: 1, denied: 1, rows: 3, maskedCells: 3 });
      assert.deepEqual(activity.points, [{ atMs: 1_699_999_800_000, ...activity.totals }]);
      assert.deepEqual(activity.classes, [
        { class: 'phi.name', masked: 0, clear: 3 },
        { class: 'phi.ssn', masked: 3, clear: 0 },
      ]);
      assert.deepEqual(
        activity.principals.map(({ principal, onBehalfOf, statements, classes }) => [
          principal.subject,
          onBehalfOf?.subject,
          statements,
          classes,
        ]),
        [
          ['agent-1', undefined, 2, []],
          ['agent-1', 'alice', 1, ['phi.name', 'phi.ssn']],
          ['alice', undefined, 0, []],
        ],
      );
      assert.deepEqual(
        activity.targets.map(({ target, held, lastAtMs }) => [target, held, lastAtMs]),
        [
          ['billing', 1, 1_700_000_005_000],
          ['clinic', 0, 1_700_000_010_000],
        ],
      );
      assert.deepEqual((await index.activity({ ...month, stepMs: 300_000, owner: 'corp/alice' })).totals, {
        ...none,
        statements: 1,
        held: 1,
        rows: 3,
        maskedCells: 3,
      });
      assert.deepEqual((await index.activity({ ...month, stepMs: 300_000, principals: 1 })).principals.length, 1);
      assert.deepEqual((await index.activity({ ...month, sinceMs: month.sinceMs + 300_000, stepMs: 300_000 })).totals, none);
    });

    it('counts every entry once: whatever the cuts between calls, after a repetition, and built anew', async () => {
      const log = randomLog(3000);
      const expected = countOf(log);
      const steps = [300_000, 600_000, 3_600_000, 7_200_000];
      const look = async () => Promise.all(steps.map((stepMs) => index.activity({ ...month, stepMs, sinceMs: 1_699_992_000_000 })));
      for (let from = 0, size = 1; from < log.length; from += size, size = (size * 7) % 331) {
        await index.apply(log.slice(Math.max(0, from - 3), from + size));
      }
      const live = await look();
      for (const [at, { totals, points, targets, classes }] of live.entries()) {
        assert.deepEqual({ totals, classes }, expected);
        const offsets = points.map(({ atMs }) => (atMs - 1_699_992_000_000) % (steps[at] ?? 0));
        assert.deepEqual(new Set(offsets), new Set([0]), 'a point begins where its step does');
        for (const parts of [points, targets])
          assert.equal(
            parts.reduce((sum, { rows }) => sum + rows, 0),
            totals.rows,
          );
      }
      assert.ok((live[0]?.points.length ?? 0) > 5);
      await index.clear(0);
      assert.deepEqual((await look())[0]?.totals, { statements: 0, held: 0, denied: 0, rows: 0, maskedCells: 0 });
      await index.apply(log);
      assert.deepEqual(await look(), live);
    });

    it('finds entries by type, but not those that every statement has', async () => {
      await feed(busy);
      const of = (type: EntryType, from = 0, to = 100, limit = 10) => index.entriesOfType(type, { from, to, limit });
      assert.deepEqual(await of('session.open'), [0, 4, 6, 9, 12]);
      assert.deepEqual(await of('session.open', 4, 12), [4, 6, 9]);
      assert.deepEqual(await of('session.open', 1, 12, 2), [4, 6]);
      assert.deepEqual(await of('heartbeat'), []);
      assert.equal(await of('request.intent'), null);
      assert.deepEqual([await index.newestOfType('session.close'), await index.newestOfType('heartbeat')], [8, null]);
    });

    it('forgets what was pruned', async () => {
      await feed(busy);
      await index.prune(12);
      assert.deepEqual(await index.entriesOfType('session.open', { from: 0, to: 100, limit: 10 }), [12]);
      assert.deepEqual((await index.activity({ ...month, stepMs: 300_000 })).totals.statements, 0);
      assert.deepEqual((await index.activity({ ...month, stepMs: 300_000 })).classes, []);
    });
  });
}

function shown(name: string, rows: number, ...columns: (readonly [string, string])[]): EntryDraft {
  return {
    type: 'request.result',
    session: ses(name),
    result: {
      rows,
      bytes: 10,
      code: 'ok',
      ms: 3,
      columns: columns.map(([of, mask]) => ({ name: 'x', classes: of === '' ? [] : [of], mask })),
    },
  };
}

/** About one second from entry to entry; the same every time. */
function randomLog(length: number): EntryHeader[] {
  let state = 7;
  const below = (bound: number): number => (state = (state * 48_271) % 2_147_483_647) % bound;
  const drafts: EntryDraft[] = [];
  for (let at = 0; at < length; at += 1) {
    const name = String(below(6));
    const kinds: EntryDraft[] = [
      { ...open(`${name}`, below(2) === 0 ? 'clinic' : 'billing'), principal: { ...agent, subject: `agent-${name}` } },
      { type: 'request.intent', session: ses(name) },
      { type: 'request.held', session: ses(name) },
      { type: 'request.denied', session: ses(name) },
      shown(name, below(50), ['phi.ssn', 'redact'], [below(2) === 0 ? 'phi.name' : '', 'clear']),
      { type: 'heartbeat' },
    ];
    drafts.push(at < 6 ? { ...kinds[0]!, session: ses(String(at)) } : kinds[below(kinds.length)]!);
  }
  return logOf(drafts);
}

/** The same sums, straight from the entries. */
function countOf(log: readonly EntryHeader[]) {
  const results = log.filter(({ type }) => type === 'request.result');
  const count = (...types: string[]): number => log.filter(({ type }) => types.includes(type)).length;
  const cells = (isCounted: (column: { readonly classes: readonly string[]; readonly mask: string }) => boolean): number =>
    results.reduce((sum, { result: of }) => sum + (of?.rows ?? 0) * (of?.columns ?? []).filter(isCounted).length, 0);
  return {
    totals: {
      statements: count('request.intent', 'request.denied'),
      held: count('request.held'),
      denied: count('request.denied'),
      rows: results.reduce((sum, { result: of }) => sum + (of?.rows ?? 0), 0),
      maskedCells: cells(({ mask }) => mask !== 'clear'),
    },
    classes: ['phi.name', 'phi.ssn'].map((name) => ({
      class: name,
      masked: cells(({ classes, mask }) => classes.includes(name) && mask !== 'clear'),
      clear: cells(({ classes, mask }) => classes.includes(name) && mask === 'clear'),
    })),
  };
}
