// Ranges of whole days, in UTC as the log has its times.

const DAY_MS = 86_400_000;

/** Days as `2026-11-21`; both are in the range. */
export interface Days {
  readonly first: string;
  readonly last: string;
}

export const PRESETS = ['Today', 'Last 7 days', 'This month', 'Last month', 'Last quarter'] as const;
export type Preset = (typeof PRESETS)[number];

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export function daysOf(preset: Preset, nowMs: number): Days {
  const now = new Date(nowMs);
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  const between = (fromMs: number, toMs: number): Days => ({ first: dayOf(fromMs), last: dayOf(toMs - DAY_MS) });
  switch (preset) {
    case 'Today':
      return { first: dayOf(nowMs), last: dayOf(nowMs) };
    case 'Last 7 days':
      return { first: dayOf(nowMs - 6 * DAY_MS), last: dayOf(nowMs) };
    case 'This month':
      return { first: dayOf(Date.UTC(year, month, 1)), last: dayOf(nowMs) };
    case 'Last month':
      return between(Date.UTC(year, month - 1, 1), Date.UTC(year, month, 1));
    case 'Last quarter': {
      const quarter = month - (month % 3);
      return between(Date.UTC(year, quarter - 3, 1), Date.UTC(year, quarter, 1));
    }
  }
}

/** RFC 3339; `to` is exclusive. Null = not a range. */
export function timesOf({ first, last }: Days): { readonly from: string; readonly to: string } | null {
  const isDay = (day: string): boolean => /^\d{4}-\d\d-\d\d$/.test(day) && !Number.isNaN(Date.parse(day));
  if (!isDay(first) || !isDay(last) || first > last) return null;
  return { from: new Date(Date.parse(first)).toISOString(), to: new Date(Date.parse(last) + DAY_MS).toISOString() };
}
