// Cosignatures of witnesses. SPEC: c2sp.org/tlog-cosignature, `cosignature/v1`, signature type 0x04: eight bytes of POSIX time, then an
// Ed25519 signature over the time and the text of the checkpoint. A witness signs only what is consistent with all it signed before.

import { verify } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import type { NoteVerifier } from './note.ts';
import { parseVerifierKey, splitNote } from './note.ts';

const COSIGNATURE_V1 = 0x04;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;

/** @throws SP_AUDIT_CORRUPT when `vkey` is not the public key of a witness in text form. */
export function parseWitnessKey(vkey: string): NoteVerifier {
  return parseVerifierKey(vkey, COSIGNATURE_V1);
}

function signedText(seconds: bigint, text: string): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
}

/** Whether there is one that claims to be of this witness. @throws SP_AUDIT_CORRUPT on a malformed note */
export function cosignedBy(note: string, witness: NoteVerifier): boolean {
  return ownOf(note, witness).length > 0;
}

function ownOf(note: string, witness: NoteVerifier): readonly { readonly bytes: Buffer }[] {
  return splitNote(note).signatures.filter(({ name, keyId }) => name === witness.name && keyId === witness.keyId);
}

/** @param note a checkpoint with the cosignature among its signatures.
 *  @returns when the witness signed, POSIX seconds.
 *  @throws SP_AUDIT_CORRUPT on a malformed note, no cosignature of this witness, or a wrong one. */
export function openCosignature(note: string, witness: NoteVerifier): number {
  const { text } = splitNote(note);
  const own = ownOf(note, witness);
  const [first] = own;
  if (first === undefined) throw new SallyportError('SP_AUDIT_CORRUPT', `the checkpoint has no cosignature of ${witness.name}`);
  for (const { bytes } of own) {
    const isWhole = bytes.length === TIME_BYTES + SIGNATURE_BYTES;
    if (!isWhole || !verify(null, signedText(bytes.readBigUInt64BE(0), text), witness.publicKey, bytes.subarray(TIME_BYTES)))
      throw new SallyportError('SP_AUDIT_CORRUPT', `the cosignature of ${witness.name} is wrong`);
  }
  return Number(first.bytes.readBigUInt64BE(0));
}
