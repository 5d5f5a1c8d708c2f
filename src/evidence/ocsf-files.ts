// ocsf/<class>.ndjson: the entries as OCSF events, the same that a SIEM gets, one file for each class that occurs. Entries that do not have
// the shape of the format have no event; a verifier tells them.

import { ocsfEvent } from '../ocsf/index.ts';
import type { Part, RangeEntry, Sink } from './derivation.ts';

export const OCSF_FOLDER = 'ocsf/';

export class OcsfFiles implements Part {
  readonly #sink: Sink;
  readonly #context: Parameters<typeof ocsfEvent>[1];

  /** @param version of the product that makes the bundle */
  constructor(sink: Sink, origin: string, version: string) {
    this.#sink = sink;
    this.#context = { origin, version };
  }

  push({ typed, leaf }: RangeEntry): void {
    if (typed === null) return;
    const event = ocsfEvent({ header: typed, hash: leaf }, this.#context);
    this.#sink.write(`${OCSF_FOLDER}${event.class_uid}.ndjson`, `${JSON.stringify(event)}\n`);
  }

  end(): void {
    // Every event was written when its entry came.
  }
}
