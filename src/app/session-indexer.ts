// Keeps the session index up with the log. The index is derived: it starts where it stopped and can be built anew.

import type { EntryOutline } from '../core/event.ts';
import type { AuditReader, Logger, SessionIndex } from '../core/ports.ts';

/** Time between looks while little happens, and under load, where larger groups are cheaper. */
const pollMs = 100;
const busyPollMs = 1000;
const busyEntries = 500;
/** Entries that share a transaction. Each blocks the thread for a moment: some milliseconds at most. */
const minGroup = 4096;

export interface SessionIndexer {
  /** Applies everything that is durable now. */
  catchUp(): Promise<void>;
  /** Builds the index anew from the log; until it is through, the index lacks sessions. @returns how many entries it has. */
  rebuild(onProgress: (progress: { readonly done: number; readonly total: number }) => void): Promise<number>;
  stop(): Promise<void>;
}

export function startSessionIndexer(deps: {
  /** `firstIndex`: entries before it were pruned. */
  readonly reader: AuditReader & { readonly firstIndex: number };
  readonly index: SessionIndex;
  readonly logger: Logger;
}): SessionIndexer {
  const { reader, index } = deps;
  let running: Promise<void> | null = null;
  let failed = false;
  let isStopped = false;
  /** Size of the log at the last look. */
  let indexed = reader.size();
  /** Activity of entries before this one is forgotten. */
  let prunedBefore = 0;

  const apply = async (onProgress?: (done: number, total: number) => void): Promise<void> => {
    // A new index over a pruned log.
    if ((await index.position()) < reader.firstIndex) await index.clear(reader.firstIndex);
    const from = await index.position();
    if (prunedBefore < reader.firstIndex) {
      await index.prune(reader.firstIndex);
      prunedBefore = reader.firstIndex;
    }
    const to = reader.size();
    if (from >= to) return;
    let group: EntryOutline[] = [];
    for await (const outlines of reader.outlines(from, to)) {
      group.push(...outlines);
      if (group.length < minGroup) continue;
      await index.apply(group);
      onProgress?.((group.at(-1)?.seq ?? 0) + 1, to);
      group = [];
    }
    if (group.length > 0) await index.apply(group);
  };
  const catchUp = (): Promise<void> => {
    running ??= apply().finally(() => {
      running = null;
    });
    return running;
  };
  let timer: NodeJS.Timeout;
  const schedule = (ms: number): void => {
    timer = setTimeout(() => {
      const before = reader.size();
      catchUp()
        .then(
          () => {
            failed = false;
          },
          (cause: unknown) => {
            if (!failed) deps.logger.error({ cause: cause instanceof Error ? cause.message : 'unknown' }, 'the session index falls behind');
            failed = true;
          },
        )
        .finally(() => {
          if (!isStopped) schedule(reader.size() - before > busyEntries || before - indexed > busyEntries ? busyPollMs : pollMs);
          indexed = before;
        });
    }, ms);
    timer.unref();
  };
  schedule(pollMs);
  return {
    catchUp,
    async rebuild(onProgress) {
      // A look that runs would go on where the index was.
      for (let look = running; look !== null; look = running) await look.catch(() => undefined);
      const anew = async (): Promise<void> => {
        await index.clear(reader.firstIndex);
        await apply((done, total) => onProgress({ done, total }));
      };
      running = anew().finally(() => {
        running = null;
      });
      await running;
      return index.position();
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await catchUp();
    },
  };
}
