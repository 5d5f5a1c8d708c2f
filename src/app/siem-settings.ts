// SIEM destinations from the configuration: secrets and certificates are read before anything starts, and a wrong one refuses to start.
// What is read crosses to the thread that exports, and becomes destinations there.

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { SallyportError } from '../core/error.ts';
import { Secret } from '../core/secret.ts';
import { acceptedAddresses, type EgressRules, post, systemEgress } from '../notify/index.ts';
import {
  createFileDestination,
  createHttpsDestination,
  createOtlpDestination,
  createSplunkDestination,
  createStdoutDestination,
  createSyslogDestination,
  type Destination,
  type EventContext,
  type Post,
  type WriteOut,
} from '../siem/index.ts';
import type { LoadedConfig } from './config.ts';
import type { SiemDestinationConfig } from './siem-schema.ts';

type ReadSecret = (source: { env: string } | { file: string } | { command: string[] }) => Promise<Secret>;
type ConfigOf<Kind extends SiemDestinationConfig['kind']> = Extract<SiemDestinationConfig, { kind: Kind }>;
type Kept<Kind extends SiemDestinationConfig['kind']> = Omit<ConfigOf<Kind>, 'allowPrivate' | 'insecure' | 'ca' | 'token' | 'client'>;

/** @typeParam Hidden `Secret`, or text where it crosses to another thread */
export type SiemSettings<Hidden = Secret> =
  | Kept<'file'>
  | Kept<'stdout'>
  | (Kept<'https'> & { readonly rules: EgressRules; readonly token: Hidden | null })
  | (Kept<'otlp'> & { readonly rules: EgressRules; readonly token: Hidden | null })
  | (Kept<'splunk-hec'> & { readonly rules: EgressRules; readonly token: Hidden })
  | (Kept<'syslog'> & { readonly rules: EgressRules; readonly client: { readonly certificate: string; readonly key: Hidden } | null });

const SYSLOG_MS = 30_000;

/** @throws SP_CONFIG_INVALID, without any secret in it */
export async function readSiem(config: LoadedConfig, secret: ReadSecret): Promise<SiemSettings[]> {
  const read: SiemSettings[] = [];
  for (const item of config.document.siem) read.push(await readDestination(item, config, secret));
  return read;
}

async function readDestination(item: SiemDestinationConfig, config: LoadedConfig, secret: ReadSecret): Promise<SiemSettings> {
  switch (item.kind) {
    case 'file':
      return { ...item, path: config.path(item.path) };
    case 'stdout':
      return item;
    case 'syslog': {
      const { client, ca: _ca, allowPrivate: _allowPrivate, ...kept } = item;
      const ours =
        client === undefined
          ? null
          : {
              certificate: await readPem(item, config.path(client.certificate)),
              key: new Secret(await readPem(item, config.path(client.key))),
            };
      return { ...kept, rules: await rulesOf(item, config), client: ours };
    }
    default: {
      const { token: source, ca: _ca, allowPrivate: _allowPrivate, insecure: _insecure, ...kept } = item;
      const rules = await rulesOf(item, config);
      const token = source === undefined ? null : await readToken(item, source, secret);
      if (kept.kind !== 'splunk-hec') return { ...kept, rules, token };
      if (token === null) throw refused(item, 'token: it is missing');
      return { ...kept, rules, token };
    }
  }
}

export function plainSettings(settings: SiemSettings): SiemSettings<string> {
  if ('client' in settings) return { ...settings, client: settings.client && { ...settings.client, key: settings.client.key.reveal() } };
  if (settings.kind === 'splunk-hec') return { ...settings, token: settings.token.reveal() };
  return 'token' in settings ? { ...settings, token: settings.token?.reveal() ?? null } : settings;
}

/** @param write standard output of the process */
export function destinationOf(settings: SiemSettings<string>, context: EventContext, write: WriteOut): Destination {
  const common = { name: settings.name, context };
  switch (settings.kind) {
    case 'file':
      return createFileDestination({ ...common, path: settings.path, maxBytes: settings.maxBytes, keep: settings.keep });
    case 'stdout':
      return createStdoutDestination(common, write);
    case 'syslog': {
      const { host, port, maxMessageBytes, client, rules } = settings;
      return createSyslogDestination(
        { ...common, host, port, maxMessageBytes, client, ca: rules.ca, deadlineMs: SYSLOG_MS },
        (name, signal) => acceptedAddresses(name, false, rules, systemEgress, signal),
      );
    }
    default: {
      const send: Post = (url, message, signal) => post(url, message, settings.rules, systemEgress, signal);
      const url = new URL(settings.url);
      if (settings.kind === 'splunk-hec') {
        const { index, sourcetype, ack, ackMs } = settings;
        const token = new Secret(settings.token);
        return createSplunkDestination(
          { ...common, url, token, index: index ?? null, sourcetype, ack, ackMs, channel: randomUUID() },
          send,
        );
      }
      const token = settings.token === null ? null : new Secret(settings.token);
      return settings.kind === 'https'
        ? createHttpsDestination({ ...common, url, token }, send)
        : createOtlpDestination({ ...common, url, token }, send);
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
