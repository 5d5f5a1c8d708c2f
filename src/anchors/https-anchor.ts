// A copy of each checkpoint by POST to a receiver of the operator's choice (another host, a SIEM): the signed note as text. The receiver
// answers 2xx when it has kept it, and 409 when it knows a longer or another log.

import type { Anchor, Send } from './anchor.ts';

export interface HttpsAnchorSettings {
  readonly name: string;
  /** Of the `Authorization` header; null = none. */
  readonly authorization: string | null;
}

export function createHttpsAnchor({ name, authorization }: HttpsAnchorSettings, send: Send): Anchor {
  return {
    name,
    kind: 'https',
    everyMs: 0,
    async submit({ note, size }, signal) {
      const headers = { 'content-type': 'text/plain; charset=utf-8', ...(authorization === null ? {} : { authorization }) };
      const answer = await send('', { headers, body: note }, signal);
      if (answer.fault !== null) return { kind: 'failed', fault: answer.fault };
      if (answer.status >= 200 && answer.status < 300) return { kind: 'kept' };
      if (answer.status !== 409) return { kind: 'failed', fault: `status-${answer.status}` };
      const known = Number(/^(\d{1,15})\s*$/.exec(answer.body)?.[1] ?? Number.NaN);
      return known > size ? { kind: 'shorter', size: known } : { kind: 'different' };
    },
  };
}
