// RFC 3161: request for a stamp over a SHA-256 digest, and what an answer says. That the stamp covers our digest, answers our request and is
// signed by a certificate for stamps is checked here; who issued that one is for the auditor (`openssl ts -verify`), who has to trust it, not us.

import { decodeAll, encode, inside, TAG } from './der.ts';
import { signatureFault, type SignatureFault } from './stamp-signature.ts';

const SHA256_OID = Buffer.from('608648016503040201', 'hex');
const SIGNED_DATA_OID = Buffer.from('2a864886f70d010702', 'hex');
const TST_INFO_OID = Buffer.from('2a864886f70d0109100104', 'hex');

/** Without sign bit and leading zeros, so that both sides encode it alike. */
function positive(nonce: Uint8Array): Buffer {
  const bytes = Buffer.from(nonce);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

/** TimeStampReq. @param nonce eight random bytes */
export function stampRequest(digest: Uint8Array, nonce: Uint8Array): Buffer {
  const algorithm = encode(TAG.sequence, encode(TAG.oid, SHA256_OID), encode(TAG.null));
  return encode(
    TAG.sequence,
    encode(TAG.integer, Buffer.of(1)),
    encode(TAG.sequence, algorithm, encode(TAG.octets, digest)),
    encode(TAG.integer, positive(nonce)),
    encode(TAG.boolean, Buffer.of(0xff)),
  );
}

export type StampFault = 'answer-malformed' | 'refused' | 'other-digest' | 'other-nonce' | SignatureFault;

/** @returns null when the answer holds a stamp over `digest` for the request with `nonce`. */
export function stampFault(answer: Uint8Array, digest: Uint8Array, nonce: Uint8Array): StampFault | null {
  const [response, ...rest] = decodeAll(Buffer.from(answer)) ?? [];
  const [statusInfo, token] = inside(response, TAG.sequence) ?? [];
  const status = inside(statusInfo, TAG.sequence)?.[0];
  if (rest.length > 0 || status?.tag !== TAG.integer || status.content.length !== 1) return 'answer-malformed';
  // 0 granted, 1 granted with modifications.
  if ((status.content[0] ?? 2) > 1) return 'refused';
  const [contentType, wrapped] = inside(token, TAG.sequence) ?? [];
  const signedData = inside(inside(wrapped, TAG.context0)?.[0], TAG.sequence);
  const [innerType, innerWrapped] = inside(signedData?.[2], TAG.sequence) ?? [];
  const octets = inside(innerWrapped, TAG.context0)?.[0];
  const isStamp =
    contentType?.tag === TAG.oid &&
    contentType.content.equals(SIGNED_DATA_OID) &&
    innerType?.tag === TAG.oid &&
    innerType.content.equals(TST_INFO_OID) &&
    octets?.tag === TAG.octets;
  const info = isStamp ? inside(decodeAll(octets.content)?.[0], TAG.sequence) : null;
  const [algorithm, hashed] = inside(info?.[2], TAG.sequence) ?? [];
  const oid = inside(algorithm, TAG.sequence)?.[0];
  if (info === null || oid?.tag !== TAG.oid || hashed?.tag !== TAG.octets || info[4]?.tag !== TAG.time) return 'answer-malformed';
  const atMs = timeOf(info[4].content.toString('latin1'));
  if (atMs === null || signedData === null || octets === undefined) return 'answer-malformed';
  if (!oid.content.equals(SHA256_OID) || !hashed.content.equals(digest)) return 'other-digest';
  if (!info.slice(5).some(({ tag, content }) => tag === TAG.integer && content.equals(positive(nonce)))) return 'other-nonce';
  return signatureFault(signedData, TST_INFO_OID, octets.content, atMs);
}

/** GeneralizedTime in UTC, with or without a fraction. */
function timeOf(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d{1,9})?Z$/.exec(text);
  if (match === null) return null;
  const [year = '', month = '', day = '', hour = '', minute = '', second = ''] = match.slice(1);
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? null : ms;
}
