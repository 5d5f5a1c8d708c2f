// kill -9 at the steps of everything that changes the log's directory, with real processes on a real disk: what was acknowledged is there,
// the log starts and verifies, a payload opens or has its tombstone, and the work can be done again. By default some steps of each piece of
// work, others in every run; SALLYPORT_EVERY_STEP=1 takes all.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLogKey, createSealingIdentity, publishedLog, unseal, verifyLog } from '../../src/audit/index.ts';
import type { OpenAuditLog } from '../../src/audit/index.ts';
import { compareWithAnchors } from '../../src/anchors/index.ts';
import { verifyBundle } from '../../src/evidence/index.ts';
import type { Killed } from '../support/killed-log.ts';
import { anchor, anchorOf, append, DAY_MS, exported, openKilled, pruning, reindexed, retention } from '../support/killed-log.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-killed-'));
after(() => rmSync(root, { recursive: true, force: true }));
const origin = 'audit.example.org/killed';
const [key, next] = [createLogKey(origin), createLogKey(origin)];
const [one, two] = [await createSealingIdentity(), await createSealingIdentity()];
const startMs = Date.UTC(2026, 0, 1);
const never = new AbortController().signal;
const preload = join(import.meta.dirname, '../support/kill-at.ts');
const program = join(import.meta.dirname, '../support/killed-log.ts');

const setupOf = (work: Killed['work'], directory: string, more: Partial<Killed> = {}): Killed => ({
  work,
  root: directory,
  origin,
  signingKey: key.signingKey.reveal(),
  recipients: [one.recipient],
  nowMs: startMs,
  ...more,
});

/** A log with sessions of several days, packs, an anchor and an index. */
async function grown(name: string, entries: number): Promise<string> {
  const directory = join(root, name);
  mkdirSync(directory);
  const setup = setupOf('append', directory);
  const log = await openKilled(setup);
  for (let at = 0; at < 12; at += 1) await append(log, `${at % 3}.${at}`);
  if (entries > 0) {
    const template = log.template({ type: 'alarm', session: 'ses_many' });
    let ticket = log.post(template, { n: 0 });
    for (let n = 1; n < entries; n += 1) ticket = log.post(template, { n });
    await log.recorded(ticket);
  }
  await log.publish();
  assert.equal(await anchor(setup, log), 'kept');
  await log.close();
  return directory;
}

interface Ended {
  readonly output: string;
  readonly signal: string | null;
}

