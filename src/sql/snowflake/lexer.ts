// Our own lexer of Snowflake's SQL. Total and linear: any text gives tokens or one fault, never an exception. It refuses what two
// readers could read in two ways (nested comments, unusual line ends, look-alikes), so that where a constant or a comment ends is
// beyond doubt before a parser sees the text.

export type TokenKind =
  /** Unquoted name or keyword. */
  | 'word'
  /** "name" */
  | 'quoted'
  /** '...' */
  | 'string'
  /** $$...$$ */
  | 'dollar'
  /** X'1F' */
  | 'binary'
  | 'number'
  /** $name, $1 */
  | 'variable'
  /** ?, :1, :name */
  | 'bind'
  /** The @ of a stage. */
  | 'stage'
  | 'operator'
  | 'comment';

/** Offsets in UTF-16 units; `end` is exclusive. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

/** What the text has that is not read; from a closed vocabulary. */
export type LexFault =
  | 'nul'
  | 'control character'
  | 'lone surrogate'
  | 'line end'
  | 'nested comment'
  | 'unterminated comment'
  | 'unterminated string'
  | 'unterminated name'
  | 'empty name'
  | 'non-ASCII character'
  | 'prefixed string'
  | 'number'
  | 'dollar quote'
  | 'character';

export type Lexed = { readonly tokens: readonly Token[] } | { readonly fault: LexFault; readonly at: number };

const OPERATORS = ['->>', '||', '::', ':=', '=>', '->', '<=', '>=', '<>', '!=', ...'+-*/%=<>(),.;[]{}:~'] as const;
const OPERATORS_BY_FIRST: ReadonlyMap<string, readonly string[]> = new Map(
  [...new Set(OPERATORS.map((each) => each[0] ?? ''))].map((first) => [first, OPERATORS.filter((each) => each.startsWith(first))]),
);
const WORD = /[A-Za-z_][A-Za-z0-9_$]*/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const VARIABLE = /\$(?:\d{1,9}|[A-Za-z_][A-Za-z0-9_]*)/y;
const BIND = /:(?:\d{1,9}|[A-Za-z_][A-Za-z0-9_]*)/y;
/** After these a colon begins a path (`a:b`, `f(x):b`, `a[0]:b`), elsewhere a bind. */
const OPERANDS: ReadonlySet<TokenKind> = new Set<TokenKind>(['quoted', 'string', 'dollar', 'variable']);
const WORD_CHARACTER = /[A-Za-z0-9_$]/;
/** Words that end no operand, so that `:name` after them is a bind. */
const BEFORE_BIND: ReadonlySet<string> = new Set(
  'SELECT WHERE AND OR NOT IN LIKE ILIKE RLIKE REGEXP BETWEEN THEN ELSE WHEN CASE VALUES LIMIT OFFSET FETCH TOP ON SET BY HAVING QUALIFY DISTINCT ALL ANY RETURN ESCAPE IS FROM'.split(
    ' ',
  ),
);

export function lex(text: string): Lexed {
  const control = badCharacter(text);
  if (control !== null) return control;
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const next = scan(text, at, tokens);
    if (typeof next !== 'number') return next;
    at = next;
  }
  return { tokens };
}

/** Characters that no token may have: they are lost or changed on the way, or end a line for some readers only. */
function badCharacter(text: string): { fault: LexFault; at: number } | null {
  const nul = text.indexOf('\0');
  if (nul >= 0) return { fault: 'nul', at: nul };
  if (!text.isWellFormed())
    return { fault: 'lone surrogate', at: text.search(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/) };
  return null;
}

/** Puts at most one token. @returns where the next begins. */
function scan(text: string, at: number, tokens: Token[]): number | { fault: LexFault; at: number } {
  const character = text[at] ?? '';
  const push = (kind: TokenKind, end: number): number => {
    tokens.push({ kind, start: at, end });
    return end;
  };
  switch (character) {
    case ' ':
    case '\t':
    case '\n':
      return at + 1;
    case '\r':
      return text[at + 1] === '\n' ? at + 2 : { fault: 'line end', at };
    case "'": {
      const end = stringEnd(text, at + 1);
      return end < 0 ? { fault: 'unterminated string', at } : push('string', end);
    }
    case '"': {
      const end = quotedEnd(text, at + 1);
      if (end < 0) return { fault: 'unterminated name', at };
      if (end === at + 2) return { fault: 'empty name', at };
      if (hasControl(text, at, end)) return { fault: 'control character', at };
      return push('quoted', end);
    }
    case '$':
      return dollar(text, at, push);
    case '@':
      return push('stage', at + 1);
    case '?':
      return push('bind', at + 1);
    default:
  }
  if (text.startsWith('--', at) || text.startsWith('//', at)) return lineComment(text, at, push);
  if (text.startsWith('/*', at)) return blockComment(text, at, push);
  if (isDigit(character) || (character === '.' && isDigit(text[at + 1] ?? '') && !isPathDot(text, at, tokens)))
    return number(text, at, push);
  WORD.lastIndex = at;
  if (WORD.test(text)) {
    const end = WORD.lastIndex;
    if (text[end] !== "'") return push('word', end);
    if (end !== at + 1 || !/[xX]/.test(character)) return { fault: 'prefixed string', at };
    const close = stringEnd(text, end + 1);
    return close < 0 ? { fault: 'unterminated string', at } : push('binary', close);
  }
  if (character === ':' && text[at + 1] !== ':' && text[at + 1] !== '=' && !endsOperand(text, tokens.at(-1))) {
    BIND.lastIndex = at;
    if (BIND.test(text)) return push('bind', BIND.lastIndex);
  }
  const operator = OPERATORS_BY_FIRST.get(character)?.find((each) => text.startsWith(each, at));
  if (operator !== undefined) return push('operator', at + operator.length);
  if (character > '~') return { fault: 'non-ASCII character', at };
  return { fault: character < ' ' ? 'control character' : 'character', at };
}

