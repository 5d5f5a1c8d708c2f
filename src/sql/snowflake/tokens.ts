// What the engine needs of tokens. `masking/token.ts` has them; layer 1 folders do not import each other.

export type Opened = { readonly value: string } | { readonly fault: string };

export interface TokenReader {
  /** Whoever writes such a text means a token. */
  meansToken(text: string): boolean;
  /** @returns the value, when the text is a token of this class under a key that is not expired. */
  open(className: string, text: string): Opened;
}
