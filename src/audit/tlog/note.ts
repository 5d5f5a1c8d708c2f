// Signed notes with Ed25519 keys. SPEC: c2sp.org/signed-note, signature type 0x01. A note is a text that ends in a
// newline, an empty line, and signature lines. Signatures of unknown keys are ignored; REFUSES a bad one of a known key.

import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import { sha256 } from './hash.ts';

const ED25519 = 0x01;
const KEY_BYTES = 32;
const KEY_ID_BYTES = 4;
const MAX_NOTE_BYTES = 64 * 1024;
const MAX_SIGNATURES = 100;
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export interface NoteSigner {
  readonly name: string;
  /** Text form of the public key, `name+id+base64`. */
  readonly vkey: string;
  sign(text: string): string;
  /** The bare Ed25519 signature. For formats whose signed bytes are never the text of a note. */
  signBytes(bytes: Uint8Array): Buffer;
}

export interface NoteVerifier {
  readonly name: string;
  /** First four bytes of SHA-256(name, newline, type, public key), hex. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
}

const malformed = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);

/** A name has no white space and no plus sign, so that it stays one token in keys and signature lines. */
export function isNoteName(name: string): boolean {
  return name !== '' && name.length <= 255 && name.isWellFormed() && !/[\s+\p{Cc}]/u.test(name);
}

function keyIdOf(name: string, publicKey: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ED25519), publicKey])).subarray(0, KEY_ID_BYTES);
}

function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

/** A signer from the 32-byte Ed25519 seed. */
export function noteSigner(name: string, seed: Uint8Array): NoteSigner {
  if (!isNoteName(name)) throw new SallyportError('SP_CONFIG_INVALID', 'the origin of the log has white space or a plus sign');
  if (seed.length !== KEY_BYTES) throw new SallyportError('SP_CONFIG_INVALID', 'the signing key of the log is not an Ed25519 key');
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = spki.subarray(SPKI_PREFIX.length);
  const keyId = keyIdOf(name, publicKey);
  const encoded = Buffer.concat([Buffer.of(ED25519), publicKey]).toString('base64');
  const signBytes = (bytes: Uint8Array): Buffer => sign(null, bytes, privateKey);
  return {
    name,
    vkey: `${name}+${keyId.toString('hex')}+${encoded}`,
    signBytes,
    sign(text) {
      if (!text.endsWith('\n')) throw new RangeError('the text of a note ends in a newline');
      const signature = signBytes(Buffer.from(text));
      return `${text}\n\u2014 ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
    },
  };
}

/** @throws SP_AUDIT_CORRUPT when `vkey` is not a public key in text form or its id does not match. */
export function parseVerifierKey(vkey: string): NoteVerifier {
  const { name, keyId, bytes } = splitKey(vkey.trim());
  if (bytes === null || !isNoteName(name)) throw malformed('the verifier key of the log is malformed');
  if (bytes.length !== 1 + KEY_BYTES || bytes[0] !== ED25519) throw malformed('the verifier key of the log is not Ed25519');
  const publicKey = bytes.subarray(1);
  if (keyIdOf(name, publicKey).toString('hex') !== keyId) throw malformed('the verifier key of the log has a wrong id');
  return { name, keyId, publicKey: createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' }) };
}

/** Splits `name+id+base64`; base64 may hold plus signs itself. */
function splitKey(text: string): { name: string; keyId: string; bytes: Buffer | null } {
  const [name = '', keyId = '', ...encoded] = text.split('+');
  return { name, keyId, bytes: encoded.length === 0 ? null : decodeBase64(encoded.join('+')) };
}

/** The text of a note, when `verifier`'s key has signed it.
 *  @throws SP_AUDIT_CORRUPT on a malformed note, no signature by that key, or a wrong one. */
export function openNote(note: string, verifier: NoteVerifier): string {
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n') || note.length > MAX_NOTE_BYTES || !note.isWellFormed())
    throw malformed('a signed note is malformed');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw malformed('a signed note has too many signatures');
  let signed = false;
  for (const line of lines) {
    const [dash, name, encoded, more] = line.split(' ');
    const bytes = encoded === undefined ? null : decodeBase64(encoded);
    if (dash !== '\u2014' || name === undefined || more !== undefined || bytes === null || bytes.length < KEY_ID_BYTES + 1) {
      throw malformed('a signature line of a signed note is malformed');
    }
    if (name !== verifier.name || bytes.subarray(0, KEY_ID_BYTES).toString('hex') !== verifier.keyId) continue;
    if (!verify(null, Buffer.from(text), verifier.publicKey, bytes.subarray(KEY_ID_BYTES)))
      throw malformed('the signature of a signed note is wrong');
    signed = true;
  }
  if (!signed) throw malformed(`the note is not signed by the key of ${verifier.name}`);
  return text;
}

const PRIVATE_PREFIX = 'PRIVATE+KEY+';

/** Text form of a private key as `golang.org/x/mod/sumdb/note` writes it: `PRIVATE+KEY+name+id+base64`. */
export function encodeSigningKey(name: string, seed: Uint8Array): string {
  const { keyId } = splitKey(noteSigner(name, seed).vkey);
  return `${PRIVATE_PREFIX}${name}+${keyId}+${Buffer.concat([Buffer.of(ED25519), seed]).toString('base64')}`;
}

/** @returns name and seed, or null when `text` is not a private key in that form. */
export function decodeSigningKey(text: string): { name: string; seed: Buffer } | null {
  if (!text.startsWith(PRIVATE_PREFIX)) return null;
  const { name, keyId, bytes } = splitKey(text.slice(PRIVATE_PREFIX.length));
  if (bytes === null || bytes.length !== 1 + KEY_BYTES || bytes[0] !== ED25519 || !isNoteName(name)) return null;
  const seed = bytes.subarray(1);
  return splitKey(noteSigner(name, seed).vkey).keyId === keyId ? { name, seed } : null;
}
