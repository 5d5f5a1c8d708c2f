// Failed log-ins count on every thread: the kernel chooses the thread, and whoever guesses must not get a budget on each.

import type { Clock, FailureLimiter } from '../core/ports.ts';
import { createFailureLimiter } from '../identity/index.ts';

const maxFailures = 20;

export interface ThreadFailures {
  readonly limiter: FailureLimiter;
  /** Counts a failure that another thread has seen. */
  recordElsewhere(address: string): void;
}

/** @param tell tells the other threads of a failure on this one. */
export function failuresOfThread(clock: Clock, tell: (address: string) => void): ThreadFailures {
  const own = createFailureLimiter({ clock, maxFailures });
  return {
    limiter: {
      waitMs: (address) => own.waitMs(address),
      recordFailure(address) {
        own.recordFailure(address);
        tell(address);
      },
      recordSuccess: (address) => own.recordSuccess(address),
    },
    recordElsewhere: (address) => own.recordFailure(address),
  };
}
