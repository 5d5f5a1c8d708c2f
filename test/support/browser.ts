// As much of a browser as a log-in needs: a cookie jar for each host, redirects followed by hand, and headers that browsers add. Every
// certificate of this machine is taken.

import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export class Browser {
  /** Cookies by host (without the port, as in browsers), then by name and path. */
  readonly #jar = new Map<string, Map<string, { readonly name: string; readonly value: string; readonly path: string }>>();

  /** One request. */
  async ask(address: string | URL, asking: Asking = {}): Promise<Page> {
    const url = new URL(address);
    const response = await this.open(url, asking);
    let body = '';
    response.setEncoding('utf8');
    for await (const chunk of response) body += String(chunk);
    return { url, status: response.statusCode ?? 0, headers: response.headers, body };
  }

  /** The answer, unread. */
  async open(url: URL, { method = 'GET', headers = {}, body }: Asking = {}): Promise<IncomingMessage> {
    const cookie = this.cookiesFor(url);
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = send(
        url,
        {
          method,
          rejectUnauthorized: false,
          headers: {
            ...(cookie === '' ? {} : { cookie }),
            ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
            ...headers,
          },
        },
        resolve,
      );
      request.once('error', reject);
      request.end(body);
    });
    for (const header of response.headers['set-cookie'] ?? []) this.#keep(url, header);
    return response;
  }

  /** Follows redirects until a page comes, or until `stop` says that the next address is far enough. */
  async follow(address: string | URL, asking: Asking = {}, stop: (url: URL) => boolean = () => false): Promise<Page> {
    let page = await this.ask(address, asking);
    for (let hop = 0; hop < 15; hop += 1) {
      if (page.headers.location === undefined) return page;
      const next = new URL(page.headers.location, page.url);
      if (stop(next)) return { ...page, url: next };
      page = await this.ask(next);
    }
    throw new Error('too many redirects');
  }

  cookiesFor(url: URL): string {
    return [...(this.#jar.get(url.hostname)?.values() ?? [])]
      .filter(({ path }) => url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  cookie(url: string, name: string): string | null {
    return [...(this.#jar.get(new URL(url).hostname)?.values() ?? [])].find((each) => each.name === name)?.value ?? null;
  }

  setCookie(url: string, name: string, value: string): void {
    this.#keep(new URL(url), `${name}=${value}; path=/`);
  }

  #keep(url: URL, header: string): void {
    const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(name.length + 1);
    const path = attributes.find((attribute) => attribute.toLowerCase().startsWith('path='))?.slice(5) ?? '/';
    const ofHost = this.#jar.get(url.hostname) ?? new Map();
    this.#jar.set(url.hostname, ofHost);
    if (value === '' || attributes.some((attribute) => /^max-age=0$/i.test(attribute))) ofHost.delete(`${path} ${name}`);
    else ofHost.set(`${path} ${name}`, { name, value, path });
  }
}

/** Events of a stream as they come. */
export class EventReader {
  readonly response: IncomingMessage;
  readonly seen: { readonly event: string; readonly id: string; readonly data: unknown }[] = [];
  isOver = false;

  constructor(response: IncomingMessage) {
    this.response = response;
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      rest += chunk;
      const frames = rest.split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1] ?? '';
        if (field('event') !== '') this.seen.push({ event: field('event'), id: field('id'), data: JSON.parse(field('data')) });
      }
    });
    const over = (): void => {
      this.isOver = true;
    };
    response.once('end', over);
    response.once('close', over);
    response.on('error', over);
  }

  close(): void {
    this.response.destroy();
  }
}
