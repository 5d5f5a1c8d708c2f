// SQL in parts, for colours. Somebody else wrote it, perhaps so that it looks like another statement, or so that a page hangs over it:
// characters that reorder or hide text are shown by their number, and long texts have colours at their beginning only.

import { readable } from './readable.ts';

const WORDS = new Set(
  `select from where and or not in is null as on join left right full inner outer cross lateral using group by order having limit offset fetch
 union all except intersect distinct with recursive insert into values update set delete returning merge when matched then else case end
 create alter drop table view index schema grant revoke truncate copy to explain analyze begin commit rollback savepoint release declare
 cursor for close prepare execute deallocate between like ilike similar exists any some true false default asc desc nulls first last over
 partition window filter cast interval do call show reset lock`.split(/\s+/),
);
const TOKEN =
  /(?<comment>--[^\n]*|\/\*[\s\S]*?\*\/)|(?<text>[eEbBxXnN]?'(?:[^']|'')*'|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$)|(?<quoted>"(?:[^"]|"")*")|(?<parameter>\$\d+|\?)|(?<number>\b\d+(?:\.\d+)?\b)|(?<word>[A-Za-z_]\w*)/g;

/** Taking apart a text that was made for it takes time by the square of this. */
const COLOURED = 20_000;

export interface SqlPart {
  readonly kind: 'plain' | 'keyword' | 'text' | 'number' | 'parameter' | 'comment';
  readonly text: string;
}

export function sqlParts(text: string): readonly SqlPart[] {
  const parts: SqlPart[] = [];
  let end = 0;
  const sql = readable(text);
  for (const match of sql.slice(0, COLOURED).matchAll(TOKEN)) {
    if (match.index > end) parts.push({ kind: 'plain', text: sql.slice(end, match.index) });
    end = match.index + match[0].length;
    const { comment, text: constant, parameter, number, word } = match.groups ?? {};
    const kind =
      comment !== undefined
        ? 'comment'
        : constant !== undefined
          ? 'text'
          : parameter !== undefined
            ? 'parameter'
            : number !== undefined
              ? 'number'
              : word !== undefined && WORDS.has(word.toLowerCase())
                ? 'keyword'
                : 'plain';
    parts.push({ kind, text: match[0] });
  }
  if (end < sql.length) parts.push({ kind: 'plain', text: sql.slice(end) });
  return parts;
}
