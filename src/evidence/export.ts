// Makes an evidence bundle from a log directory: nothing but what the log, the range and the policies say, so that the same gives the
// same bytes. The log may go on growing meanwhile: the bundle is about the checkpoint found at the start.
// REFUSES: a log whose files do not have the root that its checkpoint signs.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { NoteSigner, TileReader } from '../audit/tlog/index.ts';
import {
  bundlePath,
  decodeBundle,
  encodeBundle,
  equalHashes,
  hashAt,
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  signCheckpoint,
  TILE_WIDTH,
  tilePath,
} from '../audit/tlog/index.ts';
import { ANCHORS, anchorOf } from './anchors.ts';
import { rangeEntryOf, type Scope } from './derivation.ts';
import { Derivation } from './derive.ts';
import { parseHeader } from './fields.ts';
import { indexRangeOf, logFilesOf } from './log-range.ts';
import { MANIFEST, signManifest } from './manifest.ts';
import type { StagedFile } from './stage.ts';
import { Stage } from './stage.ts';
import { encodeSums, sha256Hex, SUMS } from './sums.ts';
import { prefixRoot, TileTree } from './tiles.ts';

const MAX_ANCHORS = 2000;

export interface ExportRequest {
  /** RFC 3339, UTC. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly principal: Scope['principal'];
  readonly target: string | null;
}

export interface ExportDeps {
  /** The `log` folder of the audit log. */
  readonly log: string;
  readonly signer: NoteSigner;
  /** Text of a policy version; null when it is not to be had. */
  readonly policy: (sha256: string) => Promise<string | null>;
  /** Text of verify.mjs. */
  readonly verifier: () => Promise<string>;
  /** Of the product. */
  readonly version: string;
  /** Bytes that stay free on the disk of the bundle; 0 = whatever. */
  readonly reserveBytes: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface ExportedBundle {
  readonly scope: Scope;
  readonly files: readonly StagedFile[];
  readonly policiesMissing: readonly string[];
}

/** @param folder where the files go; exists and is empty.
 *  @throws SP_CONFIG_INVALID when the key is not the log's, SP_AUDIT_CORRUPT, SP_STORE_UNAVAILABLE when the disk gets too full */
export async function exportBundle(request: ExportRequest, deps: ExportDeps, folder: string): Promise<ExportedBundle> {
  const { log, signer, signal } = deps;
  // Before the checkpoint: an anchor of a longer log than the checkpoint's is a sign of a rollback, not of time that passed.
  const anchors = await readAnchors(join(log, 'anchors'));
  const checkpoint = await readFile(join(log, 'checkpoint'), 'utf8').catch(absent('the log has no checkpoint'));
  const head = openCheckpointOf(checkpoint, signer);
  const { size } = head;
  const readBundle = cached((index) => readEntries(log, index, Math.min(TILE_WIDTH, size - index * TILE_WIDTH)));
  const range = await indexRangeOf(Date.parse(request.from), Date.parse(request.to), size, readBundle);
  const scope: Scope = { origin: signer.name, ...request, ...range, size, root: Buffer.from(head.root).toString('base64') };

  const tree = new TileTree(size, head.root, tilesOf(log));
  await tree.requireRoot();
  const stage = new Stage(folder, deps.reserveBytes);
  const points = [range.first, ...anchors.flatMap(({ size: point }) => (point <= size ? [point] : []))];
  const { tiles, bundles } = logFilesOf(range, size, points);
  stage.write('log/checkpoint', checkpoint);
  stage.write(
    'log/checkpoint.start',
    signCheckpoint({ size: range.first, root: await prefixRoot(range.first, size, tree.reader) }, signer),
  );
  stage.write('log/log.vkey', `${signer.vkey}\n`);
  for (const { level, index, width } of tiles) stage.write(`log/${tilePath(level, index, width)}`, await tree.tile(level, index));
  for (const { name, bytes } of anchors) stage.write(`${ANCHORS}${name}`, bytes);

  const derivation = new Derivation(scope, deps.version, stage);
  for (const { index, width } of bundles) {
    signal?.throwIfAborted();
    const entries = await readBundle(index);
    stage.write(`log/${bundlePath(index, width)}`, encodeBundle(entries));
    const hashes = await tree.tile(0, index);
    for (const [at, bytes] of entries.entries()) {
      const seq = index * TILE_WIDTH + at;
      const leaf = leafHash(bytes);
      if (!equalHashes(leaf, hashAt(hashes, at))) throw corrupt(`entry ${seq} does not have the hash in its tile`);
      if (seq < range.first || seq >= range.end) continue;
      const header = parseHeader(bytes);
      if (header === null) throw corrupt(`entry ${seq} is not JSON`);
      derivation.push(rangeEntryOf(seq, header, bytes, leaf.toString('hex')));
    }
    deps.onProgress?.(Math.max(0, Math.min(range.end, (index + 1) * TILE_WIDTH) - range.first), range.end - range.first);
  }
  derivation.end();

  const policiesMissing: string[] = [];
  for (const sha256 of [...derivation.policies].toSorted()) {
    const text = await deps.policy(sha256);
    if (text !== null && sha256Hex(Buffer.from(text)) === sha256) stage.write(`policies/${sha256}.yaml`, text);
    else policiesMissing.push(sha256);
  }
  stage.write('verify.mjs', await deps.verifier());
  return { scope, files: finish(stage, { scope, version: deps.version, policiesMissing }, signer), policiesMissing };
}

function finish(stage: Stage, about: Omit<Parameters<typeof signManifest>[0], 'files'>, signer: NoteSigner): readonly StagedFile[] {
  const files = new Map(stage.close().map(({ path, sha256 }) => [path, sha256]));
  const manifest = signManifest({ ...about, files }, signer);
  stage.write(MANIFEST, manifest);
  files.set(MANIFEST, sha256Hex(Buffer.from(manifest)));
  stage.write(SUMS, encodeSums(files));
  return stage.close();
}

function openCheckpointOf(note: string, signer: NoteSigner) {
  try {
    return openCheckpoint(note, parseVerifierKey(signer.vkey));
  } catch (cause) {
    throw new SallyportError('SP_CONFIG_INVALID', 'the checkpoint of the log is not signed by the key of the configuration', { cause });
  }
}

async function readAnchors(folder: string): Promise<{ name: string; size: number; bytes: Buffer }[]> {
  const names = await readdir(folder).catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === 'ENOENT') return [];
    throw fault;
  });
  const known = names.flatMap((name) => {
    const anchor = anchorOf(name);
    return anchor === null ? [] : [{ name, size: anchor.size }];
  });
  const newest = known.toSorted((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1)).slice(0, MAX_ANCHORS);
  return Promise.all(newest.map(async ({ name, size }) => ({ name, size, bytes: await readFile(join(folder, name)) })));
}

