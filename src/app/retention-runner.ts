// Runs retention now and then, beside the traffic. A fault is told and tried again at the next turn.

import type { Retention } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { Logger } from '../core/ports.ts';

const EVERY_MS = 3_600_000;
/** After the start, which has more urgent things to do. */
const FIRST_MS = 10_000;

export interface RetentionRunner {
  /** Resolves when nothing is being destroyed any more. */
  stop(): Promise<void>;
}

/** @param parts one after the other */
export function runRetention(parts: readonly Retention[], logger: Logger, firstMs = FIRST_MS): RetentionRunner {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const schedule = (ms: number): void => {
    timer = setTimeout(() => {
      running = inTurn().then(
        () => undefined,
        (fault: unknown) => {
          if (!stopping.signal.aborted)
            logger.error(
              { code: fault instanceof SallyportError ? fault.code : 'SP_INTERNAL' },
              'retention was cut short; it is tried again',
            );
        },
      );
      void running.finally(() => {
        if (!stopping.signal.aborted) schedule(EVERY_MS);
      });
    }, ms);
    timer.unref();
  };
  const inTurn = async (): Promise<void> => {
    for (const part of parts) await part.run(stopping.signal);
  };
  if (parts.length > 0) schedule(firstMs);
  return {
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
