// One task at a time per key, in order of arrival; tasks of different keys do not wait for each other.

export interface Turns {
  take<T>(key: string, task: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    take(key, task) {
      const before = last.get(key) ?? Promise.resolve();
      // The task before may have failed; that is its caller's concern.
      const turn = before.then(task, task);
      last.set(key, turn);
      const forget = (): void => {
        if (last.get(key) === turn) last.delete(key);
      };
      turn.then(forget, forget);
      return turn;
    },
  };
}
