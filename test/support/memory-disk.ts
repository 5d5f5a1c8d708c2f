// A disk in memory that knows what is durable. `crash` keeps only what was synced, plus any mix of what was not, as a
// real disk may after power loss. Faults can be injected per operation.

import type { Disk, DiskFile } from '../../src/audit/disk.ts';

export type DiskOperation = 'open' | 'write' | 'read' | 'datasync' | 'truncate' | 'rename' | 'remove' | 'makeDir' | 'list' | 'syncDir';

/** What happens instead of the operation. `written`: bytes that reach the disk before the error. */
export interface Fault {
  readonly code: string;
  readonly written?: number;
  /** The operation takes effect although it reports an error. */
  readonly persist?: boolean;
}

interface Inode {
  data: Buffer;
  durable: Buffer;
}

const PAGE_BYTES = 64;

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export class MemoryDisk implements Disk {
  /** Operations done so far that change or sync something. */
  operations = 0;
  fault: ((operation: DiskOperation, path: string, count: number) => Fault | undefined) | null = null;
  #files = new Map<string, Inode>();
  #durableFiles = new Map<string, Inode>();
  #dirs = new Set<string>(['/']);
  #durableDirs = new Set<string>(['/']);

  /** Cuts power. @param random 0..1; decides what of the unsynced state survives. */
  crash(random: () => number): void {
    this.fault = null;
    const dirs = new Set([...this.#dirs].filter((dir) => this.#durableDirs.has(dir) || random() < 0.5));
    for (const dir of [...dirs].toSorted()) if (dir !== '/' && !dirs.has(parent(dir))) dirs.delete(dir);
    const files = new Map<string, Inode>();
    for (const path of new Set([...this.#files.keys(), ...this.#durableFiles.keys()])) {
      const inode = random() < 0.5 ? this.#files.get(path) : this.#durableFiles.get(path);
      if (inode === undefined || !dirs.has(parent(path))) continue;
      const data = survivor(inode, random);
      files.set(path, { data, durable: Buffer.from(data) });
    }
    this.#files = files;
    this.#durableFiles = new Map(files);
    this.#dirs = dirs;
    this.#durableDirs = new Set(dirs);
  }

  /** Bytes of a file; changing them in place changes the disk. */
  bytes(path: string): Buffer {
    return this.#inode(path).data;
  }

  put(path: string, data: Uint8Array): void {
    this.#files.set(path, { data: Buffer.from(data), durable: Buffer.from(data) });
  }

  paths(): string[] {
    return [...this.#files.keys()].toSorted();
  }

  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    copy.#files = new Map(
      [...this.#files].map(([path, inode]) => [path, { data: Buffer.from(inode.data), durable: Buffer.from(inode.data) }]),
    );
    copy.#durableFiles = new Map(copy.#files);
    copy.#dirs = new Set(this.#dirs);
    copy.#durableDirs = new Set(this.#dirs);
    return copy;
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    this.#check('open', path);
    if (mode === 'create') {
      if (!this.#dirs.has(parent(path))) throw errno('ENOENT');
      this.#files.set(path, { data: Buffer.alloc(0), durable: Buffer.alloc(0) });
    }
    const inode = this.#inode(path);
    const write = (bytes: Buffer, position: number): number => {
      const fault = this.#faultFor('write', path);
      const kept = fault === undefined || fault.persist === true ? bytes : bytes.subarray(0, fault.written ?? 0);
      const next = Buffer.alloc(Math.max(inode.data.length, position + kept.length));
      inode.data.copy(next);
      kept.copy(next, position);
      inode.data = next;
      if (fault !== undefined) throw errno(fault.code);
      return bytes.length;
    };
    const datasync = (): void => {
      const fault = this.#faultFor('datasync', path);
      if (fault === undefined || fault.persist === true) inode.durable = Buffer.from(inode.data);
      if (fault !== undefined) throw errno(fault.code);
    };
    return {
      write: async (buffers, position) => write(Buffer.concat(buffers), position),
      read: async (buffer, position) => inode.data.copy(buffer, 0, Math.min(position, inode.data.length)),
      datasync: async () => datasync(),
      writeSync: (buffer, position) => write(Buffer.from(buffer), position),
      datasyncSync: datasync,
      truncate: async (length) => {
        this.#check('truncate', path);
        inode.data = Buffer.from(inode.data.subarray(0, length));
      },
      size: async () => inode.data.length,
      close: async () => undefined,
    };
  }

  async exists(path: string): Promise<boolean> {
    return this.#files.has(path) || this.#dirs.has(path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#check('rename', to);
    const inode = this.#inode(from);
    this.#files.delete(from);
    this.#files.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    this.#check('remove', path);
    for (const name of this.#files.keys()) if (name === path || name.startsWith(`${path}/`)) this.#files.delete(name);
    for (const name of this.#dirs) if (name === path || name.startsWith(`${path}/`)) this.#dirs.delete(name);
  }

  async makeDir(path: string): Promise<void> {
    this.#check('makeDir', path);
    for (let dir = path; !this.#dirs.has(dir); dir = parent(dir)) this.#dirs.add(dir);
  }

  async list(path: string): Promise<string[]> {
    const names = [...this.#files.keys(), ...this.#dirs].filter((name) => name !== '/' && parent(name) === path);
    return names.map((name) => name.slice(path.length + 1)).toSorted();
  }

  async syncDir(path: string): Promise<void> {
    this.#check('syncDir', path);
    if (!this.#dirs.has(path)) throw errno('ENOENT');
    for (const name of this.#durableFiles.keys()) if (parent(name) === path && !this.#files.has(name)) this.#durableFiles.delete(name);
    for (const [name, inode] of this.#files) if (parent(name) === path) this.#durableFiles.set(name, inode);
    for (const name of this.#dirs) if (parent(name) === path) this.#durableDirs.add(name);
  }

  #inode(path: string): Inode {
    const inode = this.#files.get(path);
    if (inode === undefined) throw errno('ENOENT');
    return inode;
  }

  #faultFor(operation: DiskOperation, path: string): Fault | undefined {
    this.operations += 1;
    return this.fault?.(operation, path, this.operations);
  }

  #check(operation: DiskOperation, path: string): void {
    const fault = this.#faultFor(operation, path);
    if (fault !== undefined) throw errno(fault.code);
  }
}

function survivor(inode: Inode, random: () => number): Buffer {
  if (inode.data.equals(inode.durable)) return Buffer.from(inode.data);
  const low = Math.min(inode.data.length, inode.durable.length);
  const high = Math.max(inode.data.length, inode.durable.length);
  const result = Buffer.alloc(low + Math.floor(random() * (high - low + 1)));
  for (let at = 0; at < result.length; at += PAGE_BYTES) {
    const from = random() < 0.7 ? inode.data : inode.durable;
    if (at < from.length) from.copy(result, at, at, Math.min(at + PAGE_BYTES, result.length));
  }
  return result;
}
