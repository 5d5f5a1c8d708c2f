// What the configuration says about identity providers, and the checks that refuse to start with less than it takes.
// REFUSES: no provider, no audience, HMAC or `none`, plain http off loopback, one issuer named twice.

import { isLoopback } from '../core/address.ts';
import { SallyportError } from '../core/error.ts';
import type { PrincipalKind } from '../core/identity.ts';

/** Signature algorithms that may be allowed. All asymmetric: with HMAC, a public key could sign. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** How a token tells what it identifies. */
export type KindRule =
  /** Everything this provider identifies is of one kind. */
  | { readonly fixed: PrincipalKind }
  /** The value of a claim decides; an unknown value is `otherwise`, or refused when there is none. */
  | { readonly claim: string; readonly values: Readonly<Record<string, PrincipalKind>>; readonly otherwise?: PrincipalKind };

export interface OidcProviderOptions {
  /** Name in `sallyport.yaml`; becomes `Principal.issuer`. */
  readonly name: string;
  /** Exactly the `iss` of its tokens; https, or http on loopback. */
  readonly issuer: string;
  /** A token must have this value (or one of these) in `aud`. */
  readonly audience: string | readonly string[];
  /** Default: all of ALGORITHMS. */
  readonly algorithms?: readonly string[];
  /** Claim with the groups: an array of strings, or one string with spaces between. None = no groups. */
  readonly groupsClaim?: string;
  /** Claim with the display name; otherwise the subject is shown. */
  readonly nameClaim?: string;
  readonly kind: KindRule;
}

export interface Provider {
  readonly name: string;
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly Algorithm[];
  readonly groupsClaim: string | null;
  readonly nameClaim: string | null;
  readonly kind: KindRule;
}

/** Whether keys may be fetched from there: https, or http that never leaves this machine. */
export function isSafeUrl(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

function invalid(name: string, what: string): SallyportError {
  return new SallyportError('SP_CONFIG_INVALID', `identity provider ${name}: ${what}`);
}

function checkProvider(options: OidcProviderOptions): Provider {
  const { name } = options;
  const url = URL.parse(options.issuer);
  if (name === '') throw invalid('(unnamed)', 'it needs a name');
  if (url === null) throw invalid(name, 'the issuer is not a URL');
  if (!isSafeUrl(url)) throw invalid(name, 'the issuer must use https (http only on loopback)');
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw invalid(name, 'the issuer has no query, fragment or credentials');
  }
  const audience = typeof options.audience === 'string' ? [options.audience] : [...options.audience];
  if (audience.length === 0 || audience.includes('')) throw invalid(name, 'an audience is mandatory');
  const algorithms = (options.algorithms ?? ALGORITHMS).map((wanted) => {
    const known = ALGORITHMS.find((algorithm) => algorithm === wanted);
    if (known === undefined) throw invalid(name, `the algorithm ${wanted} is not one of ${ALGORITHMS.join(', ')}`);
    return known;
  });
  if (algorithms.length === 0) throw invalid(name, 'it needs at least one algorithm');
  return {
    name,
    issuer: options.issuer,
    audience,
    algorithms,
    groupsClaim: options.groupsClaim ?? null,
    nameClaim: options.nameClaim ?? null,
    kind: options.kind,
  };
}

/** @returns providers by issuer. @throws SP_CONFIG_INVALID */
export function checkProviders(list: readonly OidcProviderOptions[]): ReadonlyMap<string, Provider> {
  if (list.length === 0) throw new SallyportError('SP_CONFIG_INVALID', 'no identity provider is configured');
  const byIssuer = new Map<string, Provider>();
  const names = new Set<string>();
  for (const options of list) {
    const provider = checkProvider(options);
    if (names.has(provider.name)) throw invalid(provider.name, 'this name is used twice');
    if (byIssuer.has(provider.issuer)) throw invalid(provider.name, 'another provider has the same issuer');
    names.add(provider.name);
    byIssuer.set(provider.issuer, provider);
  }
  return byIssuer;
}
