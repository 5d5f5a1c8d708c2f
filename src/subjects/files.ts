// Files of the subject index: `<day>-<start>-<thread>-<key id>.idx`, one writer each, never written again after a restart.

import { mkdir, open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const NAME = /^(\d{8})-(\d{13})-(\d{1,3})-([0-9a-f]{16})\.idx$/;
const DAY_MS = 86_400_000;

export interface IndexFile {
  readonly name: string;
  readonly keyId: string;
  /** Start of the day whose records it has. Records of a statement that ran over midnight are in the later one. */
  readonly dayMs: number;
}

export function fileName(atMs: number, startMs: number, thread: number, keyId: string): string {
  return `${dayOf(atMs)}-${String(Math.trunc(startMs)).padStart(13, '0')}-${thread}-${keyId}.idx`;
}

export const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10).replaceAll('-', '');

export const byName = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Oldest first. */
export async function indexFiles(dir: string): Promise<IndexFile[]> {
  const names = await readdir(dir).catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === 'ENOENT') return [];
    throw fault;
  });
  return names.toSorted(byName).flatMap((name) => {
    const match = NAME.exec(name);
    if (match === null) return [];
    const [, day = '', , , keyId = ''] = match;
    return [{ name, keyId, dayMs: Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00Z`) }];
  });
}

/** No record of it is younger. A clock may be off by a day. */
export const endOf = ({ dayMs }: IndexFile): number => dayMs + 2 * DAY_MS;

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Whole or not at all, and there after power loss. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
  await syncDirectory(dirname(path));
}

export const pathOf = (dir: string, { name }: Pick<IndexFile, 'name'>): string => join(dir, name);
