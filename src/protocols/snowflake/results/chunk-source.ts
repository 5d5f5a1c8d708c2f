// Fetches chunks from the storage that the account names. The address came from the account over TLS; it is https, and plaintext only on this
// machine when the account itself is such an address. REFUSES: other schemes, addresses with credentials, redirects to another domain.

import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { SallyportError } from '../../../core/error.ts';
import { malformed } from './columns.ts';

export interface ChunkSourceOptions {
  readonly allowsLoopback: boolean;
  /** PEM of authorities instead of the system's. */
  readonly ca?: string;
}

/** How long the storage may be silent. */
const SILENT_MS = 60_000;
const MAX_REDIRECTS = 3;
const MAX_SOCKETS = 32;

export class ChunkSource {
  readonly #options: ChunkSourceOptions;
  readonly #plain = new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #secure: HttpsAgent;

  constructor(options: ChunkSourceOptions) {
    this.#options = options;
    this.#secure = new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS, ...(options.ca === undefined ? {} : { ca: options.ca }) });
  }

  /** @throws SP_UPSTREAM_PROTOCOL for an address that is never asked */
  check(url: string): URL {
    const parsed = URL.canParse(url) ? new URL(url) : null;
    const isAllowed =
      parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && this.#options.allowsLoopback && isLoopback(parsed.hostname));
    if (parsed === null || !isAllowed || parsed.username !== '' || parsed.password !== '')
      throw malformed('a chunk at an address that is not asked');
    return parsed;
  }

  /** The head has come; the body is to be read or destroyed. @throws SP_UPSTREAM_UNREACHABLE, SP_UPSTREAM_PROTOCOL, what `signal` says */
  async open(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    let asked = url;
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#ask(asked, headers, signal);
      const { location } = answer.headers;
      if (answer.statusCode === undefined || answer.statusCode < 300 || answer.statusCode > 399 || location === undefined) return answer;
      answer.destroy();
      const next = this.check(new URL(location, asked).href);
      if (redirects >= MAX_REDIRECTS || next.protocol !== asked.protocol || domainOf(next) !== domainOf(url)) {
        throw malformed('a chunk that is redirected to another place');
      }
      asked = next;
    }
  }

  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #ask(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    const isSecure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const ask = isSecure ? httpsRequest : httpRequest;
      // WHY gzip: some storages unzip for those who do not say that they can.
      const all = { ...headers, 'accept-encoding': 'gzip' };
      const request = ask(url, { agent: isSecure ? this.#secure : this.#plain, headers: all, signal, timeout: SILENT_MS }, resolve);
      request.on('timeout', () => request.destroy(new Error('silent')));
      request.on('error', (cause) => {
        // WHY not its message: it may have the address, and whoever has that has the rows.
        const code = (cause as NodeJS.ErrnoException).code ?? cause.name;
        if (signal.aborted) reject(signal.reason as Error);
        // The storage closed a connection that it had kept, just when it was used again.
        else if (request.reusedSocket && code === 'ECONNRESET') this.#ask(url, headers, signal).then(resolve, reject);
        else reject(new SallyportError('SP_UPSTREAM_UNREACHABLE', `the storage of a chunk: ${code}`));
      });
      request.end();
    });
  }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);

/** The last two labels of a name; an address as it is. */
function domainOf({ hostname }: URL): string {
  return isIP(hostname.replaceAll(/^\[|\]$/g, '')) === 0 ? hostname.split('.').slice(-2).join('.') : hostname;
}

/** Its pieces; ends with a fault when it was cut off. */
export async function* readable(body: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of body) yield piece as Uint8Array;
  } catch (cause) {
    signal.throwIfAborted();
    const name = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new SallyportError('SP_UPSTREAM_UNREACHABLE', `the storage of a chunk: ${name}`);
  }
  if (!body.complete) throw new SallyportError('SP_UPSTREAM_UNREACHABLE', 'the storage of a chunk: cut off');
}
