// The Snowflake adapter of the configuration, with the engine of each target. In the main thread only: a driver uses several connections
// for one session.

import { dirname } from 'node:path';
import { isLoopback } from '../core/address.ts';
import type { SallyportError } from '../core/error.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import { createSnowflakeAdapter, type SnowflakeAdapterDeps, type SnowflakeTargetConfig } from '../protocols/snowflake/adapter.ts';
import { readChunkRows } from '../protocols/snowflake/catalogue-chunks.ts';
import { createSnowflakeEngine } from '../protocols/snowflake/engine.ts';
import type { SnowflakeTargetPolicy, SqlEngine } from '../protocols/snowflake/planner.ts';
import { ChunkSource } from '../protocols/snowflake/results/chunk-source.ts';
import { createResultMasker } from '../protocols/snowflake/results/index.ts';
import type { SnowflakeCredential } from '../protocols/snowflake/upstream-credential.ts';
import { resolveSecret } from '../secrets/index.ts';
import type { OpenGate } from '../session/gate.ts';
import { loadSnowflakeParsers, planSnowflake, protectSnowflake, statementSha256 } from '../sql/snowflake/index.ts';
import type { ConfigDocument } from './config-schema.ts';
import { environment } from './environment.ts';
import type { ProtocolAdapter } from './protocol-adapters.ts';
import type { SnowflakeTargetDocument } from './targets-schema.ts';
import { threadsOf } from './threads.ts';
import { tokenSpaceOf } from './token-keys.ts';
import type { TrafficSettings } from './traffic.ts';

export interface GatewaySnowflakeDeps extends Pick<
  SnowflakeAdapterDeps,
  'authenticator' | 'failures' | 'browserLogin' | 'clock' | 'random' | 'logger'
> {
  readonly settings: TrafficSettings;
  readonly gate: OpenGate;
  readonly policy: (target: TargetName) => SnowflakeTargetPolicy;
}

const sql: SqlEngine = { plan: planSnowflake, protect: protectSnowflake, formSha256: statementSha256 };
/** Threads that mask results, for each that serves traffic. */
const maskersPerThread = 1;

/** True when the gateway has a Snowflake target or listener. */
export function usesSnowflake({ targets, listeners }: ConfigDocument): boolean {
  return [...targets, ...listeners].some(({ protocol }) => protocol === 'snowflake');
}

/** @throws SP_CONFIG_INVALID for targets that may not be dialled as configured */
export function createGatewaySnowflake(deps: GatewaySnowflakeDeps): ProtocolAdapter {
  const { settings, gate, policy, clock, logger } = deps;
  const { document } = settings;
  const targets = targetsOf(settings);
  const allowsLoopback = targets.some(({ host }) => isLoopback(host));
  const source = new ChunkSource({ allowsLoopback });
  const results = createResultMasker({
    clock,
    workers: maskersPerThread * threadsOf(document.limits.workers),
    maxRowBytes: document.limits.maxRowBytes,
    allowsLoopback,
    onRefused: (owner, fault) => endRefused(gate, owner as SessionId, fault, deps),
  });
  const adapter = createSnowflakeAdapter({
    gate,
    authenticator: deps.authenticator,
    failures: deps.failures,
    targets,
    results,
    browserLogin: deps.browserLogin,
    publicUrl: publicUrlOf(document),
    clock,
    random: deps.random,
    logger,
    limits: { maxRequestBytes: document.limits.maxMessageBytes, recordBytes: document.limits.recordBytes },
    engine(target, connect) {
      const databases = document.targets.flatMap((each) =>
        each.protocol === 'snowflake' && each.name === target.name ? each.databases : [],
      );
      return createSnowflakeEngine({
        target,
        databases,
        sql,
        parsers: loadSnowflakeParsers,
        policy: () => policy(target.name),
        connect,
        chunkRows: (data, signal) => readChunkRows(source, data, signal),
        clock,
        logger,
      });
    },
  });
  const closeResults = async (): Promise<void> => {
    source.close();
    await results.close();
  };
  return {
    start: () => adapter.start(),
    listen: (config) => adapter.listen(config),
    analysts: () => adapter.analysts(),
    get liveSessions() {
      return adapter.liveSessions;
    },
    planLookups: () => adapter.planLookups(),
    async drain(signal) {
      await adapter.drain(signal);
      await closeResults();
    },
    async close() {
      await adapter.close();
      await closeResults();
    },
  };
}

/** Rows that came after their answer was let through were not those that had been planned. */
function endRefused(gate: OpenGate, session: SessionId, fault: SallyportError, { logger }: Pick<GatewaySnowflakeDeps, 'logger'>): void {
  logger.error({ session, code: fault.code }, 'a part of a result was refused; its session ends');
  gate
    .alarm(session, 'lineage-disagreement')
    .catch(() => logger.error({ session }, 'an alarm was not recorded'))
    .finally(() => gate.endSession(session, fault));
}

/** The same for all listeners: links of one session lead to wherever it logged in. */
function publicUrlOf({ listeners }: ConfigDocument): string | null {
  for (const listener of listeners) if (listener.protocol === 'snowflake' && listener.publicUrl !== undefined) return listener.publicUrl;
  return null;
}

function targetsOf(settings: TrafficSettings): SnowflakeTargetConfig[] {
  const { document, authorities, tokenKeys } = settings;
  return document.targets.flatMap((target) => {
    if (target.protocol !== 'snowflake') return [];
    const { name, account, user, role, warehouse, tls } = target;
    const ca = authorities.get(name);
    return {
      name: name as TargetName,
      ...target.address,
      account,
      user,
      credential: credentialOf(target, settings),
      role,
      warehouse,
      database: null,
      schema: null,
      tokens: tokenSpaceOf(tokenKeys, name),
      tls:
        tls.mode === 'disable'
          ? { mode: 'disable' }
          : {
              mode: 'verify-full',
              ...(ca === undefined ? {} : { ca }),
              ...(tls.servername === undefined ? {} : { servername: tls.servername }),
            },
    };
  });
}

/** Secrets are asked for at every log-in to the account: a rotated one is taken at once. */
function credentialOf({ credential }: SnowflakeTargetDocument, { file }: TrafficSettings): SnowflakeCredential {
  const reader = (reference: Parameters<typeof resolveSecret>[0]) => () =>
    resolveSecret(reference, { environment: environment(), baseDir: dirname(file) });
  if ('keyPair' in credential) {
    const { privateKey, passphrase } = credential.keyPair;
    return { kind: 'key-pair', privateKey: reader(privateKey), passphrase: passphrase === undefined ? null : reader(passphrase) };
  }
  if ('pat' in credential) return { kind: 'access-token', token: reader(credential.pat) };
  if ('token' in credential.oauth) return { kind: 'oauth', token: reader(credential.oauth.token) };
  const { tokenUrl, clientId, clientSecret, scope } = credential.oauth.clientCredentials;
  return { kind: 'oauth-client', tokenUrl, clientId, clientSecret: reader(clientSecret), scope: scope ?? null };
}
