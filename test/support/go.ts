// Programs in Go that tests talk to: built from test/e2e/go/receivers with modules of other people, from the module proxy.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureDebianPackages } from './debian.ts';

/** What the modules ask for; test/e2e/go/receivers/go.mod says the same. */
const GO = '1.25.3';
const source = join(import.meta.dirname, '../e2e/go/receivers');

function run(command: string, args: readonly string[], cwd = source): { readonly ok: boolean; readonly output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, GOROOT: '', GOTOOLCHAIN: 'local', GOFLAGS: '', GO111MODULE: 'on' },
  });
  return { ok: error === undefined && status === 0, output: error === undefined ? stdout + stderr : error.message };
}

function isNewEnough(go: string): boolean {
  const [, major = '0', minor = '0'] = /^go(\d+)\.(\d+)/.exec(run(go, ['env', 'GOVERSION']).output) ?? [];
  return Number(major) > 1 || Number(minor) >= Number(GO.split('.')[1]);
}

/** A Go that is new enough: the machine's, else the one that Debian's fetches from the module proxy, as `GOTOOLCHAIN` of a newer one would. */
function newGo(): string {
  const found = ['go', '/usr/local/go/bin/go'].find(isNewEnough);
  if (found !== undefined) return found;
  ensureDebianPackages(['golang-go']);
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const module = `golang.org/toolchain@v0.0.1-go${GO}.${process.platform}-${arch}`;
  // Outside of any module: Debian's cannot read ours.
  const { ok, output } = run('/usr/bin/go', ['mod', 'download', '-json', module], tmpdir());
  if (!ok)
    throw new Error(`this test needs Go ${GO} or newer (https://go.dev/dl), and it could not be fetched from the module proxy:\n${output}`);
  const { Dir: dir } = JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1)) as { Dir: string };
  // The module cache has no executables.
  for (const file of [join(dir, 'bin/go'), ...globSync(join(dir, 'pkg/tool/*/*'))]) chmodSync(file, 0o755);
  return join(dir, 'bin/go');
}

/** Builds the programs of test/e2e/go/receivers. @throws saying what is missing */
export function buildReceivers(directory: string): void {
  const go = newGo();
  const { ok, output } = run(go, ['build', '-o', `${directory}/`, './otlp', './witness']);
  if (!ok)
    throw new Error(
      `the receivers in Go were not built; they need the module proxy (${run(go, ['env', 'GOPROXY']).output.trim()}):\n${output}`,
    );
}

export interface GoProgram {
  /** Lines of its output so far. */
  readonly lines: string[];
  stop(): Promise<void>;
}

/** On return it has printed its first line. */
export async function startGo(binary: string, args: readonly string[]): Promise<GoProgram> {
  const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  await Promise.race([
    once(reader, 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${binary} ended`))),
    once(child, 'error').then(([error]) => Promise.reject(error as Error)),
  ]);
  return {
    lines,
    async stop() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}
