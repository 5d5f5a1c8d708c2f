// Parsing of option values. A wrong one is a usage error that names what was expected.

import { InvalidArgumentError } from 'commander';
import { UNIT_MS } from '../core/duration.ts';

export function portNumber(text: string): number {
  return integerIn(text, 0, 65_535, 'a port from 0 to 65535');
}

export function rowLimit(text: string): number {
  return integerIn(text, 1, 500, 'a number from 1 to 500');
}

export function logIndex(text: string): number {
  return integerIn(text, 0, Number.MAX_SAFE_INTEGER, 'a log index (0 or more)');
}

/** How many times faster than it was; 0 = without waiting. */
export function replaySpeed(text: string): number {
  const speed = Number(text);
  if (text.trim() === '' || !Number.isFinite(speed) || speed < 0)
    throw new InvalidArgumentError('Expected 0 (no waiting) or a factor such as 1 or 4.');
  return speed;
}

function integerIn(text: string, least: number, most: number, expected: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) throw new InvalidArgumentError(`Expected ${expected}.`);
  return value;
}

/** `90s`, `15m`, `1h30m`, `2d` -> ms. */
export function duration(text: string): number {
  const parts = [...text.matchAll(/(\d{1,6})([smhd])/g)];
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ''] ?? Number.NaN), 0);
  if (parts.map(([part]) => part).join('') !== text || !(ms > 0)) {
    throw new InvalidArgumentError('Expected a time such as 90s, 15m, 1h30m or 2d.');
  }
  return ms;
}

/** `7d` before `nowMs`, or a time such as `2026-11-01T00:00:00Z`. @returns RFC 3339, UTC */
export function moment(text: string, nowMs = Date.now()): string {
  if (/^\d{4}-\d{2}-\d{2}(T.*)?$/.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return new Date(ms).toISOString();
  } else if (/^[\dsmhd]+$/.test(text)) return new Date(nowMs - duration(text)).toISOString();
  throw new InvalidArgumentError('Expected how long ago (90m, 7d) or a time such as 2026-11-01 or 2026-11-01T08:00:00Z.');
}

export function rowCount(text: string): number {
  return integerIn(text, 1, 1_000_000_000, 'a number of rows from 1');
}

/** `a,b` -> both. */
export function textList(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.includes('')) throw new InvalidArgumentError('Expected names with commas between them.');
  return parts;
}

/** `issuer/subject`; percent-encode a slash that belongs to the issuer. */
export function namedPrincipal(text: string): { issuer: string; subject: string } {
  const match = /^([^/]+)\/(.+)$/.exec(text);
  const [issuer, subject] = [decoded(match?.[1]), decoded(match?.[2])];
  if (issuer === null || subject === null) throw new InvalidArgumentError('Expected issuer/subject.');
  return { issuer, subject };
}

/** `issuer/subject[:group,group]`. Percent-encode a slash or colon that belongs to a name. */
export function supposedPrincipal(text: string): { issuer: string; subject: string; groups: string[] } {
  const match = /^([^/]+)\/([^:]+)(?::(.*))?$/.exec(text);
  const [issuer, subject] = [decoded(match?.[1]), decoded(match?.[2])];
  if (issuer === null || subject === null) {
    throw new InvalidArgumentError('Expected issuer/subject or issuer/subject:group,group; write %3A for a colon in a subject.');
  }
  const groups = (match?.[3] ?? '').split(',').filter((group) => group !== '');
  return { issuer, subject, groups };
}

function decoded(text: string | undefined): string | null {
  if (text === undefined) return null;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
