// Secrets from where the configuration says they are.

export { resolveSecret, type SecretDeps, type SecretSource } from './resolve-secret.ts';
