// One piece of work on an audit log, for tests that kill it: node --import test/support/kill-at.ts test/support/killed-log.ts <setup.json>
// It prints the index of every entry that was acknowledged. The writer runs in the main thread, on the real disk, where steps are counted.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFileAnchor } from '../../src/anchors/index.ts';
import { startSessionIndexer } from '../../src/app/session-indexer.ts';
import { createPruning, createRetention, nodeDisk, openAuditLog, parseSigningKey, publishedLog } from '../../src/audit/index.ts';
import type { OpenAuditLog } from '../../src/audit/index.ts';
import { treeHeadIn, splitNote } from '../../src/audit/tlog/index.ts';
import { Secret } from '../../src/core/secret.ts';
import type { SessionId } from '../../src/core/ids.ts';
import { exportTo } from '../../src/evidence/index.ts';
import { openStore } from '../../src/store/index.ts';
import { countSteps } from './kill-at.ts';

export interface Killed {
  readonly work: 'append' | 'rekey' | 'retain' | 'prune' | 'export' | 'reindex';
  readonly root: string;
  readonly origin: string;
  readonly signingKey: string;
  readonly retiringKey?: string;
  readonly recipients: readonly string[];
  readonly nowMs: number;
}

export const DAY_MS = 86_400_000;
export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The log of a setup, written in this thread. */
export function openKilled(setup: Killed): Promise<OpenAuditLog> {
  return openAuditLog({
    dir: join(setup.root, 'audit'),
    origin: setup.origin,
    replica: 'gw-1',
    signingKey: new Secret(setup.signingKey),
    retiringKey: setup.retiringKey === undefined ? undefined : new Secret(setup.retiringKey),
    recipients: setup.recipients,
    clock: clockOf(setup),
    random: { bytes: (length) => randomBytes(length) },
    logger: quiet,
    disk: nodeDisk,
    segmentBytes: 3000,
    checkpointMs: 60_000,
  });
}

export function clockOf({ nowMs }: Killed) {
  return { nowMs: () => nowMs, monotonicMs: () => performance.now() };
}

export async function append(log: OpenAuditLog, mark: string): Promise<number> {
  const session = `ses_${mark.split('.')[0] ?? ''}`;
  return log.append({ type: 'alarm', session, detail: { mark } }, [
    { kind: 'statement', bytes: Buffer.from(`text of ${mark}`.repeat(20)) },
  ]);
}

export function retention(setup: Killed, log: OpenAuditLog) {
  const dir = join(setup.root, 'audit');
  return createRetention({ dir, rules: { payloadsMs: 90 * DAY_MS }, log, clock: clockOf(setup), logger: quiet });
}

export function pruning(setup: Killed, log: OpenAuditLog) {
  const dir = join(setup.root, 'audit');
  return createPruning({ dir, headersMs: 2000 * DAY_MS, log, clock: clockOf(setup), logger: quiet });
}

export function anchorOf(setup: Killed) {
  const { readTile } = publishedLog(join(setup.root, 'audit'));
  return createFileAnchor({ name: 'beside', path: join(setup.root, 'anchor', 'checkpoint') }, { origin: setup.origin, readTile });
}

export async function anchor(setup: Killed, log: OpenAuditLog): Promise<string> {
  const note = await log.publish();
  const head = treeHeadIn(splitNote(note).text, setup.origin);
  return (await anchorOf(setup).submit({ note, ...head }, new AbortController().signal)).kind;
}

export function exported(setup: Killed) {
  const request = { from: '1970-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z', principal: null, target: null };
  return exportTo(join(setup.root, 'bundle.zip'), request, {
    log: join(setup.root, 'audit', 'log'),
    signer: parseSigningKey(new Secret(setup.signingKey), setup.origin),
    policy: async () => null,
    verifier: async () => '// verifier',
    version: '0.0.0-test',
    reserveBytes: 0,
  });
}

/** @returns how many entries the index has, and how many entries of the first session */
export async function reindexed(setup: Killed, log: OpenAuditLog): Promise<readonly [number, number]> {
  const store = await openStore({ dir: join(setup.root, 'state') });
  const indexer = startSessionIndexer({ reader: log, index: store.sessions, logger: quiet });
  const entries = await indexer.rebuild(() => undefined);
  const found = await store.sessions.entriesOf('ses_0' as SessionId);
  await indexer.stop();
  await store.close();
  return [entries, found.length];
}

/** Retention, pruning and the index count from where the log is open, and to their own end: the rest is the work of `append`. */
async function main(setup: Killed): Promise<void> {
  const { work } = setup;
  if (['append', 'rekey', 'export'].includes(work)) countSteps(true);
  if (work === 'export') {
    await exported(setup);
    return;
  }
  const log = await openKilled(setup);
  const say = async (mark: string): Promise<void> => console.log(`${await append(log, mark)} ${mark}`);
  countSteps(true);
  if (work === 'append') {
    for (let at = 0; at < 8; at += 1) await say(`a.${at}`);
    console.log(`anchor ${await anchor(setup, log)}`);
  } else if (work === 'rekey') await say('r.0');
  else {
    if (work === 'retain') await retention(setup, log).run(new AbortController().signal);
    else if (work === 'prune') await pruning(setup, log).run(new AbortController().signal);
    else await reindexed(setup, log);
    countSteps(false);
  }
  await log.close();
}

if (import.meta.main) await main(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Killed);
