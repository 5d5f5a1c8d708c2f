// What every kind of destination does: one attempt to hand over one batch. Outcomes are data; nothing here throws for the other
// side's sake, and a fault is a word of ours, never text of the receiver.

import type { EventContext, Leaf } from '../ocsf/index.ts';

export type Outcome =
  /** The receiver has taken the whole batch, as firmly as its protocol can say. */
  | { readonly isTaken: true }
  | {
      readonly isTaken: false;
      readonly fault: string;
      readonly retryAfterMs?: number;
      /** A smaller batch may be taken. */
      readonly isTooLarge?: true;
    };

export const TAKEN: Outcome = { isTaken: true };

export function notTaken(fault: string, more: { readonly retryAfterMs?: number; readonly isTooLarge?: true } = {}): Outcome {
  return { isTaken: false, fault, ...more };
}

export type DestinationKind = 'file' | 'stdout' | 'https' | 'splunk-hec' | 'syslog' | 'otlp';

export interface Destination {
  readonly name: string;
  readonly kind: DestinationKind;
  /** Calls never overlap. What was taken in part is sent again as a whole. */
  send(batch: readonly Leaf[], signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

/** Sends one request and reads the answer; whatever happens is data. The SSRF rules are behind it. */
export type Post = (
  url: URL,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  signal: AbortSignal,
) => Promise<PostAnswer>;

export type PostAnswer =
  | { readonly fault: string }
  | { readonly fault: null; readonly status: number; readonly retryAfterMs: number | null; readonly body: string };

/** Of HTTP: 2xx is taken, unless `refusal` finds otherwise in the body. */
export function outcomeOf(answer: PostAnswer, refusal: (body: string) => string | null = () => null): Outcome {
  if (answer.fault !== null) return notTaken(answer.fault);
  const { status, retryAfterMs } = answer;
  if (status >= 200 && status <= 299) {
    const fault = refusal(answer.body);
    return fault === null ? TAKEN : notTaken(fault);
  }
  if (status === 413) return notTaken('status-413', { isTooLarge: true });
  return notTaken(`status-${status}`, retryAfterMs === null || (status !== 429 && status !== 503) ? {} : { retryAfterMs });
}

export interface DestinationParts {
  readonly name: string;
  readonly context: EventContext;
}
