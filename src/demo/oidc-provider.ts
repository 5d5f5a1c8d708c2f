// Development identity provider: real OAuth flows on loopback, so that the demo logs in the way production does.
// Agents and services use client credentials; people use the authorization code flow with PKCE and a log-in page
// without passwords. Keys and client secrets are made at every start.
// REFUSES: any address but loopback, requests for another Host (DNS rebinding).

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider, type ProviderContext, type TokenModel } from 'oidc-provider';
import { SallyportError } from '../core/error.ts';
import type { PrincipalKind } from '../core/identity.ts';
import { Secret } from '../core/secret.ts';
import { faultPage, loginPage } from './oidc-login-page.ts';
import { createMemoryAdapter } from './oidc-memory.ts';
import { tokenOfClient, tokenOfPerson } from './oidc-token-flows.ts';

/** Public client of people: CLI and demo. Loopback redirects to any port. */
export const DEV_CLIENT_ID = 'sallyport-cli';
/** Public client of the console, on any port of this machine, with TLS or without. */
export const DEV_CONSOLE_CLIENT_ID = 'sallyport-console';
const CONSOLE_REDIRECT = /^https?:\/\/(?:127\.0\.0\.1|\[::1\]|localhost):\d{1,5}\/console\/callback\/[a-z0-9_-]{1,63}$/;
/** What `oidc-provider` remembers a browser by. */
const BROWSER_COOKIES = ['_session', '_session.sig', '_session.legacy', '_session.legacy.sig'];
const REDIRECT_URI = 'http://127.0.0.1/callback';
const MAX_FORM_BYTES = 4_096;

export interface Persona {
  /** The subject; for agents and services also the client id. `[a-z][a-z0-9-]*`. */
  readonly name: string;
  readonly displayName: string;
  readonly kind: PrincipalKind;
  readonly groups: readonly string[];
}

export interface DevProviderOptions {
  /** 0 = any free port. */
  readonly port: number;
  /** Loopback only. Default 127.0.0.1. */
  readonly host?: string;
  /** `aud` of the access tokens. Default `https://sallyport.local`. */
  readonly audience?: string;
  readonly personas: readonly Persona[];
  /** Default one hour. */
  readonly tokenLifetimeS?: number;
}

