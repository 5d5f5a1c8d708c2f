// Bundles verify-program.ts into the one file that lies in every bundle.

import { fileURLToPath } from 'node:url';

const BANNER = `// The verifier of Sallyport evidence bundles: one file, no dependencies, no network. Licence: Apache-2.0.
// Usage: node verify.mjs <folder or zip> --key VKEY [--checkpoint FILE] [--witness VKEY] [--json]`;

/** @returns the same text for the same source and version of esbuild */
export async function buildVerifier(): Promise<string> {
  const { build } = await import('esbuild');
  const result = await build({
    entryPoints: [fileURLToPath(new URL('./verify-program.ts', import.meta.url))],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    // Readable: an auditor may want to.
    minify: false,
    legalComments: 'none',
    absWorkingDir: fileURLToPath(new URL('../..', import.meta.url)),
    banner: { js: BANNER },
    logLevel: 'warning',
    plugins: [
      {
        name: 'one file',
        setup(builder) {
          builder.onLoad({ filter: /src\/evidence\/hash-thread-source\.ts$/ }, () => ({
            loader: 'js',
            contents: 'export const threadSource = { code: new URL(import.meta.url), isText: false };',
          }));
        },
      },
    ],
  });
  return result.outputFiles[0]?.text ?? '';
}
