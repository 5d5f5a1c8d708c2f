// How many threads serve traffic.

import { availableParallelism } from 'node:os';
import { SallyportError } from '../core/error.ts';
import type { ConfigDocument } from './config-schema.ts';

/** The main thread is among them.
 *  @throws SP_CONFIG_INVALID */
export function threadsOf(configured: ConfigDocument['limits']['workers']): number {
  // Where the kernel spreads the connections of a shared port evenly.
  const canShare = process.platform === 'linux' || process.platform === 'freebsd';
  if (configured === 'auto') return canShare ? availableParallelism() : 1;
  if (configured > 1 && !canShare) {
    throw new SallyportError('SP_CONFIG_INVALID', `limits.workers: threads cannot share a port on ${process.platform}; use 1 or auto`);
  }
  return configured;
}
