// A held statement while it waits: the account's session is kept alive, and it is given up when its client cancels, does not ask any
// more, or nobody has answered for too long. What is given up for the latter two stays open for the client's next attempt.

import { SallyportError } from '../../core/error.ts';
import type { SessionId } from '../../core/ids.ts';
import type { Held } from '../../session/gate.ts';
import { type NativeError, nativeFault, NATIVE } from './errors.ts';
import type { JobSession } from './job.ts';

const sweepMs = 1_000;

export interface HoldWatch {
  /** Aborted when it is to be given up; `reason` is a SallyportError. */
  readonly signal: AbortSignal;
  /** The client has just asked for the answer, or has just been told to ask again. */
  asked(): void;
  end(): void;
}

export function watchHold(
  { clock, limits, upstream, over }: Pick<JobSession, 'clock' | 'limits' | 'upstream' | 'over'>,
  job: { readonly isLeisurely: boolean; readonly cancelled: AbortSignal },
): HoldWatch {
  const lost = new AbortController();
  const startMs = clock.monotonicMs();
  let askedMs = startMs;
  let aliveMs = startMs;
  const timer = setInterval(
    () => {
      const nowMs = clock.monotonicMs();
      // A desk keeps what is given up with this code open until it expires.
      if (nowMs - startMs >= limits.maxHoldMs) lost.abort(new SallyportError('SP_CLIENT_LOST', 'held for too long'));
      else if (!job.isLeisurely && nowMs - askedMs >= limits.pollMs + limits.lostClientMs)
        lost.abort(new SallyportError('SP_CLIENT_LOST', 'the client does not ask'));
      else if (nowMs - aliveMs >= limits.heartbeatMs) {
        aliveMs = nowMs;
        upstream.heartbeat(over).catch(() => undefined);
      }
    },
    Math.min(sweepMs, limits.maxHoldMs, limits.lostClientMs, limits.heartbeatMs),
  );
  timer.unref();
  return {
    signal: AbortSignal.any([job.cancelled, lost.signal, over]),
    asked() {
      askedMs = clock.monotonicMs();
    },
    end: () => clearInterval(timer),
  };
}

/** What a client is told whose statement was given up while it was held. */
export function giveUpHold({ reason }: AbortSignal, { approval }: Held, session: SessionId): NativeError {
  const fault = reason instanceof SallyportError ? reason : new SallyportError('SP_REQUEST_CANCELLED', 'given up');
  if (fault.code !== 'SP_CLIENT_LOST') return nativeFault(fault, session);
  return {
    ...NATIVE.cancelled,
    message:
      `sallyport: nobody has answered approval ${approval} while this statement waited. ` +
      `The approval stays open until it expires: send the statement again once it is approved. Session ${session}.`,
  };
}
