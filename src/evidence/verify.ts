// Verifies an evidence bundle offline: files, signatures, the log, and everything derived from it, which is derived again and compared.
// Reads, never writes, and needs nothing but the bundle. Each fault is told with its own reason; none keeps the others from being found.

import type { NoteVerifier } from '../audit/tlog/index.ts';
import { parseVerifierKey } from '../audit/tlog/index.ts';
import { ANCHORS, anchorOf } from './anchors.ts';
import type { BundleFiles } from './bundle-files.ts';
import { readFileOf } from './bundle-files.ts';
import { DERIVATION } from './derivation.ts';
import { Derivation } from './derive.ts';
import type { FileHashes } from './file-hashes.ts';
import { hashFiles } from './file-hashes.ts';
import { logFilesOf } from './log-range.ts';
import type { Manifest } from './manifest.ts';
import { MANIFEST, openManifest } from './manifest.ts';
import { OCSF_FOLDER } from './ocsf-files.ts';
import { SessionRuns } from './session-runs.ts';
import { HashingSink, OnePathSink } from './sinks.ts';
import { decodeSums, SUMS } from './sums.ts';
import type { EvidenceVerdict, ProblemCode } from './verdict.ts';
import { Problems } from './verdict.ts';
import { checkHistory } from './verify-history.ts';
import { BundleLog, messageOf, readHead } from './verify-log.ts';

/** Below what a string can hold. */
const MAX_TEXT_BYTES = 500_000_000;
/** Compared line by line only up to here; longer ones are told as a whole. */
const MAX_COMPARED_BYTES = 256 * 1024 * 1024;
const MAX_COMPARED_FILES = 5;
const FIXED = new Set([MANIFEST, SUMS, 'verify.mjs', 'log/checkpoint', 'log/checkpoint.start', 'log/log.vkey']);

