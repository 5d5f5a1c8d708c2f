// One WASM instance of libpg_query and a pool that keeps spares. WHY: deep statements throw RangeError without
// restoring the WASM stack pointer, and after enough of them every call fails. So an instance that threw is thrown away.

import createModule from 'libpg-query/wasm/libpg-query.js';
import type { PgQueryModule } from 'libpg-query/wasm/libpg-query.js';

/** Spares kept ready. Replacements are made asynchronously, so this many deaths in one turn of the loop are survived. */
const SPARES = 3;

export type Instance = PgQueryModule;

/** Runs calls on a live instance. A call that throws costs its instance. */
export class InstancePool {
  readonly #module: WebAssembly.Module;
  readonly #ready: Instance[] = [];
  #pending = 0;

  private constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  static async create(wasm: Uint8Array<ArrayBuffer>): Promise<InstancePool> {
    const pool = new InstancePool(await WebAssembly.compile(wasm));
    pool.#ready.push(await pool.#instantiate());
    pool.#refill();
    return pool;
  }

  /** @returns the call's answer, or null when it threw or no instance is ready. */
  run<T>(call: (instance: Instance) => T): T | null {
    const instance = this.#ready[0];
    if (instance === undefined) {
      this.#refill();
      return null;
    }
    try {
      return call(instance);
    } catch {
      this.#ready.shift();
      this.#refill();
      return null;
    }
  }

  #refill(): void {
    while (this.#ready.length + this.#pending < 1 + SPARES) {
      this.#pending += 1;
      void this.#addSpare();
    }
  }

  async #addSpare(): Promise<void> {
    try {
      this.#ready.push(await this.#instantiate());
    } catch {
      // Out of memory: the next call that finds no instance tries again.
    } finally {
      this.#pending -= 1;
    }
  }

  #instantiate(): Promise<Instance> {
    return createModule({
      instantiateWasm: (imports, receive) => {
        receive(new WebAssembly.Instance(this.#module, imports));
        return {};
      },
      print: () => {},
      printErr: () => {},
    });
  }
}

/** Copies `text` into the instance for the time of `call`. */
export function withText<T>(instance: Instance, text: string, call: (pointer: number) => T): T {
  const bytes = instance.lengthBytesUTF8(text) + 1;
  const pointer = instance._malloc(bytes);
  if (pointer === 0) throw new Error('parser memory is exhausted');
  instance.stringToUTF8(text, pointer, bytes);
  const answer = call(pointer);
  instance._free(pointer);
  return answer;
}

/** Reads and frees a string the instance made. */
export function takeString(instance: Instance, pointer: number): string {
  if (pointer === 0) throw new Error('parser memory is exhausted');
  const text = instance.UTF8ToString(pointer);
  instance._wasm_free_string(pointer);
  return text;
}
