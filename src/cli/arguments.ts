// Parsing of option values. A wrong one is a usage error that names what was expected.

import { InvalidArgumentError } from 'commander';

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
