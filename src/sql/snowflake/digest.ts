// What is told of a text without telling what is in it: the normalised form, the fingerprint, and the form that approvals are bound to.

import { createHash } from 'node:crypto';
import { type Token, lex, nameOf } from './lexer.ts';
import { VOCABULARY } from './vocabulary.ts';

const SHORT_NAME = /^[A-Z][A-Z0-9]?$/;

/** The text with every constant replaced and comments gone, safe in headers: names of the catalogue, vocabulary and operators stay,
 *  names that a writer chose become `_1`, `_2`, ... Null = it cannot be read.
 *  @param knows true for a name of the catalogue, as Snowflake stores it. */
export function normalise(text: string, knows: (name: string) => boolean): string | null {
  const lexed = lex(text);
  if ('fault' in lexed) return null;
  const aliases = new Map<string, string>();
  let out = '';
  let end = 0;
  for (const token of lexed.tokens) {
    if (token.kind === 'comment') continue;
    if (out !== '' && token.start > end) out += ' ';
    end = token.end;
    out += normalised(text, token, knows, aliases);
  }
  return out;
}

function normalised(text: string, token: Token, knows: (name: string) => boolean, aliases: Map<string, string>): string {
  const raw = text.slice(token.start, token.end);
  switch (token.kind) {
    case 'string':
    case 'dollar':
    case 'binary':
    case 'number':
      return '?';
    case 'variable':
    case 'bind':
      return /^(?:\?|[$:]\d{1,4})$/.test(raw) ? raw : `${raw.slice(0, 1)}?`;
    case 'quoted':
      return knows(nameOf(text, token)) ? raw : '"?"';
    case 'word': {
      const name = raw.toUpperCase();
      if (VOCABULARY.has(name) || SHORT_NAME.test(name) || knows(name)) return raw;
      let alias = aliases.get(name);
      if (alias === undefined) aliases.set(name, (alias = `_${aliases.size + 1}`));
      return alias;
    }
    default:
      return raw;
  }
}

/** For grouping: equal for texts that differ in constants, blanks, case of words, comments and lengths of lists. 16 hexadecimal digits. */
export function fingerprint(text: string): string | null {
  const lexed = lex(text);
  if ('fault' in lexed) return null;
  const parts: string[] = [];
  for (const token of lexed.tokens) {
    if (token.kind === 'comment') continue;
    const raw = text.slice(token.start, token.end);
    const part = ['string', 'dollar', 'binary', 'number', 'bind'].includes(token.kind)
      ? '?'
      : token.kind === 'quoted'
        ? raw
        : raw.toUpperCase();
    if (part === '?' && parts.at(-1) === ',' && parts.at(-2) === '?') parts.pop();
    else parts.push(part);
  }
  return sha256(parts.join(' ')).slice(0, 16);
}

/** What approvals are bound to: SHA-256 over the tokens with their constants. Blanks and comments do not count, everything else does. */
export function statementSha256(text: string): string {
  const lexed = lex(text);
  if ('fault' in lexed) return sha256(`text\0${text}`);
  const tokens = lexed.tokens.filter(({ kind }) => kind !== 'comment');
  return sha256(`tokens\0${tokens.map(({ start, end }) => text.slice(start, end)).join('\0')}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
