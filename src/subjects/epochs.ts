// Since when which columns are keys of which subject: what was recorded under another configuration is not searched as if it were under
// this one. Names of columns only. Losing the file makes every earlier request one that nothing is known of.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from './files.ts';

/** Target -> subject -> patterns of its columns. */
export type SubjectNames = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

const epochs = z.array(
  z.strictObject({
    /** Log index from which on it holds. */
    from: z.int().nonnegative(),
    at: z.string(),
    /** Of the keys that tokens in requests may be made with; absent = none. */
    tokenKeys: z.array(z.string()).optional(),
    targets: z.record(z.string(), z.record(z.string(), z.array(z.string()))),
  }),
);
export type Epoch = z.output<typeof epochs>[number];

const pathIn = (dir: string): string => join(dir, 'since.json');

/** In order; none when there is no file, or it cannot be read. */
export async function readEpochs(dir: string): Promise<readonly Epoch[]> {
  const text = await readFile(pathIn(dir), 'utf8').catch(() => '[]');
  try {
    return epochs.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

/** Notes the configuration of a start when it is another than that of the one before. */
export async function noteEpoch(
  dir: string,
  now: { readonly from: number; readonly at: string; readonly tokenKeys?: string[]; readonly targets: SubjectNames },
): Promise<void> {
  const known = await readEpochs(dir);
  const last = known.at(-1);
  const isSame = JSON.stringify(last?.tokenKeys ?? []) === JSON.stringify(now.tokenKeys ?? []);
  if (isSame && JSON.stringify(last?.targets ?? {}) === JSON.stringify(now.targets)) return;
  await writeDurably(pathIn(dir), Buffer.from(`${JSON.stringify([...known, now], null, 1)}\n`));
}

/** Whether all tokens that requests may have had from the entry at `seq` on can be made today. @param have keys, as `Epoch.tokenKeys` */
export function tokensMadeAt(known: readonly Epoch[], seq: number, have: ReadonlySet<string>): boolean {
  return known.findLast(({ from }) => from <= seq)?.tokenKeys?.every((id) => have.has(id)) ?? true;
}

/** The columns in force for the entry at `seq`; null = none. */
export function columnsAt(known: readonly Epoch[], seq: number, target: string, subject: string): readonly string[] | null {
  return known.findLast(({ from }) => from <= seq)?.targets[target]?.[subject] ?? null;
}
