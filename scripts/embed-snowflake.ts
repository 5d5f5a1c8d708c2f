// The Snowflake engine's parsers inside of a bundle: 26 MB of WASM as 4.6 MB of text, unpacked when a Snowflake target is configured.

import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';
import type { PluginBuild } from 'esbuild';
import { wasmPath } from '../src/sql/snowflake/wasm.ts';

/** Higher levels take ten times as long for a twentieth of the size. */
const QUALITY = 5;

function packed(bytes: Uint8Array): string {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = constants;
  const params = { [BROTLI_PARAM_QUALITY]: QUALITY, [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return brotliCompressSync(bytes, { params }).toString('base64');
}

/** Replaces the file that reads them from disk. */
export function embedSnowflakeParsers(builder: PluginBuild): void {
  builder.onLoad({ filter: /src\/sql\/snowflake\/wasm\.ts$/ }, () => {
    const texts = { sqlparser: packed(readFileSync(wasmPath('sqlparser'))), polyglot: packed(readFileSync(wasmPath('polyglot'))) };
    return {
      loader: 'js',
      contents: `import { brotliDecompressSync } from 'node:zlib';
const packed = ${JSON.stringify(texts)};
export async function loadSnowflakeWasm(name) { return new Uint8Array(brotliDecompressSync(Buffer.from(packed[name], 'base64'))); }`,
    };
  });
}
