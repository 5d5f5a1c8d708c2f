// Sits between the gateway and a database without TLS: counts, records what reaches the database, refuses or cuts.

import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Everything clients have sent through, as latin1 text. */
  sent(): string;
  /** Called with the first bytes of a connection; false closes it. */
  admit: (firstBytes: string) => boolean;
  close(): Promise<void>;
}

export async function startTcpProxy(to: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const chunks: string[] = [];
  const sockets = new Set<Socket>();
  const proxy: { admit: TcpProxy['admit'] } = { admit: () => true };
  const server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => undefined);
    client.once('data', (first: Buffer) => {
      if (!proxy.admit(first.toString('latin1'))) return client.destroy();
      chunks.push(first.toString('latin1'));
      const upstream = connect(to.port, to.host);
      sockets.add(upstream);
      upstream.on('error', () => client.destroy());
      upstream.on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
      upstream.write(first);
      client.on('data', (chunk: Buffer) => chunks.push(chunk.toString('latin1')));
      client.pipe(upstream);
      upstream.pipe(client);
      return undefined;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sent: () => chunks.join(''),
    get admit() {
      return proxy.admit;
    },
    set admit(admit) {
      proxy.admit = admit;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
