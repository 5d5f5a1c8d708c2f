// Redaction of statement text for audit headers, token by token. What stays is vocabulary that cannot carry data:
// keywords, operators, small parameter numbers, and names the catalogue knows. Everything a writer can choose freely
// goes: constants and unknown quoted names become `?`, comments vanish, and unknown unquoted names become `_1`, `_2`, ...
// by order of appearance. WHY unquoted ones too: `AS quackenbush_970789909` says as much as `AS "970-78-9909"`; numbering
// keeps the statement readable (which alias is which). Names of one letter, or a letter and one more character (`p`,
// `t1`), stay: they are too short to carry a value.

import type { Parser } from './parser.ts';

const SHORT_NAME = /^[a-z][a-z0-9]?$/i;
/** `$970789909` is a valid parameter token. */
const SMALL_PARAMETER = /^\$\d{1,4}$/;

/** @param knowsIdentifier true for a name of the catalogue, as the server folds it.
 *  @returns text that is safe in headers, or null when the text cannot be lexed. */
export function redact(text: string, parser: Parser, knowsIdentifier: (name: string) => boolean): string | null {
  const tokens = parser.scan(text);
  if (tokens === null) return null;
  // Token offsets are in bytes: the same as characters while the text is ASCII.
  const bytes = Buffer.byteLength(text) === text.length ? null : Buffer.from(text);
  const aliases = new Map<string, string>();
  let out = '';
  let end = 0;
  for (const token of tokens) {
    if (token.kind === 'comment') continue;
    const written = bytes === null ? text.slice(token.start, token.end) : bytes.toString('utf8', token.start, token.end);
    // One blank for whatever stood between two tokens; a comment between them is not adjacent either.
    if (out !== '' && token.start > end) out += ' ';
    end = token.end;
    switch (token.kind) {
      case 'constant':
        out += '?';
        break;
      case 'parameter':
        out += SMALL_PARAMETER.test(written) ? written : '?';
        break;
      case 'identifier':
        out += redactIdentifier(written, knowsIdentifier, aliases);
        break;
      case 'keyword':
      case 'operator':
        out += written;
        break;
    }
  }
  return out;
}

function redactIdentifier(written: string, knowsIdentifier: (name: string) => boolean, aliases: Map<string, string>): string {
  if (written.startsWith('"')) {
    const name = written.slice(1, -1).replaceAll('""', '"');
    return knowsIdentifier(name) ? written : '"?"';
  }
  // U&"..." may spell any name with escapes.
  if (/^u&"/i.test(written)) return '"?"';
  const folded = written.toLowerCase();
  if (SHORT_NAME.test(folded) || knowsIdentifier(folded)) return written;
  let alias = aliases.get(folded);
  if (alias === undefined) aliases.set(folded, (alias = `_${aliases.size + 1}`));
  return alias;
}
