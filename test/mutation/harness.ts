// Breaks one thing in a copy of the tree and runs the checks that must notice. The checkout is never changed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
/** A mutant that hangs is not noticed: the checks must say what is wrong. */
const deadlineMs = 90_000;

/** One change of a source file: `from` becomes `to`, at its first place behind `after`. */
export interface Change {
  readonly file: string;
  readonly after?: string;
  readonly from: string;
  readonly to: string;
}

/** A test, by its file and the beginning of its title. */
export interface Check {
  readonly file: string;
  readonly title: string;
}

export interface Mutant {
  readonly breaks: string;
  readonly changes: readonly Change[];
  /** Green as the source is, red with the mutant in it. */
  readonly noticedBy: Check;
}

/** @throws when the source no longer has the place: the list of mutants must follow the source. */
export function mutated(text: string, { file, after = '', from, to }: Change): string {
  const start = text.indexOf(after);
  if (start === -1) throw new Error(`${file} has no "${after}" any more`);
  const at = text.indexOf(from, start + after.length);
  if (at === -1) throw new Error(`${file} has no "${from}" behind "${after}" any more`);
  return text.slice(0, at) + to + text.slice(at + from.length);
}

/** `absent`: the test was not reached, because the source does not load, it hangs, or there is no such test. */
export interface Outcome {
  readonly verdict: 'green' | 'red' | 'absent';
  readonly output: string;
}

/** A copy of sources and tests that one mutant after the other is put into. */
export class Tree {
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-mutant-'));
  readonly #environment: Readonly<Record<string, string>>;

  constructor(environment: Readonly<Record<string, string>> = {}) {
    this.#environment = environment;
    for (const folder of ['src', join('test', 'support'), join('test', 'mutation')])
      cpSync(join(root, folder), join(this.directory, folder), { recursive: true });
    cpSync(join(root, 'package.json'), join(this.directory, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(this.directory, 'node_modules'));
  }

  /** Runs one test as the tree is. */
  async run({ file, title }: Check): Promise<Outcome> {
    const output = await this.#node(file, only(title));
    return { verdict: verdictOn(title, output), output };
  }

  /** Runs several tests of a file as the tree is. @returns what it says about each of `titles` */
  async runAll(file: string, titles: readonly string[]): Promise<Outcome[]> {
    const output = await this.#node(file, ...new Set(titles.map(only)));
    return titles.map((title) => ({ verdict: verdictOn(title, output), output }));
  }

  async #node(file: string, ...those: readonly string[]): Promise<string> {
    // The parser lives for a moment only: compiling it well costs more than it saves.
    const flags = ['--no-wasm-tier-up', '--wasm-lazy-compilation'];
    const child = spawn(process.execPath, [...flags, '--test', '--test-isolation=none', '--test-reporter=tap', ...those, file], {
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: deadlineMs,
      killSignal: 'SIGKILL',
      env: { ...withoutTestContext(), NODE_COMPILE_CACHE: join(this.directory, '.compiled'), ...this.#environment },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    await once(child, 'close');
    return output;
  }

  /** Runs the test that must notice `mutant` with it in the tree, and takes it out again. */
  async runWith(mutant: Mutant): Promise<Outcome> {
    const originals = new Map<string, string>();
    try {
      for (const change of mutant.changes) {
        const path = join(this.directory, change.file);
        const text = readFileSync(path, 'utf8');
        if (!originals.has(path)) originals.set(path, text);
        writeFileSync(path, mutated(text, change));
      }
      return await this.run(mutant.noticedBy);
    } finally {
      for (const [path, text] of originals) writeFileSync(path, text);
    }
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const only = (title: string): string => `--test-name-pattern=/(^| )${escaped(title)}/`;
const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}/]/g, String.raw`\$&`);

function verdictOn(title: string, output: string): Outcome['verdict'] {
  const told = output.split('\n').find((line) => /^\s*(not )?ok \d+ - /.test(line) && line.includes(` - ${title}`));
  if (told === undefined) return 'absent';
  return /^\s*not /.test(told) ? 'red' : 'green';
}

/** Without what tells a test process that it is a part of another. */
function withoutTestContext(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _context, ...rest } = process.env;
  return rest;
}
