// Listening side of the API. Plain HTTP is served on loopback only: everything else needs a certificate.

import type { AddressInfo } from 'node:net';
import { isIPv6 } from 'node:net';
import { isLoopback } from '../core/address.ts';
import { SallyportError } from '../core/error.ts';
import type { ApiApp, ApiTls } from './app.ts';
import { buildApi } from './app.ts';
import type { ApiDeps } from './ports.ts';

export interface Api {
  /** @param options.port 0 = any free port.
   *  @throws SP_CONFIG_INVALID without TLS on an address that is not loopback; the system's error when the port is taken. */
  listen(options: { readonly host: string; readonly port: number; readonly tls?: ApiTls }): Promise<{
    readonly url: string;
    readonly port: number;
  }>;
  /** Ends event streams, lets running requests finish, then closes. */
  close(): Promise<void>;
}

export function createApi(deps: ApiDeps): Api {
  const apps: ApiApp[] = [];
  return {
    listen: async ({ host, port, tls }) => {
      if (tls === undefined && !isLoopback(host)) {
        throw new SallyportError('SP_CONFIG_INVALID', `the API on ${host} needs a certificate: plain HTTP is for loopback`);
      }
      const app = await buildApi(deps, tls ?? null);
      try {
        await app.listen({ host, port });
      } catch (error) {
        await app.close();
        throw error;
      }
      apps.push(app);
      const bound = (app.server.address() as AddressInfo).port;
      const name = isIPv6(host) ? `[${host}]` : host;
      return { url: `${tls === undefined ? 'http' : 'https'}://${name}:${bound}`, port: bound };
    },
    close: async () => {
      await Promise.all(apps.splice(0).map((app) => app.close()));
    },
  };
}
