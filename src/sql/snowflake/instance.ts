// One instance of a parser's WASM program, spoken to in text only: our own glue instead of the packages', so that an instance can be
// thrown away. After a panic or a stack overflow its memory is not to be trusted.

/** What one call may give. */
export type Answer = { readonly text: string } | { readonly error: string };

export interface Program {
  /** Calls an exported function of texts that gives a text. */
  call(name: string, ...texts: readonly string[]): Answer;
}

type Native = (...values: readonly number[]) => unknown;

/** Memory of an instance that made it grow is given back by another instance. */
const MOST_MEMORY = 96 * 1024 * 1024;

class Broken extends Error {}

/** `multi-value`: results come as values, errors as references. `pointer`: results are written to the program's stack. */
export type Convention = 'multi-value' | 'pointer';

export function startProgram(module: WebAssembly.Module, convention: Convention): Program {
  let current: Instance | null = null;
  return {
    call(name, ...texts) {
      current ??= new Instance(module, convention);
      try {
        const answer = current.call(name, texts);
        if (current.size > MOST_MEMORY) current = null;
        return answer;
      } catch {
        // A panic, an overflow of its stack, or something of it that is not as this glue knows it.
        current = null;
        return { error: 'the parser ended' };
      }
    },
  };
}

class Instance {
  readonly #exports: Record<string, unknown>;
  readonly #convention: Convention;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(module: WebAssembly.Module, convention: Convention) {
    this.#convention = convention;
    const imports: Record<string, Record<string, unknown>> = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      imports[from] ??= {};
      imports[from][name] = this.#import(name);
    }
    this.#exports = new WebAssembly.Instance(module, imports).exports;
    if (convention === 'multi-value') this.#native('__wbindgen_start')();
  }

  get size(): number {
    return this.#memory().byteLength;
  }

  call(name: string, texts: readonly string[]): Answer {
    const given = texts.flatMap((text) => this.#give(text));
    if (this.#convention === 'multi-value') {
      const [start, length, error, isError] = numbers(this.#native(name)(...given));
      if (isError !== 0) return { error: this.#errorText(error ?? 0) };
      return { text: this.#take(start ?? 0, length ?? 0, '__wbindgen_free') };
    }
    const shift = this.#native('__wbindgen_add_to_stack_pointer');
    const [slot] = numbers([shift(-16)]);
    this.#native(name)(slot ?? 0, ...given);
    const [start, length] = new Uint32Array(this.#memory(), slot, 2);
    shift(16);
    return { text: this.#take(start ?? 0, length ?? 0, '__wbindgen_export4') };
  }

  #memory(): ArrayBuffer {
    const memory = this.#exports['memory'];
    if (typeof memory !== 'object' || memory === null || !('buffer' in memory) || !(memory.buffer instanceof ArrayBuffer))
      throw new Broken();
    return memory.buffer;
  }

  #native(name: string): Native {
    const native = this.#exports[name];
    if (typeof native !== 'function') throw new Broken();
    return native as Native;
  }

  #give(text: string): [number, number] {
    const bytes = this.#encoder.encode(text);
    const [start] = numbers([
      this.#native(this.#convention === 'multi-value' ? '__wbindgen_malloc' : '__wbindgen_export')(bytes.length, 1),
    ]);
    new Uint8Array(this.#memory()).set(bytes, start);
    return [start ?? 0, bytes.length];
  }

  #read(start: number, length: number): string {
    return this.#decoder.decode(new Uint8Array(this.#memory(), start >>> 0, length >>> 0));
  }

  #take(start: number, length: number, free: string): string {
    const text = this.#read(start, length);
    this.#native(free)(start, length, 1);
    return text;
  }

  #errorText(reference: number): string {
    const table = this.#exports['__wbindgen_externrefs'];
    if (!(table instanceof WebAssembly.Table)) throw new Broken();
    const value: unknown = table.get(reference);
    this.#native('__externref_table_dealloc')(reference);
    return typeof value === 'string' ? value : value instanceof Error ? value.message : 'it does not parse';
  }

  /** What a call of texts needs of its host. Everything else it could ask for is the end of the instance. */
  #import(name: string): unknown {
    switch (name.replace(/_[0-9a-f]{16}$/, '')) {
      case '__wbindgen_init_externref_table':
        return () => {
          const table = this.#exports['__wbindgen_externrefs'];
          if (!(table instanceof WebAssembly.Table)) throw new Broken();
          const offset = table.grow(4);
          [undefined, undefined, null, true, false].forEach((value, index) => table.set(index === 0 ? 0 : offset + index - 1, value));
        };
      case '__wbg_Error':
        return (start: number, length: number) => new Error(this.#read(start, length));
      case '__wbindgen_cast':
        return (start: unknown, length: unknown) =>
          typeof start === 'number' && typeof length === 'number' ? this.#read(start, length) : start;
      default:
        return () => {
          throw new Broken();
        };
    }
  }
}

function numbers(values: unknown): number[] {
  if (!Array.isArray(values) || !values.every((value) => typeof value === 'number')) throw new Broken();
  return values;
}
