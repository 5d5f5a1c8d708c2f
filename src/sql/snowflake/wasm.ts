// Where the two parsers' WASM binaries come from. Beside `sql/parser-wasm.ts` the only file of the engine that touches the disk; the
// bundle build replaces it with one that carries the bytes, compressed.

import { promises } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export type ParserName = 'sqlparser' | 'polyglot';

export async function loadSnowflakeWasm(name: ParserName): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await promises.readFile(wasmPath(name)));
}

/** The first does not export its binary by name. */
export function wasmPath(name: ParserName): string {
  const { resolve } = createRequire(import.meta.url);
  return name === 'polyglot'
    ? resolve('@polyglot-sql/sdk/polyglot_sql.wasm')
    : join(dirname(resolve('@guanmingchiu/sqlparser-ts')), '..', 'wasm', 'sqlparser_rs_wasm_bg.wasm');
}
