// Token -> verified principal, for access and identity tokens of configured OpenID providers (RFC 9068, RFC 7519).
// The unverified `iss` only picks the provider; that provider's keys, audience and algorithms then decide.
// REFUSES: everything that is not a signed JWT of an allowed algorithm and type, in time, for our audience.

import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTVerifyResult } from 'jose';
import { SallyportError } from '../core/error.ts';
import type { Principal } from '../core/identity.ts';
import type { Authenticator, Clock, Logger } from '../core/ports.ts';
import { createProviderKeys, type ProviderKeys } from './keys.ts';
import { checkProviders, type OidcProviderOptions, type Provider } from './options.ts';
import { principalOf } from './principal.ts';
import { refuseToken } from './refusal.ts';
import { createTokenCache } from './token-cache.ts';

/** Clocks of provider and gateway may differ by this much. */
export const LEEWAY_MS = 30_000;
/** Longest token that is looked at. */
export const MAX_TOKEN_LENGTH = 16 * 1024;
const JWKS_COOLDOWN_MS = 30_000;
/** JWS compact serialisation. Decoders skip white space and padding; one token has one spelling here. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

export interface OidcAuthenticatorDeps {
  readonly providers: readonly OidcProviderOptions[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
  /** Least time between two fetches of a key set for unknown key ids; for tests. */
  readonly jwksCooldownMs?: number;
}

/** RFC 9068 `at+jwt`, or plain `JWT`; no `typ` at all is what Kubernetes issues. Others (logout tokens, security
 *  events, DPoP proofs) are signed by the same keys for other purposes. */
function isAccessTokenType(typ: unknown): boolean {
  if (typ === undefined) return true;
  if (typeof typ !== 'string') return false;
  return ['jwt', 'at+jwt'].includes(typ.toLowerCase().replace(/^application\//, ''));
}

/** @throws SP_CONFIG_INVALID */
export function createOidcAuthenticator(deps: OidcAuthenticatorDeps): Authenticator {
  const { clock, logger } = deps;
  const providers = checkProviders(deps.providers);
  const cache = createTokenCache(clock);
  const keys = new Map<string, ProviderKeys>();
  for (const provider of providers.values()) {
    keys.set(
      provider.issuer,
      createProviderKeys(provider, {
        clock,
        fetch: deps.fetch ?? fetch,
        cooldownMs: deps.jwksCooldownMs ?? JWKS_COOLDOWN_MS,
      }),
    );
  }

  /** The configured provider that the token claims to be from. Nothing of the token is trusted yet. */
  function providerOf(token: string): Provider {
    let issuer: unknown;
    let header: ReturnType<typeof decodeProtectedHeader>;
    try {
      header = decodeProtectedHeader(token);
      issuer = decodeJwt(token).iss;
    } catch {
      throw refuseToken('malformed');
    }
    const provider = typeof issuer === 'string' ? providers.get(issuer) : undefined;
    if (provider === undefined) throw refuseToken('unknown-issuer');
    if (!provider.algorithms.some((algorithm) => algorithm === header.alg)) throw refuseToken('algorithm');
    if (!isAccessTokenType(header.typ)) throw refuseToken('malformed');
    return provider;
  }

  async function verify(token: string): Promise<Principal> {
    const provider = providerOf(token);
    const resolver = await keys.get(provider.issuer)?.resolver();
    if (resolver === undefined) throw refuseToken('unknown-issuer');
    let verified: JWTVerifyResult;
    try {
      verified = await jwtVerify(token, resolver, {
        issuer: provider.issuer,
        audience: [...provider.audience],
        algorithms: [...provider.algorithms],
        requiredClaims: ['sub', 'exp', 'aud'],
        clockTolerance: LEEWAY_MS / 1000,
        currentDate: new Date(clock.nowMs()),
      });
    } catch (fault) {
      throw faultOf(fault, provider);
    }
    const expiresAtMs = (verified.payload.exp ?? 0) * 1000 + LEEWAY_MS;
    return principalOf(provider, verified.payload, expiresAtMs);
  }

  function faultOf(fault: unknown, provider: Provider): SallyportError {
    if (fault instanceof SallyportError) return fault;
    if (fault instanceof errors.JWTExpired) return refuseToken('expired');
    if (fault instanceof errors.JWTClaimValidationFailed) {
      if (fault.reason === 'missing') return refuseToken('missing-claim');
      if (fault.claim === 'aud') return refuseToken('wrong-audience');
      if (fault.claim === 'nbf' || fault.claim === 'iat') return refuseToken('not-yet-valid');
      return refuseToken('malformed');
    }
    if (fault instanceof errors.JOSEAlgNotAllowed || fault instanceof errors.JOSENotSupported) return refuseToken('algorithm');
    if (
      fault instanceof errors.JWSSignatureVerificationFailed ||
      fault instanceof errors.JWKSNoMatchingKey ||
      fault instanceof errors.JWKSMultipleMatchingKeys
    ) {
      return refuseToken('bad-signature');
    }
    if (fault instanceof errors.JWTInvalid || fault instanceof errors.JWSInvalid) return refuseToken('malformed');
    // What is left is about the key set: not JSON of the right shape, no usable key, a time-out.
    return new SallyportError('SP_AUTH_UNAVAILABLE', `identity provider ${provider.name}: its keys cannot be used`, { cause: fault });
  }

  return {
    async authenticate(token, signal) {
      signal?.throwIfAborted();
      if (token.length > MAX_TOKEN_LENGTH || !COMPACT.test(token)) throw refuseToken('malformed');
      const digest = createHash('sha256').update(token).digest('base64');
      const known = cache.get(digest);
      if (known !== null) return known;
      try {
        const principal = await abortable(verify(token), signal);
        cache.put(digest, principal);
        return principal;
      } catch (fault) {
        if (fault instanceof SallyportError && fault.code === 'SP_AUTH_UNAVAILABLE') {
          logger.warn({ code: fault.code, fault: fault.message }, 'a token could not be checked');
        }
        throw fault;
      }
    },
  };
}

/** Gives up waiting when aborted. The fetch itself is shared with other callers and bounded in time: it goes on. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
