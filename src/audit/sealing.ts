// Sealed payloads: AES-256-CTR and HMAC-SHA-256 under a data key whose wrapped form only the holder of an age identity can open.
// Format: docs/formats/sealing.md. The commitment authenticates a blob, and binds the plaintext to the key, which GCM would not.
// WHY one cipher per data key: a GCM object for each payload cost more than everything else that is done to record a statement.

import { createCipheriv, hash, hkdfSync } from 'node:crypto';
import type { Cipheriv } from 'node:crypto';
import { armor, Encrypter } from 'age-encryption';
import { SallyportError } from '../core/error.ts';
import type { Payload, SealedRef } from '../core/event.ts';
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

const CIPHER = 'aes-256-ctr';
const KEY_ID = /^[0-9a-f]{14}-[0-9a-f]{16}$/;

/** A data key in use. OpenSSL clears the memory of a cipher when it is freed; `wipe` clears the rest. */
export interface DataKey {
  readonly id: string;
  readonly cipher: Cipheriv;
  readonly commitKey: CommitKey;
  /** What every blob under this key begins with. */
  readonly prefix: Buffer;
  /** Monotonic time of the end of its use. */
  untilMs: number;
  /** Block that the cipher encrypts next; a key never outlives its process, so no block is used twice. */
  block: bigint;
}

export interface SealedBlob {
  readonly ref: SealedRef;
  readonly blob: Buffer;
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

function commitKeyOf(id: string, key: Uint8Array): CommitKey {
  const commitKey = new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), commitInfo(id), DATA_KEY_BYTES));
  const padded = (pad: number, room: number): Buffer => {
    const block = Buffer.alloc(HMAC_BLOCK_BYTES + room, pad);
    for (const [at, byte] of commitKey.entries()) block[at] = byte ^ pad;
    return block;
  };
  return { inner: padded(0x36, 0), outer: padded(0x5c, HASH_BYTES) };
}

/** A data key ready for use. The caller wipes `key`. */
export function dataKey(id: string, key: Uint8Array): DataKey {
  const prefix = Buffer.concat([Buffer.from(MAGIC), Buffer.of(id.length), Buffer.from(id)]);
  const cipher = createCipheriv(CIPHER, key, counterOf(0n));
  return { id, cipher, commitKey: commitKeyOf(id, key), prefix, untilMs: Infinity, block: 0n };
}

function counterOf(block: bigint): Buffer {
  const counter = Buffer.alloc(BLOCK_BYTES);
  counter.writeBigUInt64BE(block, BLOCK_BYTES - 8);
  return counter;
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

/** Bytes of the blob of a payload of `length` bytes. */
export function blobBytes(length: number, dataKey: DataKey, maxBytes: number): number {
  return dataKey.prefix.length + BLOCK_BYTES + CONTAINER_BYTES + Math.min(length, maxBytes) + COMMITMENT_BYTES;
}

/** Writes the blob of a payload to `target` at `at`, where `blobBytes` are free.
 *  @param maxBytes a longer payload is sealed as its beginning, marked truncated with its full length. */
export function sealInto(target: Buffer, at: number, payload: Payload, dataKey: DataKey, maxBytes: number): SealedRef {
  const { prefix } = dataKey;
  const { bytes } = payload;
  const kept = Math.min(bytes.length, maxBytes);
  const containerBytes = CONTAINER_BYTES + kept;
  const blockEnd = HMAC_BLOCK_BYTES + containerBytes;
  const blocks = Math.ceil(containerBytes / BLOCK_BYTES);
  const roomEnd = HMAC_BLOCK_BYTES + blocks * BLOCK_BYTES;
  const room = (roomEnd <= scratch.length ? scratch : Buffer.alloc(roomEnd)).subarray(0, roomEnd);
  room[HMAC_BLOCK_BYTES] = CONTAINER_VERSION;
  room[HMAC_BLOCK_BYTES + 1] = KIND_CODES[payload.kind];
  room[HMAC_BLOCK_BYTES + 2] = kept < bytes.length ? TRUNCATED : 0;
  room.writeBigUInt64BE(BigInt(bytes.length), HMAC_BLOCK_BYTES + 3);
  room.set(kept < bytes.length ? bytes.subarray(0, kept) : bytes, HMAC_BLOCK_BYTES + CONTAINER_BYTES);

  let end = at + prefix.copy(target, at);
  target.fill(0, end, end + BLOCK_BYTES - 8);
  end = target.writeBigUInt64BE(dataKey.block, end + BLOCK_BYTES - 8);
  // Whole blocks: the next payload begins with a counter of its own. What stands behind the container is not kept.
  const encrypted = dataKey.cipher.update(room.subarray(HMAC_BLOCK_BYTES));
  dataKey.block += BigInt(blocks);
  end += encrypted.copy(target, end, 0, containerBytes);
  const commitment = commitmentOf(dataKey.commitKey, room.subarray(0, blockEnd));
  end += target.write(commitment, end, 'hex');
  room.fill(0);
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
