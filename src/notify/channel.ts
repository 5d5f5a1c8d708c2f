// What every kind of channel does: one attempt to tell one notice. Outcomes are data; nothing here throws for the other side's sake.

import type { Notice, NoticeKind } from '../core/notice.ts';
import type { Exchange } from './egress.ts';

/** One attempt's worth. */
export interface Message {
  /** Of the notification; the same for every attempt, so that receivers can drop what they have seen. */
  readonly id: string;
  readonly notice: Notice;
  /** When it happened. */
  readonly createdAtMs: number;
  /** Absolute; null when the notice has none or the gateway does not know its own address. */
  readonly link: string | null;
  /** What an earlier notice about the same thing left; null = nothing was sent about it. */
  readonly reference: string | null;
}

export type Delivery =
  | { readonly isSent: true; readonly reference?: string }
  | {
      readonly isSent: false;
      /** A word for log and status; never text of the receiver. */
      readonly fault: string;
      /** No later attempt can succeed. */
      readonly isFinal?: true;
      readonly retryAfterMs?: number;
    };

export interface Channel {
  readonly name: string;
  readonly kind: 'slack' | 'teams' | 'email' | 'webhook';
  /** Null = all. */
  readonly events: readonly NoticeKind[] | null;
  /** Roles it is told for; null = all. What concerns everyone comes in any case. */
  readonly roles: readonly string[] | null;
  /** How long a notification is tried. */
  readonly giveUpAfterMs: number;
  /** True = a reader wants the last word only: what nobody has to answer any more is not sent late. */
  readonly isForPeople: boolean;
  send(message: Message, signal: AbortSignal): Promise<Delivery>;
}

export const failed = (fault: string, more: { readonly isFinal?: true; readonly retryAfterMs?: number } = {}): Delivery => ({
  isSent: false,
  fault,
  ...more,
});

/** Verdict by status alone: 2xx is sent, 410 means never again (Standard Webhooks), everything else is tried again. */
export function deliveryOf(exchange: Exchange): Delivery {
  if (exchange.fault !== null) return failed(exchange.fault);
  const { status, retryAfterMs } = exchange;
  if (status >= 200 && status <= 299) return { isSent: true };
  return failed(`status-${status}`, {
    ...(status === 410 ? { isFinal: true } : {}),
    ...(retryAfterMs === null || (status !== 429 && status !== 503) ? {} : { retryAfterMs }),
  });
}
