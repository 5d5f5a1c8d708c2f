// The disk as the log needs it: a narrow port, so that tests can inject full disks, failing syncs and torn writes.
// Only `datasync` and `syncDir` make anything survive power loss.

import { constants, fdatasyncSync, writeSync } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface DiskFile {
  /** Writes the buffers one after the other. May write less than asked. @returns bytes written. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>;
  /** Fills `buffer` from `position`. @returns bytes read; less than asked only at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  datasync(): Promise<void>;
  /** As `write` and `datasync`, in this thread: the log's writer has one of its own, and a hop to another costs more than it saves. */
  writeSync(buffer: Uint8Array, position: number): number;
  datasyncSync(): void;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface Disk {
  /** `create` starts an empty file, replacing what was there. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile>;
  exists(path: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a whole directory; no fault when absent. */
  remove(path: string): Promise<void>;
  makeDir(path: string): Promise<void>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(path: string): Promise<string[]>;
  syncDir(path: string): Promise<void>;
}

const FLAGS = { read: 'r', write: 'r+', create: 'w+' } as const;

export function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** What a fault is called in logs; never its text. */
export function faultCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : cause instanceof Error ? cause.name : 'unknown';
}

export const nodeDisk: Disk = {
  async open(path, mode) {
    const handle = await open(path, FLAGS[mode], 0o600);
    return {
      async write(buffers, position) {
        const only = buffers.length === 1 ? buffers[0] : undefined;
        if (only !== undefined) return (await handle.write(only, 0, only.length, position)).bytesWritten;
        return (await handle.writev([...buffers], position)).bytesWritten;
      },
      async read(buffer, position) {
        let done = 0;
        while (done < buffer.length) {
          const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return done;
      },
      datasync: () => handle.datasync(),
      writeSync: (buffer, position) => writeSync(handle.fd, buffer, 0, buffer.length, position),
      datasyncSync: () => fdatasyncSync(handle.fd),
      truncate: (length) => handle.truncate(length),
      size: async () => (await handle.stat()).size,
      close: () => handle.close(),
    };
  },
  exists: (path) =>
    access(path, constants.F_OK).then(
      () => true,
      (error: unknown) => {
        if (isAbsent(error)) return false;
        throw error;
      },
    ),
  rename,
  remove: (path) => rm(path, { force: true, recursive: true }),
  makeDir: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
  async list(path) {
    try {
      return (await readdir(path)).toSorted();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  },
  async syncDir(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Writes all of `buffers`, however many calls it takes. */
export async function writeAll(file: DiskFile, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let rest = buffers;
  let at = position;
  while (rest.length > 0) {
    let written = await file.write(rest, at);
    if (written === 0) throw new Error('the disk accepts no more bytes');
    at += written;
    const left: Uint8Array[] = [];
    for (const buffer of rest) {
      const skipped = Math.min(written, buffer.length);
      written -= skipped;
      if (skipped < buffer.length) left.push(buffer.subarray(skipped));
    }
    rest = left;
  }
}

export function writeAllSync(file: DiskFile, buffer: Uint8Array, position: number): void {
  for (let done = 0; done < buffer.length;) {
    const written = file.writeSync(done === 0 ? buffer : buffer.subarray(done), position + done);
    if (written === 0) throw new Error('the disk accepts no more bytes');
    done += written;
  }
}

/** Creates or replaces a file so that a crash leaves the old or the new content, never a mix. The name is durable
 *  once the caller has synced the directory. */
export async function replaceFile(disk: Disk, path: string, buffers: readonly Uint8Array[]): Promise<void> {
  const file = await disk.open(`${path}.tmp`, 'create');
  try {
    await writeAll(file, buffers, 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(`${path}.tmp`, path);
}

/** @returns null when there is no such file. */
export async function readWhole(disk: Disk, path: string): Promise<Buffer | null> {
  let file: DiskFile;
  try {
    file = await disk.open(path, 'read');
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafe(await file.size());
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/** The nearest directory at or above `path` that exists. */
export async function existingAncestor(disk: Disk, path: string): Promise<string> {
  let dir = path;
  while (dir !== dirname(dir) && !(await disk.exists(dir))) dir = dirname(dir);
  return dir;
}

/** Makes `path` and its missing parents below `root`, all durable. Both are absolute; `root` exists. */
export async function makeDurableDir(disk: Disk, root: string, path: string): Promise<void> {
  await disk.makeDir(path);
  for (let dir = path; dir !== root && dir.startsWith(root); dir = dirname(dir)) await disk.syncDir(dirname(dir));
}
