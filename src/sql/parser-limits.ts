// What is refused before PostgreSQL's parser sees it. The depth of the tree is estimated from the text by a lexer that
// only knows quotes, comments, brackets, operators and parameters. It is an economy, not the defence: what it misses costs one
// parser instance (see parser-instance.ts).

/** Of a text without parameters; each parameter adds `PARAMETER_BYTES`. */
export const MAX_TEXT_BYTES = 256 * 1024;
/** Estimated depth of the parse tree: open brackets plus operators chained at each level. */
export const MAX_DEPTH = 400;
/** Words, numbers, literals and operators. A statement of this size is planned in about a quarter of a second, and so is
 *  one with `MAX_PARAMETERS`: `$n` and `PARAMETER_TOKENS` of the brackets and commas around it do not count. */
export const MAX_TOKENS = 40_000;
/** What a Bind can carry: the protocol counts in 16 bits. The highest `$n`, and how many there may be. */
export const MAX_PARAMETERS = 65_535;
const PARAMETER_BYTES = 16;
const PARAMETER_TOKENS = 3;
/** Longer texts are not looked at. */
const MAX_SCANNED_BYTES = MAX_TEXT_BYTES + MAX_PARAMETERS * PARAMETER_BYTES;

export type LimitFault = 'too-large' | 'too-deep' | 'too-many-parameters' | 'encoding';

/** Words that make the tree one level deeper without a bracket. AND and OR chains are flat in the tree. */
const DEEPENING_WORDS = new Set([
  'not',
  'is',
  'isnull',
  'notnull',
  'like',
  'ilike',
  'similar',
  'between',
  'in',
  'collate',
  'at',
  'operator',
  'join',
  'case',
  'when',
  'else',
  'union',
  'intersect',
  'except',
  'explain',
  'prepare',
  'select',
  'values',
]);
const SET_WORDS = new Set(['union', 'intersect', 'except', 'join']);
const LONGEST_DEEPENING_WORD = 9;

const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isWordStart = (c: number): boolean => (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c >= 128;
const isWordPart = (c: number): boolean => isWordStart(c) || isDigit(c) || c === 36;
/** + - * / < > = ~ ! @ # % ^ & | ` ? : */
const OPERATOR_CHARACTERS = new Set([...'+-*/<>=~!@#%^&|`?:'].map((c) => c.charCodeAt(0)));

/** @returns why the text is refused, or null. */
export function checkLimits(text: string): LimitFault | null {
  if (text.length > MAX_SCANNED_BYTES) return 'too-large';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_SCANNED_BYTES) return 'too-large';
  if (text.includes('\u0000') || !text.isWellFormed()) return 'encoding';
  return scan(text, bytes);
}

function scan(text: string, bytes: number): LimitFault | null {
  const outer: number[] = [];
  let outerSum = 0;
  let chain = 0;
  let setWords = 0;
  let tokens = 0;
  let parameters = 0;
  let punctuation = 0;
  let at = 0;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    if (c <= 32) {
      at += 1;
      continue;
    }
    if (c === 40 || c === 41 || c === 44) punctuation += 1;
    else tokens += 1;
    if (isWordStart(c)) {
      const start = at;
      while (at < text.length && isWordPart(text.charCodeAt(at))) at += 1;
      if (at - start <= LONGEST_DEEPENING_WORD) {
        const word = text.slice(start, at).toLowerCase();
        if (word === 'and' || word === 'or') chain = Math.min(chain, 1);
        else if (SET_WORDS.has(word)) setWords += 1;
        else if (DEEPENING_WORDS.has(word)) chain += 1;
      }
      // E'...' has backslash escapes; B, X, U& and N do not change where the literal ends.
      if (at - start === 1 && (c === 69 || c === 101) && text.charCodeAt(at) === 39) at = afterQuote(text, at, 39, true);
    } else if (isDigit(c)) {
      while (at < text.length && (isWordPart(text.charCodeAt(at)) || text.charCodeAt(at) === 46)) at += 1;
    } else if (c === 39 || c === 34) {
      at = afterQuote(text, at, c, false);
    } else if (c === 36 && isDigit(text.charCodeAt(at + 1))) {
      const start = at + 1;
      at = start;
      while (at < text.length && isDigit(text.charCodeAt(at))) at += 1;
      if (Number(text.slice(start, at)) > MAX_PARAMETERS) return 'too-many-parameters';
      if (parameters < MAX_PARAMETERS) {
        parameters += 1;
        tokens -= 1;
      }
    } else if (c === 36) {
      at = afterDollar(text, at);
    } else if (c === 45 && text.charCodeAt(at + 1) === 45) {
      while (at < text.length && text.charCodeAt(at) !== 10 && text.charCodeAt(at) !== 13) at += 1;
    } else if (c === 47 && text.charCodeAt(at + 1) === 42) {
      at = afterComment(text, at);
    } else {
      if (c === 40 || c === 91) {
        outer.push(chain);
        outerSum += chain + 1;
        chain = 0;
      } else if (c === 41 || c === 93) {
        const before = outer.pop();
        if (before !== undefined) {
          outerSum -= before + 1;
          chain = before;
        }
      } else if (c === 44 || c === 59) {
        chain = 0;
        if (c === 59) setWords = 0;
      } else if (OPERATOR_CHARACTERS.has(c)) {
        chain += 1;
      }
      at += 1;
    }
    if (outerSum + chain + setWords > MAX_DEPTH) return 'too-deep';
    if (tokens + Math.max(0, punctuation - parameters * PARAMETER_TOKENS) > MAX_TOKENS) return 'too-large';
  }
  return bytes > MAX_TEXT_BYTES + parameters * PARAMETER_BYTES ? 'too-large' : null;
}

/** Offset after the closing quote; a doubled quote stays inside because it opens the next literal at once. */
function afterQuote(text: string, at: number, quote: number, backslashes: boolean): number {
  let next = at + 1;
  while (next < text.length) {
    const c = text.charCodeAt(next);
    if (backslashes && c === 92) next += 1;
    else if (c === quote) {
      if (text.charCodeAt(next + 1) !== quote) return next + 1;
      next += 1;
    }
    next += 1;
  }
  return next;
}

function afterDollar(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && isWordPart(text.charCodeAt(end)) && text.charCodeAt(end) !== 36) end += 1;
  if (text.charCodeAt(end) !== 36) return at + 1;
  const tag = text.slice(at, end + 1);
  const close = text.indexOf(tag, end + 1);
  return close === -1 ? text.length : close + tag.length;
}

function afterComment(text: string, at: number): number {
  let depth = 1;
  let next = at + 2;
  while (next < text.length && depth > 0) {
    const pair = text.slice(next, next + 2);
    if (pair === '/*') depth += 1;
    if (pair === '*/') depth -= 1;
    next += pair === '/*' || pair === '*/' ? 2 : 1;
  }
  return next;
}
