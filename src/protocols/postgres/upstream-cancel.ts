// Cancel requests of one session on their way to the target. A server cancels whatever its process runs when the signal
// comes, and closes the connection of the request once it has signalled: until then nothing new may be sent, or it would be
// cancelled in place of what was meant. SPEC: "Canceling Requests in Progress".

export class UpstreamCancel {
  readonly #send: () => Promise<void>;
  #sending: Promise<void> | null = null;
  /** Asked for again while one was on its way: that one may have come too early. One more stands for all. */
  #isWanted = false;

  /** @param send resolves once the target has closed the connection, or the deadline has passed; never rejects. */
  constructor(send: () => Promise<void>) {
    this.#send = send;
  }

  /** Resolves when no request is on its way any more; null = now. */
  get settled(): Promise<void> | null {
    return this.#sending;
  }

  request(): Promise<void> {
    this.#isWanted = true;
    this.#sending ??= this.#sendAll();
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#send();
    }
    this.#sending = null;
  }
}
