// The public side of a log's keys on disk: which key signs, statements that lead from one key to the next, and who can open payloads.
// REFUSES: a signing key that neither began this log nor was named by the key before it.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft } from '../core/event.ts';
import type { Disk } from './disk.ts';
import { readWhole, replaceFile } from './disk.ts';
import type { AuditDirs } from './log-files.ts';
import type { NoteSigner } from './tlog/index.ts';
import { keyChain, parseVerifierKey, sha256, signKeyStatement } from './tlog/index.ts';

export interface LogSigners {
  readonly current: NoteSigner;
  /** Signs beside the new key, for verifiers that do not know that one yet; null = no overlap. */
  readonly retiring: NoteSigner | null;
}

/** What a start finds about keys. */
export interface KeyChange {
  /** Entries that say what has changed, after `log.opened`. */
  readonly entries: readonly Pick<EntryDraft, 'type' | 'detail'>[];
  /** Makes the change the known state. Call it once the entries and a checkpoint of the new key are durable. */
  commit(): Promise<void>;
}

async function textOf(disk: Disk, path: string): Promise<string | null> {
  return (await readWhole(disk, path))?.toString('utf8').trim() ?? null;
}

/** Statements of the log, in the order of their sizes. */
export async function readKeyStatements(disk: Disk, dirs: AuditDirs): Promise<string[]> {
  const notes: string[] = [];
  for (const name of await disk.list(dirs.rotations)) {
    const note = /^[0-9]{16}\.note$/.test(name) ? await readWhole(disk, join(dirs.rotations, name)) : null;
    if (note !== null) notes.push(note.toString('utf8'));
  }
  return notes;
}

/** @returns the vkey that the log is known by; it is this key's when the log is new. @throws SP_AUDIT_CORRUPT */
export async function knownKey(disk: Disk, dirs: AuditDirs, { current, retiring }: LogSigners): Promise<string> {
  if (retiring?.vkey === current.vkey) throw new SallyportError('SP_CONFIG_INVALID', 'the retiring key of the log is the one that signs');
  const known = await textOf(disk, dirs.vkey);
  if (known === current.vkey || (known !== null && known === retiring?.vkey)) return known;
  if (known !== null) {
    const hint = 'to change the key, give the old one as audit.retiringKey';
    throw new SallyportError('SP_AUDIT_CORRUPT', `this log was begun with another origin or signing key; ${hint}`);
  }
  await replaceFile(disk, dirs.vkey, [Buffer.from(`${current.vkey}\n`)]);
  await disk.syncDir(dirs.log);
  return current.vkey;
}

/** @param size entries under the checkpoint on disk. */
export async function prepareKeys(
  disk: Disk,
  dirs: AuditDirs,
  signers: LogSigners & { readonly recipients: readonly string[] },
  known: { readonly vkey: string; readonly size: number },
): Promise<KeyChange> {
  const { current, retiring } = signers;
  const entries: Pick<EntryDraft, 'type' | 'detail'>[] = [];
  const commits: (() => Promise<void>)[] = [];
  const overlap = join(dirs.rotations, 'overlap');
  if (known.vkey !== current.vkey && retiring !== null) {
    const note = signKeyStatement({ size: known.size, vkey: current.vkey }, retiring);
    const path = statementPath(dirs, known.size);
    // Before any checkpoint that the new key signs: whoever knows the old one can follow.
    await replaceFile(disk, path, [Buffer.from(note)]);
    await replaceFile(disk, overlap, [Buffer.from(`${retiring.vkey}\n`)]);
    await disk.syncDir(dirs.rotations);
    const detail = { of: 'log', phase: 'overlap', previous: keyIdOf(retiring), key: keyIdOf(current), size: known.size };
    entries.push({ type: 'key.rotated', detail: { ...detail, statement: sha256(Buffer.from(note)).toString('hex') } });
    commits.push(async () => {
      await replaceFile(disk, dirs.vkey, [Buffer.from(`${current.vkey}\n`)]);
      await disk.syncDir(dirs.log);
    });
  }
  const abandoned = known.vkey === current.vkey ? await unfinished(disk, dirs, known.vkey) : null;
  if (abandoned !== null) {
    // The new key was taken back before it signed: who follows its statement would wait for it for ever.
    entries.push({ type: 'key.rotated', detail: { of: 'log', phase: 'abandoned', key: keyIdOf(current) } });
    await disk.remove(abandoned);
    await disk.remove(overlap);
    await disk.syncDir(dirs.rotations);
  }
  const retired = retiring === null ? await textOf(disk, overlap) : null;
  if (retired !== null) {
    const detail = { of: 'log', phase: 'ended', previous: parseVerifierKey(retired).keyId, key: keyIdOf(current) };
    entries.push({ type: 'key.rotated', detail });
    commits.push(async () => {
      await disk.remove(overlap);
      await disk.syncDir(dirs.rotations);
    });
  }
  const recipients = signers.recipients.toSorted().join('\n');
  const before = await textOf(disk, dirs.recipients);
  if (before !== recipients) {
    if (before !== null) {
      const [old, now] = [before, recipients].map((text) => new Set(text.split('\n')));
      const added = [...(now ?? [])].filter((one) => old?.has(one) !== true).length;
      const removed = [...(old ?? [])].filter((one) => now?.has(one) !== true).length;
      const detail = { of: 'recipients', recipients: signers.recipients.length, added, removed };
      entries.push({ type: 'key.rotated', detail: { ...detail, sha256: sha256(Buffer.from(recipients)).toString('hex') } });
    }
    commits.push(async () => {
      await replaceFile(disk, dirs.recipients, [Buffer.from(`${recipients}\n`)]);
      await disk.syncDir(dirs.keys);
    });
  }
  return {
    entries,
    async commit() {
      for (const commit of commits) await commit();
    },
  };
}

/** The file of a statement by the known key that names another one; null when the statements end with the known key. */
async function unfinished(disk: Disk, dirs: AuditDirs, vkey: string): Promise<string | null> {
  const known = parseVerifierKey(vkey);
  const [before, last] = keyChain(known, await readKeyStatements(disk, dirs)).slice(-2);
  const isFinished = last === undefined || last.verifier.keyId === known.keyId;
  return isFinished || typeof before?.aloneUpTo !== 'number' ? null : statementPath(dirs, before.aloneUpTo);
}

function statementPath(dirs: AuditDirs, size: number): string {
  return join(dirs.rotations, `${String(size).padStart(16, '0')}.note`);
}

function keyIdOf({ vkey }: NoteSigner): string {
  return parseVerifierKey(vkey).keyId;
}
