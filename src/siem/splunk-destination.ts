// Splunk's HTTP Event Collector: JSON events, one behind the other, to /services/collector/event. With `ack`, a batch is taken when the
// indexer says so (/services/collector/ack), which needs a channel; without, when the collector has answered.
// SPEC: https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector, .../AboutHECIDXAck

import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Secret } from '../core/secret.ts';
import { type EventContext, type Leaf, ocsfEvent } from '../ocsf/index.ts';
import { type Destination, type DestinationParts, notTaken, type Outcome, outcomeOf, type Post, TAKEN } from './destination.ts';
import { inSteps } from './in-steps.ts';

export interface SplunkSettings extends DestinationParts {
  /** Of the collector, without a path: `https://splunk.example.com:8088`. */
  readonly url: URL;
  readonly token: Secret;
  /** Null = the token's own. */
  readonly index: string | null;
  readonly sourcetype: string;
  readonly ack: boolean;
  /** A GUID, the same for the life of the process. */
  readonly channel: string;
  /** How long an acknowledgement may take. */
  readonly ackMs: number;
}

const FIRST_ASK_MS = 200;
const LONGEST_ASK_MS = 5_000;
const answerSchema = z.object({ code: z.int(), ackId: z.int().optional() });
const ackSchema = z.object({ acks: z.record(z.string(), z.boolean()) });

export function createSplunkDestination(settings: SplunkSettings, post: Post): Destination {
  const { name, token, ack, channel, context } = settings;
  const headers = {
    authorization: `Splunk ${token.reveal()}`,
    'content-type': 'application/json',
    ...(ack ? { 'x-splunk-request-channel': channel } : {}),
  };
  const events = new URL('/services/collector/event', settings.url);
  const acks = new URL(`/services/collector/ack?channel=${channel}`, settings.url);

  /** Until the indexer has it. Asking again for a batch that is lost would never end: the deadline sends it again. */
  async function acknowledged(id: number, signal: AbortSignal): Promise<Outcome> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(settings.ackMs)]);
    for (let wait = FIRST_ASK_MS; ; wait = Math.min(LONGEST_ASK_MS, 2 * wait)) {
      const answer = await post(acks, { headers, body: JSON.stringify({ acks: [id] }) }, deadline);
      const outcome = outcomeOf(answer);
      if (!outcome.isTaken) return deadline.aborted && !signal.aborted ? notTaken('not-acknowledged') : outcome;
      if (answer.fault === null && parsed(ackSchema, answer.body)?.acks[String(id)] === true) return TAKEN;
      try {
        await sleep(wait, undefined, { signal: deadline });
      } catch {
        return notTaken(signal.aborted ? 'interrupted' : 'not-acknowledged');
      }
    }
  }

  return {
    name,
    kind: 'splunk-hec',
    async send(batch, signal) {
      const answer = await post(events, { headers, body: await hecBody(batch, context, settings) }, signal);
      const outcome = outcomeOf(answer, (body) => {
        const said = parsed(answerSchema, body);
        return said === null ? 'not-understood' : said.code === 0 ? null : `hec-${said.code}`;
      });
      if (!outcome.isTaken || !ack || answer.fault !== null) return outcome;
      const id = parsed(answerSchema, answer.body)?.ackId;
      return id === undefined ? notTaken('no-ack-id') : acknowledged(id, signal);
    },
    async close() {},
  };
}

/** @internal */
export async function hecBody(
  batch: readonly Leaf[],
  context: EventContext,
  { index, sourcetype }: Pick<SplunkSettings, 'index' | 'sourcetype'>,
): Promise<string> {
  const events = await inSteps(batch, (leaf) => {
    const { header } = leaf;
    return JSON.stringify({
      time: Date.parse(header.ts) / 1000,
      host: header.replica,
      source: context.origin,
      sourcetype,
      ...(index === null ? {} : { index }),
      event: ocsfEvent(leaf, context),
    });
  });
  return events.join('\n');
}

function parsed<T>(schema: z.ZodType<T>, body: string): T | null {
  try {
    return schema.parse(JSON.parse(body));
  } catch {
    return null;
  }
}
