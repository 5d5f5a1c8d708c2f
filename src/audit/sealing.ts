// Sealed payloads: AES-256-GCM under a data key whose wrapped form only the holder of an age identity can open.
// Format: docs/formats/sealing.md. The commitment binds the plaintext to the key, which GCM alone does not.

import { createCipheriv, createDecipheriv, createSecretKey, hash, hkdfSync } from 'node:crypto';
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

/** A data key in use. OpenSSL clears the memory of a KeyObject when it is freed; `wipe` clears the rest. */
export interface DataKey {
  readonly id: string;
  readonly key: KeyObject;
  readonly commitKey: CommitKey;
  /** What every blob under this key begins with. */
  readonly prefix: Buffer;
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

/** The two padded keys of HMAC (RFC 2104), each with room behind it for what is hashed. */
interface CommitKey {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

const HMAC_BLOCK_BYTES = 64;
const HASH_BYTES = 32;

function commitKeyOf(key: Uint8Array): CommitKey {
  const commitKey = new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), 'sallyport/v1/commit', DATA_KEY_BYTES));
  const padded = (pad: number, room: number): Buffer => {
    const block = Buffer.alloc(HMAC_BLOCK_BYTES + room, pad);
    for (const [at, byte] of commitKey.entries()) block[at] = byte ^ pad;
    return block;
  };
  return { inner: padded(0x36, 0), outer: padded(0x5c, HASH_BYTES) };
}

/** A data key ready for use. The caller wipes `key`. */
export function dataKey(id: string, key: Uint8Array): DataKey {
  const prefix = Buffer.concat([MAGIC, Buffer.of(id.length), Buffer.from(id)]);
  return { id, key: createSecretKey(key), commitKey: commitKeyOf(key), prefix, nonce: 0n };
}

export function wipe(key: DataKey): void {
  key.commitKey.inner.fill(0);
  key.commitKey.outer.fill(0);
}

/** HMAC-SHA-256 of a container.
 *  @param block room for the inner padded key, then the container. WHY two plain hashes: less than half of what an Hmac object costs. */
function commitmentOf(commitKey: CommitKey, block: Buffer): string {
  commitKey.inner.copy(block);
  commitKey.outer.write(hash('sha256', block, 'binary'), HMAC_BLOCK_BYTES, 'latin1');
  return hash('sha256', commitKey.outer, 'hex');
}

/** Room for the container of most payloads; a longer one gets a buffer of its own. */
const scratch = Buffer.alloc(64 * 1024);
const nonce = Buffer.alloc(NONCE_BYTES);

/** Bytes of the blob of a payload of `length` bytes. */
export function blobBytes(length: number, dataKey: DataKey, maxBytes: number): number {
  return dataKey.prefix.length + NONCE_BYTES + CONTAINER_BYTES + Math.min(length, maxBytes) + TAG_BYTES;
}

/** Writes the blob of a payload to `target` at `at`, where `blobBytes` are free.
 *  @param maxBytes a longer payload is sealed as its beginning, marked truncated with its full length. */
export function sealInto(target: Buffer, at: number, payload: Payload, dataKey: DataKey, maxBytes: number): SealedRef {
  const { prefix } = dataKey;
  const { bytes } = payload;
  const kept = Math.min(bytes.length, maxBytes);
  const blockEnd = HMAC_BLOCK_BYTES + CONTAINER_BYTES + kept;
  const block = (blockEnd <= scratch.length ? scratch : Buffer.allocUnsafe(blockEnd)).subarray(0, blockEnd);
  block[HMAC_BLOCK_BYTES] = CONTAINER_VERSION;
  block[HMAC_BLOCK_BYTES + 1] = KIND_CODES[payload.kind];
  block[HMAC_BLOCK_BYTES + 2] = kept < bytes.length ? TRUNCATED : 0;
  block.writeBigUInt64BE(BigInt(bytes.length), HMAC_BLOCK_BYTES + 3);
  block.set(kept < bytes.length ? bytes.subarray(0, kept) : bytes, HMAC_BLOCK_BYTES + CONTAINER_BYTES);

  nonce.writeBigUInt64BE(dataKey.nonce, NONCE_BYTES - 8);
  dataKey.nonce += 1n;
  const cipher = createCipheriv('aes-256-gcm', dataKey.key, nonce);
  cipher.setAAD(prefix);
  let end = at + prefix.copy(target, at);
  end += nonce.copy(target, end);
  end += cipher.update(block.subarray(HMAC_BLOCK_BYTES)).copy(target, end);
  // GCM is a stream: nothing is left over at its end.
  cipher.final();
  end += cipher.getAuthTag().copy(target, end);
  const commitment = commitmentOf(dataKey.commitKey, block);
  block.fill(0);
  return { kind: payload.kind, sha256: hash('sha256', target.subarray(at, end), 'hex'), bytes: end - at, commitment, key: dataKey.id };
}

export function seal(payload: Payload, dataKey: DataKey, maxBytes: number): SealedBlob {
  const blob = Buffer.alloc(blobBytes(payload.bytes.length, dataKey, maxBytes));
  return { blob, ref: sealInto(blob, 0, payload, dataKey, maxBytes) };
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
  const commitment = commitmentOf(commitKeyOf(key), Buffer.concat([Buffer.alloc(HMAC_BLOCK_BYTES), plaintext]));
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
