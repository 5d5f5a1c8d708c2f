// NDJSON on standard output, for the log collector of a container platform. Operators' logs go to standard error.

import { type Destination, type DestinationParts, notTaken, TAKEN } from './destination.ts';
import { ndjson } from './ndjson.ts';

/** Resolves when the text was handed to the other end of the stream. */
export type WriteOut = (text: string) => Promise<void>;

export function createStdoutDestination({ name, context }: DestinationParts, write: WriteOut): Destination {
  return {
    name,
    kind: 'stdout',
    async send(batch, signal) {
      const cut = new Promise<'cut'>((resolve) => signal.addEventListener('abort', () => resolve('cut'), { once: true }));
      try {
        // A reader that stands still keeps us here, and nobody else.
        const written = write(await ndjson(batch, context)).then(() => 'written' as const);
        return (await Promise.race([written, cut])) === 'written' ? TAKEN : notTaken('interrupted');
      } catch {
        return notTaken('unwritable');
      }
    },
    async close() {},
  };
}