export interface DevProvider {
  /** `http://127.0.0.1:<port>`; also where discovery is. */
  readonly issuer: string;
  readonly audience: string;
  readonly personas: readonly Persona[];
  /** Secret of an agent's or service's client. */
  clientSecret(persona: string): Secret;
  /** A fresh access token, got over HTTP by the flow that this persona really uses. */
  tokenFor(persona: string, signal?: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

function unknownPersona(name: string): SallyportError {
  return new SallyportError('SP_CONFIG_INVALID', `the development identity provider knows no ${name}`);
}

/** @throws SP_CONFIG_INVALID for an address off loopback or odd personas; the error of `listen` when the port is taken. */
export async function startDevProvider(options: DevProviderOptions): Promise<DevProvider> {
  const { host = '127.0.0.1', audience = 'https://sallyport.local', personas, tokenLifetimeS = 3_600 } = options;
  if (host !== '127.0.0.1' && host !== '::1') {
    throw new SallyportError('SP_CONFIG_INVALID', `the development identity provider serves 127.0.0.1 or ::1 only, not ${host}`);
  }
  const byName = new Map(personas.map((persona) => [persona.name, persona]));
  if (
    byName.size !== personas.length ||
    personas.some(({ name }) => !/^[a-z][a-z0-9-]*$/.test(name) || [DEV_CLIENT_ID, DEV_CONSOLE_CLIENT_ID].includes(name))
  ) {
    throw new SallyportError('SP_CONFIG_INVALID', 'personas need different names of lower-case letters, digits and hyphens');
  }
  const people = personas.filter((persona) => persona.kind === 'person');
  const secrets = new Map(
    personas
      .filter((persona) => persona.kind !== 'person')
      .map((persona) => [persona.name, new Secret(randomBytes(32).toString('base64url'))]),
  );

  const server = createServer();
  server.listen(options.port, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = `http://${host === '::1' ? '[::1]' : host}:${port}`;
  const provider = await createProvider({ issuer, audience, byName, secrets, tokenLifetimeS });
  const handle = provider.callback();

  server.on('request', (request, response) => {
    serve(request, response).catch((fault: unknown) => {
      // Interactions that are over or belong to another browser end here.
      if (response.headersSent) response.destroy();
      else sendPage(response, 400, faultPage(fault instanceof SallyportError ? fault.message : 'This log-in is over. Start it again.'));
    });
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (`http://${request.headers.host ?? ''}` !== issuer) return sendPage(response, 421, faultPage('Wrong host.'));
    if (/^\/auth(?:\?|$)/.test(request.url ?? '')) forgetBrowser(request, response);
    if (!(request.url ?? '').startsWith('/login/')) return handle(request, response);
    const { uid, params, prompt } = await provider.interactionDetails(request, response);
    // A native client always asks for consent. Whoever pressed the button has given it.
    if (prompt.name === 'consent') {
      return provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
    }
    const hint = typeof params['login_hint'] === 'string' ? byName.get(params['login_hint']) : undefined;
    if (request.method === 'POST') {
      const chosen = byName.get(new URLSearchParams(await readForm(request)).get('persona') ?? '');
      if (chosen?.kind !== 'person') throw new SallyportError('SP_API_BAD_REQUEST', 'There is no such person.');
      return logIn(request, response, chosen);
    }
    if (hint?.kind === 'person') return logIn(request, response, hint);
    sendPage(response, 200, loginPage(`/login/${uid}`, people));
  }

  function logIn(request: IncomingMessage, response: ServerResponse, persona: Persona): Promise<void> {
    return provider.interactionFinished(request, response, { login: { accountId: persona.name } }, { mergeWithLastSubmission: false });
  }

  return {
    issuer,
    audience,
    personas,
    clientSecret(name) {
      const secret = secrets.get(name);
      if (secret === undefined) throw unknownPersona(name);
      return secret;
    },
    async tokenFor(name, signal) {
      const persona = byName.get(name);
      if (persona === undefined) throw unknownPersona(name);
      const secret = secrets.get(name);
      return secret === undefined
        ? tokenOfPerson({ issuer, audience, clientId: DEV_CLIENT_ID, redirectUri: REDIRECT_URI, persona: name }, signal)
        : tokenOfClient({ issuer, audience, clientId: name, secret }, signal);
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function createProvider(parts: {
  readonly issuer: string;
  readonly audience: string;
  readonly byName: ReadonlyMap<string, Persona>;
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly tokenLifetimeS: number;
}): Promise<Provider> {
  const { issuer, audience, byName, secrets, tokenLifetimeS } = parts;
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: randomBytes(8).toString('hex') };
  const resource = { scope: '', audience, accessTokenFormat: 'jwt', accessTokenTTL: tokenLifetimeS, jwt: { sign: { alg: 'ES256' } } };
  const claimsOf = (name: string) => {
    const persona = byName.get(name);
    return persona === undefined ? undefined : { kind: persona.kind, groups: persona.groups, name: persona.displayName };
  };
  const provider = new Provider(issuer, {
    adapter: createMemoryAdapter(),
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clients: [
      ...[...secrets].map(([name, secret]) => ({
        client_id: name,
        client_secret: secret.reveal(),
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      })),
      {
        client_id: DEV_CLIENT_ID,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        redirect_uris: [REDIRECT_URI],
        response_types: ['code'],
      },
      {
        client_id: DEV_CONSOLE_CLIENT_ID,
        application_type: 'web',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        redirect_uris: ['https://127.0.0.1/console/callback/corp'],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], profile: ['name', 'groups', 'kind'] },
    scopes: ['openid', 'profile'],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, indicator: string) => {
          if (indicator !== audience) throw new SallyportError('SP_API_BAD_REQUEST', 'there is only one resource here');
          return resource;
        },
      },
    },
    ttl: { AccessToken: tokenLifetimeS, ClientCredentials: tokenLifetimeS, IdToken: 600, Interaction: 600, Session: 3_600, Grant: 3_600 },
    interactions: { url: (_context: unknown, interaction: { readonly uid: string }) => `/login/${interaction.uid}` },
    findAccount: (_context: unknown, name: string) => ({ accountId: name, claims: () => ({ sub: name, ...claimsOf(name) }) }),
    extraTokenClaims: (_context: unknown, token: TokenModel) => claimsOf(token.accountId ?? token.clientId),
    loadExistingGrant: async (context: ProviderContext) => {
      const { client, session } = context.oidc;
      const grant = new context.oidc.provider.Grant({ accountId: session.accountId, clientId: client.clientId });
      grant.addOIDCScope('openid profile');
      await grant.save();
      return grant;
    },
    renderError: (context: { type: string; body: string }, out: { error_description?: string; error: string }) => {
      context.type = 'html';
      context.body = faultPage(out.error_description ?? out.error);
    },
  });
  const { redirectUriAllowed } = provider.Client.prototype;
  provider.Client.prototype.redirectUriAllowed = function (uri) {
    return this.clientId === DEV_CONSOLE_CLIENT_ID ? CONSOLE_REDIRECT.test(uri) : redirectUriAllowed.call(this, uri);
  };
  return provider;
}

/** Every log-in asks who it is: one browser plays several people here. */
function forgetBrowser(request: IncomingMessage, response: ServerResponse): void {
  delete request.headers.cookie;
  response.setHeader(
    'set-cookie',
    BROWSER_COOKIES.map((name) => `${name}=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly`),
  );
}

function sendPage(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  });
  response.end(body);
}

async function readForm(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_FORM_BYTES) throw new SallyportError('SP_API_BAD_REQUEST', 'The form is too large.');
  }
  return text;
}
