// What the adapter is configured with: targets, limits and the ports it works through.

import type { BrowserLogin } from '../../core/browser-login.ts';
import type { TargetName } from '../../core/ids.ts';
import type { Authenticator, Clock, FailureLimiter, Logger, Random, TargetAnalyst } from '../../core/ports.ts';
import type { TokenSpace } from '../../masking/index.ts';
import type { Gate } from '../../session/gate.ts';
import type { SnowflakePlanning } from './planning.ts';
import type { ResultMasker } from './results/index.ts';
import type { SnowflakeUpstream, SnowflakeAccount } from './upstream.ts';
import type { UpstreamTls } from './upstream-http.ts';

export interface SnowflakeTargetConfig extends SnowflakeAccount {
  /** What clients give as their account. */
  readonly name: TargetName;
  readonly host: string;
  readonly port: number;
  readonly tls: UpstreamTls;
  /** Keys of `token`, `hash` and `date-shift` masks on this target. */
  readonly tokens: TokenSpace;
}

/** What understands statements of one target. The adapter starts and closes it. */
export interface SnowflakeEngine {
  readonly planning: SnowflakePlanning;
  readonly analyst: TargetAnalyst;
  /** Reads the catalogue. Never rejects. */
  start(): Promise<void>;
  /** How plans were found so far. */
  planLookups(): PlanLookups;
  close(): void;
}

export interface PlanLookups {
  readonly target: string;
  readonly texts: number;
  readonly shapes: number;
  readonly misses: number;
}

export interface SnowflakeLimits {
  /** Of a statement with its binds, inflated. */
  readonly maxRequestBytes: number;
  readonly maxLoginBytes: number;
  /** Of one answer of the account, chunks apart. */
  readonly maxAnswerBytes: number;
  readonly connectTimeoutMs: number;
  readonly loginTimeoutMs: number;
  /** How long an answer is held back before the client is told to ask again. */
  readonly pollMs: number;
  /** A statement that nobody has approved by then is given up. Its approval stays open. */
  readonly maxHoldMs: number;
  /** A held statement that its client has not asked for so long is given up likewise. */
  readonly lostClientMs: number;
  readonly tokenMs: number;
  readonly masterTokenMs: number;
  /** Between heartbeats to the account while something is held. */
  readonly heartbeatMs: number;
  /** A session of the SQL API that nobody has used for so long ends, and its results with it. */
  readonly apiIdleMs: number;
  /** Statements of one session that are not finished. */
  readonly maxJobs: number;
  /** Answers of one session that are kept for repetitions of its requests. */
  readonly maxKeptBytes: number;
  /** Kept of each result for replay; 0 rows = none. */
  readonly recordRows: number;
  readonly recordBytes: number;
}

export const defaultSnowflakeLimits: SnowflakeLimits = {
  maxRequestBytes: 64 * 1024 * 1024,
  maxLoginBytes: 256 * 1024,
  maxAnswerBytes: 64 * 1024 * 1024,
  connectTimeoutMs: 10_000,
  loginTimeoutMs: 60_000,
  pollMs: 40_000,
  maxHoldMs: 30 * 60_000,
  lostClientMs: 120_000,
  tokenMs: 3_600_000,
  masterTokenMs: 4 * 3_600_000,
  heartbeatMs: 10 * 60_000,
  apiIdleMs: 5 * 60_000,
  maxJobs: 100,
  maxKeptBytes: 32 * 1024 * 1024,
  recordRows: 100,
  recordBytes: 256 * 1024,
};

export interface SnowflakeAdapterDeps {
  readonly gate: Gate;
  readonly authenticator: Authenticator;
  /** Counts failed log-ins. */
  readonly failures: FailureLimiter;
  readonly targets: readonly SnowflakeTargetConfig[];
  /** Called once for each target. `connect` logs in with the credential of the target, for catalogue reads. */
  readonly engine: (target: SnowflakeTargetConfig, connect: (signal: AbortSignal) => Promise<SnowflakeUpstream>) => SnowflakeEngine;
  readonly results: ResultMasker;
  /** Null: EXTERNALBROWSER is refused. */
  readonly browserLogin: BrowserLogin | null;
  /** How clients and browsers reach the listener: `https://gw.example`; null = as they say themselves. */
  readonly publicUrl: string | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<SnowflakeLimits>;
}

/** Ends of sessions, as the record names them. */
export type CloseReason = 'client' | 'upstream' | 'fault' | 'expired' | 'locked' | 'policy' | 'ended' | 'shutdown';
