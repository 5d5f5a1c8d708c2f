// What the verifier uses of `node:crypto`, for browsers: SHA-256 and Ed25519 by noble, which answer at once, as Node's do. WebCrypto only
// answers later, and hashes no stream.

import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { Bytes } from './buffer.ts';
import { Buffer } from './buffer.ts';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** DER around the 32 bytes of a key. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface Hash {
  update(bytes: Uint8Array | string): Hash;
  digest(encoding: 'hex'): string;
}

export interface KeyObject {
  readonly type: 'public' | 'private';
  /** As in RFC 8032: the point, or the seed. */
  readonly bytes: Uint8Array;
  export(as: { readonly format: 'der'; readonly type: 'spki' }): Bytes;
}

interface DerKey {
  readonly key: Uint8Array;
  readonly format: 'der';
  readonly type: 'spki' | 'pkcs8';
}

const bytesOf = (data: Uint8Array | string): Uint8Array => (typeof data === 'string' ? Buffer.from(data) : data);

export function createHash(_algorithm: 'sha256'): Hash {
  const state = sha256.create();
  const hash: Hash = {
    update(bytes) {
      state.update(bytesOf(bytes));
      return hash;
    },
    digest: (encoding) => Buffer.from(state.digest()).toString(encoding),
  };
  return hash;
}

export function hash(_algorithm: 'sha256', data: Uint8Array | string, encoding: 'binary' | 'hex'): string {
  return Buffer.from(sha256(bytesOf(data))).toString(encoding === 'binary' ? 'latin1' : encoding);
}

function keyObject(type: KeyObject['type'], bytes: Uint8Array): KeyObject {
  return { type, bytes, export: () => Buffer.concat([SPKI_PREFIX, bytes]) };
}

function keyIn(der: Uint8Array, prefix: Uint8Array): Uint8Array {
  if (der.length !== prefix.length + KEY_BYTES || Buffer.compare(der.subarray(0, prefix.length), prefix) !== 0)
    throw new TypeError('not an Ed25519 key');
  return der.slice(prefix.length);
}

/** @throws TypeError for what is no Ed25519 key */
export function createPublicKey(from: DerKey | KeyObject): KeyObject {
  if ('key' in from) return keyObject('public', keyIn(from.key, SPKI_PREFIX));
  return keyObject('public', from.type === 'public' ? from.bytes : ed25519.getPublicKey(from.bytes));
}

/** @throws TypeError for what is no Ed25519 key */
export function createPrivateKey({ key }: DerKey): KeyObject {
  return keyObject('private', keyIn(key, PKCS8_PREFIX));
}

/** Ed25519 as in RFC 8032. */
export function verify(_algorithm: null, message: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && ed25519.verify(signature, message, key.bytes, { zip215: false });
}

export function sign(_algorithm: null, message: Uint8Array, key: KeyObject): Bytes {
  return Buffer.from(ed25519.sign(message, key.bytes));
}
