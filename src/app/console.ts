// How browsers come in: the client of each identity provider that has one, and the log-ins that stand. And where the console's files are.

import type { BrowserLogin } from '../core/browser-login.ts';
import { createHash, createHmac } from 'node:crypto';
import { basename, join } from 'node:path';
import type { ConsolePersona } from '../api/index.ts';
import type { Clock, ConsoleSessionStore, Random } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { type CodeFlowProvider, createCodeFlow, type ConsoleSessions, createConsoleSessions } from '../identity/index.ts';
import type { ConfigDocument } from './config-schema.ts';

type Provider = ConfigDocument['identity']['providers'][number];
type SecretReference = NonNullable<NonNullable<Provider['console']>['clientSecret']>;

/** Clients of those providers that people log in to the console with. @throws what `secret` throws */
export async function readConsoleClients(
  { identity }: ConfigDocument,
  secret: (reference: SecretReference) => Promise<Secret>,
): Promise<CodeFlowProvider[]> {
  const clients = identity.providers.map(async ({ name, issuer, console }): Promise<CodeFlowProvider[]> => {
    if (console === undefined) return [];
    const { clientId, clientSecret, scopes, resource, token, label } = console;
    return [
      {
        name,
        label: label ?? name,
        issuer,
        clientId,
        clientSecret: clientSecret === undefined ? null : await secret(clientSecret),
        scopes,
        resource: resource ?? null,
        token,
      },
    ];
  });
  return (await Promise.all(clients)).flat();
}

export interface GatewayConsole {
  readonly login: BrowserLogin;
  readonly sessions: ConsoleSessions;
  readonly personas: readonly ConsolePersona[];
}

/** @returns null when no identity provider is for browsers */
export function createGatewayConsole(deps: {
  readonly document: ConfigDocument;
  readonly clients: readonly CodeFlowProvider[];
  readonly personas: readonly ConsolePersona[];
  readonly store: ConsoleSessionStore;
  readonly signingKey: Secret;
  readonly clock: Clock;
  readonly random: Random;
}): GatewayConsole | null {
  const { document, clients, personas, store, signingKey, clock, random } = deps;
  if (clients.length === 0) return null;
  const names = new Set(clients.map(({ name }) => name));
  const providers = document.identity.providers.filter(({ name }) => names.has(name));
  return {
    login: createCodeFlow({ providers: clients, clock, random }),
    sessions: createConsoleSessions({
      store,
      clock,
      random,
      secret: new Secret(createHmac('sha256', signingKey.reveal()).update('sallyport console sessions').digest('hex')),
      idleMs: document.api.console.idleMs,
      // What a log-in was verified with: after a change of it people log in anew.
      providers: new Map(providers.map((provider) => [provider.name, createHash('sha256').update(JSON.stringify(provider)).digest('hex')])),
    }),
    personas: personas.filter(({ provider }) => names.has(provider)),
  };
}

/** In the source tree what the build has made; in the package the folder beside the bundle. */
export function consoleFolder(): string {
  return basename(import.meta.filename).endsWith('.ts')
    ? join(import.meta.dirname, '..', '..', 'dist', 'console')
    : join(import.meta.dirname, 'console');
}
