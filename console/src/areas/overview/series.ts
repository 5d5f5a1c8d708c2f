// Points as a plot wants them: one value for each step of the range, nothing left out.

import type { Overview } from './queries.ts';

export type Measure = 'statements' | 'held' | 'denied' | 'rows' | 'maskedCells';
type Points = readonly ({ readonly at: string } & { readonly [measure in Measure]: number })[];

export interface Series {
  /** Seconds since the epoch. */
  readonly times: readonly number[];
  readonly values: readonly (readonly number[])[];
}

export function seriesOf(
  { since, until, stepMs }: Pick<Overview, 'since' | 'until' | 'stepMs'>,
  points: Points,
  measures: readonly Measure[],
): Series {
  const startMs = Date.parse(since);
  const steps = Math.max(0, Math.ceil((Date.parse(until) - startMs) / stepMs));
  const times = Array.from({ length: steps }, (_, step) => (startMs + step * stepMs) / 1000);
  const values = measures.map(() => Array.from({ length: steps }, () => 0));
  for (const point of points) {
    const step = Math.floor((Date.parse(point.at) - startMs) / stepMs);
    measures.forEach((measure, index) => {
      const row = values[index];
      if (row !== undefined && step >= 0 && step < steps) row[step] = (row[step] ?? 0) + point[measure];
    });
  }
  return { times, values };
}

/** An SVG path through the values, in a box of `width` x `height`. */
export function sparkline(values: readonly number[], width: number, height: number): string {
  const most = Math.max(1, ...values);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  return values
    .map((value, at) => `${at === 0 ? 'M' : 'L'}${(at * step).toFixed(1)} ${(height - (value / most) * height).toFixed(1)}`)
    .join('');
}
