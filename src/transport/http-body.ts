// Bodies of requests: read whole, bounded as they come and as they are inflated, and in all connections together.

import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { SallyportError } from '../core/error.ts';

const inflate = promisify(gunzip);

/** Bytes of bodies that may be in memory. */
export interface BodyBudget {
  /** @returns false when there is no room. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export function createBodyBudget(maxBytes: number): BodyBudget {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > maxBytes) return false;
      taken += bytes;
      return true;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
}

/** @param maxBytes before and after inflating. @throws SP_WIRE_TOO_LARGE, SP_WIRE_MALFORMED, SP_CLIENT_LOST */
export async function readBody(incoming: IncomingMessage, maxBytes: number, budget: BodyBudget): Promise<Buffer> {
  const encoding = (incoming.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'gzip' && encoding !== 'identity') throw new SallyportError('SP_WIRE_MALFORMED', 'body in an unknown encoding');
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  let taken = 0;
  try {
    // WHY: leaving it early would destroy the connection before it is answered.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge();
      if (!budget.take(chunk.length)) throw new SallyportError('SP_WIRE_TOO_LARGE', 'too many large bodies at a time');
      taken += chunk.length;
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks, length);
    return encoding === 'gzip' ? await unzip(bytes, maxBytes) : bytes;
  } catch (fault) {
    if (fault instanceof SallyportError) throw fault;
    throw new SallyportError('SP_CLIENT_LOST', 'the client has gone', { cause: fault });
  } finally {
    budget.give(taken);
  }
}

async function unzip(bytes: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await inflate(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new SallyportError('SP_WIRE_MALFORMED', 'body is not gzip', { cause });
  }
}

function tooLarge(): SallyportError {
  return new SallyportError('SP_WIRE_TOO_LARGE', 'body over the limit');
}
