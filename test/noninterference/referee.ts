// Says whether a difference is real: the unit is run again, on databases that see nothing else, in the first world, in
// the twin and in a second copy of the first. Real = the twin differs and the copy does not, every time.

import { isSame, isSameInAnyOrder, isTimeout } from './answers.ts';
import { type Answer, Lane, type LaneStep } from './lane.ts';
import type { Pair } from './worlds.ts';

export type Verdict = 'same' | 'different' | 'noise';

/** Leaves nothing of a unit on its connection. */
const cleanup: readonly LaneStep[] = ['ROLLBACK', 'DEALLOCATE ALL', 'CLOSE ALL'];

function isWrite(step: LaneStep): boolean {
  return /\b(UPDATE|DELETE|INSERT|MERGE)\b/i.test(JSON.stringify(step));
}

export class Referee {
  readonly #pair: Pair;
  readonly #token: string;
  #lanes: readonly Lane[] = [];

  constructor(pair: Pair, token: string) {
    this.#pair = pair;
    this.#token = token;
  }

  async judge(steps: readonly LaneStep[], times = 1): Promise<Verdict> {
    let verdict: Verdict = 'same';
    for (let count = 0; count < times; count += 1) {
      const [first = [], twin = [], control = []] = await this.answers(steps);
      const pairs = steps.map((_, index) => [first[index] ?? null, twin[index] ?? null, control[index] ?? null] as const);
      if (pairs.some((answers) => answers.some(isTimeout))) return 'noise';
      if (pairs.some(([a, , c]) => !isSame(a, c))) return 'noise';
      const differs = pairs.some(([a, t]) => !isSame(a, t));
      // Where an UPDATE puts the new rows depends on how long the values are; unsorted scans show it (docs/threat-model.md).
      if (differs && steps.some(isWrite) && pairs.every(([a, t]) => isSameInAnyOrder(a, t))) return 'noise';
      if (count > 0 && differs !== (verdict === 'different')) return 'noise';
      verdict = differs ? 'different' : 'same';
    }
    return verdict;
  }

  /** First world, twin, control. */
  async answers(steps: readonly LaneStep[]): Promise<readonly (readonly Answer[])[]> {
    if (this.#lanes.length === 0 || this.#lanes.some(({ isClosed }) => isClosed)) {
      this.end();
      const { first, twin, control } = this.#pair;
      this.#lanes = await Promise.all([first, twin, control].map(({ gated }) => Lane.connect(gated, this.#token)));
    }
    const answers = await Promise.all(this.#lanes.map((lane) => lane.run([...steps, ...cleanup], 10_000)));
    return answers.map((each) => each.slice(0, steps.length));
  }

  end(): void {
    for (const lane of this.#lanes) lane.end();
    this.#lanes = [];
  }
}
