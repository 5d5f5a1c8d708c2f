// What a sealed blob is made of. Format: docs/formats/sealing.md. Without `node:` imports: browsers open blobs, too.

import type { PayloadKind } from '../core/event.ts';

export const DATA_KEY_BYTES = 32;
export const MAGIC = 'SPB2';
export const BLOCK_BYTES = 16;
export const COMMITMENT_BYTES = 32;
export const CONTAINER_BYTES = 11;
export const CONTAINER_VERSION = 1;
export const TRUNCATED = 1;
export const KIND_CODES = { statement: 1, parameters: 2, messages: 3, result: 4, justification: 5 } as const satisfies Record<
  PayloadKind,
  number
>;

/** What HKDF is told the commitment's key is for. */
export const commitInfo = (keyId: string): string => `sallyport/v2/commit/${keyId}`;
