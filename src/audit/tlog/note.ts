// Signed notes with Ed25519 keys. SPEC: c2sp.org/signed-note, signature type 0x01. A note is a text that ends in a
// newline, an empty line, and signature lines. Signatures of unknown keys are ignored; REFUSES a bad one of a known key.

import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import { sha256 } from './hash.ts';

/** Type byte of a signature over the text as it is; c2sp.org/tlog-cosignature has others. */
export const ED25519 = 0x01;
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

function keyIdOf(name: string, publicKey: Uint8Array, type: number): Buffer {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey])).subarray(0, KEY_ID_BYTES);
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
  const keyId = keyIdOf(name, publicKey, ED25519);
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

/** @param type of the signatures that the key makes.
 *  @throws SP_AUDIT_CORRUPT when `vkey` is not a public key in text form or its id does not match. */
export function parseVerifierKey(vkey: string, type: number = ED25519): NoteVerifier {
  const { name, keyId, bytes } = splitKey(vkey.trim());
  if (bytes === null || !isNoteName(name)) throw malformed('the verifier key of the log is malformed');
  if (bytes.length !== 1 + KEY_BYTES || bytes[0] !== type) throw malformed('the verifier key of the log is not Ed25519');
  const publicKey = bytes.subarray(1);
  if (keyIdOf(name, publicKey, type).toString('hex') !== keyId) throw malformed('the verifier key of the log has a wrong id');
  return { name, keyId, publicKey: createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' }) };
}

/** Splits `name+id+base64`; base64 may hold plus signs itself. */
function splitKey(text: string): { name: string; keyId: string; bytes: Buffer | null } {
  const [name = '', keyId = '', ...encoded] = text.split('+');
  return { name, keyId, bytes: encoded.length === 0 ? null : decodeBase64(encoded.join('+')) };
}

/** A note in its parts; nothing is verified yet. */
export interface SplitNote {
  /** Ends in a newline. */
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly keyId: string; readonly bytes: Buffer }[];
}

/** @throws SP_AUDIT_CORRUPT on a malformed note. */
export function splitNote(note: string): SplitNote {
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n') || note.length > MAX_NOTE_BYTES || !note.isWellFormed())
    throw malformed('a signed note is malformed');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw malformed('a signed note has too many signatures');
  const signatures = lines.map((line) => {
    const [dash, name, encoded, more] = line.split(' ');
    const bytes = encoded === undefined ? null : decodeBase64(encoded);
    if (dash !== '\u2014' || name === undefined || more !== undefined || bytes === null || bytes.length < KEY_ID_BYTES + 1) {
      throw malformed('a signature line of a signed note is malformed');
    }
    return { name, keyId: bytes.toString('hex', 0, KEY_ID_BYTES), bytes: bytes.subarray(KEY_ID_BYTES) };
  });
  return { text: note.slice(0, split + 1), signatures };
}

/** The text of a note, when `verifier`'s key has signed it.
 *  @throws SP_AUDIT_CORRUPT on a malformed note, no signature by that key, or a wrong one. */
export function openNote(note: string, verifier: NoteVerifier): string {
  const { text, signatures } = splitNote(note);
  const own = signatures.filter(({ name, keyId }) => name === verifier.name && keyId === verifier.keyId);
  if (own.length === 0) throw malformed(`the note is not signed by the key of ${verifier.name}`);
  if (!own.every(({ bytes }) => verify(null, Buffer.from(text), verifier.publicKey, bytes)))
    throw malformed('the signature of a signed note is wrong');
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
