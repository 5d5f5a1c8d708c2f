// What a browser meets on the way to a log-in: the start, the choice of an identity provider where there are several, and the way back.
// The identity token stays here; the browser goes to the driver's own listener on its machine with a one-time code.

import type { BrowserLogin } from '../../core/browser-login.ts';
import type { ServerResponse } from 'node:http';
import { SallyportError } from '../../core/error.ts';
import type { Clock, FailureLimiter } from '../../core/ports.ts';
import { AttemptBudget } from '../../session/attempt-budget.ts';
import type { HttpHandler, HttpRequest } from '../../transport/http-server.ts';
import type { HttpRoute } from '../../transport/http-router.ts';
import type { BrowserLogins } from './browser-login.ts';

export interface BrowserPagesDeps {
  readonly flow: BrowserLogin;
  readonly browsers: BrowserLogins;
  readonly failures: FailureLimiter;
  readonly clock: Clock;
  /** Null = as browsers say themselves: the identity provider knows which addresses it may send them to. */
  readonly publicUrl: string | null;
}

const cookieName = 'sallyport-login';
const cookieS = 300;
/** Each minute. */
const maxBegun = 30;
const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

export class BrowserPages {
  readonly #deps: BrowserPagesDeps;
  /** By address: those that wait are bounded, and nobody pushes out those of others. */
  readonly #begun: AttemptBudget;

  constructor(deps: BrowserPagesDeps) {
    this.#deps = deps;
    this.#begun = new AttemptBudget({ clock: deps.clock, attempts: maxBegun, windowMs: 60_000 });
  }

  /** @param proofKey null = made here.
   *  @returns null for a port that is none, or a key that proves nothing. @throws SP_AUTH_THROTTLED */
  begin(request: HttpRequest, port: number, proofKey: string | null): { readonly url: string; readonly proofKey: string } | null {
    if (this.#begun.isSpent(request.address)) throw new SallyportError('SP_AUTH_THROTTLED', 'too many log-ins begun from this address');
    this.#begun.spend(request.address);
    const begun = this.#deps.browsers.begin(port, proofKey);
    return begun === null ? null : { url: `${this.#origin(request)}/gw/login/${begun.id}`, proofKey: begun.proofKey };
  }

  routes(): HttpRoute[] {
    const get = (path: string, handle: HttpHandler): HttpRoute => ({
      method: 'GET',
      path,
      handle: async (request, response) => {
        try {
          requireNavigation(request);
          await handle(request, response);
        } catch (fault) {
          if (response.headersSent) throw fault;
          if (fault instanceof SallyportError && fault.category === 'identity') this.#deps.failures.recordFailure(request.address);
          page(response, 400, 'The log-in did not work', 'Start it again from your tool.');
        }
      },
    });
    return [
      get('/console/login', (request, response) => this.#fromDriver(request, response)),
      get('/gw/login/*', (request, response) => this.#start(request, response)),
      get('/gw/login/*/*', (request, response) => this.#start(request, response)),
      get('/gw/callback/*', (request, response) => this.#back(request, response)),
    ];
  }

  /** Drivers that make the proof key themselves send the browser here at once. */
  async #fromDriver(request: HttpRequest, response: ServerResponse): Promise<void> {
    const { query } = request;
    const proofKey = query.get('proof_key') ?? '';
    const begun = this.begin(request, Number(query.get('browser_mode_redirect_port') ?? ''), proofKey);
    if (begun === null) throw new SallyportError('SP_API_BAD_REQUEST', 'not a log-in of a driver');
    redirect(response, begun.url);
  }

  async #start(request: HttpRequest, response: ServerResponse): Promise<void> {
    const { flow, browsers, failures } = this.#deps;
    const [id = '', chosen] = request.parts;
    if (failures.waitMs(request.address) > 0) throw new SallyportError('SP_AUTH_THROTTLED', 'too many failed log-ins from this address');
    if (!idPattern.test(id) || !browsers.isPending(id)) throw new SallyportError('SP_API_NOT_FOUND', 'no driver waits for this log-in');
    const [first, ...more] = flow.providers;
    const provider = chosen ?? (more.length === 0 ? first?.name : undefined);
    if (provider === undefined) {
      const links = flow.providers.map(
        ({ name, label }) => `<li><a href="/gw/login/${id}/${encodeURIComponent(name)}">${escaped(label)}</a></li>`,
      );
      page(response, 200, 'Log in', `<ul>${links.join('')}</ul>`);
      return;
    }
    const { url, transaction } = await flow.begin(provider, {
      redirectUri: this.#redirectUri(request, provider),
      returnTo: id,
      hint: null,
    });
    redirect(response, url, this.#cookie(request, transaction, cookieS));
  }

  async #back(request: HttpRequest, response: ServerResponse): Promise<void> {
    const { flow, browsers } = this.#deps;
    const [provider = ''] = request.parts;
    const transaction = cookieOf(request.headers.cookie);
    if (transaction === null) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'this browser began no log-in');
    const { token, returnTo } = await flow.finish(transaction, {
      provider,
      redirectUri: this.#redirectUri(request, provider),
      query: `?${request.query.toString()}`,
    });
    redirect(response, browsers.arrived(returnTo, token), this.#cookie(request, '', 0));
  }

  #origin({ origin }: HttpRequest): string {
    return this.#deps.publicUrl ?? origin;
  }

  /** One for each provider, so that the code of one is never shown to another (RFC 9700, 4.4). */
  #redirectUri(request: HttpRequest, provider: string): string {
    return `${this.#origin(request)}/gw/callback/${encodeURIComponent(provider)}`;
  }

  #cookie(request: HttpRequest, value: string, seconds: number): string {
    const secure = this.#origin(request).startsWith('https:') ? '; Secure' : '';
    return `${cookieName}=${value}; Path=/gw/callback; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
  }
}

/** Images, scripts and frames of other pages begin no log-in. @throws SP_API_CROSS_SITE */
function requireNavigation({ headers }: HttpRequest): void {
  const mode = headers['sec-fetch-mode'];
  const destination = headers['sec-fetch-dest'];
  if ((mode === undefined || mode === 'navigate') && (destination === undefined || destination === 'document')) return;
  throw new SallyportError('SP_API_CROSS_SITE', 'a log-in is a page');
}

/** @returns null when there is none, or more than one. */
function cookieOf(header: string | undefined): string | null {
  const values = (header ?? '')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${cookieName}=`))
    .map((part) => part.slice(cookieName.length + 1));
  return values.length === 1 && values[0] !== '' ? (values[0] ?? null) : null;
}

const headers = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

function redirect(response: ServerResponse, location: string, cookie?: string): void {
  response.writeHead(302, { ...headers, location, 'content-length': 0, ...(cookie === undefined ? {} : { 'set-cookie': cookie }) }).end();
}

function page(response: ServerResponse, status: number, title: string, html: string): void {
  const body = Buffer.from(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Sallyport</title><h1>${title}</h1>${html}</html>`);
  response.writeHead(status, { ...headers, 'content-type': 'text/html; charset=utf-8', 'content-length': body.length }).end(body);
}

function escaped(text: string): string {
  return text.replaceAll(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
