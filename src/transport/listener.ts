// A TCP listener that stays up: binds with retry, bounds the number of connections in all and per address, and hands
// every accepted socket on paused. Protocols do their own TLS (PostgreSQL negotiates it in band).
// REFUSES: connections over a limit, by closing them at once; plaintext off loopback.

import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { SallyportError } from '../core/error.ts';
import type { Logger } from '../core/ports.ts';
import { type ListenerSecurity, checkSecurity } from './tls-context.ts';

export interface ListenerConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly security: ListenerSecurity;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Absent = the port is this listener's alone. Else several threads of this process accept on it and the kernel spreads
   *  connections over them: the `first` makes sure that nobody else is on the port, the `further` ones join it. */
  readonly sharing?: 'first' | 'further';
}

export interface ListenerDeps {
  readonly config: ListenerConfig;
  readonly logger: Logger;
  /** The socket is paused and has no listeners but `close` and `error`. */
  readonly onConnection: (socket: Socket, address: string) => void;
}

export interface Listening {
  readonly host: string;
  /** The port in use; 0 until the first successful bind. */
  readonly port: number;
  /** Resolves with the port once it is bound. */
  readonly bound: Promise<number>;
  readonly state: 'listening' | 'retrying' | 'closed';
  readonly connections: number;
  /** Stops accepting; sockets that were handed on live on. Idempotent. */
  close(): Promise<void>;
}

const firstRetryMs = 250;
const maxRetryMs = 15_000;

/** Resolves after the first bind attempt. A failed bind is reported and tried again until `close`: one busy port must
 *  not take the other listeners down.
 *  @throws SP_CONFIG_INVALID for settings that can never work. */
export async function listen(deps: ListenerDeps): Promise<Listening> {
  checkSecurity(deps.config.host, deps.config.security);
  const listener = new RetryingListener(deps);
  await listener.bind();
  return listener;
}

class RetryingListener implements Listening {
  readonly host: string;
  port = 0;
  state: Listening['state'] = 'retrying';
  readonly #bound = Promise.withResolvers<number>();
  readonly #deps: ListenerDeps;
  readonly #perAddress = new Map<string, number>();
  #connections = 0;
  #server: Server | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryMs = firstRetryMs;

  constructor(deps: ListenerDeps) {
    this.#deps = deps;
    this.host = deps.config.host;
  }

  get connections(): number {
    return this.#connections;
  }

  get bound(): Promise<number> {
    return this.#bound.promise;
  }

  async bind(): Promise<void> {
    const { config } = this.#deps;
    // WHY: a shared port is open to every process of this user. Another gateway on it would get half of the connections.
    if (config.sharing === 'first' && !(await this.#bindOnce(false))) return;
    await this.#bindOnce(config.sharing !== undefined);
  }

  /** On a shared port without `reusePort` it only finds out that nobody else is there. @returns false when it cannot be bound now. */
  #bindOnce(reusePort: boolean): Promise<boolean> {
    const { config, logger } = this.#deps;
    const isProbe = config.sharing !== undefined && !reusePort;
    return new Promise((settled) => {
      const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
      this.#server = server;
      server.on('connection', (socket) => (isProbe ? socket.destroy() : this.#accept(socket)));
      server.on('error', (fault: NodeJS.ErrnoException) => {
        if (this.state === 'closed') return settled(false);
        logger.error({ host: config.host, port: config.port, code: fault.code ?? 'unknown' }, 'listener cannot bind, will retry');
        this.state = 'retrying';
        this.#scheduleRetry();
        settled(false);
      });
      server.listen({ host: config.host, port: this.port === 0 ? config.port : this.port, reusePort }, () => {
        if (isProbe) {
          server.close(() => settled(this.state !== 'closed'));
          return;
        }
        this.port = (server.address() as AddressInfo).port;
        this.state = 'listening';
        this.#retryMs = firstRetryMs;
        this.#bound.resolve(this.port);
        settled(true);
      });
    });
  }

  async close(): Promise<void> {
    this.state = 'closed';
    if (this.#retry !== null) clearTimeout(this.#retry);
    const server = this.#server;
    this.#server = null;
    // WHY not awaited to the end: `close` of a net.Server waits for live sockets, which the sessions own.
    if (server?.listening === true) server.close();
  }

  #scheduleRetry(): void {
    this.#server = null;
    this.#retry = setTimeout(() => void this.bind(), this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2);
  }

  #accept(socket: Socket): void {
    const { config } = this.#deps;
    const address = socket.remoteAddress;
    if (address === undefined || this.state === 'closed') {
      socket.destroy();
      return;
    }
    const sameAddress = this.#perAddress.get(address) ?? 0;
    if (this.#connections >= config.maxConnections || sameAddress >= config.maxConnectionsPerAddress) {
      socket.destroy();
      return;
    }
    this.#connections += 1;
    this.#perAddress.set(address, sameAddress + 1);
    socket.once('close', () => this.#release(address));
    // A reset before anybody listens must not end the process; owners add their own listener.
    socket.on('error', () => undefined);
    try {
      this.#deps.onConnection(socket, address);
    } catch (cause) {
      socket.destroy();
      const fault = cause instanceof SallyportError ? cause.code : 'SP_INTERNAL';
      this.#deps.logger.error({ code: fault }, 'connection could not be taken over');
    }
  }

  #release(address: string): void {
    this.#connections -= 1;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
  }
}
