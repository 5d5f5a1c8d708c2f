// The text that parsers and walker see: comments are gone, and names that a statement gives in other ways are written as names:
// IDENTIFIER('a.b'), TABLE('a.b'), $1 of `->>`, TABLE(RESULT_SCAN(...)). What is forwarded stays the client's text; offsets are mapped.

import { type Token, lex } from './lexer.ts';
import type { StatementText } from './statement-text.ts';

export interface Replacement {
  /** Offsets in the source. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface AnalysisText {
  readonly text: string;
  /** Offset in the source of an offset in `text` that begins a token of the client; null inside of what was replaced. */
  source(offset: number): number | null;
}

/** Tokens of the statement with blanks as in the source; comments become one blank. */
export function analysisText(statement: StatementText, replacements: readonly Replacement[]): AnalysisText {
  const first = statement.tokens[0]?.start ?? 0;
  /** Pieces that are copied: where they begin in the text, in the source, and their length. */
  const pieces: { readonly at: number; readonly from: number; readonly length: number }[] = [];
  let text = '';
  let end = first;
  let index = 0;
  for (const token of statement.tokens) {
    const replacement = replacements[index];
    if (replacement !== undefined && token.start >= replacement.start) {
      if (token.start === replacement.start) {
        text += `${gap(statement.source, end, token.start)}${replacement.text}`;
        end = replacement.end;
      }
      if (token.end === replacement.end) index += 1;
      continue;
    }
    text += gap(statement.source, end, token.start);
    pieces.push({ at: text.length, from: token.start, length: token.end - token.start });
    text += statement.source.slice(token.start, token.end);
    end = token.end;
  }
  return {
    text,
    source(offset) {
      const piece = pieces.find(({ at, length }) => offset >= at && offset < at + length);
      return piece === undefined ? null : piece.from + (offset - piece.at);
    },
  };
}

/** Blanks as they are, so that lines stay lines; a comment is a blank. */
function gap(source: string, start: number, end: number): string {
  const between = source.slice(start, end);
  return /[^ \t\r\n]/.test(between) ? ' ' : between;
}

/** The text of the source with constants replaced. An edit replaces one string constant, or all tokens of an argument, by one string.
 *  @returns null when anything else would read differently. */
export function editSource(source: string, tokens: readonly Token[], edits: readonly Replacement[]): string | null {
  const sorted = [...edits].sort((left, right) => left.start - right.start);
  let text = '';
  let end = 0;
  for (const edit of sorted) {
    if (edit.start < end || edit.end <= edit.start) return null;
    text += source.slice(end, edit.start) + edit.text;
    end = edit.end;
  }
  text += source.slice(end);
  const expected = tokensAfter(source, tokens, sorted);
  const again = lex(text);
  if (expected === null || 'fault' in again || again.tokens.length !== expected.length) return null;
  const isSame = again.tokens.every((token, index) => text.slice(token.start, token.end) === expected[index]);
  return isSame ? text : null;
}

/** Null when an edit does not begin and end with tokens, or is not a string constant. */
function tokensAfter(source: string, tokens: readonly Token[], edits: readonly Replacement[]): string[] | null {
  const expected: string[] = [];
  let index = 0;
  let used = 0;
  while (index < tokens.length) {
    const token = tokens[index] as Token;
    const edit = edits[used];
    if (edit === undefined || token.start < edit.start) {
      expected.push(source.slice(token.start, token.end));
      index += 1;
      continue;
    }
    if (token.start !== edit.start || !edit.text.startsWith("'")) return null;
    while ((tokens[index]?.end ?? Number.POSITIVE_INFINITY) < edit.end) index += 1;
    if (tokens[index]?.end !== edit.end) return null;
    expected.push(edit.text);
    index += 1;
    used += 1;
  }
  return used === edits.length ? expected : null;
}
