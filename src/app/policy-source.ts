// Reads the policy files the configuration names and loads them together with the packs they include.

import { readFile, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { SallyportError } from '../core/error.ts';
import { type LoadInput, type LoadedPolicy, loadPolicy, type Policy, type PolicyText } from '../policy/index.ts';
import { renderFaults } from './config.ts';
import { loadPacks } from './packs.ts';

/** Texts of files and of all `.yaml` files of directories, by name relative to `folder`.
 *  @throws SP_CONFIG_INVALID */
export async function readPolicyTexts(paths: readonly string[], folder: string): Promise<PolicyText[]> {
  const texts: PolicyText[] = [];
  for (const path of paths) {
    try {
      const files = (await stat(path)).isDirectory()
        ? (await readdir(path)).filter((name) => /\.ya?ml$/.test(name)).map((name) => join(path, name))
        : [path];
      if (files.length === 0) throw new SallyportError('SP_CONFIG_INVALID', `${path}: has no .yaml file`);
      for (const file of files) texts.push({ name: relative(folder, file).replaceAll('\\', '/'), text: await readFile(file, 'utf8') });
    } catch (cause) {
      if (cause instanceof SallyportError) throw cause;
      throw new SallyportError('SP_CONFIG_INVALID', `${path}: cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unreadable'})`, {
        cause,
      });
    }
  }
  return texts;
}

/** What the process configuration knows that a policy may name. */
export type PolicySetting = Pick<LoadInput, 'targets' | 'issuers'>;

const packs = loadPacks();

export function loadPolicyTexts(files: readonly PolicyText[], setting: PolicySetting): LoadedPolicy {
  return loadPolicy({ files, packs: (name) => packs.get(name), ...setting });
}

/** @throws SP_CONFIG_INVALID with one fault a line */
export function requirePolicy(files: readonly PolicyText[], setting: PolicySetting): Policy {
  const loaded = loadPolicyTexts(files, setting);
  if (!loaded.ok) throw new SallyportError('SP_CONFIG_INVALID', renderFaults(loaded.faults));
  return loaded.policy;
}
