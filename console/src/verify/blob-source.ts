// An archive that a person chose, read where it lies: never more than a few blocks of it are in memory.

import type { ZipSource } from '../../../src/evidence/zip-reader.ts';
import { Buffer } from './buffer.ts';

const BLOCK_BYTES = 1024 * 1024;
const MAX_BLOCKS = 24;
/** Deflate makes up to a thousand times as much of it at once, before anybody can say that it is too much. */
const INFLATED_AT_ONCE_BYTES = 16 * 1024;

type Chunk = Awaited<ReturnType<ZipSource['read']>>;

/** In Node, where the tests run, a chunk has more than the verifier uses. */
const chunkOf = (bytes: Uint8Array): Chunk => bytes as Chunk;

export function blobSource(blob: Blob): ZipSource {
  /** The least lately used first. Files lie in the archive as they are read, and most are small. */
  const blocks = new Map<number, Promise<ArrayBuffer>>();
  const block = (at: number): Promise<ArrayBuffer> => {
    const found = blocks.get(at) ?? blob.slice(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES).arrayBuffer();
    blocks.delete(at);
    blocks.set(at, found);
    const [oldest] = blocks.keys();
    if (blocks.size > MAX_BLOCKS && oldest !== undefined) blocks.delete(oldest);
    return found;
  };
  const read = async (position: number, length: number): Promise<Chunk> => {
    const end = Math.min(position + length, blob.size);
    const pieces: Uint8Array[] = [];
    for (let at = position; at < end;) {
      const index = Math.floor(at / BLOCK_BYTES);
      const bytes = new Uint8Array(await block(index)).subarray(at - index * BLOCK_BYTES, end - index * BLOCK_BYTES);
      if (bytes.length === 0) break;
      pieces.push(bytes);
      at += bytes.length;
    }
    // A copy: what is handed out may outlive the block.
    return chunkOf(Buffer.concat(pieces));
  };
  return { size: blob.size, read, inflate, crc32, close: async () => blocks.clear() };
}

async function* inflate(packed: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
  const { writable, readable } = new DecompressionStream('deflate-raw');
  const writer = writable.getWriter();
  const reader = readable.getReader();
  let fault: unknown = null;
  const written = (async () => {
    try {
      for await (const chunk of packed) {
        for (let at = 0; at < chunk.length; at += INFLATED_AT_ONCE_BYTES) {
          await writer.ready;
          await writer.write(new Uint8Array(chunk.subarray(at, at + INFLATED_AT_ONCE_BYTES)));
        }
      }
      await writer.close();
    } catch (cause) {
      fault ??= cause;
      await writer.abort(cause).catch(() => undefined);
    }
  })();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      yield chunkOf(Buffer.from(value.buffer, value.byteOffset, value.length));
    }
  } catch (cause) {
    // Why nothing more came to be unpacked says more than that it did not.
    await written;
    throw fault ?? cause;
  } finally {
    await reader.cancel().catch(() => undefined);
    await written;
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export function crc32(bytes: Uint8Array, before: number): number {
  let crc = ~before;
  for (let at = 0; at < bytes.length; at += 1) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  return ~crc >>> 0;
}
