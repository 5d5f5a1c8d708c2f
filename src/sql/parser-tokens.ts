// Token kinds of PostgreSQL's scanner, by the numbers of its grammar (stable: they head the %token list of gram.y).

import type { Token } from './parser.ts';

const KIND_BY_NUMBER: ReadonlyMap<number, Token['kind']> = new Map([
  [258, 'identifier'], // IDENT, plain or "quoted"
  [259, 'identifier'], // U&"..."
  [260, 'constant'], // FCONST
  [261, 'constant'], // SCONST: '...', E'...', $$...$$
  [262, 'constant'], // U&'...'
  [263, 'constant'], // B'...'
  [264, 'constant'], // X'...'
  [265, 'operator'], // any other operator
  [266, 'constant'], // ICONST
  [267, 'parameter'],
  [268, 'operator'], // ::
  [269, 'operator'], // ..
  [270, 'operator'], // :=
  [271, 'operator'], // =>
  [272, 'operator'], // <=
  [273, 'operator'], // >=
  [274, 'operator'], // <>
  [275, 'comment'], // -- ...
  [276, 'comment'], // /* ... */
]);

interface ScanToken {
  readonly start?: number;
  readonly end?: number;
  readonly tokenType: number;
  readonly keywordKind: number;
}

/** @returns null when a token is of a kind this table does not know, or the answer is not what the binding promises. */
export function tokensOf(json: string): readonly Token[] | null {
  const scanned = read(json);
  if (scanned === null) return null;
  const tokens: Token[] = [];
  for (const { start = 0, end = 0, tokenType, keywordKind } of scanned) {
    const kind = keywordKind > 0 ? 'keyword' : tokenType < 128 ? 'operator' : KIND_BY_NUMBER.get(tokenType);
    if (kind === undefined) return null;
    tokens.push({ start, end, kind });
  }
  return tokens;
}

function read(json: string): readonly ScanToken[] | null {
  try {
    const { tokens }: { tokens?: readonly ScanToken[] } = JSON.parse(json);
    return tokens ?? [];
  } catch {
    return null;
  }
}
