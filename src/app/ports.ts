// The real clock, randomness and logger. Tests hand in their own.

import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import type { Clock, Logger, Random } from '../core/ports.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
};

/** JSON lines on standard error, so that standard output stays with the command's own answer. Writes synchronously: the
 *  last line before an exit is never lost. */
export function createLogger(level: 'info' | 'warn' | 'silent'): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
}
