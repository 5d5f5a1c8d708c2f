// Stands in for src/demo/embedded-postgres.ts: see older-postgres-hook.ts.

import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres as startNewest,
} from '../../src/demo/embedded-postgres.ts';
import { isOlderVersion, startOlderPostgres } from './postgres-versions.ts';

export type { EmbeddedPostgres, EmbeddedPostgresOptions } from '../../src/demo/embedded-postgres.ts';

export function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const major = Number(process.env['SALLYPORT_TEST_POSTGRES'] ?? '18');
  return isOlderVersion(major) ? startOlderPostgres(major, options) : startNewest(options);
}
