// What understands the statements of one target: its catalogue, planner and analyst together.

import type { Clock, Logger } from '../../core/ports.ts';
import type { Target } from '../../core/target.ts';
import type { SnowflakeParsers } from '../../sql/snowflake/parsers.ts';
import { createSnowflakeAnalyst } from './analyst.ts';
import { type CatalogueLimits, CatalogueLoader } from './catalogue-loader.ts';
import { type CatalogueReadPorts, readCatalogue } from './catalogue-read.ts';
import { SnowflakePlanner, type SnowflakeTargetPolicy, type SqlEngine } from './planner.ts';
import type { SnowflakeEngine, SnowflakeTargetConfig } from './settings.ts';
import type { SnowflakeUpstream } from './upstream.ts';

export type { PlanLookups } from './settings.ts';

export interface EngineDeps {
  readonly target: SnowflakeTargetConfig;
  /** That the catalogue is read from; names as Snowflake stores them. */
  readonly databases: readonly string[];
  readonly sql: SqlEngine;
  readonly parsers: () => Promise<SnowflakeParsers>;
  readonly policy: () => SnowflakeTargetPolicy;
  /** A session of the gateway's own: the role and warehouse of the configuration. */
  readonly connect: (signal: AbortSignal) => Promise<Pick<SnowflakeUpstream, 'own' | 'close'>>;
  readonly chunkRows: CatalogueReadPorts['chunkRows'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<EngineLimits>;
}

export interface EngineLimits extends CatalogueLimits {
  readonly maxCachedPlans: number;
}

const defaultLimits: EngineLimits = {
  catalogueRefreshMs: 60_000,
  catalogueMaxStaleMs: 120_000,
  catalogueReadTimeoutMs: 60_000,
  catalogueMissMs: 5_000,
  maxCachedPlans: 2_000,
};

export function createSnowflakeEngine(deps: EngineDeps): SnowflakeEngine {
  const { target: config, databases, sql, parsers, policy, clock, logger } = deps;
  const { maxCachedPlans, ...limits } = { ...defaultLimits, ...deps.limits };
  const target: Target = { name: config.name, protocol: 'snowflake', address: `${config.host}:${config.port}/${config.account}` };
  const loader = new CatalogueLoader({
    async read(signal) {
      const connection = await deps.connect(signal);
      try {
        return await readCatalogue({ connection, chunkRows: deps.chunkRows }, databases, signal);
      } finally {
        await connection.close();
      }
    },
    async settle(catalogue) {
      await planner.protection(catalogue);
    },
    clock,
    logger,
    target: config.name,
    limits,
  });
  const planner = new SnowflakePlanner({ sql, parsers, policy, loader, tokens: config.tokens, maxCachedPlans });
  return {
    planning: planner,
    analyst: createSnowflakeAnalyst({ target, databases, loader, planner }),
    start: () => loader.start(),
    close: () => loader.close(),
    planLookups: () => ({ target: config.name, ...planner.lookups }),
  };
}
