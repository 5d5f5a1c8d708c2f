// Log-in of people with a browser: OpenID Connect authorization code flow with PKCE, state and nonce. What comes out is a token; who it
// stands for is for the authenticator to say, as for every other token.
// REFUSES: plain HTTP off loopback, redirects of the provider's own endpoints, answers over 512 KiB or slower than five seconds.

import type { BrowserLogin } from '../core/browser-login.ts';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  AuthorizationResponseError,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  type ClientAuth,
  ClientError,
  ClientSecretBasic,
  ClientSecretPost,
  clockTolerance,
  type Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  ResponseBodyError,
} from 'openid-client';
import { SallyportError } from '../core/error.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { createLoginTransactions } from './login-transaction.ts';
import { isSafeUrl } from './options.ts';

const FETCH_TIMEOUT_S = 5;
const MAX_ANSWER_BYTES = 512 * 1024;
const DISCOVERY_MAX_AGE_MS = 60 * 60 * 1000;
/** After a failed discovery, how long until the provider is asked again. */
const RETRY_AFTER_MS = 1_000;
const LEEWAY_S = 30;

export interface CodeFlowProvider {
  readonly name: string;
  readonly label: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Null = a public client. */
  readonly clientSecret: Secret | null;
  readonly scopes: readonly string[];
  /** RFC 8707; null = not sent. */
  readonly resource: string | null;
  /** Which of the tokens carries the audience that the gateway asks for. */
  readonly token: 'access' | 'id';
}

export interface CodeFlowDeps {
  readonly providers: readonly CodeFlowProvider[];
  readonly clock: Clock;
  readonly random: Random;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
}

export function createCodeFlow(deps: CodeFlowDeps): BrowserLogin {
  const transactions = createLoginTransactions(deps);
  const clients = new Map(deps.providers.map((provider) => [provider.name, { provider, configure: configurer(provider, deps) }]));

  return {
    providers: deps.providers.map(({ name, label }) => ({ name, label })),

    async begin(name, { redirectUri, returnTo, hint }) {
      const client = clients.get(name);
      if (client === undefined) throw new SallyportError('SP_API_NOT_FOUND', 'no such identity provider');
      const { provider } = client;
      const configuration = await client.configure();
      const [state, nonce, verifier] = [randomState(), randomNonce(), randomPKCECodeVerifier()];
      const url = buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: provider.scopes.join(' '),
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(provider.resource === null ? {} : { resource: provider.resource }),
        ...(hint === null ? {} : { login_hint: hint }),
      });
      return { url: url.href, transaction: transactions.seal({ provider: name, state, nonce, verifier, returnTo }) };
    },

    async finish(sealed, { provider: name, redirectUri, query }) {
      const state = new URLSearchParams(query).get('state') ?? '';
      const { provider: begun, nonce, verifier, returnTo } = transactions.use(sealed, state);
      const client = clients.get(name);
      if (client === undefined || begun !== name) throw refused();
      const { provider } = client;
      const configuration = await client.configure();
      try {
        const tokens = await authorizationCodeGrant(
          configuration,
          new URL(query, redirectUri),
          { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true },
          provider.resource === null ? {} : { resource: provider.resource },
        );
        const token = provider.token === 'id' ? tokens.id_token : tokens.access_token;
        if (token === undefined) throw refused();
        return { token, returnTo };
      } catch (fault) {
        throw faultOf(fault, provider);
      }
    },
  };
}

/** Finds the provider's endpoints, and again after an hour. */
function configurer(provider: CodeFlowProvider, { clock, fetch: fetching = fetch }: CodeFlowDeps): () => Promise<Configuration> {
  let known: { readonly configuration: Configuration; readonly atMs: number } | null = null;
  let looking: Promise<Configuration> | null = null;
  let failedMs = Number.NEGATIVE_INFINITY;

  async function look(): Promise<Configuration> {
    if (clock.monotonicMs() - failedMs < RETRY_AFTER_MS) throw unavailable(provider, 'discovery failed a moment ago');
    try {
      const configuration = await discovery(
        new URL(provider.issuer),
        provider.clientId,
        { [clockTolerance]: LEEWAY_S },
        clientAuthOf(provider),
        {
          timeout: FETCH_TIMEOUT_S,
          [customFetch]: (url, options) => bounded(url, options, provider, fetching),
          execute: [enableNonRepudiationChecks, ...(provider.issuer.startsWith('http:') ? [allowInsecureRequests] : [])],
        },
      );
      const { authorization_endpoint: authorization, token_endpoint: token, jwks_uri: keys } = configuration.serverMetadata();
      for (const endpoint of [authorization, token, keys]) requireUsable(endpoint, provider);
      known = { configuration, atMs: clock.monotonicMs() };
      return configuration;
    } catch (cause) {
      failedMs = clock.monotonicMs();
      throw unavailable(provider, 'discovery failed', cause);
    }
  }

  return async () => {
    if (known !== null && clock.monotonicMs() - known.atMs < DISCOVERY_MAX_AGE_MS) return known.configuration;
    looking ??= look().finally(() => {
      looking = null;
    });
    return looking;
  };
}

/** SPEC: RFC 8414, section 2: `client_secret_basic` unless the provider says otherwise. */
function clientAuthOf({ clientSecret }: CodeFlowProvider): ClientAuth {
  if (clientSecret === null) return None();
  return (server, client, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const authenticate = methods.includes('client_secret_basic') ? ClientSecretBasic : ClientSecretPost;
    authenticate(clientSecret.reveal())(server, client, body, headers);
  };
}

/** @throws SP_AUTH_UNAVAILABLE */
function requireUsable(endpoint: string | undefined, provider: CodeFlowProvider): URL {
  const url = endpoint === undefined ? null : URL.parse(endpoint);
  if (url !== null && isSafeUrl(url) && (url.protocol === 'https:' || provider.issuer.startsWith('http:'))) return url;
  throw unavailable(provider, 'one of its endpoints is not safe');
}

async function bounded(
  url: string,
  options: Parameters<typeof fetch>[1] | object,
  provider: CodeFlowProvider,
  fetching: typeof fetch,
): Promise<Response> {
  const target = requireUsable(url, provider);
  let response: Response;
  const chunks: Uint8Array[] = [];
  try {
    response = await fetching(target, { ...options, redirect: 'error' });
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.byteLength;
      if (length > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
      chunks.push(chunk);
    }
  } catch (cause) {
    throw unavailable(provider, 'it does not answer', cause);
  }
  const { status, headers } = response;
  if (status >= 500) throw unavailable(provider, `HTTP status ${status}`);
  return new Response(status === 204 || status === 304 ? null : Buffer.concat(chunks), { status, headers });
}

function unavailable({ name }: CodeFlowProvider, what: string, cause?: unknown): SallyportError {
  return new SallyportError('SP_AUTH_UNAVAILABLE', `identity provider ${name}: ${what}`, { cause });
}

function refused(cause?: unknown): SallyportError {
  return new SallyportError('SP_AUTH_INVALID_TOKEN', 'the log-in did not end well', { cause });
}

function faultOf(fault: unknown, provider: CodeFlowProvider): SallyportError {
  for (let cause = fault; cause instanceof Error; cause = cause.cause) if (cause instanceof SallyportError) return cause;
  // The provider said no, to the person or to the code, or its answer does not belong to this log-in.
  if (fault instanceof AuthorizationResponseError || fault instanceof ResponseBodyError || fault instanceof ClientError)
    return refused(fault);
  return unavailable(provider, 'the code could not be exchanged', fault);
}
