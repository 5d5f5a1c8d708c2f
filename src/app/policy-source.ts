// Reads the policy files the configuration names, and what they include, and loads them together with their packs.
// REFUSES: a link that leads out of the folders of the files that were named.

import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { SallyportError } from '../core/error.ts';
import {
  isPolicyFile,
  type LoadInput,
  type LoadedPolicy,
  loadPolicy,
  type Policy,
  type PolicyReader,
  type PolicyText,
  withIncludes,
} from '../policy/index.ts';
import { renderFaults } from './config.ts';
import { loadPacks } from './packs.ts';

/** Texts of files and of all `.yaml` files of directories, and of what they include, by name relative to `folder`.
 *  @throws SP_CONFIG_INVALID */
export async function readPolicyTexts(paths: readonly string[], folder: string): Promise<PolicyText[]> {
  const texts: PolicyText[] = [];
  const folders = new Set<string>();
  for (const path of paths) {
    await readable(path, async () => {
      const isFolder = (await stat(path)).isDirectory();
      const files = isFolder ? (await readdir(path)).filter(isPolicyFile).map((name) => join(path, name)) : [path];
      if (files.length === 0) throw new SallyportError('SP_CONFIG_INVALID', `${path}: has no .yaml file`);
      folders.add(await realpath(isFolder ? path : dirname(path)));
      for (const file of files) texts.push({ name: relative(folder, file).replaceAll('\\', '/'), text: await readFile(file, 'utf8') });
    });
  }
  try {
    return await withIncludes(texts, readerOf(folder, [...folders]));
  } catch (cause) {
    if (cause instanceof RangeError) throw new SallyportError('SP_CONFIG_INVALID', cause.message, { cause });
    throw cause;
  }
}

/** @param allowed real paths of the folders that hold the policy */
function readerOf(folder: string, allowed: readonly string[]): PolicyReader {
  const find = async (name: string): Promise<string | null> => {
    const path = resolve(folder, name);
    const real = await realpath(path).catch((fault: NodeJS.ErrnoException) => {
      if (fault.code === 'ENOENT' || fault.code === 'ENOTDIR') return null;
      throw fault;
    });
    if (real === null) return null;
    if (allowed.some((each) => real.startsWith(each.endsWith(sep) ? each : each + sep))) return real;
    throw new SallyportError('SP_CONFIG_INVALID', `${path}: leads out of the folder of the policy`);
  };
  return {
    readText: (name) =>
      readable(resolve(folder, name), async () => {
        const real = await find(name);
        if (real === null) return null;
        if (!(await stat(real)).isFile()) throw new SallyportError('SP_CONFIG_INVALID', `${resolve(folder, name)}: is not a file`);
        return readFile(real, 'utf8');
      }),
    listFolder: (name) =>
      readable(resolve(folder, name), async () => {
        const real = await find(name);
        return real === null || !(await stat(real)).isDirectory() ? null : readdir(real);
      }),
  };
}

/** @throws SP_CONFIG_INVALID for whatever the file system answers */
async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof SallyportError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new SallyportError('SP_CONFIG_INVALID', `${path}: cannot be read (${code})`, { cause });
  }
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
