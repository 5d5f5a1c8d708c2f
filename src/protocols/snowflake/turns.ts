// Order among the statements of one session. Drivers may send several at a time; what changes what names mean (USE, SET, temporary
// tables, transactions) runs alone, so that a statement is never planned for one state of the session and run in another.

export interface Turn {
  /** Idempotent. */
  end(): void;
}

interface Waiting {
  readonly isAlone: boolean;
  readonly begin: () => void;
}

export class Turns {
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #isAlone = false;

  /** In the order of the calls. @throws whatever `signal` is aborted with, while it waits. */
  async take(kind: 'shared' | 'alone', signal: AbortSignal): Promise<Turn> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { isAlone: kind === 'alone', begin: resolve };
    this.#waiting.push(waiting);
    const giveUp = (): void => {
      const at = this.#waiting.indexOf(waiting);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(signal.reason as Error);
      this.#next();
    };
    signal.addEventListener('abort', giveUp, { once: true });
    this.#next();
    await promise.finally(() => signal.removeEventListener('abort', giveUp));
    let isOver = false;
    return {
      end: () => {
        if (isOver) return;
        isOver = true;
        this.#running -= 1;
        this.#isAlone = false;
        this.#next();
      },
    };
  }

  #next(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || this.#isAlone || (first.isAlone && this.#running > 0)) return;
      this.#waiting.shift();
      this.#running += 1;
      this.#isAlone = first.isAlone;
      first.begin();
    }
  }
}
