// The token keys of the configuration: read once, and derived for each target, so that a value has different tokens on
// different targets. `tokenKey` alone is the only active key, with the id `1`.

import { SallyportError } from '../core/error.ts';
import { Secret } from '../core/secret.ts';
import { deriveTokenKey, type TokenKeyState, TokenSpace } from '../masking/index.ts';
import type { ConfigDocument } from './config-schema.ts';

export interface TokenKeySetting {
  readonly id: string;
  readonly state: TokenKeyState;
  /** Empty for an expired key that is listed without. */
  readonly secret: Secret;
}

/** Id of the key that the configuration gives as `tokenKey`. */
export const ONLY_KEY_ID = '1';
const MIN_SECRET_LENGTH = 32;

type Reference = NonNullable<ConfigDocument['tokenKey']>;

/** @throws SP_CONFIG_INVALID for a secret that is too short, and what `read` throws. */
export async function readTokenKeys(document: ConfigDocument, read: (reference: Reference) => Promise<Secret>): Promise<TokenKeySetting[]> {
  const { tokenKey, tokenKeys } = document;
  const entries =
    tokenKeys ?? (tokenKey === undefined ? [] : [{ id: ONLY_KEY_ID, state: 'active', secret: tokenKey } as const satisfies object]);
  return Promise.all(
    entries.map(async ({ id, state, secret: reference }, index) => {
      const secret = reference === undefined ? new Secret('') : await read(reference);
      if (reference !== undefined && secret.reveal().length < MIN_SECRET_LENGTH) {
        const key = tokenKeys === undefined ? 'tokenKey' : `tokenKeys[${index}].secret`;
        throw new SallyportError('SP_CONFIG_INVALID', `${key}: shorter than ${MIN_SECRET_LENGTH} characters; \`sallyport init\` makes one`);
      }
      return { id, state, secret };
    }),
  );
}

export function tokenSpaceOf(keys: readonly TokenKeySetting[], target: string): TokenSpace {
  return new TokenSpace(keys.map(({ id, state, secret }) => deriveTokenKey(id, state, secret.reveal(), target)));
}
