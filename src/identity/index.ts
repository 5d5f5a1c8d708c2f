// Identity, as the root composes it.

export { createFailureLimiter, type FailureLimiterOptions } from './failure-limiter.ts';
export { createOidcAuthenticator, type OidcAuthenticatorDeps } from './oidc-authenticator.ts';
export { ALGORITHMS, type Algorithm, type KindRule, type OidcProviderOptions } from './options.ts';
export { TOKEN_FAULTS, type TokenFault } from './refusal.ts';
