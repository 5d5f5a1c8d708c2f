// Whether somebody is there. The page asks again by itself, when something happens and now and then: with nobody before it, such requests
// say so, and the log-in ends when it has idled long enough.

const AWAY_MS = 60_000;
const SIGNS = ['keydown', 'pointerdown', 'pointermove', 'wheel'] as const;

export class Presence {
  readonly #now: () => number;
  #seenMs: number;

  /** @param now ms, of any beginning */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    // Somebody has opened the page.
    this.#seenMs = now();
  }

  watch(target: EventTarget): void {
    for (const sign of SIGNS) {
      target.addEventListener(
        sign,
        ({ isTrusted }) => {
          if (isTrusted) this.#seenMs = this.#now();
        },
        { capture: true, passive: true },
      );
    }
  }

  /** What a request says of it. */
  headers(): Readonly<Record<string, string>> {
    return this.#now() - this.#seenMs < AWAY_MS ? {} : { 'sallyport-unattended': '1' };
  }
}

export const presence = new Presence();
