// What others saw of the log: `witness-<name>-<tree size>.checkpoint`, a checkpoint with cosignatures (SPEC: c2sp.org/tlog-cosignature,
// cosignature/v1, type 0x04), and `tsa-<name>-<tree size>.tsr`, an RFC 3161 time stamp of a checkpoint.

import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import { sha256 } from '../audit/tlog/index.ts';

export const ANCHORS = 'anchors/';
const COSIGNATURE = 0x04;
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

export interface AnchorFile {
  readonly kind: 'witness' | 'tsa';
  /** Of the tree that was seen. */
  readonly size: number;
}

/** Null for a file that is no anchor. */
export function anchorOf(name: string): AnchorFile | null {
  const match = /^(?:(witness)-[A-Za-z0-9._-]{1,100}-(\d{1,15})\.checkpoint|(tsa)-[A-Za-z0-9._-]{1,100}-(\d{1,15})\.tsr)$/.exec(name);
  if (match === null) return null;
  return { kind: match[1] === undefined ? 'tsa' : 'witness', size: Number(match[2] ?? match[4]) };
}

export interface WitnessKey {
  readonly name: string;
  readonly keyId: Buffer;
  readonly publicKey: KeyObject;
}

/** @param vkey `name+id+base64(0x04 || Ed25519 public key)`. @throws SP_CONFIG_INVALID */
export function parseWitnessKey(vkey: string): WitnessKey {
  const [name = '', id = '', ...rest] = vkey.trim().split('+');
  const bytes = Buffer.from(rest.join('+'), 'base64');
  const keyId = sha256(Buffer.concat([Buffer.from(`${name}\n`), bytes])).subarray(0, 4);
  if (name === '' || bytes.length !== 33 || bytes[0] !== COSIGNATURE || keyId.toString('hex') !== id) {
    throw new SallyportError('SP_CONFIG_INVALID', 'a witness key is not of the form name+id+base64 with a cosignature/v1 key');
  }
  return {
    name,
    keyId,
    publicKey: createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes.subarray(1)]), format: 'der', type: 'spki' }),
  };
}

/** When the witness saw the checkpoint, in ms; null when there is no cosignature of it.
 *  @throws SP_AUDIT_CORRUPT when there is one and it is wrong */
export function cosignedAt(note: string, witness: WitnessKey): number | null {
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  for (const line of note.slice(split + 2).split('\n')) {
    const [, name, encoded = ''] = line.split(' ');
    const bytes = Buffer.from(encoded, 'base64');
    if (name !== witness.name || !bytes.subarray(0, 4).equals(witness.keyId)) continue;
    if (bytes.length !== 4 + 8 + 64) throw new SallyportError('SP_AUDIT_CORRUPT', 'a cosignature has a wrong length');
    const seconds = bytes.readBigUInt64BE(4);
    const message = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
    if (!verify(null, message, witness.publicKey, bytes.subarray(12)))
      throw new SallyportError('SP_AUDIT_CORRUPT', 'a cosignature is wrong');
    return Number(seconds) * 1000;
  }
  return null;
}
