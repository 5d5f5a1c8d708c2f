// PostgreSQL's own parser (libpg_query as WASM), kept alive against hostile input.
// REFUSES: NUL bytes, lone surrogates, texts over the limits of parser-limits.ts. Never throws, never echoes the text.

import { deparseSync } from 'pgsql-deparser';
import type { Node, ParseResult } from '@pgsql/types';
import { InstancePool, takeString, withText } from './parser-instance.ts';
import type { Instance } from './parser-instance.ts';
import { lexPlain } from './parser-lexer.ts';
import { type LimitFault, checkLimits } from './parser-limits.ts';
import { tokensOf } from './parser-tokens.ts';
import { loadParserWasm } from './parser-wasm.ts';

export { sameTree } from './parser-compare.ts';

export interface Token {
  /** Byte offsets into the UTF-8 text. */
  readonly start: number;
  readonly end: number;
  readonly kind: 'constant' | 'comment' | 'identifier' | 'keyword' | 'parameter' | 'operator';
}

export type Parsed =
  | { readonly ok: true; readonly tree: ParseResult }
  /** `at` is a character offset or -1. No part of the text is in here. */
  | { readonly ok: false; readonly fault: 'syntax' | 'internal' | LimitFault; readonly at: number };

export interface Parser {
  /** Bounded by length, depth, words and parameters before PostgreSQL's parser sees the text. Never throws. */
  parse(text: string): Parsed;
  /** SQL text of a tree, or null when it cannot be printed. The caller must parse again and compare. */
  deparse(tree: ParseResult): string | null;
  /** Tokens in order, or null when the text cannot be lexed. */
  scan(text: string): readonly Token[] | null;
  fingerprint(text: string): string | null;
}

export type { Node, ParseResult };

/** Loads and compiles the parser; one per process is enough. */
export async function createParser(): Promise<Parser> {
  const pool = await InstancePool.create(await loadParserWasm());
  return {
    parse(text) {
      const limit = checkLimits(text);
      if (limit !== null) return { ok: false, fault: limit, at: -1 };
      // The parser reads an empty text as no statements; its binding does not.
      if (text === '') return { ok: true, tree: { version: 0, stmts: [] } };
      return pool.run((instance) => parseWith(instance, text)) ?? { ok: false, fault: 'internal', at: -1 };
    },
    deparse(tree) {
      try {
        return deparseSync(tree, { pretty: false });
      } catch {
        return null;
      }
    },
    scan(text) {
      if (checkLimits(text) !== null) return null;
      const plain = lexPlain(text);
      if (plain !== null) return plain;
      const json = pool.run((instance) => withText(instance, text, (pointer) => takeString(instance, instance._wasm_scan(pointer))));
      // On success the binding answers a JSON object, otherwise an error message that quotes the text.
      return json === null || !json.startsWith('{') ? null : tokensOf(json);
    },
    fingerprint(text) {
      if (text === '' || checkLimits(text) !== null) return null;
      const answer = pool.run((instance) =>
        withText(instance, text, (pointer) => takeString(instance, instance._wasm_fingerprint(pointer))),
      );
      return answer !== null && /^[0-9a-f]{16}$/.test(answer) ? answer : null;
    },
  };
}

/** Offsets of the two C structures the binding answers with: PgQueryParseResult and PgQueryError. */
const RESULT_TREE = 0;
const RESULT_ERROR = 8;
const ERROR_CURSOR = 16;

function parseWith(instance: Instance, text: string): Parsed {
  return withText(instance, text, (pointer): Parsed => {
    const result = instance._wasm_parse_query_raw(pointer);
    if (result === 0) throw new Error('parser memory is exhausted');
    const error = instance.getValue(result + RESULT_ERROR, 'i32');
    if (error !== 0) {
      const cursor = instance.getValue(error + ERROR_CURSOR, 'i32');
      instance._wasm_free_parse_result(result);
      return { ok: false, fault: 'syntax', at: cursor > 0 ? cursor - 1 : -1 };
    }
    const json = instance.UTF8ToString(instance.getValue(result + RESULT_TREE, 'i32'));
    instance._wasm_free_parse_result(result);
    return { ok: true, tree: parseTree(json) };
  });
}

function parseTree(json: string): ParseResult {
  const tree: ParseResult = JSON.parse(json);
  tree.stmts ??= [];
  return tree;
}
