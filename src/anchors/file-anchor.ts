// A copy of the newest checkpoint in a file outside of the data directory. It shows that the data directory was put back (a restored
// snapshot, a copied disk), not what somebody does who can write both.
// REFUSES: a file that is not a checkpoint of this log.

import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SallyportError } from '../core/error.ts';
import { consistencyProof, splitNote, treeHeadIn, verifyConsistency } from '../audit/tlog/index.ts';
import type { TreeHead } from '../audit/tlog/index.ts';
import type { Anchor, AnchoredLog, Checkpoint, Outcome } from './anchor.ts';
import { replaceDurably } from './proofs.ts';

export interface FileAnchorSettings {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
}

export function createFileAnchor({ name, path }: FileAnchorSettings, log: AnchoredLog): Anchor {
  const seen = async (): Promise<TreeHead | null | 'unreadable' | 'not-ours'> => {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? null : 'unreadable';
    }
    try {
      return treeHeadIn(splitNote(text).text, log.origin);
    } catch (error) {
      if (error instanceof SallyportError) return 'not-ours';
      throw error;
    }
  };
  const compare = async (checkpoint: Checkpoint | null): Promise<Outcome> => {
    const head = await seen();
    if (head === 'unreadable') return { kind: 'failed', fault: head };
    if (head === 'not-ours') return { kind: 'different' };
    return head === null ? { kind: 'kept', forgot: true } : extended(head, checkpoint, log);
  };
  return {
    name,
    kind: 'file',
    everyMs: 0,
    compare,
    async submit(checkpoint) {
      try {
        const outcome = await compare(checkpoint);
        if (outcome.kind !== 'kept') return outcome;
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await replaceDurably(path, checkpoint.note);
        return outcome;
      } catch (error) {
        return { kind: 'failed', fault: error instanceof Error && 'code' in error ? String(error.code) : 'unwritable' };
      }
    },
  };
}

/** Whether `checkpoint` goes on where `head` ended. */
async function extended(head: TreeHead, checkpoint: Checkpoint | null, { readTile }: AnchoredLog): Promise<Outcome> {
  const size = checkpoint?.size ?? 0;
  if (size < head.size) return { kind: 'shorter', size: head.size };
  if (checkpoint === null) return { kind: 'kept' };
  const proof = await consistencyProof(head.size, size, readTile);
  return verifyConsistency(head.size, size, head.root, checkpoint.root, proof) ? { kind: 'kept' } : { kind: 'different' };
}
