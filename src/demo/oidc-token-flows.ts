// The client side of the development identity provider: gets tokens the way an agent or a browser does. Plain http is
// allowed because the provider serves loopback only.

import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  clientCredentialsGrant,
  ClientSecretBasic,
  type Configuration,
  discovery,
  None,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import { SallyportError } from '../core/error.ts';
import type { Secret } from '../core/secret.ts';

const MAX_REDIRECTS = 10;

interface Flow {
  readonly issuer: string;
  readonly audience: string;
  readonly clientId: string;
}

function configure(flow: Flow, authentication: ReturnType<typeof None>): Promise<Configuration> {
  return discovery(new URL(flow.issuer), flow.clientId, undefined, authentication, { execute: [allowInsecureRequests] });
}

/** Client credentials (RFC 6749, section 4.4) for the resource `audience` (RFC 8707). */
export async function tokenOfClient(flow: Flow & { readonly secret: Secret }, signal?: AbortSignal): Promise<string> {
  const configuration = await configure(flow, ClientSecretBasic(flow.secret.reveal()));
  signal?.throwIfAborted();
  const tokens = await clientCredentialsGrant(configuration, { resource: flow.audience });
  return tokens.access_token;
}

/** Authorization code with PKCE: opens the log-in page like a browser and presses the button of `persona`. */
export async function tokenOfPerson(
  flow: Flow & { readonly redirectUri: string; readonly persona: string },
  signal?: AbortSignal,
): Promise<string> {
  const configuration = await configure(flow, None());
  const pkceCodeVerifier = randomPKCECodeVerifier();
  const expectedState = randomState();
  const start = buildAuthorizationUrl(configuration, {
    redirect_uri: flow.redirectUri,
    scope: 'openid profile',
    resource: flow.audience,
    code_challenge: await calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
  });
  const browser = createBrowser(signal);
  const page = await browser.follow(start, flow.redirectUri);
  if ('redirected' in page) throw unexpected('the log-in page was skipped');
  const action = /<form method="post" action="([^"]+)"/.exec(page.html)?.[1];
  if (action === undefined || !page.html.includes(`value="${flow.persona}"`)) throw unexpected('the log-in page has no such person');
  const answer = await browser.follow(new URL(action, flow.issuer), flow.redirectUri, new URLSearchParams({ persona: flow.persona }));
  if (!('redirected' in answer)) throw unexpected('the log-in did not come back');
  const tokens = await authorizationCodeGrant(
    configuration,
    answer.redirected,
    { pkceCodeVerifier, expectedState, idTokenExpected: true },
    { resource: flow.audience },
  );
  return tokens.access_token;
}

function unexpected(what: string): SallyportError {
  return new SallyportError('SP_AUTH_UNAVAILABLE', `development identity provider: ${what}`);
}

type Page = { readonly html: string } | { readonly redirected: URL };

interface Browser {
  /** Follows redirects until a page comes or `redirectUri` is reached. */
  follow(url: URL, redirectUri: string, form?: URLSearchParams): Promise<Page>;
}

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** A cookie jar and redirects; enough of a browser for one origin. */
function createBrowser(signal: AbortSignal | undefined): Browser {
  const jar = new Map<string, Cookie>();

  function keep(header: string): void {
    const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const path = attributes.find((attribute) => attribute.toLowerCase().startsWith('path='))?.slice(5) ?? '/';
    const cookie = { name, value: pair.slice(name.length + 1), path };
    if (cookie.value === '') jar.delete(`${path} ${name}`);
    else jar.set(`${path} ${name}`, cookie);
  }

  function cookiesFor(url: URL): string {
    const fitting = [...jar.values()].filter(
      ({ path }) => url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`),
    );
    return fitting.map(({ name, value }) => `${name}=${value}`).join('; ');
  }

  return {
    async follow(url, redirectUri, form) {
      let next = url;
      let body = form;
      for (let hop = 0; hop < MAX_REDIRECTS; hop += 1) {
        const response = await fetch(next, {
          method: body === undefined ? 'GET' : 'POST',
          redirect: 'manual',
          headers: { cookie: cookiesFor(next) },
          ...(body === undefined ? {} : { body }),
          ...(signal === undefined ? {} : { signal }),
        });
        for (const header of response.headers.getSetCookie()) keep(header);
        const location = response.headers.get('location');
        const html = await response.text();
        if (location === null) {
          if (response.status === 200) return { html };
          throw unexpected(`HTTP status ${response.status}`);
        }
        next = new URL(location, next);
        body = undefined;
        if (next.href.startsWith(`${redirectUri}?`)) return { redirected: next };
        if (next.origin !== url.origin) throw unexpected('a redirect led elsewhere');
      }
      throw unexpected('too many redirects');
    },
  };
}
