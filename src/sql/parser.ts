// PostgreSQL's own parser (libpg_query as WASM), kept alive against hostile input.

import type { Node, ParseResult } from '@pgsql/types';

export interface Token {
  /** Byte offsets into the UTF-8 text. */
  readonly start: number;
  readonly end: number;
  readonly kind: 'constant' | 'comment' | 'identifier' | 'keyword' | 'parameter' | 'operator';
}

export type Parsed =
  | { readonly ok: true; readonly tree: ParseResult }
  /** `at` is a character offset or -1. No part of the text is in here. */
  | { readonly ok: false; readonly fault: 'syntax' | 'too-large' | 'encoding' | 'internal'; readonly at: number };

export interface Parser {
  /** Bounded by length, bracket depth and operator count before PostgreSQL's parser sees the text. Never throws. */
  parse(text: string): Parsed;
  /** SQL text of a tree, or null when it cannot be printed. The caller must parse again and compare. */
  deparse(tree: ParseResult): string | null;
  /** Tokens in order, or null when the text cannot be lexed. */
  scan(text: string): readonly Token[] | null;
  fingerprint(text: string): string | null;
}

export type { Node, ParseResult };
