// Opens sealed payloads, on the machine of whoever holds the identity: the command line and the console run this, the gateway never
// does. WHY WebCrypto: it is the cryptography that both have.

import { armor, Decrypter } from 'age-encryption';
import { SallyportError } from '../core/error.ts';
import type { PayloadKind, SealedRef } from '../core/event.ts';
import type { Secret } from '../core/secret.ts';
import {
  BLOCK_BYTES,
  commitInfo,
  COMMITMENT_BYTES,
  CONTAINER_BYTES,
  CONTAINER_VERSION,
  DATA_KEY_BYTES,
  KIND_CODES,
  MAGIC,
  TRUNCATED,
} from './blob-format.ts';

export interface Unsealed {
  readonly kind: PayloadKind;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** True when the payload was longer than the gateway keeps: `bytes` is its beginning. */
  readonly truncated: boolean;
  readonly originalBytes: number;
  /** Keyed commitment computed from what was opened, hex; equals the header's when it is the recorded payload. */
  readonly commitment: string;
}

const { subtle } = globalThis.crypto;
const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Opens one payload.
 *  @param identity the private age identity (`AGE-SECRET-KEY-1...`) of one recipient.
 *  @param ref the header's reference; when given, hash, length, kind, key and commitment must agree with it.
 *  @throws SP_AUDIT_CORRUPT when the blob is not intact, not under this key, or not the one the header names. */
export async function unseal(ciphertext: Uint8Array, wrappedKey: string, identity: Secret, ref?: SealedRef): Promise<Unsealed> {
  const refuse = (what: string, cause?: unknown): SallyportError =>
    new SallyportError('SP_AUDIT_CORRUPT', `sealed payload: ${what}`, { cause });
  // A copy: what is checked is what is opened.
  const blob = new Uint8Array(ciphertext);
  if (ref !== undefined && (blob.length !== ref.bytes || hex(new Uint8Array(await subtle.digest('SHA-256', blob))) !== ref.sha256)) {
    throw refuse('the ciphertext is not the one the entry names');
  }
  const headerEnd = MAGIC.length + 1 + (blob[MAGIC.length] ?? 0);
  const end = blob.length - COMMITMENT_BYTES;
  if (ascii(blob.subarray(0, MAGIC.length)) !== MAGIC || end < headerEnd + BLOCK_BYTES + CONTAINER_BYTES) throw refuse('unknown format');
  const id = ascii(blob.subarray(MAGIC.length + 1, headerEnd));
  if (ref !== undefined && id !== ref.key) throw refuse('it is under another key than the entry names');
  let key: Uint8Array;
  try {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity.reveal());
    key = await decrypter.decrypt(armor.decode(wrappedKey));
  } catch (cause) {
    throw refuse('its data key cannot be opened with this identity', cause);
  }
  if (key.length !== DATA_KEY_BYTES) throw refuse('its data key has a wrong length');
  const { cipherKey, commitKey } = await keysOf(new Uint8Array(key), id);
  const counter = blob.subarray(headerEnd, headerEnd + BLOCK_BYTES);
  const container = new Uint8Array(
    await subtle.decrypt({ name: 'AES-CTR', counter, length: 128 }, cipherKey, blob.subarray(headerEnd + BLOCK_BYTES, end)),
  );
  // `verify` compares in constant time.
  const commitment = blob.subarray(end);
  if (!(await subtle.verify('HMAC', commitKey, commitment, container))) throw refuse('it was altered, or this is not its data key');
  const kind = (Object.keys(KIND_CODES) as PayloadKind[]).find((name) => KIND_CODES[name] === container[1]);
  if (container[0] !== CONTAINER_VERSION || kind === undefined) throw refuse('unknown container version or kind');
  if (ref !== undefined && (hex(commitment) !== ref.commitment || kind !== ref.kind))
    throw refuse('the plaintext is not the one the entry commits to');
  return {
    kind,
    bytes: container.subarray(CONTAINER_BYTES),
    truncated: ((container[2] ?? 0) & TRUNCATED) !== 0,
    originalBytes: Number(new DataView(container.buffer).getBigUint64(3)),
    commitment: hex(commitment),
  };
}

async function keysOf(key: Uint8Array<ArrayBuffer>, id: string) {
  const cipherKey = await subtle.importKey('raw', key, 'AES-CTR', false, ['decrypt']);
  const material = await subtle.importKey('raw', key, 'HKDF', false, ['deriveKey']);
  const commitKey = await subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(commitInfo(id)) },
    material,
    { name: 'HMAC', hash: 'SHA-256', length: DATA_KEY_BYTES * 8 },
    false,
    ['verify'],
  );
  return { cipherKey, commitKey };
}
