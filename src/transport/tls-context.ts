// TLS settings of a listener and of a dial, checked once when the configuration is loaded.
// REFUSES: TLS below 1.2, and a listener without TLS anywhere but on loopback with an explicit `insecure`.

import { constants } from 'node:crypto';
import { type SecureContext, type SecureContextOptions, createSecureContext } from 'node:tls';
import { isLoopback } from '../core/address.ts';
import { SallyportError } from '../core/error.ts';
import type { Secret } from '../core/secret.ts';

export interface ServerTls {
  /** PEM chain, leaf first. */
  readonly certificate: string;
  readonly key: Secret;
}

export type ListenerSecurity =
  | { readonly mode: 'tls'; readonly tls: ServerTls }
  /** Plaintext: loopback only. */
  | { readonly mode: 'insecure' };

/** For servers that make their context themselves. */
export function serverTlsOptions(tls: ServerTls): SecureContextOptions {
  return {
    cert: tls.certificate,
    key: tls.key.reveal(),
    minVersion: 'TLSv1.2',
    honorCipherOrder: true,
    // TLS 1.2: a client that renegotiates costs us a handshake each time; nobody needs it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** @throws SP_CONFIG_INVALID when certificate and key do not fit. */
export function serverContext(tls: ServerTls): SecureContext {
  try {
    return createSecureContext(serverTlsOptions(tls));
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', 'listener certificate and key cannot be used', { cause });
  }
}

/** @throws SP_CONFIG_INVALID for plaintext off loopback. */
export function checkSecurity(host: string, security: ListenerSecurity): void {
  if (security.mode === 'insecure' && !isLoopback(host)) {
    throw new SallyportError('SP_CONFIG_INVALID', `listener on ${host} must use TLS: plaintext is allowed on loopback only`);
  }
}
