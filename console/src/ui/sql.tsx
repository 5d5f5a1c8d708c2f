// SQL with colours. Only for eyes: what a statement means was decided by the gate, not here.

import { Fragment, memo } from 'react';

const WORDS = new Set(
  `select from where and or not in is null as on join left right full inner outer cross lateral using group by order having limit offset fetch
 union all except intersect distinct with recursive insert into values update set delete returning merge when matched then else case end
 create alter drop table view index schema grant revoke truncate copy to explain analyze begin commit rollback savepoint release declare
 cursor for close prepare execute deallocate between like ilike similar exists any some true false default asc desc nulls first last over
 partition window filter cast interval do call show reset lock`.split(/\s+/),
);
const TOKEN =
  /(?<comment>--[^\n]*|\/\*[\s\S]*?\*\/)|(?<text>[eEbBxXnN]?'(?:[^']|'')*'|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$)|(?<quoted>"(?:[^"]|"")*")|(?<parameter>\$\d+|\?)|(?<number>\b\d+(?:\.\d+)?\b)|(?<word>[A-Za-z_]\w*)/g;

export interface SqlPart {
  readonly kind: 'plain' | 'keyword' | 'text' | 'number' | 'parameter' | 'comment';
  readonly text: string;
}

export function sqlParts(sql: string): readonly SqlPart[] {
  const parts: SqlPart[] = [];
  let end = 0;
  for (const match of sql.matchAll(TOKEN)) {
    if (match.index > end) parts.push({ kind: 'plain', text: sql.slice(end, match.index) });
    end = match.index + match[0].length;
    const { comment, text, parameter, number, word } = match.groups ?? {};
    const kind =
      comment !== undefined
        ? 'comment'
        : text !== undefined
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

export const Sql = memo(function Sql({ sql }: { readonly sql: string }) {
  return (
    <pre className="sql" tabIndex={0}>
      <code>
        {sqlParts(sql).map(({ kind, text }, index) =>
          // The parts of one text never move.
          kind === 'plain' ? (
            <Fragment key={index}>{text}</Fragment>
          ) : (
            <span key={index} className={`sql-${kind}`}>
              {text}
            </span>
          ),
        )}
      </code>
    </pre>
  );
});
