// A bare TCP relay: what Node costs when it understands nothing. One reused read buffer per socket, no copies, the read
// side pauses while a write is pending. `node relay.ts <upstream port>` prints the port it listens on.

import { type AddressInfo, Socket, connect, createServer } from 'node:net';

const upstreamPort = Number(process.argv[2]);
const host = '127.0.0.1';
const readBytes = 65_536;

/** Options that make a socket read into one buffer of its own and hand each stretch to `other()`. */
function relayed(self: () => Socket, other: () => Socket) {
  let isStopped = false;
  const goOn = (): void => {
    if (!isStopped) return;
    isStopped = false;
    self().resume();
  };
  return {
    onread: {
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback(bytes: number, buffer: Uint8Array): boolean {
        const to = other();
        to.write(buffer.subarray(0, bytes), goOn);
        // Most writes are done at once. Until this one is, its bytes are still in the buffer: nothing may be read into it.
        isStopped = to.writableLength > 0;
        return !isStopped;
      },
    },
  };
}

const server = createServer({ pauseOnConnect: true }, (accepted) => {
  // WHY: only sockets made with `onread` read into a given buffer, and a server cannot be told to make such.
  const holder = accepted as unknown as { _handle: unknown };
  const handle = holder._handle;
  holder._handle = null;
  const client: Socket = new Socket({
    handle,
    ...relayed(
      () => client,
      () => upstream,
    ),
  } as ConstructorParameters<typeof Socket>[0]);
  const upstream: Socket = connect({
    host,
    port: upstreamPort,
    noDelay: true,
    ...relayed(
      () => upstream,
      () => client,
    ),
  });
  client.setNoDelay(true);
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('end', () => to.end());
    from.on('close', () => to.destroy());
  }
  client.resume();
});
server.listen({ host, port: 0, backlog: 1024 }, () => console.log(`port ${(server.address() as AddressInfo).port}`));
