// A local HTTP server that plays somebody's endpoint: keeps what came in, answers what the test says.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpDouble {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** May be replaced between requests. Default: 200 `ok`. */
  answer: (received: Received, response: ServerResponse) => void;
  /** Resolves when `count` requests have come in. */
  until(count: number): Promise<void>;
  close(): Promise<void>;
}

/** @param tls PEM texts; null = plain HTTP. */
export async function startHttpDouble(tls: { certificate: string; key: string } | null = null): Promise<HttpDouble> {
  const received: Received[] = [];
  let waiting: { count: number; resolve: () => void }[] = [];
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
      received.push(one);
      for (const { resolve } of waiting.filter(({ count }) => received.length >= count)) resolve();
      waiting = waiting.filter(({ count }) => received.length < count);
      double.answer(one, response);
    });
  };
  const server = tls === null ? createServer(handle) : createTlsServer({ cert: tls.certificate, key: tls.key }, handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const double: HttpDouble = {
    url: `${tls === null ? 'http' : 'https'}://${tls === null ? '127.0.0.1' : 'localhost'}:${port}`,
    port,
    received,
    answer: (_received, response) => void response.end('ok'),
    until: (count) => (received.length >= count ? Promise.resolve() : new Promise((resolve) => waiting.push({ count, resolve }))),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return double;
}
