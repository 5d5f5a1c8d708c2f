// Says in the log when a target can be reached and when it cannot any more: what the gate could not serve is evidence, too.

import type { AuditLog, Logger, TargetStatus } from '../core/ports.ts';

const POLL_MS = 1000;

export interface ConnectorWatch {
  stop(): Promise<void>;
}

/** Appends `connector.up` and `connector.down`, one for each change. A target that was never up and never failed has none. */
export function watchConnectors(deps: {
  readonly status: () => readonly Pick<TargetStatus, 'name' | 'protocol' | 'catalogue'>[];
  readonly audit: Pick<AuditLog, 'append' | 'writable'>;
  readonly logger: Logger;
  /** Default 1000. */
  readonly pollMs?: number;
}): ConnectorWatch {
  const { status, audit, logger } = deps;
  const known = new Map<string, 'up' | 'down'>();
  let running: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    for (const { name, protocol, catalogue } of status()) {
      const now = catalogue === 'ready' ? 'up' : catalogue === 'unavailable' ? 'down' : null;
      if (now === null || known.get(name) === now || !audit.writable) continue;
      await audit.append({ type: `connector.${now}`, resource: { target: name }, detail: { protocol } });
      known.set(name, now);
    }
  };
  const timer = setInterval(() => {
    running ??= look()
      .catch((cause: unknown) => {
        logger.error({ fault: cause instanceof Error ? cause.name : 'unknown' }, 'a change of a target was not recorded');
      })
      .finally(() => (running = null));
  }, deps.pollMs ?? POLL_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