/** Once a tile is full its partial forms are removed, so the full one answers for them. */
async function readWidth(log: string, path: (width: number) => string, width: number): Promise<Buffer> {
  try {
    return await readFile(join(log, path(width)));
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'ENOENT' || width === TILE_WIDTH)
      return absent(`${path(width)} is not in the log (any more)`)(fault);
    return readFile(join(log, path(TILE_WIDTH))).catch(absent(`${path(width)} is not in the log (any more)`));
  }
}

function tilesOf(log: string): TileReader {
  return async (level, index, width) => (await readWidth(log, (w) => tilePath(level, index, w), width)).subarray(0, width * 32);
}

async function readEntries(log: string, index: number, width: number): Promise<readonly Buffer[]> {
  const entries = decodeBundle(await readWidth(log, (w) => bundlePath(index, w), width)).slice(0, width);
  if (entries.length < width) throw corrupt(`entries from ${index * TILE_WIDTH + entries.length} on are missing`);
  return entries;
}

/** Remembers the last one: a search reads the same again and again. */
function cached<T>(read: (index: number) => Promise<T>): (index: number) => Promise<T> {
  let last: { readonly index: number; readonly value: T } | null = null;
  return async (index) => {
    if (last?.index !== index) last = { index, value: await read(index) };
    return last.value;
  };
}

function absent(what: string): (fault: unknown) => never {
  return (cause) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw new SallyportError('SP_AUDIT_CORRUPT', what, { cause });
    throw cause;
  };
}

const corrupt = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);
