// Checkpoints: the signed tree head. SPEC: c2sp.org/tlog-checkpoint; three lines, no extension lines.

import { SallyportError } from '../../core/error.ts';
import { HASH_BYTES } from './hash.ts';
import type { NoteSigner, NoteVerifier } from './note.ts';
import { openNote, splitNote } from './note.ts';

export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** The origin of the log is the name of its key.
 *  @param also signs the same text: the key before it, while verifiers change. */
export function signCheckpoint(head: TreeHead, signer: NoteSigner, also: NoteSigner | null = null): string {
  const text = `${signer.name}\n${head.size}\n${Buffer.from(head.root).toString('base64')}\n`;
  const note = signer.sign(text);
  return also === null ? note : note + also.sign(text).slice(text.length + 1);
}

/** @throws SP_AUDIT_CORRUPT when the note is not a checkpoint of this log, signed by this key. */
export function openCheckpoint(note: string, verifier: NoteVerifier): TreeHead {
  return treeHeadIn(openNote(note, verifier), verifier.name);
}

/** A checkpoint that somebody kept: it may be from before a change of keys. What speaks for it is who kept it, not who signed it.
 *  @throws SP_AUDIT_CORRUPT when the note is not a checkpoint of this log, or its signature by this key is wrong. */
export function keptCheckpoint(note: string, verifier: NoteVerifier): TreeHead & { readonly isByKey: boolean } {
  const { text, signatures } = splitNote(note);
  const isByKey = signatures.some(({ name, keyId }) => name === verifier.name && keyId === verifier.keyId);
  return { ...(isByKey ? openCheckpoint(note, verifier) : treeHeadIn(text, verifier.name)), isByKey };
}

/** What the text of a checkpoint says; whoever asks knows that it is the log's own.
 *  @throws SP_AUDIT_CORRUPT when it is not the text of a checkpoint of the log `origin`. */
export function treeHeadIn(text: string, origin: string): TreeHead {
  const [name, sizeText = '', rootText = '', ...rest] = text.split('\n');
  const size = Number(sizeText);
  const root = Buffer.from(rootText, 'base64');
  if (
    name !== origin ||
    !/^(0|[1-9][0-9]*)$/.test(sizeText) ||
    !Number.isSafeInteger(size) ||
    root.length !== HASH_BYTES ||
    root.toString('base64') !== rootText ||
    rest.at(-1) !== ''
  ) {
    throw new SallyportError('SP_AUDIT_CORRUPT', 'the checkpoint does not name this log, its size and its root');
  }
  return { size, root };
}
