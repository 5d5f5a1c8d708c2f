// A policy version as it is kept: the canonical text that its hash is of, back to the files and packs it was made from. Packs
// come from the version itself: those that ship with the product may be others by now.

import { createHash } from 'node:crypto';
import type { Sha256Hex } from '../core/ids.ts';
import type { LoadedPolicy, LoadInput, PolicyText } from './load.ts';
import { loadPolicy } from './load.ts';

export interface PolicySource {
  readonly files: readonly PolicyText[];
  readonly packs: ReadonlyMap<string, string>;
}

/** @returns null when `source` is not what `Policy.source` holds. */
export function splitSource(source: string): PolicySource | null {
  const bytes = Buffer.from(source);
  const head = '# sallyport policy 1\n';
  if (!source.startsWith(head)) return null;
  const files: PolicyText[] = [];
  const packs = new Map<string, string>();
  for (let at = head.length; at < bytes.length;) {
    const end = bytes.indexOf('\n', at);
    const match = end < 0 ? null : /^# (file|pack) (".*") (\d{1,9})$/.exec(bytes.toString('utf8', at, end));
    if (match === null) return null;
    const [, kind, quoted = '', length = ''] = match;
    const from = end + 1;
    const to = from + Number(length);
    if (bytes[to] !== 0x0a) return null;
    const text = bytes.toString('utf8', from, to);
    const name = unquoted(quoted);
    if (name === null) return null;
    if (kind === 'file') files.push({ name, text });
    else packs.set(name, text);
    at = to + 1;
  }
  return { files, packs };
}

function unquoted(quoted: string): string | null {
  try {
    const name: unknown = JSON.parse(quoted);
    return typeof name === 'string' ? name : null;
  } catch {
    return null;
  }
}

/** Loads a kept version, with the packs it was made with.
 *  @param surroundings absent = targets and identity providers it names are not looked for. */
export function loadVersion(source: string, surroundings: Pick<LoadInput, 'targets' | 'issuers'> = {}): LoadedPolicy {
  const parts = splitSource(source);
  if (parts === null) {
    const what = 'the kept version is damaged';
    return { ok: false, faults: [{ file: 'policy', line: 1, column: 1, path: '', what, suggestion: null }] };
  }
  return loadPolicy({ files: parts.files, packs: (name) => parts.packs.get(name), ...surroundings });
}

/** Hash of the own files, whatever the packs are. */
export function filesSha256(files: readonly PolicyText[]): Sha256Hex {
  const sorted = files.map(({ name, text }) => [name, text]).toSorted(([one = ''], [other = '']) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex') as Sha256Hex;
}
