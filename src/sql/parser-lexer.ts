// A quick lexer for plain statements: ASCII, ordinary literals, common operators. It declines (null) whatever has a rule
// of its own in PostgreSQL's scanner: prefixed, continued and dollar-quoted strings, nested comments, unusual numbers and
// operators, anything non-ASCII. Then the real scanner reads the text, at twenty times the price. A property test holds
// the two equal.

import { KEYWORDS } from './keywords.ts';
import type { Token } from './parser.ts';

const PLAIN = /^[\t\n\r -~]*$/;
/** One token at the offset; the groups say which kind. */
const TOKEN =
  /([A-Za-z_][A-Za-z0-9_$]*)|('(?:[^']|'')*')|("(?:[^"]|"")+")|(\d+(?:\.\d+)?)|(\$\d{1,9})|(--[^\n\r]*|\/\*(?:[^*/]|\*(?!\/)|\/(?!\*))*\*\/)|(::|:=|[,()[\].;:]|[~!@#^&|`?+\-*/%<>=]+)|[\t\n\r ]+/y;
const OPERATORS: ReadonlySet<string> = new Set([
  ...'+-*/%^<>=~!@#&|`?',
  ...',()[].;:',
  '::',
  ':=',
  '=>',
  '<=',
  '>=',
  '<>',
  '!=',
  '||',
  '->',
  '->>',
  '#>',
  '#>>',
  '@>',
  '<@',
  '&&',
  '@@',
  '~*',
  '!~',
  '!~*',
  '~~',
  '~~*',
  '!~~',
  '!~~*',
  '<<',
  '>>',
]);
/** What may not follow a number or parameter directly. */
const WORD_OR_DOT = /[A-Za-z0-9_$.]/;

/** @returns the tokens, or null when the text is not plain enough (which says nothing about its validity). */
export function lexPlain(text: string): readonly Token[] | null {
  if (!PLAIN.test(text)) return null;
  const tokens: Token[] = [];
  let last: Token['kind'] | null = null;
  let lastWasString = false;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) return null;
    const end = TOKEN.lastIndex;
    const [whole, word, string, quoted, number, parameter, comment, operator] = match;
    const next = text[end] ?? ' ';
    let kind: Token['kind'];
    if (word !== undefined) {
      // E'..', B'..', X'..', N'..', U&'..', U&"..": another literal begins inside the word.
      if (next === "'" || (next === '&' && /^u$/i.test(word))) return null;
      kind = KEYWORDS.has(word.toLowerCase()) ? 'keyword' : 'identifier';
    } else if (string !== undefined) {
      // Strings, with blanks and comments between them, may be one literal.
      if (lastWasString) return null;
      kind = 'constant';
    } else if (quoted !== undefined) {
      kind = 'identifier';
    } else if (number !== undefined || parameter !== undefined) {
      if (WORD_OR_DOT.test(next) || (last === 'operator' && text[start - 1] === '.')) return null;
      if (parameter !== undefined && /[\w$]/.test(text[start - 1] ?? ' ')) return null;
      kind = number === undefined ? 'parameter' : 'constant';
    } else if (comment !== undefined) {
      kind = 'comment';
    } else if (operator !== undefined) {
      if (!OPERATORS.has(operator) || (operator === '.' && next === '.')) return null;
      kind = 'operator';
    } else {
      continue;
    }
    lastWasString = string !== undefined || (lastWasString && comment !== undefined);
    last = kind;
    tokens.push({ start, end: start + whole.length, kind });
  }
  return tokens;
}
