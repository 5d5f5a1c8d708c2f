// `include:` of further files. Names only go down from the including file's folder, so nothing outside of the folder
// of the policy can be named; whether a link leads out of it is for the reader to see, who has the file system.

import { z } from 'zod';
import type { PolicyText } from './load.ts';
import { parseYamlDocument, type Path } from './source.ts';

const maxFiles = 500;
const maxTotalChars = 16 << 20;

/** Parts of letters, digits, `_`, `-` and `.`, none of which begins with a dot. */
const segments = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*\/?$/;

export const includePath = z
  .string()
  .max(200)
  .superRefine((path, context) => {
    const refuse = (message: string): void => context.addIssue({ code: 'custom', message });
    if (/^([/\\~]|[A-Za-z]:)/.test(path)) refuse('must be relative to this file');
    else if (path.split(/[/\\]/).includes('..'))
      refuse('leaves the folder of this file; a file includes only what lies beside or below it');
    else if (!segments.test(path)) refuse('must be a path of letters, digits, dots, dashes and underscores, with / between folders');
  });

const onlyIncludes = z.object({ include: z.array(includePath).optional() });

/** A file, or all `.yaml` and `.yml` files that lie directly in a folder. */
export type Included = { readonly kind: 'file'; readonly name: string } | { readonly kind: 'folder'; readonly name: string };

/** What an entry of `include` in the file `from` means. */
export function resolveInclude(from: string, path: string): Included {
  const folder = from.slice(0, from.lastIndexOf('/') + 1);
  return isPolicyFile(path) ? { kind: 'file', name: folder + path } : { kind: 'folder', name: folder + path.replace(/\/$/, '') };
}

export function isPolicyFile(name: string): boolean {
  return /\.ya?ml$/.test(name);
}

/** True when `name` is meant. Names are compared exactly. */
export function isIncluded(included: Included, name: string): boolean {
  if (included.kind === 'file') return name === included.name;
  const folder = `${included.name}/`;
  return name.startsWith(folder) && !name.includes('/', folder.length) && isPolicyFile(name);
}

/** Where included files come from. Both answer null when there is nothing of that name. */
export interface PolicyReader {
  readonly readText: (name: string) => Promise<string | null>;
  /** Names in the folder, without their folder. */
  readonly listFolder: (name: string) => Promise<readonly string[] | null>;
}

/** Adds to `files` what they include, and what that includes. What is missing or written wrongly is left to `loadPolicy`, which
 *  says where. @throws RangeError when there is too much to read; and what the reader throws */
export async function withIncludes(files: readonly PolicyText[], reader: PolicyReader): Promise<PolicyText[]> {
  const found = new Map(files.map((file) => [file.name, file]));
  let chars = 0;
  // A map goes on to entries that are added meanwhile.
  for (const file of found.values()) {
    chars += file.text.length;
    if (found.size > maxFiles || chars > maxTotalChars) throw new RangeError('a policy has at most 500 files and 16 MiB');
    for (const included of includesOf(file)) {
      for (const name of await namesOf(included, reader)) {
        if (found.has(name)) continue;
        const text = await reader.readText(name);
        if (text !== null) found.set(name, { name, text });
      }
    }
  }
  return [...found.values(), ...files.filter((file) => found.get(file.name) !== file)];
}

async function namesOf(included: Included, reader: PolicyReader): Promise<readonly string[]> {
  if (included.kind === 'file') return [included.name];
  const names = (await reader.listFolder(included.name)) ?? [];
  return names.filter(isPolicyFile).map((name) => `${included.name}/${name}`);
}

/** Nothing for a file that is not well formed. */
function includesOf({ name, text }: PolicyText): readonly Included[] {
  // Parsing is the dear part of loading, and few files include others. An escaped spelling is found missing later.
  if (!text.includes('include')) return [];
  const parsed = parseYamlDocument(text, name, onlyIncludes);
  return parsed.ok ? (parsed.value.include ?? []).map((path) => resolveInclude(name, path)) : [];
}

interface IncludingFile {
  readonly name: string;
  readonly includes: readonly string[];
}

export interface IncludeFault {
  readonly file: string;
  readonly path: Path;
  readonly what: string;
  /** Names that may have been meant, as they would be written there. */
  readonly known: readonly string[];
}

/** Entries of `include` that nothing answers to, and cycles.
 *  @param names of all files there are */
export function includeFaults(files: readonly IncludingFile[], names: readonly string[]): readonly IncludeFault[] {
  const faults: IncludeFault[] = [];
  const edges = new Map<string, { readonly to: string; readonly index: number }[]>();
  for (const { name: from, includes } of files) {
    edges.set(from, []);
    includes.forEach((path, index) => {
      const included = resolveInclude(from, path);
      const found = names.filter((name) => isIncluded(included, name));
      for (const to of found) edges.get(from)?.push({ to, index });
      if (found.length > 0) return;
      const what = included.kind === 'file' ? 'there is no such file' : 'there is no such folder, or it has no .yaml file';
      const folder = from.slice(0, from.lastIndexOf('/') + 1);
      const known = names.filter((name) => name !== from && name.startsWith(folder)).map((name) => name.slice(folder.length));
      faults.push({ file: from, path: ['include', index], what, known });
    });
  }
  const done = new Set<string>();
  const visit = (name: string, above: readonly string[]): void => {
    if (done.has(name)) return;
    for (const { to, index } of edges.get(name) ?? []) {
      const from = [...above, name].indexOf(to);
      if (from < 0) visit(to, [...above, name]);
      else {
        const cycle = [...above.slice(from), name, to].join(' -> ');
        const what = to === name ? 'the file includes itself' : `files include each other: ${cycle}`;
        faults.push({ file: name, path: ['include', index], what, known: [] });
      }
    }
    done.add(name);
  };
  for (const name of names) visit(name, []);
  return faults;
}
