// Slack by its Web API: one message for each thing, updated when something happens to it, with a line in its thread.
// Slack answers 200 with `ok: false` for most faults; which of them can never end well is one table.
// SPEC: https://docs.slack.dev/reference/methods/chat.postMessage

import { z } from 'zod';
import type { Notice } from '../core/notice.ts';
import type { Secret } from '../core/secret.ts';
import type { Channel, Delivery, Message } from './channel.ts';
import { deliveryOf } from './channel.ts';
import { type EgressDeps, type EgressRules, post } from './egress.ts';
import { blocksOf, escaped } from './slack-blocks.ts';

export interface SlackSettings extends Pick<Channel, 'name' | 'events' | 'roles' | 'giveUpAfterMs'> {
  /** Of the Web API, with a slash at the end. */
  readonly url: URL;
  readonly rules: EgressRules;
  readonly token: Secret;
  /** Id of the conversation (`C...`). */
  readonly channel: string;
  /** Buttons are shown: `slack-interactions.ts` takes the clicks. */
  readonly hasButtons: boolean;
}

/** Where Slack keeps our message of a thing. */
export interface SlackReference {
  readonly channel: string;
  readonly ts: string;
}

const referenceSchema = z.object({ channel: z.string().min(1), ts: z.string().min(1) });
const answerSchema = z.object({
  ok: z.boolean(),
  error: z.string().optional(),
  channel: z.string().optional(),
  ts: z.string().optional(),
});
type Answer = z.infer<typeof answerSchema>;

/** Our message would be refused in the same way for ever. All others may be mended by an operator, or pass. */
const FINAL_FAULTS = new Set([
  'invalid_blocks',
  'invalid_blocks_format',
  'msg_too_long',
  'no_text',
  'invalid_arguments',
  'too_many_attachments',
]);
/** The message cannot be changed any more; what happened is told in its thread. */
const UNCHANGEABLE = new Set(['cant_update_message', 'edit_window_closed', 'message_not_found', 'is_inactive']);

export function parseSlackReference(text: string): SlackReference | null {
  try {
    return referenceSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export function createSlackChannel(settings: SlackSettings, deps: EgressDeps): Channel {
  const { name, events, roles, giveUpAfterMs } = settings;

  return {
    name,
    kind: 'slack',
    events,
    roles,
    giveUpAfterMs,
    isForPeople: true,
    async send({ notice, link, reference: text }: Message, signal): Promise<Delivery> {
      const blocks = blocksOf(notice, link, settings.hasButtons);
      const whole = { text: escaped(notice.title), blocks };
      const reference = text === null ? null : parseSlackReference(text);
      if (reference === null) {
        const posted = await callSlack(settings, deps, 'chat.postMessage', { channel: settings.channel, ...whole, ...QUIET }, signal);
        if (!posted.isSent) return posted;
        const { channel, ts } = posted.answer;
        // Without them the message could not be updated; it was posted all the same.
        return channel === undefined || ts === undefined
          ? { isSent: true }
          : { isSent: true, reference: JSON.stringify({ channel, ts } satisfies SlackReference) };
      }
      const { channel, ts } = reference;
      const updated = await callSlack(settings, deps, 'chat.update', { channel, ts, ...whole }, signal);
      if (!updated.isSent && !UNCHANGEABLE.has(updated.fault.replace(/^slack-/, ''))) return updated;
      const reply = { channel, thread_ts: ts, text: escaped(replyOf(notice)), ...QUIET };
      const replied = await callSlack(settings, deps, 'chat.postMessage', reply, signal);
      return replied.isSent ? { isSent: true } : replied;
    },
  };
}

const QUIET = { unfurl_links: false, unfurl_media: false, link_names: false, parse: 'none' };

function replyOf(notice: Notice): string {
  const answers = notice.facts.find((fact) => fact.name === 'Answers');
  return answers === undefined ? notice.title : `${notice.title}: ${answers.value}`;
}

type Called = { readonly isSent: true; readonly answer: Answer } | Exclude<Delivery, { readonly isSent: true }>;

/** One call of the Web API. */
export async function callSlack(
  settings: Pick<SlackSettings, 'url' | 'rules' | 'token'>,
  deps: EgressDeps,
  method: string,
  body: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<Called> {
  const headers = { 'content-type': 'application/json; charset=utf-8', authorization: `Bearer ${settings.token.reveal()}` };
  const exchange = await post(new URL(method, settings.url), { headers, body: JSON.stringify(body) }, settings.rules, deps, signal);
  const delivery = deliveryOf(exchange);
  if (!delivery.isSent) return delivery;
  const answer = exchange.fault === null ? parseAnswer(exchange.body) : null;
  if (answer === null) return { isSent: false, fault: 'slack-not-understood' };
  if (answer.ok) return { isSent: true, answer };
  const error = answer.error ?? '';
  // Slack's own words are short; anything else is not repeated in our log.
  const word = /^[a-z_]{1,60}$/.test(error) ? error : 'error';
  return { isSent: false, fault: `slack-${word}`, ...(FINAL_FAULTS.has(error) ? { isFinal: true as const } : {}) };
}

function parseAnswer(body: string): Answer | null {
  try {
    return answerSchema.parse(JSON.parse(body));
  } catch {
    return null;
  }
}
