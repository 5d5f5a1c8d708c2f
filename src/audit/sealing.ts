// Sealed payloads: AES-256-GCM under a data key whose wrapped form only the holder of an age identity can open.
// Format: docs/formats/sealing.md. The commitment binds the plaintext to the key, which GCM alone does not.

import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { armor, Decrypter, Encrypter } from 'age-encryption';
import { SallyportError } from '../core/error.ts';
import type { Payload, PayloadKind, SealedRef } from '../core/event.ts';
import type { Secret } from '../core/secret.ts';
import { sha256 } from './tlog/index.ts';

export const DATA_KEY_BYTES = 32;
const MAGIC = Buffer.from('SPB1');
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CONTAINER_BYTES = 11;
const CONTAINER_VERSION = 1;
const TRUNCATED = 1;
const KIND_CODES = { statement: 1, parameters: 2, messages: 3, result: 4, justification: 5 } as const satisfies Record<PayloadKind, number>;
const KEY_ID = /^[0-9a-f]{14}-[0-9a-f]{16}$/;

/** A data key in use. OpenSSL clears the memory of a KeyObject when it is freed. */
export interface DataKey {
  readonly id: string;
  readonly key: KeyObject;
  readonly commitKey: KeyObject;
  /** Next nonce; a key never outlives its process, so a counter never repeats. */
  nonce: bigint;
}

export interface SealedBlob {
  readonly ref: SealedRef;
  readonly blob: Buffer;
}

export interface Unsealed {
  readonly kind: PayloadKind;
  readonly bytes: Buffer;
  /** True when the payload was longer than the gateway keeps: `bytes` is its beginning. */
  readonly truncated: boolean;
  readonly originalBytes: number;
  /** Keyed commitment computed from what was opened, hex; equals the header's when it is the recorded payload. */
  readonly commitment: string;
}

export function isKeyId(text: string): boolean {
  return KEY_ID.test(text);
}

/** @param firstSeq index the log had reached: blobs under this key belong to entries from there on. */
export function keyId(firstSeq: number, random: Uint8Array): string {
  return `${firstSeq.toString(16).padStart(14, '0')}-${Buffer.from(random).toString('hex')}`;
}

export function keyFirstSeq(id: string): number {
  return Number.parseInt(id.slice(0, 14), 16);
}

function commitKeyOf(key: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), 'sallyport/v1/commit', DATA_KEY_BYTES)));
}

/** A data key ready for use. The caller wipes `key`. */
export function dataKey(id: string, key: Uint8Array): DataKey {
  return { id, key: createSecretKey(key), commitKey: commitKeyOf(key), nonce: 0n };
}

function commitmentOf(commitKey: KeyObject, container: Uint8Array): string {
  return createHmac('sha256', commitKey).update(container).digest('hex');
}

function container(payload: Payload, maxBytes: number): Buffer {
  const kept = payload.bytes.subarray(0, maxBytes);
  const plaintext = Buffer.allocUnsafe(CONTAINER_BYTES + kept.length);
  plaintext[0] = CONTAINER_VERSION;
  plaintext[1] = KIND_CODES[payload.kind];
  plaintext[2] = kept.length < payload.bytes.length ? TRUNCATED : 0;
  plaintext.writeBigUInt64BE(BigInt(payload.bytes.length), 3);
  plaintext.set(kept, CONTAINER_BYTES);
  return plaintext;
}

