// Builds the console: `node console/build.ts`. Named by content, so that a browser may keep them for ever; compressed here once,
// so that the gateway compresses nothing.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = import.meta.dirname;
/** Of the files that the first page needs, gzip, in bytes. */
const MAX_FIRST_LOAD = 150 * 1024;
const COMPRESSED = /\.(?:js|css|svg|map|html)$/;

export interface BuiltConsole {
  /** Bytes, gzip, of script before lazy parts. */
  readonly firstLoad: number;
  readonly files: readonly string[];
}

/** @param folder is emptied. @throws when the first load is larger than the design allows, or the source does not build */
export async function buildConsole(folder: string): Promise<BuiltConsole> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'assets'), { recursive: true });
  const { metafile } = await build({
    entryPoints: { main: join(root, 'src', 'main.tsx') },
    outdir: join(folder, 'assets'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: ['chrome120', 'firefox121', 'safari17'],
    jsx: 'automatic',
    minify: true,
    sourcemap: 'linked',
    metafile: true,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: { '.svg': 'file' },
    define: { 'process.env.NODE_ENV': '"production"' },
    legalComments: 'linked',
    logLevel: 'warning',
  });
  const outputs = Object.entries(metafile.outputs).map(([path, output]) => ({ name: path.replace(/^.*\/assets\//, ''), output }));
  const main = outputs.find(({ output }) => output.entryPoint?.endsWith('src/main.tsx'));
  if (main?.output.cssBundle === undefined) throw new Error('the build has no entry point or no style sheet');
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
    style: `/console/assets/${main.output.cssBundle.replace(/^.*\/assets\//, '')}`,
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

if (import.meta.main) {
  const { firstLoad, files } = await buildConsole(join(root, '..', 'dist', 'console'));
  process.stdout.write(`dist/console: ${files.length} files, first load ${(firstLoad / 1024).toFixed(1)} KiB of script (gzip)\n`);
}