async function run(setup: Killed, at: number): Promise<Ended> {
  const file = `${setup.root}.json`;
  writeFileSync(file, JSON.stringify(setup));
  const child = spawn(process.execPath, ['--import', preload, program, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KILL_AT: String(at), NODE_COMPILE_CACHE: join(root, 'cache') },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  return new Promise((resolve) => child.on('close', (_, signal) => resolve({ output, signal })));
}

/** All that holds for every log after a kill. @returns marks in it */
async function assertSound(log: OpenAuditLog, setup: Killed, output: string): Promise<void> {
  const marks = new Map<number, unknown>();
  const shredded = new Set<string>();
  const sealed: { seq: number; mark: unknown; ref: Parameters<OpenAuditLog['sealed']>[0] & { key: string } }[] = [];
  for await (const header of log.entries(log.firstIndex, log.size())) {
    marks.set(header.seq, header.detail?.['mark']);
    for (const id of header.keys ?? []) shredded.add(id);
    for (const ref of header.sealed ?? []) sealed.push({ seq: header.seq, mark: header.detail?.['mark'], ref });
  }
  for (const [, index, mark] of output.matchAll(/^(\d+) (\S+)$/gm)) assert.equal(marks.get(Number(index)), mark, 'acknowledged');
  for (const { mark, ref } of sealed) {
    // A tombstone may stand before the key is gone; never the other way round.
    if (shredded.has(ref.key)) continue;
    const blob = await log.sealed(ref);
    assert.ok(blob !== null, `${String(mark)} has neither its payload nor a tombstone`);
    const opened = await Promise.any([one, two].map(({ identity }) => unseal(blob.ciphertext, blob.wrappedKey, identity)));
    assert.equal(Buffer.from(opened.bytes).toString(), `text of ${String(mark)}`.repeat(20));
  }
  assert.equal(existsSync(join(setup.root, 'audit', 'journal')), true);
}

async function problems(directory: string, { vkey } = key): Promise<string[]> {
  return (await verifyLog(join(directory, 'audit'), { vkey })).problems.map(({ code, what }) => `${code}: ${what}`);
}

/** Some steps of `count`, others each time; never the same twice. */
function chosen(count: number, most: number): number[] {
  if (process.env['SALLYPORT_EVERY_STEP'] === '1' || count <= most) return Array.from({ length: count }, (_, at) => at + 1);
  const width = count / most;
  return Array.from({ length: most }, (_, at) => Math.min(count, Math.floor(at * width + Math.random() * width) + 1));
}

function killed(
  what: string,
  most: number,
  of: {
    readonly base: () => Promise<string>;
    readonly setup: (directory: string) => Killed;
    readonly check: (setup: Killed, ended: Ended, step: number) => Promise<void>;
  },
): void {
  test(`THREAT killed: ${what}`, { timeout: 900_000 }, async (context) => {
    const base = await of.base();
    const fresh = (step: number): Killed => {
      const directory = join(root, `${what.replaceAll(/\W+/g, '-')}-${step}`);
      cpSync(base, directory, { recursive: true });
      return of.setup(directory);
    };
    const whole = fresh(0);
    const { output, signal } = await run(whole, 0);
    const count = Number(/^steps (\d+)$/m.exec(output)?.[1] ?? 0);
    assert.ok(signal === null && count > 10, output);
    context.diagnostic(`${count} steps`);
    await of.check(whole, { output, signal }, 0);
    for (const step of chosen(count, most)) {
      const setup = fresh(step);
      const ended = await run(setup, step);
      // What runs side by side takes a step more or less.
      assert.ok(ended.signal === 'SIGKILL' || step > count - 5, `step ${step} of ${count}: ${ended.output}`);
      await of.check(setup, ended, step).catch((cause: unknown) => {
        throw new Error(`killed at step ${step} of ${count}`, { cause });
      });
      rmSync(setup.root, { recursive: true, force: true });
    }
  });
}

killed('appending over segments and packs, with the anchor beside', 8, {
  base: () => grown('append', 0),
  setup: (directory) => setupOf('append', directory),
  async check(setup, { output }) {
    const { checkpoint } = publishedLog(join(setup.root, 'audit'));
    await compareWithAnchors([anchorOf(setup)], origin, await checkpoint());
    const log = await openKilled(setup);
    await assertSound(log, setup, output);
    assert.equal(await anchor(setup, log), 'kept');
    await log.close();
    assert.deepEqual(await problems(setup.root), []);
  },
});

killed('changing the signing key and the recipients', 6, {
  base: () => grown('rekey', 0),
  setup: (directory) =>
    setupOf('rekey', directory, {
      signingKey: next.signingKey.reveal(),
      retiringKey: key.signingKey.reveal(),
      recipients: [two.recipient],
    }),
  async check(setup, { output }, step) {
    const known = readFileSync(join(setup.root, 'audit', 'log', 'log.vkey'), 'utf8').trim();
    const isBack = known === key.vkey && step % 2 === 1;
    const again = isBack ? setupOf('rekey', setup.root) : setup;
    const log = await openKilled(again);
    await assertSound(log, setup, output);
    await append(log, 'after.0');
    await log.close();
    for (const one of isBack ? [key] : [key, next]) assert.deepEqual(await problems(setup.root, one), []);
    const { retiringKey, ...ended } = setup;
    assert.ok(retiringKey !== undefined);
    if (isBack) return;
    await (await openKilled(ended)).close();
    for (const one of [key, next]) assert.deepEqual(await problems(setup.root, one), []);
  },
});

killed('destroying keys', 8, {
  base: () => grown('retain', 0),
  setup: (directory) => setupOf('retain', directory, { nowMs: startMs + 100 * DAY_MS }),
  async check(setup, { output }) {
    const log = await openKilled(setup);
    await assertSound(log, setup, output);
    await retention(setup, log).run(never);
    for await (const { sealed = [], detail } of log.entries(0, log.size()))
      for (const ref of sealed) if (detail?.['mark'] !== undefined) assert.equal(await log.sealed(ref), null, String(detail['mark']));
    await log.close();
    assert.deepEqual(await problems(setup.root), []);
  },
});

killed('pruning headers', 5, {
  base: () => grown('prune', 600),
  setup: (directory) => setupOf('prune', directory, { nowMs: startMs + 2500 * DAY_MS }),
  async check(setup) {
    const log = await openKilled(setup);
    assert.ok([0, 512].includes(log.firstIndex));
    await pruning(setup, log).run(never);
    assert.equal(log.firstIndex, 512);
    await log.close();
    const left = ['0', 'entries'].flatMap((level) => readdirSync(join(setup.root, 'audit', 'log', 'tile', level)));
    assert.deepEqual(
      left.filter((name) => /^00[01]/.test(name)),
      [],
    );
    assert.deepEqual(await problems(setup.root), []);
  },
});

killed('exporting evidence', 4, {
  base: () => grown('export', 0),
  setup: (directory) => setupOf('export', directory),
  async check(setup) {
    const path = join(setup.root, 'bundle.zip');
    if (!existsSync(path)) await exported(setup);
    const verdict = await verifyBundle(path, { vkey: key.vkey, checkpoints: [], witnesses: [] });
    assert.equal(verdict.ok, true, JSON.stringify(verdict).slice(0, 500));
    assert.deepEqual(await problems(setup.root), []);
  },
});

killed('building the index anew', 4, {
  async base() {
    const directory = await grown('reindex', 0);
    const log = await openKilled(setupOf('reindex', directory));
    await reindexed(setupOf('reindex', directory), log);
    await log.close();
    return directory;
  },
  setup: (directory) => setupOf('reindex', directory),
  async check(setup, { output }) {
    const log = await openKilled(setup);
    await assertSound(log, setup, output);
    const size = log.size();
    assert.deepEqual(await reindexed(setup, log), [size, 4]);
    await log.close();
    assert.deepEqual(await problems(setup.root), []);
  },
});
