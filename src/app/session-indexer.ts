// Keeps the session index up with the log. The index is derived: it starts where it stopped and can be built anew.

import type { AuditReader, Logger, SessionIndex } from '../core/ports.ts';

const pollMs = 250;
const maxGroup = 4096;

export interface SessionIndexer {
  /** Applies everything that is durable now. */
  catchUp(): Promise<void>;
  stop(): Promise<void>;
}

export function startSessionIndexer(deps: {
  readonly reader: AuditReader;
  readonly index: SessionIndex;
  readonly logger: Logger;
}): SessionIndexer {
  const { reader, index } = deps;
  let running: Promise<void> | null = null;
  let failed = false;

  const apply = async (): Promise<void> => {
    const from = await index.position();
    const to = reader.size();
    if (from >= to) return;
    // Calls that overlap share one transaction: a transaction an entry would cost more than the queries themselves.
    let group: Promise<void>[] = [];
    for await (const entry of reader.entries(from, to)) {
      group.push(index.apply(entry));
      if (group.length < maxGroup) continue;
      await Promise.all(group);
      group = [];
    }
    await Promise.all(group);
  };
  const catchUp = (): Promise<void> => {
    running ??= apply().finally(() => {
      running = null;
    });
    return running;
  };
  const timer = setInterval(() => {
    catchUp().then(
      () => {
        failed = false;
      },
      (cause: unknown) => {
        if (!failed) deps.logger.error({ cause: cause instanceof Error ? cause.message : 'unknown' }, 'the session index falls behind');
        failed = true;
      },
    );
  }, pollMs);
  timer.unref();
  return {
    catchUp,
    async stop() {
      clearInterval(timer);
      await catchUp();
    },
  };
}
