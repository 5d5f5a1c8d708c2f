// NDJSON of OCSF events by HTTP POST: one event a line, oldest first. Any 2xx takes the whole batch.

import type { Secret } from '../core/secret.ts';
import { type Destination, type DestinationParts, outcomeOf, type Post } from './destination.ts';
import { ndjson } from './ndjson.ts';

export interface HttpsSettings extends DestinationParts {
  readonly url: URL;
  /** Sent as a bearer token; null = none. */
  readonly token: Secret | null;
}

export function createHttpsDestination(settings: HttpsSettings, post: Post): Destination {
  const { name, url, token, context } = settings;
  return {
    name,
    kind: 'https',
    async send(batch, signal) {
      const headers = {
        'content-type': 'application/x-ndjson',
        ...(token === null ? {} : { authorization: `Bearer ${token.reveal()}` }),
      };
      return outcomeOf(await post(url, { headers, body: await ndjson(batch, context) }, signal));
    },
    async close() {},
  };
}
