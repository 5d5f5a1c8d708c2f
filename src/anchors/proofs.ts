// Proofs from outside, kept below the log for evidence: `<log>/anchors/witness-<name>-<size>.checkpoint`,
// `<log>/anchors/tsa-<name>-<size>.tsr` with the stamped bytes beside it as `.checkpoint`. A file is whole or absent.

import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const DAY_MS = 86_400_000;

export interface ProofStore {
  /** Survives power loss on resolve. */
  put(name: string, content: string | Uint8Array): Promise<void>;
  /** Sizes of the tree that there is a proof of, ascending. */
  sizes(prefix: string, suffix: string): Promise<number[]>;
  /** Keeps the last proof of each day (UTC) and removes the others: a later one proves all that earlier ones do. */
  thin(prefix: string, suffix: string): Promise<void>;
}

/** Creates or replaces; a crash leaves the old or the new content. Survives power loss on resolve. */
export async function replaceDurably(path: string, content: string | Uint8Array): Promise<void> {
  // A place that others can write to may hold a link of that name: none is followed.
  await rm(`${path}.tmp`, { force: true });
  const file = await open(`${path}.tmp`, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** @param directory made when the first proof comes. */
export function createProofStore(directory: string): ProofStore {
  const listed = async (prefix: string, suffix: string): Promise<{ readonly name: string; readonly size: number }[]> => {
    const names = await readdir(directory).catch(() => []);
    return names
      .filter((name) => name.startsWith(prefix) && name.endsWith(suffix))
      .map((name) => ({ name, text: name.slice(prefix.length, -suffix.length) }))
      .filter(({ text }) => /^(0|[1-9][0-9]{0,15})$/.test(text))
      .map(({ name, text }) => ({ name, size: Number(text) }))
      .toSorted((a, b) => a.size - b.size);
  };
  return {
    async put(name, content) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await replaceDurably(join(directory, name), content);
    },
    sizes: async (prefix, suffix) => (await listed(prefix, suffix)).map(({ size }) => size),
    async thin(prefix, suffix) {
      // The newest two tell whether a day has another proof now.
      const [before, last] = (await listed(prefix, suffix)).slice(-2);
      if (before === undefined || last === undefined) return;
      const [first, second] = await Promise.all([before, last].map(async ({ name }) => (await stat(join(directory, name))).mtimeMs));
      if (Math.floor((first ?? 0) / DAY_MS) === Math.floor((second ?? 0) / DAY_MS)) await rm(join(directory, before.name), { force: true });
    },
  };
}