export interface VerifyOptions {
  /** Public key of the log, from somewhere else than the bundle. Null = the one in the bundle, which proves less. */
  readonly vkey: string | null;
  /** Checkpoints that the auditor kept, as signed notes. */
  readonly checkpoints: readonly string[];
  /** Public keys of witnesses whose cosignatures count. */
  readonly witnesses: readonly string[];
  readonly onProgress?: (step: 'files' | 'entries', done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Hashing that goes on beside this thread. */
export interface HashingAside {
  /** Of all files of the bundle. @throws when any of it could not be done */
  readonly hashes: Promise<FileHashes>;
  /** Whether it is over or not. */
  stop(): Promise<void>;
}

/** @param onBytes bytes hashed so far. @returns null = to be done in this thread */
export type HashAside = (paths: readonly string[], onBytes: (done: number) => void) => HashingAside | null;

/** @param open throws SP_AUDIT_CORRUPT for what is no bundle
 *  @throws SP_CONFIG_INVALID for options that are none; faults of reading as they are */
export async function verifyFiles(
  open: () => Promise<BundleFiles>,
  options: VerifyOptions,
  hashAside: HashAside | null = null,
): Promise<EvidenceVerdict> {
  let bundle: BundleFiles;
  try {
    bundle = await open();
  } catch (fault) {
    const problems = new Problems();
    problems.add('bundle-refused', messageOf(fault));
    return verdictOf(problems, { options, key: null, manifest: null, checked: { files: 0, entries: 0, policies: 0 }, history: null });
  }
  try {
    return await new Verification(bundle, options).run(hashAside);
  } finally {
    await bundle.close();
  }
}

class Verification {
  readonly #bundle: BundleFiles;
  readonly #options: VerifyOptions;
  /** In the order in which they are told, whatever was found first. */
  readonly #problems = { key: new Problems(), files: new Problems(), manifest: new Problems(), log: new Problems() };
  /** Why there is nothing more to look for. */
  readonly #over = new AbortController();

  constructor(bundle: BundleFiles, options: VerifyOptions) {
    this.#bundle = bundle;
    this.#options = options;
  }

  async run(hashAside: HashAside | null): Promise<EvidenceVerdict> {
    const verifier = await this.#key();
    const aside = hashAside?.([...this.#bundle.files.keys()], this.#onBytes()) ?? null;
    try {
      const hashing = aside?.hashes ?? Promise.resolve(await this.#hashHere());
      // What is looked at meanwhile comes to nothing.
      hashing.catch((fault: unknown) => this.#over.abort(fault));
      return await this.#verdict(verifier, hashing);
    } finally {
      this.#over.abort();
      await aside?.stop();
    }
  }

  async #verdict(verifier: NoteVerifier | null, hashing: Promise<FileHashes>): Promise<EvidenceVerdict> {
    const manifest = verifier === null ? null : await this.#manifest(verifier);
    const checked = { files: 0, entries: 0, policies: 0 };
    let history: Awaited<ReturnType<typeof checkHistory>> | null = null;
    if (verifier !== null && manifest !== null) {
      const problems = this.#problems.log;
      const { scope } = manifest;
      const head = await readHead(this.#bundle, 'log/checkpoint', verifier, problems);
      if (
        head !== null &&
        (head.size !== scope.size || Buffer.from(head.root).toString('base64') !== scope.root || verifier.name !== scope.origin)
      ) {
        problems.add('manifest-differs', 'the manifest is about another checkpoint than the one in the bundle', { file: 'log/checkpoint' });
      } else if (head !== null && manifest.derivation !== DERIVATION) {
        const what = `the bundle was made by rules ${manifest.derivation}, this verifier has rules ${DERIVATION}: use one of that version`;
        problems.add('version-unsupported', what, { file: MANIFEST });
      } else if (head !== null) {
        const anchors = [...this.#bundle.files.keys()].flatMap((path) => anchorOf(path.slice(ANCHORS.length)) ?? []);
        const points = [scope.first, ...anchors.flatMap(({ size }) => (size <= scope.size ? [size] : []))];
        const files = logFilesOf(scope, scope.size, points);
        const log = new BundleLog(this.#bundle, scope, head, files, problems);
        await log.checkStart(verifier);
        history = await checkHistory({ bundle: this.#bundle, tree: log.tree, head, verifier, problems, ...this.#options });
        Object.assign(checked, await this.#derived(log, manifest, files.paths, hashing));
      }
    }
    const hashes = await hashing;
    checked.files = hashes.digests.size;
    await this.#files(hashes);
    if (manifest !== null) this.#compare(manifest.files, hashes, new Set([SUMS, MANIFEST]), MANIFEST, 'manifest-differs');
    const { key, files, manifest: ofManifest, log } = this.#problems;
    return verdictOf(Problems.joined([key, files, ofManifest, log]), { options: this.#options, key: verifier, manifest, checked, history });
  }

  async #key(): Promise<NoteVerifier | null> {
    const given = this.#options.vkey;
    const file = 'log/log.vkey';
    try {
      const own = (await readFileOf(this.#bundle, file, 4096)).toString('utf8');
      if (own !== `${own.trim()}\n`) this.#problems.key.add('key-foreign', 'it is not one line with a key', { file });
      if (given === null) return parseVerifierKey(own);
      if (own.trim() !== given.trim())
        this.#problems.key.add('key-foreign', 'the key in the bundle is not the one that you gave', { file });
    } catch (fault) {
      this.#problems.key.add('key-foreign', messageOf(fault), { file });
      if (given === null) return null;
    }
    return parseVerifierKey(given ?? '');
  }

  #onBytes(): (done: number) => void {
    const total = [...this.#bundle.files.values()].reduce((sum, bytes) => sum + bytes, 0);
    return (done) => this.#options.onProgress?.('files', done, total);
  }

  #hashHere(): Promise<FileHashes> {
    return hashFiles(this.#bundle, this.#bundle.files.keys(), this.#onBytes(), this.#options.signal);
  }

  async #files(hashes: FileHashes): Promise<void> {
    const problems = this.#problems.files;
    for (const path of this.#bundle.files.keys()) {
      const fault = hashes.faults.get(path);
      if (fault !== undefined) problems.add('file-altered', fault, { file: path });
    }
    try {
      const sums = decodeSums((await readFileOf(this.#bundle, SUMS, MAX_TEXT_BYTES)).toString('utf8'));
      this.#compare(sums, hashes, new Set([SUMS]), SUMS, 'file-altered');
    } catch (fault) {
      problems.add('sums-invalid', messageOf(fault), { file: SUMS });
    }
  }

  async #manifest(verifier: NoteVerifier): Promise<Manifest | null> {
    try {
      return openManifest((await readFileOf(this.#bundle, MANIFEST, MAX_TEXT_BYTES)).toString('utf8'), verifier);
    } catch (fault) {
      this.#problems.manifest.add('manifest-invalid', messageOf(fault), { file: MANIFEST });
      return null;
    }
  }

  /** Files of the bundle against a list of hashes. @param besides files that the list does not have */
  #compare(
    listed: ReadonlyMap<string, string>,
    { digests }: FileHashes,
    besides: ReadonlySet<string>,
    list: typeof SUMS | typeof MANIFEST,
    altered: ProblemCode,
  ): void {
    const problems = list === SUMS ? this.#problems.files : this.#problems.manifest;
    for (const [path, sha256] of listed) {
      const found = digests.get(path);
      if (found === sha256) continue;
      if (!this.#bundle.files.has(path)) problems.add('file-missing', `${list} names it, and it is not there`, { file: path });
      else problems.add(altered, `it does not have the hash in ${list}`, { file: path });
    }
    for (const path of this.#bundle.files.keys()) {
      if (!besides.has(path) && !listed.has(path)) problems.add('file-added', `${list} does not name it`, { file: path });
    }
  }

  /** Everything that is made from the entries is made again. */
  async #derived(
    log: BundleLog,
    manifest: Manifest,
    logPaths: ReadonlySet<string>,
    hashing: Promise<FileHashes>,
  ): Promise<{ entries: number; policies: number }> {
    const problems = this.#problems.log;
    const { scope, version, policiesMissing } = manifest;
    const sink = new HashingSink();
    const derivation = new Derivation(scope, version, sink);
    const sessions = new SessionRuns(scope.first);
    let entries = 0;
    for await (const found of log.entries()) {
      this.#options.signal?.throwIfAborted();
      this.#over.signal.throwIfAborted();
      for (const entry of found) {
        derivation.push(entry);
        const gap = sessions.push(entry);
        if (gap !== null) problems.add('session-gap', gap, { index: entry.index });
        entries += 1;
      }
      this.#options.onProgress?.('entries', entries, scope.end - scope.first);
    }
    if (entries !== scope.end - scope.first) {
      problems.add('range-incomplete', `${entries} of the ${scope.end - scope.first} entries of the range are there`);
    }
    derivation.end();
    const made = sink.digests();
    const { digests } = await hashing;
    await this.#compareDerived(made, digests, log, manifest);
    const policies = this.#policies(derivation.policies, digests, policiesMissing);
    for (const path of this.#bundle.files.keys()) {
      const isKnown =
        made.has(path) ||
        FIXED.has(path) ||
        policies.has(path) ||
        (path.startsWith('log/') && logPaths.has(path.slice('log/'.length))) ||
        (path.startsWith(ANCHORS) && anchorOf(path.slice(ANCHORS.length)) !== null);
      if (!isKnown) problems.add('file-added', 'nothing in the log accounts for it', { file: path });
    }
    return { entries, policies: policies.size };
  }

  async #compareDerived(
    made: ReadonlyMap<string, string>,
    digests: ReadonlyMap<string, string>,
    log: BundleLog,
    manifest: Manifest,
  ): Promise<void> {
    const problems = this.#problems.log;
    let compared = 0;
    for (const [path, sha256] of made) {
      const found = digests.get(path);
      if (found === sha256) continue;
      if (found === undefined) {
        problems.add('file-missing', 'the log says that it should be there', { file: path });
        continue;
      }
      const isRecord = path.endsWith('.csv') || path.startsWith(OCSF_FOLDER);
      const code = path.startsWith('sessions/') ? 'session-altered' : isRecord ? 'record-altered' : 'report-altered';
      const size = this.#bundle.files.get(path) ?? 0;
      const line = compared < MAX_COMPARED_FILES && size <= MAX_COMPARED_BYTES ? await this.#firstDifference(path, log, manifest) : null;
      compared += 1;
      problems.add(code, `it is not what the log says${line === null ? '' : `, first in line ${line}`}`, { file: path });
    }
  }

  /** Number of the first line that differs, from 1. */
  async #firstDifference(path: string, log: BundleLog, { scope, version }: Manifest): Promise<number | null> {
    const sink = new OnePathSink(path);
    const derivation = new Derivation(scope, version, sink);
    for await (const found of log.entries(true)) for (const entry of found) derivation.push(entry);
    derivation.end();
    const is = (await readFileOf(this.#bundle, path, MAX_COMPARED_BYTES)).toString('utf8').split('\n');
    const should = sink.bytes().toString('utf8').split('\n');
    const at = is.findIndex((line, index) => line !== should[index]);
    return at >= 0 ? at + 1 : is.length === should.length ? null : is.length + 1;
  }

  /** @returns paths of the policies that belong here */
  #policies(named: ReadonlySet<string>, digests: ReadonlyMap<string, string>, missing: readonly string[]): Set<string> {
    const problems = this.#problems.log;
    const found = new Set<string>();
    for (const sha256 of named) {
      const path = `policies/${sha256}.yaml`;
      const digest = digests.get(path);
      if (digest === undefined) {
        if (!missing.includes(sha256)) problems.add('policy-missing', 'entries of the range were decided under it', { file: path });
        continue;
      }
      found.add(path);
      if (digest !== sha256) problems.add('policy-altered', 'it does not have the hash that entries of the range name', { file: path });
    }
    return found;
  }
}

interface Found {
  readonly options: VerifyOptions;
  readonly key: NoteVerifier | null;
  readonly manifest: Manifest | null;
  readonly checked: EvidenceVerdict['checked'];
  readonly history: { readonly proven: readonly string[]; readonly notProven: readonly string[] } | null;
}

function verdictOf(problems: Problems, { options, key, manifest, checked, history }: Found): EvidenceVerdict {
  const ok = problems.count === 0 && manifest !== null;
  const scope = manifest?.scope ?? null;
  const proven =
    !ok || scope === null
      ? []
      : [
          `the ${checked.entries} entries of the range are the signed ones: none was changed, removed, added or moved`,
          'the range is complete: the log has no other entries between its first and its last',
          'records, report, sessions, OCSF events and control map say what the entries say',
          `the ${checked.policies} policy texts are those that decided, by hash`,
          ...(history?.proven ?? []),
        ];
  const missing = manifest?.policiesMissing.length ?? 0;
  const notProven = [
    'events that never went through the gateway',
    'what sealed payloads hold: none was opened',
    'that the clock of the gateway was right',
    ...(missing === 0 ? [] : [`the text of ${missing} policy versions that entries name: it was not in the gateway's store`]),
    ...(scope?.principal === null && scope.target === null
      ? []
      : ['records of other principals or targets: the bundle was filtered; its log part was not']),
    ...(options.vkey === null ? ['who made the bundle: its key came with it'] : []),
    ...(options.checkpoints.length === 0 && options.witnesses.length === 0
      ? [
          'that no other history was signed, and that nothing behind the checkpoint is kept back: give a checkpoint you kept (--checkpoint) or a witness key (--witness)',
        ]
      : []),
    ...(history?.notProven ?? []),
  ];
  return {
    ok,
    origin: scope?.origin ?? key?.name ?? null,
    keySource: options.vkey === null ? 'bundle' : 'given',
    key: key === null ? null : `${key.name}+${key.keyId}`,
    range: scope === null ? null : { from: scope.from, to: scope.to, first: scope.first, end: scope.end },
    checkpoint: scope === null ? null : { size: scope.size, root: scope.root },
    checked,
    problems: problems.list,
    problemCount: problems.count,
    proven,
    notProven: scope === null ? [] : notProven,
  };
}
