// Medians, ratios and Markdown tables.

/** Median of what is a number; null when nothing is. */
export function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value): value is number => value !== null && Number.isFinite(value)).sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** Of sorted values. */
export function quantile(sorted: ArrayLike<number>, part: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;
}

export function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

export function format(value: number | null | undefined, digits = 2): string {
  return value === null || value === undefined ? '-' : value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(digits);
}

/** `32,471 (1.00)`: the value and its ratio to a reference. */
export function withRatio(value: number | null, ratio: number | null, digits = 0): string {
  return ratio === null ? format(value, digits) : `${format(value, digits)} (${ratio.toFixed(2)})`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, index) => Math.max(title.length, ...rows.map((row) => (row[index] ?? '').length)));
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}
