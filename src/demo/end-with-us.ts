// What must not outlive this process: undone when it exits, and when a signal is about to end it. Not after SIGKILL.

const undoing = new Set<() => void>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `undo` when this process ends without having called the function that is returned. It must be synchronous: there
 *  is no event loop any more. Who listens to a signal decides about it as before; without a listener the process still
 *  ends by it. */
export function endWithUs(undo: () => void): () => void {
  if (undoing.size === 0) {
    process.on('exit', undoAll);
    // First, so that a listener of somebody else that is there for one time only still counts.
    for (const signal of signals) process.prependListener(signal, onSignal);
  }
  undoing.add(undo);
  return () => {
    undoing.delete(undo);
    if (undoing.size > 0) return;
    process.off('exit', undoAll);
    for (const signal of signals) process.off(signal, onSignal);
  };
}

function undoAll(): void {
  for (const undo of undoing) {
    try {
      undo();
    } catch (fault) {
      // The others have their turn; nobody is left to tell it to but the terminal.
      console.error(fault);
    }
  }
  undoing.clear();
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  undoAll();
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}
