// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (tls-server-end-point), client side, for upstream log-in.
// SPEC: RFC 5802, RFC 7677, RFC 5929 section 4; PostgreSQL "SASL Authentication". Pure: the nonce comes from outside.
// REFUSES: an iteration count that is absurd, a nonce that does not extend ours, a server that cannot prove the password.

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import type { Secret } from '../../core/secret.ts';

const minIterations = 4096;
const maxIterations = 10_000_000;

export type ChannelBinding =
  /** The mechanism is SCRAM-SHA-256-PLUS; `data` is the hash of the upstream's certificate. */
  | { readonly kind: 'tls-server-end-point'; readonly data: Uint8Array }
  /** TLS with channel binding possible, but the upstream did not offer it. */
  | { readonly kind: 'not-offered' }
  | { readonly kind: 'none' };

export class ScramClient {
  readonly #password: Secret;
  readonly #nonce: string;
  readonly #binding: ChannelBinding;
  #serverSignature: Buffer | null = null;

  /** @param nonce at least 18 random bytes. */
  constructor(password: Secret, nonce: Uint8Array, binding: ChannelBinding) {
    this.#password = password;
    this.#nonce = Buffer.from(nonce).toString('base64');
    this.#binding = binding;
  }

  get mechanism(): 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS' {
    return this.#binding.kind === 'tls-server-end-point' ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
  }

  first(): string {
    return this.#gs2Header() + this.#firstBare();
  }

  /** Answer to the server-first-message. */
  final(serverFirst: string): string {
    const parts = attributes(serverFirst);
    const nonce = parts.get('r') ?? '';
    const salt = Buffer.from(parts.get('s') ?? '', 'base64');
    const iterations = Number(parts.get('i'));
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) throw broken('nonce does not extend ours');
    if (salt.length === 0) throw broken('no salt');
    if (!Number.isSafeInteger(iterations) || iterations < minIterations || iterations > maxIterations) throw broken('iteration count');

    const salted = pbkdf2Sync(prepare(this.#password.reveal()), salt, iterations, 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const withoutProof = `c=${this.#channelBindingText()},r=${nonce}`;
    const authMessage = `${this.#firstBare()},${serverFirst},${withoutProof}`;
    const signature = hmac(storedKey, authMessage);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), authMessage);
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Checks the server-final-message. @throws SP_UPSTREAM_AUTH when the upstream does not know the password either. */
  verify(serverFinal: string): void {
    const signature = Buffer.from(attributes(serverFinal).get('v') ?? '', 'base64');
    const expected = this.#serverSignature;
    if (expected === null || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw broken('server signature');
    }
  }

  #firstBare(): string {
    // PostgreSQL takes the user name from the start-up message and wants this one empty.
    return `n=,r=${this.#nonce}`;
  }

  #gs2Header(): string {
    switch (this.#binding.kind) {
      case 'tls-server-end-point':
        return 'p=tls-server-end-point,,';
      case 'not-offered':
        return 'y,,';
      case 'none':
        return 'n,,';
    }
  }

  #channelBindingText(): string {
    const header = Buffer.from(this.#gs2Header());
    const data = this.#binding.kind === 'tls-server-end-point' ? this.#binding.data : new Uint8Array();
    return Buffer.concat([header, data]).toString('base64');
  }
}

/** RFC 5929 `tls-server-end-point`: hash of the certificate with its signature's digest, MD5 and SHA-1 replaced by
 *  SHA-256. Null when the signature has no single digest (Ed25519, RSASSA-PSS): binding is impossible then. */
export function serverEndPoint(certificate: Uint8Array, signatureAlgorithm: string | undefined): Uint8Array | null {
  const digest = /sha-?(224|256|384|512)/i.exec(signatureAlgorithm ?? '')?.[1];
  if (digest !== undefined) return createHash(`sha${digest}`).update(certificate).digest();
  if (/sha-?1|md5/i.test(signatureAlgorithm ?? '')) return createHash('sha256').update(certificate).digest();
  return null;
}

/** PostgreSQL's MD5 challenge response. */
export function md5Response(user: string, password: Secret, salt: Uint8Array): string {
  const md5 = (...parts: (string | Uint8Array)[]): string => {
    const hash = createHash('md5');
    for (const part of parts) hash.update(part);
    return hash.digest('hex');
  };
  return `md5${md5(md5(password.reveal(), user), salt)}`;
}

/** SASLprep for what it changes in practice: non-ASCII spaces and compatibility forms. PostgreSQL uses the raw bytes
 *  when preparation fails, and for ASCII preparation is the identity. */
function prepare(password: string): string {
  const isAscii = /^[\x20-\x7e]*$/.test(password);
  return isAscii
    ? password
    : password
        .replaceAll(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
        .replaceAll('\u00ad', '')
        .normalize('NFKC');
}

function attributes(text: string): Map<string, string> {
  return new Map(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function broken(what: string): SallyportError {
  return new SallyportError('SP_UPSTREAM_AUTH', `SCRAM exchange failed: ${what}`);
}
