// Verification keys of one provider: OpenID discovery, then its JWKS, both fetched with bounded time and size and
// without redirects. `jose` caches keys for ten minutes and fetches again for an unknown key id, at most every
// `cooldownMs`, so a rotated key works at once and made-up key ids cannot flood the provider.

import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import { SallyportError } from '../core/error.ts';
import type { Clock } from '../core/ports.ts';
import { isSafeUrl, type Provider } from './options.ts';

const FETCH_TIMEOUT_MS = 5_000;
const MAX_RESPONSE_BYTES = 512 * 1024;
const DISCOVERY_MAX_AGE_MS = 60 * 60 * 1000;
/** After a failed fetch, how long until the provider is asked again. */
const RETRY_AFTER_MS = 1_000;

export interface ProviderKeys {
  /** @throws SP_AUTH_UNAVAILABLE when the keys cannot be had. */
  resolver(): Promise<JWTVerifyGetKey>;
}

export interface ProviderKeysDeps {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly cooldownMs: number;
}

function unavailable(provider: Provider, what: string, cause?: unknown): SallyportError {
  return new SallyportError('SP_AUTH_UNAVAILABLE', `identity provider ${provider.name}: ${what}`, { cause });
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength;
    if (length > MAX_RESPONSE_BYTES) throw new Error('the response is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function createProviderKeys(provider: Provider, deps: ProviderKeysDeps): ProviderKeys {
  let discovered: { readonly resolver: JWTVerifyGetKey; readonly atMs: number } | null = null;
  let discovering: Promise<JWTVerifyGetKey> | null = null;
  let failedAtMs = Number.NEGATIVE_INFINITY;

  /** Every fault leaves as SP_AUTH_UNAVAILABLE and makes the next calls fail at once for a moment. */
  async function get(url: string, what: string): Promise<string> {
    if (deps.clock.monotonicMs() - failedAtMs < RETRY_AFTER_MS) throw unavailable(provider, `${what} failed a moment ago`);
    try {
      const response = await deps.fetch(url, {
        redirect: 'error',
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`HTTP status ${response.status}`);
      }
      const text = await boundedText(response);
      JSON.parse(text);
      return text;
    } catch (cause) {
      failedAtMs = deps.clock.monotonicMs();
      throw unavailable(provider, `${what} failed`, cause);
    }
  }

  async function discover(): Promise<JWTVerifyGetKey> {
    const text = await get(`${provider.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, 'discovery');
    const document: unknown = JSON.parse(text);
    if (typeof document !== 'object' || document === null) throw unavailable(provider, 'discovery is not an object');
    const { issuer, jwks_uri: jwksUri } = document as Readonly<Record<string, unknown>>;
    // SPEC: OpenID Connect Discovery 1.0, section 4.3: the issuer must be exactly the one that was asked for.
    if (issuer !== provider.issuer) throw unavailable(provider, 'discovery names another issuer');
    const url = typeof jwksUri === 'string' ? URL.parse(jwksUri) : null;
    const plainIssuer = provider.issuer.startsWith('http:');
    if (url === null || !isSafeUrl(url) || (url.protocol === 'http:' && !plainIssuer)) {
      throw unavailable(provider, 'discovery names no usable jwks_uri');
    }
    const resolver = createRemoteJWKSet(url, {
      cooldownDuration: deps.cooldownMs,
      [customFetch]: async (target) => new Response(await get(target, 'fetching its keys'), { status: 200 }),
    });
    discovered = { resolver, atMs: deps.clock.monotonicMs() };
    return resolver;
  }

  return {
    async resolver() {
      if (discovered !== null && deps.clock.monotonicMs() - discovered.atMs < DISCOVERY_MAX_AGE_MS) return discovered.resolver;
      discovering ??= discover().finally(() => {
        discovering = null;
      });
      return discovering;
    },
  };
}
