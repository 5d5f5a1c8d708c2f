// Server-sent events (WHATWG HTML, 9.2) on hijacked replies. A stream ends with the caller's identity or log-in, when the
// client goes away, when it reads too slowly, or when the API closes.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../core/error.ts';
import { principalKey } from '../core/identity.ts';
import type { Clock } from '../core/ports.ts';
import type { ConsoleSessionsSurface } from './console-ports.ts';
import { viewerOf } from './viewer.ts';

const KEEP_ALIVE_MS = 15_000;
const MAX_UNSENT_BYTES = 1024 * 1024;
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface EventStream {
  send(event: string, data: unknown, id: string): void;
  onClose(listener: () => void): void;
  isOpen(): boolean;
  close(): void;
}

export class EventStreams {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #maxOfOne: number;
  readonly #sessions: ConsoleSessionsSurface | null;
  readonly #open = new Set<() => void>();
  /** Open ones by `principalKey`. */
  readonly #ofOne = new Map<string, number>();

  /** @param deps.maxOfOne streams of one principal: nobody takes the places of all others
   *  @param deps.sessions null = nobody comes with a cookie */
  constructor(deps: {
    readonly clock: Clock;
    readonly maxStreams: number;
    readonly maxOfOne: number;
    readonly sessions: ConsoleSessionsSurface | null;
  }) {
    this.#clock = deps.clock;
    this.#max = deps.maxStreams;
    this.#maxOfOne = deps.maxOfOne;
    this.#sessions = deps.sessions;
  }

  /** Takes over the reply of an authenticated request. @param start.id where the stream begins
   *  @throws SP_API_RATE_LIMITED when too many streams are open. */
  open(request: FastifyRequest, reply: FastifyReply, start: { readonly id: string }): EventStream {
    const { principal } = viewerOf(request);
    const key = principalKey(principal);
    const ofOne = this.#ofOne.get(key) ?? 0;
    if (this.#open.size >= this.#max || ofOne >= this.#maxOfOne) throw new SallyportError('SP_API_RATE_LIMITED', 'too many event streams');
    const raw = reply.raw;
    const listeners: (() => void)[] = [];
    reply.hijack();
    raw.writeHead(200, {
      ...headersOf(reply),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    raw.write(`retry: 2000\n${frameOf('ready', {}, start.id)}`);

    const close = (): void => {
      if (!this.#open.delete(close)) return;
      const left = (this.#ofOne.get(key) ?? 1) - 1;
      if (left > 0) this.#ofOne.set(key, left);
      else this.#ofOne.delete(key);
      clearInterval(keepAlive);
      clearTimeout(expiry);
      for (const listener of listeners) listener();
      raw.end();
    };
    const login = request.consoleSession;
    const isOver = (): boolean => login !== null && this.#sessions?.isOver(login) !== false;
    const keepAlive = setInterval(() => {
      if (isOver()) close();
      else raw.write(': keep-alive\n\n');
    }, KEEP_ALIVE_MS);
    const expiry = setTimeout(close, Math.max(0, Math.min(principal.expiresAtMs - this.#clock.nowMs(), MAX_TIMER_MS)));
    this.#open.add(close);
    this.#ofOne.set(key, ofOne + 1);
    if (login !== null && this.#sessions !== null) listeners.push(this.#sessions.onEnd(login, close));
    request.raw.once('close', close);
    raw.once('close', close);
    raw.once('error', close);

    return {
      send: (event, data, id) => {
        if (!this.#open.has(close)) return;
        if (raw.writableLength > MAX_UNSENT_BYTES || isOver()) close();
        else raw.write(frameOf(event, data, id));
      },
      onClose: (listener) => {
        if (this.#open.has(close)) listeners.push(listener);
        else listener();
      },
      isOpen: () => this.#open.has(close),
      close,
    };
  }

  closeAll(): void {
    for (const close of this.#open) close();
  }
}

function frameOf(event: string, data: unknown, id: string): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Headers that hooks have put on the reply (security headers): hijacking would lose them. */
function headersOf(reply: FastifyReply): Record<string, string | number | string[]> {
  const headers: Record<string, string | number | string[]> = {};
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) headers[name] = value;
  return headers;
}
