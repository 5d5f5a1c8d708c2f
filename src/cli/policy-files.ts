// Policy files as they are given on the command line: files, folders, and what they include.
// REFUSES: a link that leads out of the folders of what was given; what it leads to would be sent to the gateway.

import { dirname, normalize, sep } from 'node:path';
import type { PolicyText } from '../policy/index.ts';
import { usageFailure } from './failure.ts';
import type { CliIo } from './io.ts';

/** In the form of the API. @throws CliFailure naming what cannot be read */
export async function policyFilesOf(io: CliIo, paths: readonly string[]): Promise<{ readonly path: string; readonly source: string }[]> {
  // The language of policies, which no other command needs.
  const { isPolicyFile, withIncludes } = await import('../policy/index.ts');
  const given: PolicyText[] = [];
  const folders: string[] = [];
  for (const path of paths.map((each) => normalize(each))) {
    const listed = await io.listFolder(path);
    const names = listed === null ? [path] : listed.filter(isPolicyFile).map((name) => normalize(`${path}/${name}`));
    if (names.length === 0) throw usageFailure(`${path} has no .yaml file`, 'Give policy files by their path, or a folder of them.');
    folders.push((await io.realPath(listed === null ? dirname(path) : path)) ?? path);
    for (const name of names) given.push({ name, text: await readGiven(io, name) });
  }
  const find = async (name: string): Promise<string | null> => {
    const real = await io.realPath(name);
    if (real === null || folders.some((folder) => real.startsWith(folder.endsWith(sep) ? folder : folder + sep))) return real;
    throw usageFailure(`${name} leads out of the folder of the policy`, 'Put the file itself beside the policy.');
  };
  const files = await withIncludes(given, {
    readText: async (name) => ((await find(name)) === null ? null : readGiven(io, name)),
    listFolder: async (name) => ((await find(name)) === null ? null : io.listFolder(name)),
  }).catch((fault: unknown) => {
    throw fault instanceof RangeError ? usageFailure(fault.message, 'Include less.') : fault;
  });
  return files.map(({ name, text }) => ({ path: name, source: text }));
}

async function readGiven(io: CliIo, path: string): Promise<string> {
  try {
    return await io.readText(path);
  } catch {
    throw usageFailure(`${path} cannot be read`, 'Give policy files by their path.');
  }
}
