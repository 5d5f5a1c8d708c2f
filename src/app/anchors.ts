// The anchors of the configuration, with what they need, and their metrics.

import { Counter, type Registry } from 'prom-client';
import {
  type Anchor,
  type AnchoredLog,
  type Anchors,
  createAnchors,
  createFileAnchor,
  createHttpsAnchor,
  createProofStore,
  createTsaAnchor,
  createWitnessAnchor,
  type Send,
} from '../anchors/index.ts';
import { type Disk, publishedLog } from '../audit/index.ts';
import { parseWitnessKey } from '../audit/tlog/index.ts';
import { SallyportError } from '../core/error.ts';
import type { AuditLog, Clock, Logger, Random } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { delayAfter, type EgressRules, post, systemEgress } from '../notify/index.ts';
import type { AnchorConfig } from './anchors-schema.ts';
import { type LoadedConfig, readCa } from './config.ts';
import { readGauge } from './read-metrics.ts';

export interface GatewayAnchors {
  readonly anchors: readonly Anchor[];
  readonly origin: string;
  /** The signed checkpoint on disk; null = none yet. */
  readonly checkpoint: () => Promise<string | null>;
}

/** @throws SP_CONFIG_INVALID */
export async function readAnchors(
  config: LoadedConfig,
  deps: {
    readonly auditDirectory: string;
    readonly secret: (reference: NonNullable<Extract<AnchorConfig, { kind: 'https' }>['authorization']>) => Promise<Secret>;
    readonly random: Random;
    readonly disk?: Disk;
  },
): Promise<GatewayAnchors> {
  const { audit, dataDirectory } = config.document;
  const published = publishedLog(deps.auditDirectory, deps.disk);
  const log: AnchoredLog = { origin: audit.origin, readTile: published.readTile };
  const proofs = createProofStore(published.anchorsDirectory);
  const sendTo = async (item: Exclude<AnchorConfig, { kind: 'file' }>): Promise<Send> => {
    const rules: EgressRules = {
      allowPrivate: item.allowPrivate,
      insecure: item.insecure === true,
      ca: item.ca === undefined ? null : await readCa(config.path(item.ca), `audit.anchors: ${item.name}: ca`),
    };
    return (path, message, signal) => post(new URL(`${item.url.replace(/\/$/, '')}${path}`), message, rules, systemEgress, signal);
  };
  const make = async (item: AnchorConfig): Promise<Anchor> => {
    switch (item.kind) {
      case 'file':
        return createFileAnchor(
          { name: item.name, path: config.path(item.path ?? `${dataDirectory.replace(/\/+$/, '')}.anchor/checkpoint`) },
          log,
        );
      case 'https': {
        const authorization = item.authorization === undefined ? null : (await deps.secret(item.authorization)).reveal();
        if (authorization !== null && !/^[\x20-\x7e]+$/.test(authorization))
          throw new SallyportError(
            'SP_CONFIG_INVALID',
            `audit.anchors: ${item.name}: authorization: it holds characters that no header has`,
          );
        return createHttpsAnchor({ name: item.name, authorization }, await sendTo(item));
      }
      case 'witness':
        return createWitnessAnchor(
          { name: item.name, key: parseWitnessKey(item.vkey), everyMs: item.everyMs },
          log,
          await sendTo(item),
          proofs,
        );
      case 'tsa':
        return createTsaAnchor({ name: item.name, everyMs: item.everyMs }, await sendTo(item), proofs, deps.random);
    }
  };
  return { anchors: await Promise.all(audit.anchors.map(make)), origin: audit.origin, checkpoint: published.checkpoint };
}

/** Keeps the anchors up with the log. `start` it before there are clients. */
export function keepAnchors(
  { anchors, origin, checkpoint }: GatewayAnchors,
  deps: { readonly audit: Pick<AuditLog, 'append' | 'writable'>; readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  registry: Registry,
): Anchors {
  const attempts = new Counter({
    name: 'sallyport_anchor_attempts_total',
    help: 'Checkpoints given to an anchor, by what became of it: kept, failed = tried again, shorter or different = the anchor saw another log',
    labelNames: ['anchor', 'outcome'],
    registers: [registry],
  });
  const kept = createAnchors({
    ...deps,
    anchors,
    origin,
    checkpoint,
    delayAfter: (failed) => delayAfter(failed, (deps.random.bytes(1)[0] ?? 0) / 255),
    counted: (anchor, outcome) => attempts.inc({ anchor, outcome }),
  });
  const lag = 'For how long there has been a checkpoint that the anchor does not have';
  readGauge(registry, { name: 'sallyport_anchor_lag_seconds', help: lag, labelNames: ['anchor'] }, (gauge) => {
    for (const { name, lagMs } of kept.status()) gauge.set({ anchor: name }, lagMs / 1000);
  });
  const entries = 'Entries under the newest checkpoint that the anchor has';
  readGauge(registry, { name: 'sallyport_anchor_entries', help: entries, labelNames: ['anchor'] }, (gauge) => {
    for (const { name, size } of kept.status()) gauge.set({ anchor: name }, size);
  });
  return kept;
}
