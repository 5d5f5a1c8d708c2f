// Tokens of Snowflake SQL, as the fake account reads them: enough to split statements, to find names and to rewrite what DuckDB
// spells otherwise. Written from Snowflake's documentation, not from the gateway's lexer.

export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'variable' | 'op' | 'blank';

export interface Token {
  readonly kind: TokenKind;
  /** As written. */
  readonly text: string;
}

const pattern = new RegExp(
  [
    String.raw`(?<blank>\s+|--[^\n]*|//[^\n]*|/\*[\s\S]*?\*/)`,
    String.raw`(?<string>'(?:[^'\\]|''|\\[\s\S])*'|\$\$[\s\S]*?\$\$)`,
    String.raw`(?<quoted>"(?:[^"]|"")*")`,
    String.raw`(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)`,
    String.raw`(?<variable>\$[A-Za-z0-9_]+)`,
    String.raw`(?<word>[\p{L}_][\p{L}\p{N}_$]*)`,
    String.raw`(?<op>->>|::|=>|:=|<=|>=|<>|!=|\|\||[\s\S])`,
  ].join('|'),
  'uy',
);

export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const groups = pattern.exec(text)?.groups ?? {};
    const [kind, found] = Object.entries(groups).find(([, value]) => value !== undefined) ?? ['op', ''];
    if (found === undefined || found === '') throw new Error('a token without a text');
    tokens.push({ kind: kind as TokenKind, text: found });
  }
  return tokens;
}

export const textOf = (tokens: readonly Token[]): string => tokens.map(({ text }) => text).join('');

/** Without blanks and comments. */
export const meaningful = (tokens: readonly Token[]): Token[] => tokens.filter(({ kind }) => kind !== 'blank');

/** What a string constant says. */
export function stringValue(text: string): string {
  if (text.startsWith('$$')) return text.slice(2, -2);
  return text.slice(1, -1).replaceAll(/''|\\([\s\S])/g, (_, escaped: string | undefined) => {
    if (escaped === undefined) return "'";
    return ({ n: '\n', t: '\t', r: '\r', '0': '\0', b: '\b' } as Record<string, string>)[escaped] ?? escaped;
  });
}

/** An identifier as Snowflake stores it. */
export function nameOf(token: Token): string {
  return token.kind === 'quoted' ? token.text.slice(1, -1).replaceAll('""', '"') : token.text.toUpperCase();
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** Statements of a text, at `;` outside of constants; a scripting block is one. */
export function statementsOf(text: string): string[] {
  const statements: string[] = [];
  let current: Token[] = [];
  let depth = 0;
  for (const token of tokensOf(text)) {
    const word = token.kind === 'word' ? token.text.toUpperCase() : '';
    const first = meaningful(current).length === 0;
    if (word === 'DECLARE' && first) depth += 1;
    if (word === 'BEGIN') depth += first || depth > 0 ? 1 : 0;
    if (word === 'END' && depth > 0) depth -= 1;
    // WHY: `BEGIN;` and `BEGIN TRANSACTION` start a transaction, not a block.
    const isTransaction = depth === 1 && /^\s*BEGIN(?:\s+(?:TRANSACTION|WORK|NAME\s+\w+))?\s*$/i.test(textOf(current));
    if (token.text === ';' && token.kind === 'op' && (depth === 0 || isTransaction)) {
      statements.push(textOf(current));
      current = [];
      depth = 0;
    } else current.push(token);
  }
  statements.push(textOf(current));
  return statements.map((statement) => statement.trim()).filter((statement) => meaningful(tokensOf(statement)).length > 0);
}
