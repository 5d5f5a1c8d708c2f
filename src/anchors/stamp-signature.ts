// The signature of a stamp. SPEC: RFC 5652 (SignedData, one signer, signed attributes), RFC 5816 (the signer is the certificate whose hash
// the attributes name), RFC 3161 2.3 (that certificate is for time stamps only). Whether to trust who signed is for the auditor.
// REFUSES: digests by SHA-1, RSA-PSS, and what else is not in the lists below.

import { hash, verify, X509Certificate } from 'node:crypto';
import { decodeAll, type Element, inside, TAG } from './der.ts';

/** By the content of the object identifier, hex. */
const DIGESTS: Readonly<Record<string, 'sha256' | 'sha384' | 'sha512'>> = {
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
};
/** By the signature's algorithm; null = the digest of the attributes. */
const SIGNATURES: Readonly<
  Record<string, { readonly key: 'rsa' | 'ec' | 'ed25519'; readonly digest: 'sha256' | 'sha384' | 'sha512' | null }>
> = {
  '2a864886f70d010101': { key: 'rsa', digest: null },
  '2a864886f70d01010b': { key: 'rsa', digest: 'sha256' },
  '2a864886f70d01010c': { key: 'rsa', digest: 'sha384' },
  '2a864886f70d01010d': { key: 'rsa', digest: 'sha512' },
  '2a8648ce3d040302': { key: 'ec', digest: 'sha256' },
  '2a8648ce3d040303': { key: 'ec', digest: 'sha384' },
  '2a8648ce3d040304': { key: 'ec', digest: 'sha512' },
  '2b6570': { key: 'ed25519', digest: null },
};
const CONTENT_TYPE = '2a864886f70d010903';
const MESSAGE_DIGEST = '2a864886f70d010904';
const SIGNING_CERTIFICATE = '2a864886f70d010910020c';
const SIGNING_CERTIFICATE_V2 = '2a864886f70d010910022f';
/** id-kp-timeStamping, as Node writes it. */
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
/** Extended key usage, critical. */
const CRITICAL_USAGE = Buffer.from('0603551d250101ff', 'hex');

export type SignatureFault = 'signature-malformed' | 'signature-unknown' | 'signature-wrong' | 'certificate-unfit';

const hexOf = (element: Element | undefined, tag: number): string | null => (element?.tag === tag ? element.content.toString('hex') : null);

/** The only value of an attribute; null when it is not there once with one value. */
function attribute(attributes: readonly Element[], type: string): Element | null {
  const found = attributes.map((one) => inside(one, TAG.sequence) ?? []).filter(([name]) => hexOf(name, TAG.oid) === type);
  const values = found.length === 1 ? inside(found[0]?.[1], TAG.set) : null;
  return values?.length === 1 ? (values[0] ?? null) : null;
}

/** The certificate that the attributes name. WHY SHA-1 is accepted there: it only names one of those that came along (RFC 3161), and to
 *  find another certificate with a given hash nobody can. */
function signerOf(attributes: readonly Element[], certificates: readonly Element[]): Buffer | null {
  const newer = attribute(attributes, SIGNING_CERTIFICATE_V2);
  const named = newer ?? attribute(attributes, SIGNING_CERTIFICATE);
  const parts = inside(inside(inside(named ?? undefined, TAG.sequence)?.[0], TAG.sequence)?.[0], TAG.sequence);
  const isDefault = parts?.[0]?.tag === TAG.octets;
  const algorithm = isDefault ? undefined : DIGESTS[hexOf(inside(parts?.[0], TAG.sequence)?.[0], TAG.oid) ?? ''];
  const digest = newer === null ? 'sha1' : isDefault ? 'sha256' : algorithm;
  const expected = hexOf(parts?.[isDefault ? 0 : 1], TAG.octets);
  if (digest === undefined || expected === null) return null;
  return certificates.find(({ tag, raw }) => tag === TAG.sequence && hash(digest, raw, 'hex') === expected)?.raw ?? null;
}

function parsed(certificate: Buffer): X509Certificate | null {
  try {
    return new X509Certificate(certificate);
  } catch {
    return null;
  }
}

/** @param signedData fields of the SignedData. @param contentType DER of its type, content only. @param content what is signed.
 *  @returns null when the content is signed by a certificate for time stamps that was valid at `atMs`. */
export function signatureFault(signedData: readonly Element[], contentType: Buffer, content: Buffer, atMs: number): SignatureFault | null {
  const certificates = decodeAll(signedData.find(({ tag }) => tag === TAG.context0)?.content ?? Buffer.alloc(0)) ?? [];
  const signers = inside(signedData.at(-1), TAG.set) ?? [];
  const [version, signerId, digestAlgorithm, signed, signatureAlgorithm, signature] = inside(signers[0], TAG.sequence) ?? [];
  const attributes = signed?.tag === TAG.context0 ? decodeAll(signed.content) : null;
  if (
    signers.length !== 1 ||
    version?.tag !== TAG.integer ||
    signerId === undefined ||
    attributes === null ||
    signature?.tag !== TAG.octets
  )
    return 'signature-malformed';
  const digest = DIGESTS[hexOf(inside(digestAlgorithm, TAG.sequence)?.[0], TAG.oid) ?? ''];
  const algorithm = SIGNATURES[hexOf(inside(signatureAlgorithm, TAG.sequence)?.[0], TAG.oid) ?? ''];
  if (digest === undefined || algorithm === undefined) return 'signature-unknown';
  const signer = signerOf(attributes, certificates);
  const certificate = signer === null ? null : parsed(signer);
  if (certificate === null || signer === null) return 'certificate-unfit';
  const isForStamps = certificate.keyUsage?.length === 1 && certificate.keyUsage[0] === TIME_STAMPING && signer.includes(CRITICAL_USAGE);
  const isValid = certificate.validFromDate.getTime() <= atMs && atMs <= certificate.validToDate.getTime();
  if (!isForStamps || !isValid || certificate.publicKey.asymmetricKeyType !== algorithm.key) return 'certificate-unfit';
  const isOfContent =
    hexOf(attribute(attributes, CONTENT_TYPE) ?? undefined, TAG.oid) === contentType.toString('hex') &&
    hexOf(attribute(attributes, MESSAGE_DIGEST) ?? undefined, TAG.octets) === hash(digest, content, 'hex');
  // Signed as a SET, sent under a tag of its place (RFC 5652, 5.4).
  const bytes = Buffer.concat([Buffer.of(TAG.set), signed?.raw.subarray(1) ?? Buffer.alloc(0)]);
  const used = algorithm.key === 'ed25519' ? null : (algorithm.digest ?? digest);
  return isOfContent && verify(used, bytes, certificate.publicKey, signature.content) ? null : 'signature-wrong';
}
