// Bars over time, as data and as rectangles in a box. Both renderings of the report draw the same rectangles.

import type { Bucket } from './totals.ts';
import { grouped, timeText } from './words.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Distances of the labels of the time axis. */
const TICK_MS = [5 * 60_000, 15 * 60_000, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS, 28 * DAY_MS, 364 * DAY_MS];
const MAX_TICKS = 11;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Of the height: a single denial among thousands must still be seen. */
const LEAST_HEIGHT = 0.012;

export type SeriesKind = 'run' | 'held' | 'denied' | 'rows';

export interface Plot {
  readonly title: string;
  /** What one bar is: `6 hours`. */
  readonly bar: string;
  /** First one below. */
  readonly series: readonly { readonly kind: SeriesKind; readonly label: string }[];
  readonly bars: readonly {
    readonly label: string;
    /** One for each series. */
    readonly values: readonly number[];
  }[];
  /** Value of the upper edge. */
  readonly top: number;
  /** Values with a line across. */
  readonly lines: readonly number[];
  /** Labels of the time axis; `at` is a fraction of its length. */
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

/** In fractions of the plot's width and height, from its lower left corner. */
export interface Bar {
  readonly kind: SeriesKind;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function plotOf(
  title: string,
  buckets: readonly Bucket[],
  bucketMs: number,
  series: readonly { readonly kind: SeriesKind; readonly label: string; readonly value: (bucket: Bucket) => number }[],
): Plot {
  const bars = buckets.map((bucket) => ({
    label: `${timeText(new Date(bucket.startMs).toISOString()).slice(0, 16)} UTC: ${series
      .map(({ label, value }) => `${label}: ${grouped(value(bucket))}`)
      .join(', ')}`,
    values: series.map(({ value }) => value(bucket)),
  }));
  const top = roundTop(bars.reduce((most, { values }) => Math.max(most, sumOf(values)), 0));
  return {
    title,
    bar: spanText(bucketMs),
    series: series.map(({ kind, label }) => ({ kind, label })),
    bars,
    top,
    lines: [0, top / 2, top].filter((value) => Number.isInteger(value)),
    ticks: ticksOf(buckets[0]?.startMs ?? 0, buckets.length * bucketMs),
  };
}

/** The rectangles of one bar, stacked; none for zeros. */
export function stackOf({ bars, series, top }: Plot, at: number): Bar[] {
  const step = 1 / Math.max(1, bars.length);
  let y = 0;
  return (bars[at]?.values ?? []).flatMap((value, which) => {
    const kind = series[which]?.kind;
    if (value === 0 || kind === undefined) return [];
    const height = Math.max(LEAST_HEIGHT, value / top);
    y += height;
    return [{ kind, x: (at + 0.1) * step, y: y - height, width: 0.8 * step, height }];
  });
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Smallest round number that is not less; even, so that half of it is a number as well. */
function roundTop(most: number): number {
  for (let unit = 1; ; unit *= 10) {
    const found = [2, 4, 6, 10].find((digit) => digit * unit >= most);
    if (found !== undefined) return found * unit;
  }
}

function ticksOf(startMs: number, spanMs: number): Plot['ticks'] {
  const everyMs = TICK_MS.find((ms) => spanMs / ms <= MAX_TICKS) ?? Math.ceil(spanMs / (MAX_TICKS * 364 * DAY_MS)) * 364 * DAY_MS;
  const ticks: { at: number; label: string }[] = [];
  for (let ms = Math.ceil(startMs / everyMs) * everyMs; ms < startMs + spanMs && ticks.length <= MAX_TICKS; ms += everyMs) {
    ticks.push({ at: (ms - startMs) / spanMs, label: tickLabel(ms, everyMs) });
  }
  return ticks;
}

function tickLabel(ms: number, everyMs: number): string {
  const date = new Date(ms);
  if (everyMs < DAY_MS && ms % DAY_MS !== 0) return date.toISOString().slice(11, 16);
  const month = MONTHS[date.getUTCMonth()] ?? '';
  return everyMs < 28 * DAY_MS ? `${date.getUTCDate()} ${month}` : `${month} ${date.getUTCFullYear()}`;
}

function spanText(ms: number): string {
  if (ms % DAY_MS === 0) return ms === DAY_MS ? 'a day' : `${ms / DAY_MS} days`;
  if (ms % HOUR_MS === 0) return ms === HOUR_MS ? 'an hour' : `${ms / HOUR_MS} hours`;
  return ms === 60_000 ? 'a minute' : `${Math.round(ms / 60_000)} minutes`;
}
