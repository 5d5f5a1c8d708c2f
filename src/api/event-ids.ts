// Ids of events as clients see them: a number, encrypted. They tell restarts apart, because the key is of this run, and they do not
// tell a viewer how much happens that is not theirs.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const BLOCK_BYTES = 16;

export class EventIds {
  readonly #key = randomBytes(16);
  readonly #run = randomBytes(8);

  encode(n: number): string {
    const block = Buffer.alloc(BLOCK_BYTES);
    this.#run.copy(block);
    block.writeBigUInt64BE(BigInt(n), 8);
    // One block under a key used for nothing else: that equal numbers have equal ids is what ids are for.
    const cipher = createCipheriv('aes-128-ecb', this.#key, null).setAutoPadding(false);
    return Buffer.concat([cipher.update(block), cipher.final()]).toString('base64url');
  }

  /** Null = not an id of this run. */
  decode(id: string): number | null {
    const block = Buffer.from(id, 'base64url');
    if (block.length !== BLOCK_BYTES) return null;
    const decipher = createDecipheriv('aes-128-ecb', this.#key, null).setAutoPadding(false);
    const plain = Buffer.concat([decipher.update(block), decipher.final()]);
    return plain.subarray(0, 8).equals(this.#run) ? Number(plain.readBigUInt64BE(8)) : null;
  }
}