/** @param maxBytes a longer payload is sealed as its beginning, marked truncated with its full length. */
export function seal(payload: Payload, dataKey: DataKey, maxBytes: number): SealedBlob {
  const plaintext = container(payload, maxBytes);
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(dataKey.nonce, NONCE_BYTES - 8);
  dataKey.nonce += 1n;
  const header = Buffer.concat([MAGIC, Buffer.of(dataKey.id.length), Buffer.from(dataKey.id)]);
  const cipher = createCipheriv('aes-256-gcm', dataKey.key, nonce).setAAD(header);
  const blob = Buffer.concat([header, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return {
    blob,
    ref: {
      kind: payload.kind,
      sha256: sha256(blob).toString('hex'),
      bytes: blob.length,
      commitment: commitmentOf(dataKey.commitKey, plaintext),
      key: dataKey.id,
    },
  };
}

/** Wraps a data key to every recipient. @returns an armoured age file whose content is the 32 bytes of the key. */
export async function wrapDataKey(key: Uint8Array, recipients: readonly string[]): Promise<string> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return armor.encode(await encrypter.encrypt(key));
}

/** @throws SP_CONFIG_INVALID when there is none, or one that age cannot encrypt to. */
export async function checkRecipients(recipients: readonly string[]): Promise<void> {
  if (recipients.length === 0) throw new SallyportError('SP_CONFIG_INVALID', 'sealed payloads need at least one recipient (age1...)');
  try {
    await wrapDataKey(new Uint8Array(DATA_KEY_BYTES), recipients);
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', 'a recipient of sealed payloads is not an age public key (age1...)', { cause });
  }
}

/** Opens one payload.
 *  @param identity the private age identity (`AGE-SECRET-KEY-1...`) of one recipient.
 *  @param ref the header's reference; when given, hash, length, kind, key and commitment must agree with it.
 *  @throws SP_AUDIT_CORRUPT when the blob is not intact, not under this key, or not the one the header names. */
export async function unseal(ciphertext: Uint8Array, wrappedKey: string, identity: Secret, ref?: SealedRef): Promise<Unsealed> {
  const refuse = (what: string, cause?: unknown): SallyportError =>
    new SallyportError('SP_AUDIT_CORRUPT', `sealed payload: ${what}`, { cause });
  if (ref !== undefined && (ciphertext.length !== ref.bytes || sha256(ciphertext).toString('hex') !== ref.sha256)) {
    throw refuse('the ciphertext is not the one the entry names');
  }
  const blob = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.length);
  const idLength = blob.length > MAGIC.length ? blob.readUInt8(MAGIC.length) : 0;
  const headerEnd = MAGIC.length + 1 + idLength;
  if (!blob.subarray(0, MAGIC.length).equals(MAGIC) || blob.length < headerEnd + NONCE_BYTES + CONTAINER_BYTES + TAG_BYTES) {
    throw refuse('unknown format');
  }
  if (ref !== undefined && blob.toString('latin1', MAGIC.length + 1, headerEnd) !== ref.key)
    throw refuse('it is under another key than the entry names');
  let key: Uint8Array;
  try {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity.reveal());
    key = await decrypter.decrypt(armor.decode(wrappedKey));
  } catch (cause) {
    throw refuse('its data key cannot be opened with this identity', cause);
  }
  if (key.length !== DATA_KEY_BYTES) throw refuse('its data key has a wrong length');
  const body = blob.subarray(headerEnd + NONCE_BYTES, -TAG_BYTES);
  let plaintext: Buffer;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, blob.subarray(headerEnd, headerEnd + NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(blob.subarray(0, headerEnd))
      .setAuthTag(blob.subarray(-TAG_BYTES));
    plaintext = Buffer.concat([decipher.update(body), decipher.final()]);
  } catch (cause) {
    throw refuse('it was altered, or this is not its data key', cause);
  }
  const commitment = commitmentOf(commitKeyOf(key), plaintext);
  const kind = (Object.keys(KIND_CODES) as PayloadKind[]).find((name) => KIND_CODES[name] === plaintext[1]);
  if (plaintext[0] !== CONTAINER_VERSION || kind === undefined) throw refuse('unknown container version or kind');
  if (ref !== undefined && (commitment !== ref.commitment || kind !== ref.kind))
    throw refuse('the plaintext is not the one the entry commits to');
  return {
    kind,
    bytes: plaintext.subarray(CONTAINER_BYTES),
    truncated: (plaintext.readUInt8(2) & TRUNCATED) !== 0,
    originalBytes: Number(plaintext.readBigUInt64BE(3)),
    commitment,
  };
}
