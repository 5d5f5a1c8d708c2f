// What has changed in this gateway, for those who look on. The log is where all threads come together: sessions are told from there.

import type { ApiChange, ChangesSurface, LocksSurface } from '../api/index.ts';
import type { SessionId } from '../core/ids.ts';
import type { SessionIndex } from '../core/ports.ts';

export interface Changes extends ChangesSurface {
  publish(change: ApiChange): void;
}

export function createChanges(): Changes {
  const listeners = new Set<(change: ApiChange) => void>();
  return {
    publish: (change) => listeners.forEach((listener) => listener(change)),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The index, telling what new entries have changed. @param from entries before it are no news, also when the index is built anew. */
export function tellingIndex(index: SessionIndex, from: number, changes: Pick<Changes, 'publish'>): SessionIndex {
  let next = from;
  return {
    apply: async (entries) => {
      await index.apply(entries);
      const news = entries.filter(({ seq }) => seq >= next);
      const last = news.at(-1);
      if (last === undefined) return;
      next = last.seq + 1;
      for (const id of new Set(news.flatMap(({ session }) => session ?? []))) changes.publish({ kind: 'session', id: id as SessionId });
      changes.publish({ kind: 'log', size: next });
    },
    clear: (position) => index.clear(position),
    position: () => index.position(),
    get: (id) => index.get(id),
    list: (filter) => index.list(filter),
    live: (owner) => index.live(owner),
    entriesOf: (id) => index.entriesOf(id),
    entriesOfType: (type, range) => index.entriesOfType(type, range),
    newestOfType: (type) => index.newestOfType(type),
    activity: (filter) => index.activity(filter),
    prune: (before) => index.prune(before),
  };
}

/** The locks, telling when one is set or lifted. @param onLockedOut of a principal, by `principalKey`; before the lock answers */
export function tellingLocks(
  locks: LocksSurface,
  changes: Pick<Changes, 'publish'>,
  onLockedOut: (principal: string) => Promise<void>,
): LocksSurface {
  return {
    async lock(by, kind, name, reason) {
      const lock = await locks.lock(by, kind, name, reason);
      changes.publish({ kind: 'lock', lock: { kind, name }, state: 'set' });
      if (kind === 'principal') await onLockedOut(name);
      return lock;
    },
    async unlock(by, kind, name, reason) {
      await locks.unlock(by, kind, name, reason);
      changes.publish({ kind: 'lock', lock: { kind, name }, state: 'lifted' });
    },
    list: () => locks.list(),
    isLockedOut: (principal) => locks.isLockedOut(principal),
  };
}
