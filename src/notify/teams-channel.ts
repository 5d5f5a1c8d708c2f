// Microsoft Teams: an Adaptive Card to the URL of a workflow ("when a webhook request is received") or an incoming webhook.
// Names and values are text runs, in which Teams reads no Markdown. A message over 28 KB is refused there, so it is cut here.
// SPEC: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using

import { type Notice, plainText } from '../core/notice.ts';
import type { Secret } from '../core/secret.ts';
import type { Channel, Message } from './channel.ts';
import { deliveryOf, failed } from './channel.ts';
import { type EgressDeps, type EgressRules, post } from './egress.ts';

export interface TeamsSettings extends Pick<Channel, 'name' | 'events' | 'roles' | 'giveUpAfterMs'> {
  /** Whoever has it can post: it holds a signature of its own. */
  readonly url: Secret;
  readonly rules: EgressRules;
}

export const TEAMS_MAX_BYTES = 25_000;
/** Longest value tried, until the message fits. */
const VALUE_LENGTHS = [2_000, 1_000, 500, 200, 80, 20] as const;

export function createTeamsChannel(settings: TeamsSettings, deps: EgressDeps): Channel {
  const { name, events, roles, giveUpAfterMs, rules } = settings;
  return {
    name,
    kind: 'teams',
    events,
    roles,
    giveUpAfterMs,
    isForPeople: true,
    async send({ notice, link }: Message, signal) {
      const body = teamsBody(notice, link);
      const headers = { 'content-type': 'application/json' };
      const exchange = await post(new URL(settings.url.reveal()), { headers, body }, rules, deps, signal);
      // An incoming webhook says 200 although the message was refused, and tells it in words.
      if (exchange.fault === null && exchange.status === 200 && /^Webhook message delivery failed|HTTP error \d{3}/.test(exchange.body)) {
        return failed('teams-refused');
      }
      return deliveryOf(exchange);
    },
  };
}

/** The message as JSON, at most TEAMS_MAX_BYTES. */
export function teamsBody(notice: Notice, link: string | null): string {
  let body = '';
  for (const length of VALUE_LENGTHS) {
    body = JSON.stringify(teamsMessage(notice, link, length));
    if (Buffer.byteLength(body) <= TEAMS_MAX_BYTES) break;
  }
  return body;
}

function teamsMessage(notice: Notice, link: string | null, valueLength: number): object {
  const run = (text: string, more: object = {}): object => ({ type: 'TextRun', text: text === '' ? '-' : text, ...more });
  const lines = notice.facts.map(({ name, value }) => ({
    type: 'RichTextBlock',
    spacing: 'Small',
    inlines: [run(`${name}: `, { weight: 'Bolder' }), run(plainText(value, valueLength))],
  }));
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [{ type: 'RichTextBlock', inlines: [run(notice.title, { weight: 'Bolder', size: 'Medium' })] }, ...lines],
    actions: link === null ? [] : [{ type: 'Action.OpenUrl', title: notice.actions.length > 0 ? 'Answer' : 'Open', url: link }],
  };
  return {
    type: 'message',
    summary: notice.title,
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }],
  };
}
