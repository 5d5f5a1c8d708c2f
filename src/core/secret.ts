// A value that must never be printed: credentials, tokens, keys.
// It prints `[secret]` in JSON, `util.inspect`, templates and string concatenation.

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The one way to read it. Grep for `.reveal(` to find every use. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}