function dollar(text: string, at: number, push: (kind: TokenKind, end: number) => number): number | { fault: LexFault; at: number } {
  if (text[at + 1] === '$') {
    const end = text.indexOf('$$', at + 2);
    return end < 0 ? { fault: 'unterminated string', at } : push('dollar', end + 2);
  }
  VARIABLE.lastIndex = at;
  if (!VARIABLE.test(text)) return { fault: 'character', at };
  const end = VARIABLE.lastIndex;
  // $tag$...$tag$ is a constant for others; $1a is two tokens or none.
  if (WORD_CHARACTER.test(text[end] ?? ' ')) return { fault: 'dollar quote', at };
  return push('variable', end);
}

function lineComment(text: string, at: number, push: (kind: TokenKind, end: number) => number): number | { fault: LexFault; at: number } {
  const newline = text.indexOf('\n', at);
  let end = newline < 0 ? text.length : newline;
  if (text[end - 1] === '\r' && newline >= 0) end -= 1;
  const body = text.slice(at, end);
  // What some readers take for the end of the line: the rest would be no comment for them.
  // oxlint-disable-next-line no-control-regex -- these are the characters it is about
  const odd = body.search(/[\u0000-\u0008\u000a-\u001f\u007f\u0085\u2028\u2029]/);
  return odd >= 0 ? { fault: 'line end', at: at + odd } : push('comment', end);
}

function blockComment(text: string, at: number, push: (kind: TokenKind, end: number) => number): number | { fault: LexFault; at: number } {
  const close = text.indexOf('*/', at + 2);
  if (close < 0) return { fault: 'unterminated comment', at };
  const nested = text.indexOf('/*', at + 2);
  if (nested >= 0 && nested < close + 1) return { fault: 'nested comment', at: nested };
  return push('comment', close + 2);
}

function number(text: string, at: number, push: (kind: TokenKind, end: number) => number): number | { fault: LexFault; at: number } {
  NUMBER.lastIndex = at;
  NUMBER.test(text);
  const end = NUMBER.lastIndex;
  return end <= at || WORD_CHARACTER.test(text[end] ?? ' ') || text[end] === '.' ? { fault: 'number', at } : push('number', end);
}

/** `t.1` and `a:b.1` are no numbers of the form `.1`. */
function isPathDot(text: string, at: number, tokens: readonly Token[]): boolean {
  const last = tokens.at(-1);
  return last !== undefined && last.end === at && endsOperand(text, last);
}

function endsOperand(text: string, token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.kind === 'word') return !BEFORE_BIND.has(text.slice(token.start, token.end).toUpperCase());
  if (token.kind === 'operator') return text[token.start] === ')' || text[token.start] === ']';
  return OPERANDS.has(token.kind);
}

/** @returns the offset after the closing quote, or -1. */
function stringEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === "'") {
      if (text[at + 1] !== "'") return at + 1;
      at += 1;
    }
  }
  return -1;
}

function quotedEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] !== '"') continue;
    if (text[at + 1] !== '"') return at + 1;
    at += 1;
  }
  return -1;
}

function hasControl(text: string, start: number, end: number): boolean {
  // oxlint-disable-next-line no-control-regex -- these are the characters it is about
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text.slice(start, end));
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9' && character.length === 1;
}

/** The value of a `string` token, escapes read as Snowflake reads them; null for an escape it does not have. */
export function stringValue(text: string, token: Token): string | null {
  const body = text.slice(token.start + 1, token.end - 1);
  if (!body.includes('\\') && !body.includes("'")) return body;
  let value = '';
  for (let at = 0; at < body.length; at += 1) {
    const character = body[at] ?? '';
    if (character === "'") at += 1;
    if (character !== '\\') {
      value += character;
      continue;
    }
    const escape = ESCAPE.exec(body.slice(at, at + 6));
    if (escape === null) return null;
    const [whole, simple, octal, hex, unicode] = escape;
    if (simple !== undefined) value += SIMPLE_ESCAPES[simple] ?? simple;
    else value += String.fromCharCode(octal === undefined ? Number.parseInt(hex ?? unicode ?? '', 16) : Number.parseInt(octal, 8));
    at += whole.length - 1;
  }
  return value.isWellFormed() ? value : null;
}

const ESCAPE = /^\\(?:([^0-9xu])|([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** A constant for the text; every reader takes it as it is. */
export function stringLiteral(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** The name a `word` or `quoted` token stands for: unquoted ones are upper case. */
export function nameOf(text: string, token: Token): string {
  const raw = text.slice(token.start, token.end);
  return token.kind === 'quoted' ? raw.slice(1, -1).replaceAll('""', '"') : raw.toUpperCase();
}
