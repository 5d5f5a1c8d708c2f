// The keyed digest that tokens, `hash` and `date-shift` are made with, as the gateway computes it. keyed.ts has the same in SQL; property
// tests compare the two on a real server.

import { hash } from 'node:crypto';

export const KEY_BYTES = 32;

export interface DigestPrefix {
  readonly key: Uint8Array;
  readonly labelled: Uint8Array;
}

/** @param keyHex 64 hexadecimal digits */
export function digestPrefix(keyHex: string, label: string): DigestPrefix {
  const key = Buffer.from(keyHex, 'hex');
  // WHY: digests that anybody could compute are never shown (keyed.ts has the same).
  if (key.length !== KEY_BYTES) throw new Error('the key of a digest has another length');
  return { key, labelled: Buffer.concat([key, Buffer.from(`${label}:`, 'utf8')]) };
}

/** Keyed twice, inner and outer: SHA-256(key, SHA-256(key, label, ":", message)), as 64 hexadecimal digits. WHY not bytes: the runtime
 *  makes texts three times as fast as buffers. */
export function keyedDigest({ key, labelled }: DigestPrefix, message: Uint8Array): string {
  const inner = Buffer.allocUnsafe(labelled.length + message.length);
  inner.set(labelled);
  inner.set(message, labelled.length);
  return hash('sha256', keyed(key, hash('sha256', inner, 'hex')), 'hex');
}

/** The key and the bytes of the digits. */
export function keyed(key: Uint8Array, hex: string): Buffer {
  const bytes = Buffer.allocUnsafe(key.length + hex.length / 2);
  bytes.set(key);
  bytes.write(hex, key.length, 'hex');
  return bytes;
}
