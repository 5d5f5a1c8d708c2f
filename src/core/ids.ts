// Branded identifiers: a session id can never be passed where an approval id is meant.
// All are opaque printable ASCII; they are safe in logs, URLs and audit headers.

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** `ses_` + 26 base32 characters. */
export type SessionId = Branded<'SessionId'>;
/** `apr_` + 26 base32 characters. */
export type ApprovalId = Branded<'ApprovalId'>;
/** Name of a target as configured: `[a-z][a-z0-9-]*`. */
export type TargetName = Branded<'TargetName'>;
/** Lower-case hexadecimal SHA-256. */
export type Sha256Hex = Branded<'Sha256Hex'>;

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** Encodes `bytes` (at least 16 random ones) as an identifier with the given prefix. */
export function encodeId<T extends SessionId | ApprovalId>(prefix: 'ses' | 'apr', bytes: Uint8Array): T {
  let bits = 0;
  let value = 0;
  let text = '';
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  if (bits > 0) text += alphabet[(value << (5 - bits)) & 31];
  return `${prefix}_${text}` as T;
}
