// Lists of 100,000 sessions come out of an index, whatever they are narrowed down to, in a small part of the time that all would take; and the counts over time are
// those of the log, also when the process ended in the middle of a bucket.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { EntryOutline } from '../../src/core/event.ts';
import type { TargetName } from '../../src/core/ids.ts';
import { openStore, type Store } from '../../src/store/index.ts';

const SESSIONS = 100_000;
const START_MS = Date.UTC(2026, 0, 1);
/** Of the time that all sessions take to be read, in the same minute on the same machine: a list that looked at all would take most of it. */
const MAX_SHARE = 0.1;
const RUNS = 3;

/** What the entries below say. */
const told = { statements: 0, denied: 0, rows: 0 };

/** Every one is opened, every fourth asks something, every 997th is refused, every 50th stays open. */
function* log(): Generator<EntryOutline> {
  let seq = 0;
  const columns = ['phi.ssn', 'phi.name', 'phi.rare'].map((name) => [{ name: 'x', classes: [name], mask: 'redact' }] as const);
  for (let at = 0; at < SESSIONS; at += 1) {
    const session = `ses_${at}`;
    const ts = new Date(START_MS + at * 1000).toISOString();
    const common = { ts, session };
    const principal = { issuer: 'corp', subject: `agent-${at % 400}`, kind: 'agent' } as const;
    const isRare = at % 5000 === 7;
    yield { ...common, seq: seq++, type: 'session.open', principal, resource: { target: at % 3 === 0 ? 'clinic' : 'billing' } };
    if (at % 997 === 0) {
      told.statements += 1;
      told.denied += 1;
      yield { ...common, seq: seq++, type: 'request.denied' };
    } else if (at % 4 === 0 || isRare) {
      told.statements += 1;
      told.rows += 2;
      yield { ...common, seq: seq++, type: 'request.intent' };
      yield { ...common, seq: seq++, type: 'request.result', result: { rows: 2, columns: columns[isRare ? 2 : (at / 4) % 2] ?? [] } };
    }
    if (at % 50 !== 0) yield { ...common, seq: seq++, type: 'session.close', detail: {} };
  }
}

describe('100,000 sessions', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-lists-'));
  let store: Store;
  let allMs = 0;
  /** The quickest of some runs: what else the machine does makes them longer, never shorter. */
  const timed = async (run: () => Promise<unknown>): Promise<number> => {
    let best = Infinity;
    for (let left = RUNS; left > 0; left -= 1) {
      const from = performance.now();
      await run();
      best = Math.min(best, performance.now() - from);
    }
    return best;
  };
  after(async () => {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  before(async () => {
    store = await openStore({ dir });
    let group: EntryOutline[] = [];
    for (const entry of log()) {
      group.push(entry);
      if (group.length < 4096) continue;
      await store.sessions.apply(group);
      group = [];
      // In the middle of a bucket.
      if (entry.seq === 40 * 4096 - 1 || entry.seq === 10 * 4096 - 1) {
        await store.close();
        store = await openStore({ dir });
      }
    }
    await store.sessions.apply(group);
    allMs = await timed(() => store.sessions.list({ limit: SESSIONS }));
  });

  const clinic = 'clinic' as TargetName;
  for (const [what, filter, expected] of [
    ['all of them', {}, 100],
    ['the last ones', { before: 400 }, 100],
    ['one principal', { principal: 'AGENT-399' }, 100],
    ['some principals', { principal: 'agent-39' }, 100],
    ['nobody', { principal: 'nobody' }, 0],
    ['every principal', { principal: 'agent' }, 100],
    ['an owner', { owner: 'corp/agent-7' }, 100],
    ['a target', { target: clinic }, 100],
    ['no such target', { target: 'none' as TargetName }, 0],
    ['a class', { class: 'phi.ssn' }, 100],
    ['a rare class', { class: 'phi.rare' }, 20],
    ['refused', { decision: 'denied' }, 100],
    ['held', { decision: 'held' }, 0],
    ['live', { live: true }, 100],
    ['a day long ago', { sinceMs: START_MS, untilMs: START_MS + 60_000 }, 60],
    ['all together', { principal: 'agent-0', class: 'phi.ssn', target: clinic, live: true, decision: 'allowed', sinceMs: START_MS }, 1],
    ['a class that a principal never saw', { owner: 'corp/agent-8', class: 'phi.rare' }, 0],
  ] as const) {
    it(`lists ${what} without reading all`, async () => {
      const rows = await store.sessions.list({ ...filter, limit: 100 });
      const ms = await timed(() => store.sessions.list({ ...filter, limit: 100 }));
      if (what !== 'all together') assert.equal(rows.length, expected);
      else assert.ok(rows.length > 0 && rows.every((row) => row.target === clinic && row.closedAtMs === null));
      assert.deepEqual(
        rows,
        rows.toSorted((a, b) => b.openIndex - a.openIndex),
      );
      assert.ok(ms < MAX_SHARE * allMs, `${ms} ms of ${allMs}`);
    });
  }

  it('counts over the whole time what the entries say, after two restarts', async () => {
    const day = 86_400_000;
    const { totals, principals, classes } = await store.sessions.activity({
      sinceMs: START_MS,
      untilMs: START_MS + 2 * day,
      stepMs: 3_600_000,
      principals: 20,
    });
    const { rows } = told;
    assert.deepEqual(totals, { ...told, held: 0, maskedCells: rows });
    assert.equal(principals.length, 20);
    assert.equal(
      classes.reduce((sum, { masked }) => sum + masked, 0),
      rows,
    );
  });
});
