// Settings of every connection to a target, given at start-up.

import { type MaskMethod, methodOf } from '../../core/decision.ts';
import type { GateSession } from '../../session/gate.ts';
import type { PostgresTargetConfig } from './adapter.ts';
import { PREVIEW_SETTINGS } from './preview-connection.ts';
import { SAMPLE_SETTINGS } from './sampler.ts';
import { type StartupWishes, targetApplication } from './startup.ts';

/** What the analyser relies on, bound at start-up: stronger than the role's defaults, and what RESET goes back to. */
function pinnedSettings(): [string, string][] {
  return [
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
    ['client_min_messages', 'notice'],
    ['row_security', 'on'],
  ];
}

const keyedMethods: ReadonlySet<MaskMethod> = new Set(['token', 'hash', 'date-shift']);

/** Of a session's connection to its target. */
export function sessionSettings(config: PostgresTargetConfig, wishes: StartupWishes, gate: GateSession): ReadonlyMap<string, string> {
  const settings = new Map(wishes.settings);
  for (const [name, value] of pinnedSettings()) settings.set(name, value);
  settings.set('search_path', config.searchPath.map((schema) => `"${schema.replaceAll('"', '""')}"`).join(', '));
  // Only where a mask needs it: who sees all in clear may ask for any setting.
  const needsKeys = Object.values(gate.masks().byClass).some((mask) => keyedMethods.has(methodOf(mask)));
  if (needsKeys) for (const [name, value] of config.tokens.settings) settings.set(name, value);
  settings.set('application_name', targetApplication(gate.id));
  if (config.statementTimeoutMs !== null)
    settings.set('statement_timeout', lower(settings.get('statement_timeout'), config.statementTimeoutMs));
  if (config.idleInTransactionTimeoutMs !== null) {
    const name = 'idle_in_transaction_session_timeout';
    settings.set(name, lower(settings.get(name), config.idleInTransactionTimeoutMs));
  }
  return settings;
}

/** The client's wish when it is a plain number of milliseconds below the limit, else the limit. */
function lower(wish: string | undefined, limitMs: number): string {
  const wishMs = Number(wish ?? '');
  return Number.isSafeInteger(wishMs) && wishMs > 0 && wishMs < limitMs ? String(wishMs) : String(limitMs);
}

export function catalogueSettings(): ReadonlyMap<string, string> {
  return new Map([...pinnedSettings(), ['search_path', 'pg_catalog'], ['application_name', 'sallyport catalogue'], ['DateStyle', 'ISO']]);
}

/** Of a connection on which a held statement of the session is previewed. */
export function previewSettings(config: PostgresTargetConfig, wishes: StartupWishes, gate: GateSession): ReadonlyMap<string, string> {
  return new Map([...sessionSettings(config, wishes, gate), ...PREVIEW_SETTINGS]);
}

/** Of a connection on which `policy check` looks at values. */
export function sampleSettings(): ReadonlyMap<string, string> {
  return new Map([...catalogueSettings(), ...SAMPLE_SETTINGS]);
}
