// Lengths of time as people write and read them: `90s`, `15m`, `1h30m`, `2d`.

/** Milliseconds of each unit, the longest first. */
export const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };

/** 5_400_000 -> `1h30m`; parts of a second stay, as `1.5s`. */
export function durationText(ms: number): string {
  let left = ms;
  const parts = Object.entries(UNIT_MS).flatMap(([unit, size]) => {
    const count = unit === 's' ? left / size : Math.floor(left / size);
    left -= count * size;
    return count === 0 ? [] : [`${count}${unit}`];
  });
  return parts.join('') || '0s';
}
