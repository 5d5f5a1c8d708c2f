// What `app/compose` registers: listeners for drivers, one engine per target, live sessions. One adapter serves every Snowflake target.

import type { TargetAnalyst } from '../../core/ports.ts';
import type { ListenerConfig, Listening } from '../../transport/listener.ts';
import type { SnowflakeAdapterDeps } from './settings.ts';

export type { SnowflakeAdapterDeps, SnowflakeEngine, SnowflakeLimits, SnowflakeTargetConfig } from './settings.ts';
export { defaultSnowflakeLimits } from './settings.ts';

export interface SnowflakeAdapter {
  /** Reads the catalogues. Never rejects: a target that cannot be read refuses statements until it can. */
  start(): Promise<void>;
  /** @throws SP_CONFIG_INVALID */
  listen(config: ListenerConfig): Promise<Listening>;
  analysts(): readonly TargetAnalyst[];
  readonly liveSessions: number;
  /** No new sessions or statements; running ones finish, held ones are given up. Resolves when no session is left or `signal` fires,
   *  which cuts the rest off. */
  drain(signal: AbortSignal): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** @throws SP_CONFIG_INVALID for targets that may not be dialled as configured. */
export declare function createSnowflakeAdapter(deps: SnowflakeAdapterDeps): SnowflakeAdapter;
