// A private certificate authority for the gateway's own listeners: for `sallyport init` and the demo. ECDSA P-256.
// Operators with a PKI use theirs instead; nothing else in the gateway needs this file.

// The library reads decorators' metadata while it loads: this import stays first.
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { SallyportError } from '../core/error.ts';

/** PEM texts; the key is unencrypted PKCS#8. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** Clocks of clients may be behind. */
const BACKDATE_MS = 3_600_000;
const AUTHORITY_DAYS = 3650;
/** The most that common clients accept of a server certificate. */
const SERVER_DAYS = 397;

/** A new self-signed authority that can sign end certificates only. */
export async function createAuthority(options: {
  readonly name: string;
  readonly nowMs: number;
  readonly days?: number;
}): Promise<KeyedCertificate> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [options.name] }],
    ...validity(options.nowMs, options.days ?? AUTHORITY_DAYS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}

/** A new server certificate for `hosts` (DNS names and addresses), signed by `authority`.
 *  @throws SP_CONFIG_INVALID for an empty or impossible host, or when the authority's key is not that of its certificate */
export async function issueServerCertificate(
  authority: KeyedCertificate,
  options: { readonly hosts: readonly string[]; readonly nowMs: number; readonly days?: number },
): Promise<KeyedCertificate> {
  const [first] = options.hosts;
  if (first === undefined) throw new SallyportError('SP_CONFIG_INVALID', 'a server certificate needs at least one host');
  const issuer = new X509Certificate(authority.certificate);
  const signingKey = await authorityKey(authority, issuer);
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [first] }],
    issuer: issuer.subject,
    ...validity(options.nowMs, options.days ?? SERVER_DAYS),
    signingAlgorithm: ALGORITHM,
    signingKey,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(options.hosts.map(alternativeName)),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** 16 random bytes, positive as DER requires. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function validity(nowMs: number, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}

function alternativeName(host: string): { type: 'ip' | 'dns'; value: string } {
  if (isIP(host) !== 0) return { type: 'ip', value: host };
  const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
  if (host.length > 253 || !new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`, 'i').test(host)) {
    throw new SallyportError('SP_CONFIG_INVALID', `${JSON.stringify(host)} is neither a host name nor an address`);
  }
  return { type: 'dns', value: host.toLowerCase() };
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

async function authorityKey(authority: KeyedCertificate, issuer: X509Certificate): Promise<webcrypto.CryptoKey> {
  const key = createPrivateKey(authority.key);
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  if (!publicKey.equals(Buffer.from(issuer.publicKey.rawData))) {
    throw new SallyportError('SP_CONFIG_INVALID', 'the key of the authority does not belong to its certificate');
  }
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, false, ['sign']);
}
