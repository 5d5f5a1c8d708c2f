// Builds the console: `node console/build.ts`. Named by content, so that a browser may keep them for ever; compressed here once,
// so that the gateway compresses nothing.

import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { BuildOptions } from 'esbuild';
import { build } from 'esbuild';

const root = import.meta.dirname;
/** Of the files that the first page needs, gzip, in bytes. */
const MAX_FIRST_LOAD = 150 * 1024;
const COMPRESSED = /\.(?:js|css|svg|map|html)$/;

const TARGET = ['chrome120', 'firefox121', 'safari17'];
const verifyFolder = join(root, 'src', 'verify');

/** How the verifier is built for browsers: the source of src/evidence and src/audit/tlog with these in the place of what Node has. */
export const forVerifier: BuildOptions = {
  bundle: true,
  platform: 'browser',
  target: TARGET,
  alias: { 'node:crypto': join(verifyFolder, 'node-crypto.ts') },
  inject: [join(verifyFolder, 'buffer.ts')],
  logLevel: 'warning',
};

/** Workers of src/verify, by the name under which the page finds their address (src/verify/workers.ts). */
const WORKERS = { bundle: 'bundle-worker.ts', log: 'log-worker.ts' } as const;

export interface BuiltConsole {
  /** Bytes, gzip, of script before lazy parts. */
  readonly firstLoad: number;
  readonly files: readonly string[];
}

/** Built aside and put in place when it is whole: a gateway that serves the folder meanwhile never sees half of it.
 *  @param place is replaced. @throws when the first load is larger than the design allows, or the source does not build */
export async function buildConsole(place: string): Promise<BuiltConsole> {
  mkdirSync(dirname(place), { recursive: true });
  // Beside it: the same file system, so that moving is renaming.
  const aside = mkdtempSync(`${place}.new-`);
  const old = `${aside}.old`;
  try {
    const built = await buildInto(aside);
    chmodSync(aside, 0o755);
    putInPlace(aside, place, old);
    return built;
  } finally {
    for (const folder of [aside, old]) rmSync(folder, { recursive: true, force: true });
  }
}

function putInPlace(built: string, place: string, old: string): void {
  try {
    renameSync(place, old);
  } catch (fault) {
    if (codeOf(fault) !== 'ENOENT') throw fault;
  }
  try {
    renameSync(built, place);
  } catch (fault) {
    // Somebody else has built it this moment: theirs is as good.
    if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(fault) ?? '')) throw fault;
  }
}

const codeOf = (fault: unknown): string | undefined => (fault as NodeJS.ErrnoException).code;

async function buildInto(folder: string): Promise<BuiltConsole> {
  mkdirSync(join(folder, 'assets'), { recursive: true });
  const workers = await buildWorkers(join(folder, 'assets'));
  const { metafile } = await build({
    entryPoints: { main: join(root, 'src', 'main.tsx') },
    outdir: join(folder, 'assets'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: TARGET,
    jsx: 'automatic',
    minify: true,
    sourcemap: 'linked',
    metafile: true,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: { '.svg': 'file' },
    define: { 'process.env.NODE_ENV': '"production"', WORKER_URLS: JSON.stringify(workers) },
    legalComments: 'linked',
    logLevel: 'warning',
  });
  const outputs = Object.entries(metafile.outputs).map(([path, output]) => ({ name: path.replace(/^.*\/assets\//, ''), output }));
  const main = outputs.find(({ output }) => output.entryPoint?.endsWith('src/main.tsx'));
  if (main?.output.cssBundle === undefined) throw new Error('the build has no entry point or no style sheet');
  const style = joinStyles(join(folder, 'assets'), basename(main.output.cssBundle));
  const script = new Set([main.name]);
  // Static imports of static imports: what the browser fetches before the first page.
  for (const name of script) {
    const output = outputs.find((other) => other.name === name)?.output;
    for (const { path, kind } of output?.imports ?? []) if (kind === 'import-statement') script.add(path.replace(/^.*\/assets\//, ''));
  }
  const read = (name: string): Buffer => readFileSync(join(folder, 'assets', name));
  const firstLoad = [...script].reduce((sum, name) => sum + gzipSync(read(name), { level: 9 }).length, 0);
  if (firstLoad > MAX_FIRST_LOAD) throw new Error(`the first load has ${firstLoad} bytes of script (gzip), more than ${MAX_FIRST_LOAD}`);

  const iconSource = readFileSync(join(root, 'src', 'ui', 'icon.svg'));
  const icon = `icon-${createHash('sha256').update(iconSource).digest('hex').slice(0, 8)}.svg`;
  writeFileSync(join(folder, 'assets', icon), iconSource);
  const places = {
    icon: `/console/assets/${icon}`,
    style: `/console/assets/${style}`,
    script: `/console/assets/${main.name}`,
  };
  const page = readFileSync(join(root, 'index.html'), 'utf8').replaceAll(
    /%(icon|style|script)%/g,
    (_, name: keyof typeof places) => places[name],
  );
  writeFileSync(join(folder, 'index.html'), page);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => COMPRESSED.test(name));
  for (const name of files) {
    const bytes = readFileSync(join(folder, name));
    writeFileSync(join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
    writeFileSync(
      join(folder, `${name}.br`),
      brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length, [constants.BROTLI_PARAM_QUALITY]: 9 } }),
    );
  }
  return { firstLoad, files };
}

/** One style sheet of all. WHY: nothing would load those of lazy areas, which are small. @param first its rules come before the others'.
 *  @returns its name */
function joinStyles(assets: string, first: string): string {
  const others = readdirSync(assets).filter((name) => name.endsWith('.css') && name !== first);
  const styles = [first, ...others.toSorted()].map((name) =>
    readFileSync(join(assets, name), 'utf8').replace(/\n?\/\*# sourceMappingURL=.*$/m, ''),
  );
  for (const name of [first, ...others]) for (const end of ['', '.map']) rmSync(join(assets, `${name}${end}`));
  const text = styles.join('');
  const joined = `style-${createHash('sha256').update(text).digest('hex').slice(0, 8)}.css`;
  writeFileSync(join(assets, joined), text);
  return joined;
}

/** @returns name -> address */
async function buildWorkers(assets: string): Promise<Record<string, string>> {
  const { metafile } = await build({
    ...forVerifier,
    entryPoints: Object.values(WORKERS).map((file) => join(verifyFolder, file)),
    outdir: assets,
    format: 'iife',
    minify: true,
    sourcemap: 'linked',
    metafile: true,
    entryNames: '[name]-[hash]',
    legalComments: 'linked',
  });
  return Object.fromEntries(
    Object.entries(WORKERS).map(([name, file]) => {
      const built = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(`/${file}`) === true);
      if (built === undefined) throw new Error(`the build has no ${file}`);
      return [name, `/console/assets/${basename(built[0])}`];
    }),
  );
}

if (import.meta.main) {
  const { firstLoad, files } = await buildConsole(join(root, '..', 'dist', 'console'));
  process.stdout.write(`dist/console: ${files.length} files, first load ${(firstLoad / 1024).toFixed(1)} KiB of script (gzip)\n`);
}
