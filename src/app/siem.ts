// SIEM destinations from the configuration: secrets and certificates are read before anything starts, and a wrong one refuses to start;
// then destinations, cursors and metrics are put together. Only the main thread exports.

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
import { SallyportError } from '../core/error.ts';
import type { AuditLog, Clock, Logger, Random } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import { acceptedAddresses, delayAfter, type EgressRules, post, systemEgress } from '../notify/index.ts';
import {
  createFileDestination,
  createHttpsDestination,
  createOtlpDestination,
  createSplunkDestination,
  createStdoutDestination,
  createSyslogDestination,
  type CursorStore,
  type Destination,
  type EventContext,
  Exporter,
  type ExporterStatus,
  type LeafSource,
  type Post,
  type WriteOut,
} from '../siem/index.ts';
import type { LoadedConfig } from './config.ts';
import type { SiemDestinationConfig } from './siem-schema.ts';
import { VERSION } from './version.ts';

type ReadSecret = (source: { env: string } | { file: string } | { command: string[] }) => Promise<Secret>;
const SYSLOG_MS = 30_000;

export interface ConfiguredDestination {
  readonly destination: Destination;
  readonly startAt: 'beginning' | 'now';
  readonly maxBatch: number;
}

/** @throws SP_CONFIG_INVALID, without any secret in it */
export async function readSiem(config: LoadedConfig, secret: ReadSecret, write: WriteOut = writeStdout): Promise<ConfiguredDestination[]> {
  const context: EventContext = { origin: config.document.audit.origin, version: VERSION };
  const read: ConfiguredDestination[] = [];
  for (const item of config.document.siem) {
    const { startAt, maxBatch } = item;
    read.push({ destination: await readDestination(item, config, context, secret, write), startAt, maxBatch });
  }
  return read;
}

async function readDestination(
  item: SiemDestinationConfig,
  config: LoadedConfig,
  context: EventContext,
  secret: ReadSecret,
  write: WriteOut,
): Promise<Destination> {
  const common = { name: item.name, context };
  switch (item.kind) {
    case 'file':
      return createFileDestination({ ...common, path: config.path(item.path), maxBytes: item.maxBytes, keep: item.keep });
    case 'stdout':
      return createStdoutDestination(common, write);
    case 'syslog': {
      const client =
        item.client === undefined
          ? null
          : {
              certificate: await readPem(item, config.path(item.client.certificate)),
              key: await readPem(item, config.path(item.client.key)),
            };
      const rules = await rulesOf(item, config);
      const { host, port, maxMessageBytes } = item;
      return createSyslogDestination(
        { ...common, host, port, maxMessageBytes, client, ca: rules.ca, deadlineMs: SYSLOG_MS },
        (name, signal) => acceptedAddresses(name, false, rules, systemEgress, signal),
      );
    }
    default: {
      const rules = await rulesOf(item, config);
      const send: Post = (url, message, signal) => post(url, message, rules, systemEgress, signal);
      const token = item.token === undefined ? null : await readToken(item, item.token, secret);
      const url = new URL(item.url);
      if (item.kind === 'https') return createHttpsDestination({ ...common, url, token }, send);
      if (item.kind === 'otlp') return createOtlpDestination({ ...common, url, token }, send);
      if (token === null) throw refused(item, 'token: it is missing');
      const { index, sourcetype, ack, ackMs } = item;
      return createSplunkDestination({ ...common, url, token, index: index ?? null, sourcetype, ack, ackMs, channel: randomUUID() }, send);
    }
  }
}

async function readToken(item: SiemDestinationConfig, source: Parameters<ReadSecret>[0], secret: ReadSecret): Promise<Secret> {
  const token = await secret(source);
  // It becomes a header.
  if (!/^[\x21-\x7e]+$/.test(token.reveal())) throw refused(item, 'token: it holds characters that no token has');
  return token;
}

async function rulesOf(item: Extract<SiemDestinationConfig, { allowPrivate: boolean }>, config: LoadedConfig): Promise<EgressRules> {
  return {
    allowPrivate: item.allowPrivate,
    insecure: 'insecure' in item && item.insecure === true,
    ca: item.ca === undefined ? null : await readPem(item, config.path(item.ca)),
  };
}

async function readPem(item: SiemDestinationConfig, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', `siem ${item.name}: ${path} cannot be read`, { cause });
  }
}

function refused({ name }: SiemDestinationConfig, why: string): SallyportError {
  return new SallyportError('SP_CONFIG_INVALID', `siem ${name}: ${why}`);
}

function writeStdout(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (fault) => (fault === undefined || fault === null ? resolve() : reject(fault)));
  });
}

export interface GatewaySiem {
  status(): readonly ExporterStatus[];
  /** @throws SP_STORE_UNAVAILABLE */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createGatewaySiem(
  configured: readonly ConfiguredDestination[],
  deps: {
    readonly source: LeafSource;
    readonly cursors: CursorStore;
    readonly audit: Pick<AuditLog, 'append'>;
    readonly clock: Clock;
    readonly random: Random;
    readonly logger: Logger;
  },
  registry: Registry,
): GatewaySiem {
  const exporters = configured.map(
    (options) =>
      new Exporter(options, {
        ...deps,
        delayAfter,
        onRollback: async (destination) => {
          await deps.audit.append({ type: 'alarm', detail: { code: 'log-rolled-back', destination } });
        },
      }),
  );
  const started: Exporter[] = [];
  const status = (): readonly ExporterStatus[] => exporters.map((exporter) => exporter.status());
  registerMetrics(registry, status);
  return {
    status,
    async start() {
      for (const exporter of exporters) {
        await exporter.start();
        started.push(exporter);
      }
    },
    async stop() {
      await Promise.all(started.splice(0).map((exporter) => exporter.stop()));
    },
  };
}

function registerMetrics(registry: Registry, status: () => readonly ExporterStatus[]): void {
  const labelNames = ['destination'] as const;
  const gauge = (name: string, help: string, valueOf: (status: ExporterStatus) => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          for (const each of status()) this.set({ destination: each.name }, valueOf(each));
        },
      }),
    );
  };
  const counter = (name: string, help: string, valueOf: (status: ExporterStatus) => number): void => {
    registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          for (const each of status()) this.inc({ destination: each.name }, valueOf(each));
        },
      }),
    );
  };
  gauge('sallyport_siem_lag_entries', 'Entries of the audit log that a SIEM destination has not taken yet', ({ lag }) => lag);
  gauge('sallyport_siem_up', '1 = the last attempt was taken', ({ fault }) => (fault === null ? 1 : 0));
  counter('sallyport_siem_sent_total', 'Entries taken by a SIEM destination since the start', ({ sent }) => sent);
  counter('sallyport_siem_failures_total', 'Attempts that a SIEM destination did not take', ({ failures }) => failures);
}
