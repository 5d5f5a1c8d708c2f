// Where the parser's WASM binary comes from. The only file of the SQL engine that touches the disk; the bundle build
// replaces it with one that carries the bytes.

import { promises } from 'node:fs';
import { createRequire } from 'node:module';

/** The bytes of libpg_query compiled to WebAssembly. */
export async function loadParserWasm(): Promise<Uint8Array<ArrayBuffer>> {
  const path = createRequire(import.meta.url).resolve('libpg-query/wasm/libpg-query.wasm');
  return new Uint8Array(await promises.readFile(path));
}
