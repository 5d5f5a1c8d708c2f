// The query of a view out of what GET_DDL gives: `create or replace view "D"."S"."V"(A, B) as select ...;`. Names of its columns are in
// the catalogue; what is asked of the definition is what they are made from.

import { lex } from './lexer.ts';
import { Reader, type StatementText, splitStatements } from './statement-text.ts';

/** The query, comments and all; null = not of a form that is known, so its columns may be made from anything. */
export function definitionOf(ddl: string): string | null {
  const lexed = lex(ddl);
  if ('fault' in lexed) return null;
  const [statement, ...others] = splitStatements(ddl, lexed.tokens);
  return statement === undefined || others.length > 0 ? null : queryOf(statement);
}

function queryOf(statement: StatementText): string | null {
  const reader = new Reader(statement);
  if (!reader.take('CREATE')) return null;
  // Its name, columns in brackets, options. The first AS outside of brackets begins the query.
  while (!reader.take('AS')) {
    if (reader.isAtEnd) return null;
    if (!reader.skipBrackets()) reader.skip();
  }
  const first = reader.token;
  const last = statement.tokens.at(-1);
  if (first === undefined || last === undefined || !['SELECT', 'WITH', '('].includes(reader.word)) return null;
  return statement.source.slice(first.start, last.end);
}
