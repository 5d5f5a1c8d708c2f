// Identity, as the root composes it.

export { type CodeFlowProvider, createCodeFlow } from './code-flow.ts';
export { type ConsoleSessions, createConsoleSessions } from './console-sessions.ts';
export { createFailureLimiter, type FailureLimiterOptions } from './failure-limiter.ts';
export { createOidcAuthenticator, type OidcAuthenticatorDeps } from './oidc-authenticator.ts';
export { ALGORITHMS, type Algorithm, type KindRule, type OidcProviderOptions } from './options.ts';
export { TOKEN_FAULTS, type TokenFault } from './refusal.ts';
