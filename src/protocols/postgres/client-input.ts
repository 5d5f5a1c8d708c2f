// The way in from the client: frames in order, a bounded number of bytes waiting, and the clock on silence.
// While a request waits for approval the socket stays open for reading as long as the bound allows: that is how a
// disconnect is noticed.

import type { Socket } from 'node:net';
import { SallyportError } from '../../core/error.ts';
import type { Clock } from '../../core/ports.ts';
import { type Frame, Framer } from '../../wire/framer.ts';
import { asFault } from './errors.ts';
import type { SessionLimits } from './session-limits.ts';

export interface ClientInputDeps {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  /** There is something to take. */
  readonly onFrames: () => void;
  readonly onFault: (fault: SallyportError) => void;
  /** Nothing is asked for and nothing runs: silence counts as idleness. */
  readonly isIdle: () => boolean;
}

/** Beyond this many waiting bytes the socket is paused. */
const highWaterBytes = 1024 * 1024;

export class ClientInput {
  readonly #deps: ClientInputDeps;
  readonly #framer: Framer;
  #frames: Frame[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #isClosed = false;
  #arrivedMs = 0;
  #silence: NodeJS.Timeout | null = null;
  #silenceMs: number | null = null;

  constructor(deps: ClientInputDeps) {
    this.#deps = deps;
    this.#framer = new Framer(deps.limits.maxMessageBytes);
  }

  /** When the newest bytes arrived, monotonic. */
  get arrivedMs(): number {
    return this.#arrivedMs;
  }

  push(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    this.#arrivedMs = this.#deps.clock.monotonicMs();
    try {
      for (const frame of this.#framer.push(chunk)) {
        this.#frames.push(frame);
        this.#waitingBytes += frame.bytes.length;
      }
    } catch (fault) {
      this.#deps.onFault(asFault(fault));
      return;
    }
    this.watchSilence();
    if (this.#frames.length > 0) this.#deps.onFrames();
    if (this.#waitingBytes > highWaterBytes && !this.#isPaused) {
      this.#isPaused = true;
      this.#deps.socket.pause();
    }
  }

  take(): Frame | undefined {
    const frame = this.#frames.shift();
    if (frame !== undefined) this.#waitingBytes -= frame.bytes.length;
    if (this.#isPaused && this.#waitingBytes < highWaterBytes / 2) {
      this.#isPaused = false;
      this.#deps.socket.resume();
    }
    return frame;
  }

  close(): void {
    this.#isClosed = true;
    this.#frames = [];
    this.#waitingBytes = 0;
    this.watchSilence();
  }

  /** One timer: for a message that does not go on, or for a client that is idle too long. Starts over at every call. */
  watchSilence(): void {
    const { limits } = this.#deps;
    const limitMs = this.#isClosed ? null : this.#framer.pendingBytes > 0 ? limits.messageTimeoutMs : limits.idleMs;
    if (limitMs !== null && limitMs === this.#silenceMs) {
      this.#silence?.refresh();
      return;
    }
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silenceMs = limitMs;
    this.#silence = limitMs === null ? null : setTimeout(() => this.#silent(), limitMs);
  }

  #silent(): void {
    const { isIdle, onFault } = this.#deps;
    if (this.#framer.pendingBytes > 0 || isIdle()) onFault(new SallyportError('SP_WIRE_TIMEOUT', 'client is silent'));
  }
}
