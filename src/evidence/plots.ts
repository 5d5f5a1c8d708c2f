// Bars over time as inline SVG. Each bar tells its numbers as a tooltip; the tables of the bundle have them all.

import { grouped, h, timeText } from './html.ts';
import type { Bucket } from './totals.ts';

const WIDTH = 900;
const HEIGHT = 190;
const LEFT = 52;
const TOP = 12;
const BOTTOM = 26;
const DAY_MS = 86_400_000;

export interface Series {
  /** CSS class of its colour. */
  readonly kind: 'run' | 'held' | 'denied' | 'rows';
  readonly label: string;
  readonly value: (bucket: Bucket) => number;
}

/** Stacked, first series below. */
export function barPlot(title: string, buckets: readonly Bucket[], bucketMs: number, series: readonly Series[]): string {
  const sums = buckets.map((bucket) => series.reduce((sum, { value }) => sum + value(bucket), 0));
  const top = roundTop(sums.reduce((most, sum) => Math.max(most, sum), 0));
  const room = HEIGHT - TOP - BOTTOM;
  const step = (WIDTH - LEFT) / Math.max(1, buckets.length);
  const yOf = (value: number): number => TOP + room - (value / top) * room;
  const lines = [0, top / 2, top].filter((value) => Number.isInteger(value));
  const grid = lines.map(
    (value) =>
      `<line x1="${LEFT}" x2="${WIDTH}" y1="${round(yOf(value))}" y2="${round(yOf(value))}" stroke="#d9e0e7"/>` +
      `<text x="${LEFT - 8}" y="${round(yOf(value) + 4)}" text-anchor="end">${grouped(value)}</text>`,
  );
  const bars = buckets.map((bucket, at) => {
    let below = 0;
    const parts = series.flatMap(({ kind, value }) => {
      const count = value(bucket);
      if (count === 0) return [];
      const [y, foot] = [yOf(below + count), yOf(below)];
      below += count;
      // A single denial among thousands must still be seen.
      const height = Math.max(1.5, foot - y);
      return [
        `<rect class="${kind}" x="${round(LEFT + at * step + step * 0.1)}" y="${round(foot - height)}" width="${round(step * 0.8)}" height="${round(height)}"/>`,
      ];
    });
    if (parts.length === 0) return '';
    const told = series.map(({ label, value }) => `${label}: ${grouped(value(bucket))}`).join(', ');
    return `<g><title>${h(`${labelOf(bucket.startMs, 1)} UTC: ${told}`)}</title>${parts.join('')}</g>`;
  });
  const every = Math.max(1, Math.ceil(buckets.length / 8));
  const labels = buckets.map(({ startMs }, at) =>
    at % every === 0 ? `<text x="${round(LEFT + at * step)}" y="${HEIGHT - 8}">${h(labelOf(startMs, bucketMs))}</text>` : '',
  );
  const key = series.map(({ kind, label }) => `<i class="${kind}"></i>${h(label)}`).join('');
  return (
    `<h3>${h(title)}</h3>\n<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${h(title)}">` +
    `${grid.join('')}${bars.join('')}${labels.join('')}</svg>\n<p class="key">One bar is ${spanText(bucketMs)}.${key}</p>\n`
  );
}

/** Smallest round number that is not less; even, so that half of it is a number as well. */
function roundTop(most: number): number {
  for (let unit = 1; ; unit *= 10) {
    const found = [2, 4, 6, 10].find((digit) => digit * unit >= most);
    if (found !== undefined) return found * unit;
  }
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function labelOf(startMs: number, bucketMs: number): string {
  const text = timeText(new Date(startMs).toISOString());
  return bucketMs >= DAY_MS ? text.slice(0, 10) : bucketMs === 1 ? text.slice(0, 16) : text.slice(5, 16);
}

function spanText(ms: number): string {
  if (ms % DAY_MS === 0) return ms === DAY_MS ? 'a day' : `${ms / DAY_MS} days`;
  if (ms % 3_600_000 === 0) return ms === 3_600_000 ? 'an hour' : `${ms / 3_600_000} hours`;
  return ms === 60_000 ? 'a minute' : `${Math.round(ms / 60_000)} minutes`;
}
