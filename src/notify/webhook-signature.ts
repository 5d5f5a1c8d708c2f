// SPEC: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (symmetric, v1)

import { createHmac } from 'node:crypto';
import { Secret } from '../core/secret.ts';

/** The specification asks for 24 to 64 bytes. */
const KEY_BYTES = { least: 24, most: 64 } as const;

/** Keys of a secret: `whsec_` and base64; several, separated by white space, while receivers change from one to the next.
 *  @returns the keys, base64; null when one has another form or length. */
export function webhookKeys(secret: Secret): readonly Secret[] | null {
  const keys: Secret[] = [];
  for (const text of secret.reveal().trim().split(/\s+/)) {
    const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1] ?? '';
    const bytes = Buffer.from(base64, 'base64').length;
    if (bytes < KEY_BYTES.least || bytes > KEY_BYTES.most) return null;
    keys.push(new Secret(base64));
  }
  return keys;
}

/** Value of `webhook-signature`: one signature for each key. @param timestampS seconds since the epoch. */
export function webhookSignature(keys: readonly Secret[], id: string, timestampS: number, body: string): string {
  return keys
    .map((key) => {
      const hmac = createHmac('sha256', Buffer.from(key.reveal(), 'base64'));
      return `v1,${hmac.update(`${id}.${timestampS}.${body}`).digest('base64')}`;
    })
    .join(' ');
}
