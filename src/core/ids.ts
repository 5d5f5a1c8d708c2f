// Branded identifiers: a session id can never be passed where an approval id is meant.
// All are opaque printable ASCII; they are safe in logs, URLs and audit headers.

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** `ses_` + 26 base32 characters. */
export type SessionId = Branded<'SessionId'>;
/** `apr_` + 26 base32 characters. */
export type ApprovalId = Branded<'ApprovalId'>;
/** `grt_` + 26 base32 characters. */
export type GrantId = Branded<'GrantId'>;
/** `dlg_` + 26 base32 characters. */
export type DelegationId = Branded<'DelegationId'>;
/** `uns_` + 26 base32 characters. */
export type UnsealId = Branded<'UnsealId'>;
/** Name of a target as configured: `[a-z][a-z0-9-]*`. */
export type TargetName = Branded<'TargetName'>;
/** Lower-case hexadecimal SHA-256. */
export type Sha256Hex = Branded<'Sha256Hex'>;

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** A fresh session id from at least 16 random bytes. */
export function sessionId(random: Uint8Array): SessionId {
  return `ses_${base32(random)}` as SessionId;
}

/** A fresh approval id from at least 16 random bytes. */
export function approvalId(random: Uint8Array): ApprovalId {
  return `apr_${base32(random)}` as ApprovalId;
}

/** A fresh id of a request to open, from at least 16 random bytes. */
export function unsealId(random: Uint8Array): UnsealId {
  return `uns_${base32(random)}` as UnsealId;
}

/** A fresh grant id from at least 16 random bytes. */
export function grantId(random: Uint8Array): GrantId {
  return `grt_${base32(random)}` as GrantId;
}

/** A fresh delegation id from at least 16 random bytes. */
export function delegationId(random: Uint8Array): DelegationId {
  return `dlg_${base32(random)}` as DelegationId;
}

/** `ntf_` + 26 base32 characters, from at least 16 random bytes. */
export function notificationId(random: Uint8Array): string {
  return `ntf_${base32(random)}`;
}

function base32(bytes: Uint8Array): string {
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
  return text;
}
