// The verifier as browsers have it (console/src/verify), built as the console is and run here: the same source, with the shims in the place
// of what Node has.

import { mkdtempSync, openAsBlob, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { build } from 'esbuild';
import { forVerifier } from '../../console/build.ts';
import type { VerifyJob, VerifyResult } from '../../console/src/verify/messages.ts';
import { zipOf } from '../../src/evidence/index.ts';

export type ConsoleVerifier = (path: string, options: Omit<VerifyJob, 'file'>) => Promise<VerifyResult>;

/** @returns a verifier of ZIPs on disk */
export async function loadConsoleVerifier(): Promise<ConsoleVerifier> {
  const { verifyBlob } = await loadForBrowsers<{
    readonly verifyBlob: (job: VerifyJob, onProgress: () => void) => Promise<VerifyResult>;
  }>('verify-blob.ts');
  return async (path, options) => verifyBlob({ file: await openAsBlob(path), ...options }, () => undefined);
}

/** A module of console/src/verify as a browser gets it. */
export async function loadForBrowsers<T>(file: string): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-console-verifier-'));
  try {
    const entry = join(import.meta.dirname, '..', '..', 'console', 'src', 'verify', file);
    const outfile = join(folder, 'module.mjs');
    await build({ ...forVerifier, entryPoints: [entry], outfile, format: 'esm' });
    return (await import(outfile)) as T;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes the folder of a bundle as a ZIP, beside it. */
export async function zipped(folder: string): Promise<string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => {
      const content = readFileSync(join(folder, path));
      return { path, bytes: content.length, crc32: crc32(content), sha256: '' };
    });
  const chunks: Buffer[] = [];
  for await (const chunk of zipOf(folder, files)) chunks.push(chunk);
  writeFileSync(`${folder}.zip`, Buffer.concat(chunks));
  return `${folder}.zip`;
}
