// Key material an operator creates once: the signing key of the log and the age identity that opens sealed payloads.
// Accepted texts of a signing key: the note form `PRIVATE+KEY+...`, PKCS#8 as PEM, PKCS#8 DER as base64.

import { createPrivateKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { SallyportError } from '../core/error.ts';
import { Secret } from '../core/secret.ts';
import type { NoteSigner } from './tlog/index.ts';
import { decodeSigningKey, encodeSigningKey, isNoteName, noteSigner } from './tlog/index.ts';

export interface LogKey {
  /** `PRIVATE+KEY+...`; give it to `openAuditLog` as `signingKey`. */
  readonly signingKey: Secret;
  /** Public: give it to whoever verifies. */
  readonly vkey: string;
}

/** @param origin name of the log for ever: `audit.<customer-domain>/<deployment>`.
 *  @throws SP_CONFIG_INVALID when it is no key name. */
export function createLogKey(origin: string): LogKey {
  if (!isNoteName(origin)) throw new SallyportError('SP_CONFIG_INVALID', 'the origin of the log has white space or a plus sign');
  const seed = randomBytes(32);
  return { signingKey: new Secret(encodeSigningKey(origin, seed)), vkey: noteSigner(origin, seed).vkey };
}

/** @throws SP_CONFIG_INVALID when the text is no Ed25519 private key, or one made for another origin. */
export function parseSigningKey(key: Secret, origin: string): NoteSigner {
  const text = key.reveal().trim();
  if (text.startsWith('PRIVATE+KEY+')) {
    const decoded = decodeSigningKey(text);
    if (decoded === null) throw new SallyportError('SP_CONFIG_INVALID', 'the signing key of the log is malformed');
    if (decoded.name !== origin)
      throw new SallyportError('SP_CONFIG_INVALID', `the signing key of the log is for origin ${decoded.name}, not ${origin}`);
    return noteSigner(origin, decoded.seed);
  }
  let privateKey: KeyObject;
  try {
    privateKey = text.startsWith('-----BEGIN')
      ? createPrivateKey(text)
      : createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
  } catch {
    // WHY: no `cause`; OpenSSL's text may quote what it read.
    throw new SallyportError('SP_CONFIG_INVALID', 'the signing key of the log is neither a note key nor PKCS#8');
  }
  const seed = privateKey.asymmetricKeyType === 'ed25519' ? privateKey.export({ format: 'jwk' }).d : undefined;
  if (seed === undefined) throw new SallyportError('SP_CONFIG_INVALID', 'the signing key of the log is not an Ed25519 key');
  return noteSigner(origin, Buffer.from(seed, 'base64url'));
}

export interface SealingIdentity {
  /** `AGE-SECRET-KEY-1...`; keep it away from the gateway. */
  readonly identity: Secret;
  /** `age1...`; one of `recipients` of the gateway. */
  readonly recipient: string;
}

export async function createSealingIdentity(): Promise<SealingIdentity> {
  const identity = await generateX25519Identity();
  return { identity: new Secret(identity), recipient: await identityToRecipient(identity) };
}
