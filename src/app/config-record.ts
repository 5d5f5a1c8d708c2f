// Says in the log when the gateway was started with another configuration than the last time: hashes only. Secrets are not part of the
// configuration's document, and nothing of it can be read back from its hash.

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditLog } from '../core/ports.ts';
import type { ConfigDocument } from './config-schema.ts';

/** SHA-256 of the validated document with its keys in order: layout and comments of the file do not matter. */
export function configSha256(document: ConfigDocument): string {
  return createHash('sha256')
    .update(JSON.stringify(ordered(document)))
    .digest('hex');
}

/** Appends `config.changed` when the hash differs from that of the last start, and remembers it after that.
 *  @param directory where it is remembered. WHY a file: losing it costs one more entry, never one less. */
export async function recordConfig(document: ConfigDocument, audit: Pick<AuditLog, 'append'>, directory: string): Promise<void> {
  const sha256 = configSha256(document);
  const path = join(directory, 'config.sha256');
  const previous = await readFile(path, 'utf8').then(
    (text) => (/^[0-9a-f]{64}$/.test(text.trim()) ? text.trim() : 'unreadable'),
    () => 'none',
  );
  if (previous === sha256) return;
  await audit.append({ type: 'config.changed', detail: { sha256, previous } });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(`${path}.tmp`, `${sha256}\n`, { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  );
}
