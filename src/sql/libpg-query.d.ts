// Types of the Emscripten module inside libpg-query, which the package does not declare: only what parser-instance.ts uses.

declare module 'libpg-query/wasm/libpg-query.js' {
  /** Memory and exported functions of one WASM instance. Pointers are byte offsets into its memory. */
  export interface PgQueryModule {
    getValue(pointer: number, type: 'i32'): number;
    UTF8ToString(pointer: number): string;
    stringToUTF8(text: string, pointer: number, maxBytes: number): void;
    lengthBytesUTF8(text: string): number;
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    _wasm_parse_query_raw(text: number): number;
    _wasm_free_parse_result(result: number): void;
    _wasm_scan(text: number): number;
    _wasm_fingerprint(text: number): number;
    _wasm_free_string(text: number): void;
  }

  export interface PgQueryOptions {
    readonly instantiateWasm: (imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) => Record<string, never>;
    readonly print: (text: string) => void;
    readonly printErr: (text: string) => void;
  }

  const createModule: (options: PgQueryOptions) => Promise<PgQueryModule>;
  export default createModule;
}

/** The part of the WebAssembly API used here; the ECMAScript library of TypeScript has none of it. */
declare namespace WebAssembly {
  type Imports = Record<string, Record<string, unknown>>;
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
    static imports(module: Module): readonly { readonly module: string; readonly name: string }[];
  }
  class Memory {
    readonly buffer: ArrayBuffer;
  }
  class Table {
    get(index: number): unknown;
    set(index: number, value: unknown): void;
    /** @returns the length it had. */
    grow(by: number): number;
  }
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Record<string, unknown>;
  }
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>;
}
