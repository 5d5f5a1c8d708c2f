// Where a bundle ends up: a folder or a ZIP that is there whole or not at all, whatever happens on the way.

import { createWriteStream } from 'node:fs';
import { lstat, mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SallyportError } from '../core/error.ts';
import type { ExportDeps, ExportedBundle, ExportRequest } from './export.ts';
import { exportBundle } from './export.ts';
import { openBundle } from './open-bundle.ts';
import { Stage } from './stage.ts';
import { zipOf } from './zip-writer.ts';

/** @param path ends in `.zip` for an archive; else a folder. Must not exist.
 *  @throws SP_CONFIG_INVALID when it does, and what `exportBundle` throws */
export async function exportTo(path: string, request: ExportRequest, deps: ExportDeps): Promise<ExportedBundle> {
  return placed(path, async (folder, archive) => {
    const bundle = await exportBundle(request, deps, folder);
    if (archive !== null)
      await pipeline(Readable.from(zipOf(folder, bundle.files)), createWriteStream(archive, { flags: 'wx', mode: 0o600 }));
    return bundle;
  });
}

/** Saves an archive that comes from elsewhere, unpacked unless `path` ends in `.zip`.
 *  @throws SP_CONFIG_INVALID when `path` exists, SP_AUDIT_CORRUPT when it is no archive of a bundle */
export async function saveArchive(path: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  await placed(path, async (folder, asZip) => {
    const zip = asZip ?? join(folder, '..', 'bundle.zip');
    await pipeline(Readable.from(archive), createWriteStream(zip, { flags: 'wx', mode: 0o600 }));
    const bundle = await openBundle(zip);
    try {
      if (asZip !== null) return;
      const stage = new Stage(folder, 0);
      for (const file of bundle.files.keys()) for await (const chunk of bundle.chunks(file)) stage.write(file, chunk);
      stage.close();
    } finally {
      await bundle.close();
    }
  });
}

/** @param make fills `folder`, or writes `archive`; what it made is renamed into place. */
async function placed<T>(path: string, make: (folder: string, archive: string | null) => Promise<T>): Promise<T> {
  const target = resolve(path);
  await requireAbsent(target, path);
  const work = await mkdtemp(join(dirname(target), `.${basename(target)}-`)).catch((cause: NodeJS.ErrnoException) => {
    throw new SallyportError('SP_CONFIG_INVALID', `${path} cannot be made: ${cause.code ?? ''}`, { cause });
  });
  try {
    const archive = path.endsWith('.zip') ? join(work, 'bundle.zip') : null;
    const folder = await mkdtemp(join(work, 'files-'));
    const made = await make(folder, archive);
    await requireAbsent(target, path);
    await rename(archive ?? folder, target);
    return made;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function requireAbsent(target: string, path: string): Promise<void> {
  const isThere = await lstat(target).then(
    () => true,
    () => false,
  );
  if (isThere) throw new SallyportError('SP_CONFIG_INVALID', `${path} exists: a bundle is not written over`);
}
