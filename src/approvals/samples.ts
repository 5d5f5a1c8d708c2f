// Samples of rows while their approvals wait for an answer: in memory and nowhere else, so that they are gone with the process. Bounded: when
// there are too many, the oldest goes.

import type { ApprovalId } from '../core/ids.ts';
import type { RowSample } from '../core/preview.ts';

/** Of all cells together, in characters. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

export class Samples {
  /** Oldest first. */
  readonly #kept = new Map<ApprovalId, { readonly sample: RowSample; readonly size: number }>();
  readonly #maxCharacters: number;
  #characters = 0;

  constructor(maxCharacters = MAX_CHARACTERS) {
    this.#maxCharacters = maxCharacters;
  }

  keep(id: ApprovalId, sample: RowSample): void {
    this.drop(id);
    const size = sizeOf(sample);
    this.#kept.set(id, { sample, size });
    this.#characters += size;
    for (const oldest of this.#kept.keys()) {
      if (this.#characters <= this.#maxCharacters) break;
      this.drop(oldest);
    }
  }

  of(id: ApprovalId): RowSample | null {
    return this.#kept.get(id)?.sample ?? null;
  }

  drop(id: ApprovalId): void {
    this.#characters -= this.#kept.get(id)?.size ?? 0;
    this.#kept.delete(id);
  }
}

function sizeOf({ columns, rows }: RowSample): number {
  const cells = rows.flatMap(({ before, after }) => [...(before ?? []), ...(after ?? [])]);
  const texts = [...columns.flatMap(({ name, type, classes }) => [name, type, ...classes]), ...cells];
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}
