// Reads `sallyport.yaml` and resolves everything it points to. All faults are found and printed at once; nothing starts
// from a configuration with a fault.

import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { SallyportError } from '../core/error.ts';
import { type Fault, parseYamlDocument, renderFault } from '../policy/index.ts';
import { type ConfigDocument, configSchema } from './config-schema.ts';

export interface LoadedConfig {
  readonly document: ConfigDocument;
  /** Absolute path of the file. */
  readonly file: string;
  /** Resolves a path of the configuration, which is relative to the file. */
  readonly path: (relative: string) => string;
}

/** @throws SP_CONFIG_INVALID with one fault a line in `message` */
export async function loadConfig(file: string): Promise<LoadedConfig> {
  const absolute = resolve(file);
  let text: string;
  try {
    text = await readFile(absolute, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new SallyportError('SP_CONFIG_INVALID', `${file}: cannot be read (${code}); \`sallyport init\` writes a working one`, { cause });
  }
  const parsed = parseYamlDocument(text, file, configSchema);
  if (!parsed.ok) throw new SallyportError('SP_CONFIG_INVALID', renderFaults(parsed.faults));
  const folder = dirname(absolute);
  return {
    document: parsed.value,
    file: absolute,
    path: (relative) => (isAbsolute(relative) ? relative : resolve(folder, relative)),
  };
}

export function renderFaults(faults: readonly Fault[]): string {
  return faults.map(renderFault).join('\n');
}

/** Certificates to trust instead of the system's, PEM. @param key what names the file in the configuration @throws SP_CONFIG_INVALID */
export async function readCa(file: string, key: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', `${key}: ${file} cannot be read`, { cause });
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new SallyportError('SP_CONFIG_INVALID', `${key}: ${file} is not a PEM certificate`);
  return text;
}
