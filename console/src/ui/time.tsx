// Times as people say them; the exact one is in the title.

import { useSyncExternalStore } from 'react';

let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const listener of listeners) listener();
  }, 1000);
  return () => {
    listeners.delete(changed);
    if (listeners.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

/** Milliseconds since the epoch, once a second. One timer for the page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

export function ago(ms: number): string {
  for (const [unit, size] of UNITS) if (Math.abs(ms) >= size) return relative.format(Math.round(ms / size), unit);
  return Math.abs(ms) < 10_000 ? 'just now' : relative.format(Math.round(ms / 1000), 'second');
}

export function Ago({ at }: { readonly at: string }) {
  const ms = Date.parse(at) - useNow();
  return (
    <time dateTime={at} title={exact.format(Date.parse(at))}>
      {ago(ms)}
    </time>
  );
}

export function Exact({ at }: { readonly at: string }) {
  return <time dateTime={at}>{exact.format(Date.parse(at))}</time>;
}

/** `14:59`, `2 h 05 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (count: number): string => String(count).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

export function Left({ until }: { readonly until: string }) {
  const ms = Date.parse(until) - useNow();
  return (
    <time dateTime={until} title={exact.format(Date.parse(until))} className={ms < 120_000 ? 'left left-short' : 'left'}>
      {ms <= 0 ? 'time is up' : `${duration(ms)} left`}
    </time>
  );
}
