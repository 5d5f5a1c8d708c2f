// Standard Webhooks: a signed JSON document to a URL of yours. The format is normative: docs/formats/webhook.md.

import type { Clock } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import type { Channel, Message } from './channel.ts';
import { deliveryOf } from './channel.ts';
import { type EgressDeps, type EgressRules, post } from './egress.ts';
import { webhookSignature } from './webhook-signature.ts';

export interface WebhookSettings extends Pick<Channel, 'name' | 'events' | 'roles' | 'giveUpAfterMs'> {
  readonly url: URL;
  readonly rules: EgressRules;
  /** From `webhookKeys`. */
  readonly keys: readonly Secret[];
}

export const WEBHOOK_VERSION = 1;

export interface WebhookDeps extends EgressDeps {
  readonly clock: Clock;
  /** Version of the product. */
  readonly version: string;
}

export function createWebhookChannel(settings: WebhookSettings, deps: WebhookDeps): Channel {
  const { name, events, roles, giveUpAfterMs, url, rules, keys } = settings;
  return {
    name,
    kind: 'webhook',
    events,
    roles,
    giveUpAfterMs,
    // A program keeps its own account: it gets every event.
    isForPeople: false,
    async send({ id, notice, link, createdAtMs }: Message, signal) {
      const { kind, id: about, title, facts, actions, who } = notice;
      const body = JSON.stringify({
        version: WEBHOOK_VERSION,
        type: kind,
        timestamp: new Date(createdAtMs).toISOString(),
        data: { id: about, title, facts, link, actions, who },
      });
      const timestampS = Math.floor(deps.clock.nowMs() / 1000);
      const headers = {
        'content-type': 'application/json',
        'user-agent': `Sallyport/${deps.version}`,
        'webhook-id': id,
        'webhook-timestamp': String(timestampS),
        'webhook-signature': webhookSignature(keys, id, timestampS, body),
      };
      return deliveryOf(await post(url, { headers, body }, rules, deps, signal));
    },
  };
}
