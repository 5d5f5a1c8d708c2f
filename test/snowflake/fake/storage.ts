// The storage that an account puts its results into: its own port, as S3 or GCS would be its own host. Demands the headers of the
// result, forgets addresses after their time, and counts who came.

import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Fetch {
  readonly id: string;
  readonly userAgent: string;
  readonly status: number;
}

interface Stored {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: () => Buffer;
  readonly expiresAtMs: number;
}

export class Storage {
  /** Every request, in order. */
  readonly fetches: Fetch[] = [];
  /** How long an address works. */
  validityMs = 6 * 3_600_000;
  /** Requests that are answered with this status, the next ones first. */
  readonly failures: number[] = [];
  readonly #stored = new Map<string, Stored>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Storage> {
    const server = createServer();
    const storage = new Storage(server);
    server.on('request', (request, response) => storage.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return storage;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** An address of its own for every answer. `body` is compressed. */
  put(body: () => Buffer, headers: Readonly<Record<string, string>>): string {
    const id = randomBytes(12).toString('hex');
    this.#stored.set(id, { body, headers, expiresAtMs: Date.now() + this.validityMs });
    return `http://${this.host}/sfc-results/${id}?X-Amz-Expires=${Math.ceil(this.validityMs / 1000)}&X-Amz-Signature=${id}`;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const id = /^\/sfc-results\/([0-9a-f]+)\?/.exec(request.url ?? '')?.[1] ?? '';
    const stored = this.#stored.get(id);
    const reply = (status: number, text: string): void => {
      this.fetches.push({ id, status, userAgent: request.headers['user-agent'] ?? '' });
      response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?><Error><Code>${text}</Code></Error>`);
    };
    const failure = this.failures.shift();
    if (failure !== undefined) return reply(failure, 'SlowDown');
    if (stored === undefined || request.method !== 'GET') return reply(404, 'NoSuchKey');
    if (stored.expiresAtMs < Date.now()) return reply(403, 'AccessDenied');
    // WHY: tokens of the account never go to the storage; S3 refuses two ways of signing.
    if (request.headers.authorization !== undefined) return reply(400, 'InvalidArgument');
    for (const [name, value] of Object.entries(stored.headers))
      if (request.headers[name.toLowerCase()] !== value) return reply(400, 'InvalidRequest');
    this.fetches.push({ id, status: 200, userAgent: request.headers['user-agent'] ?? '' });
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' }).end(stored.body());
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
