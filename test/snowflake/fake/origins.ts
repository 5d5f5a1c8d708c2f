// Origin of columns in `rowtype`: database, schema and table of a plain column, with the traps that recordings of the real service
// show (blank for expressions, blank for answers of one row, an internal name for numbered derived tables).

import type { AccountData } from './data.ts';
import { type Token, meaningful, nameOf, tokensOf } from './tokens.ts';
import type { Column } from './rows.ts';

interface Source {
  readonly alias: string;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
}

interface Origin {
  readonly schema: string;
  readonly table: string;
  /** Of the base column, for its declared type. */
  readonly column: string;
}

/** The columns with their origins. */
export async function withOrigins(
  columns: readonly Column[],
  text: string,
  rowCount: number,
  data: AccountData,
  schema: string,
): Promise<Column[]> {
  const tokens = meaningful(tokensOf(text));
  if (!isWord(tokens[0], 'SELECT')) return [...columns];
  if (/\(\s*SELECT[\s\S]*ROW_NUMBER/i.test(text)) return columns.map((column) => ({ ...column, table: 'SYS$_VIEW_36' }));
  const from = topLevel(tokens, 'FROM');
  if (from < 0 || ['UNION', 'EXCEPT', 'MINUS', 'INTERSECT', 'GROUP'].some((word) => topLevel(tokens, word) >= 0)) return [...columns];
  const sources = await sourcesOf(tokens.slice(from + 1), data, schema);
  if (sources === null) return [...columns];
  const origins = itemsOf(tokens.slice(1, from)).flatMap((item) => originsOf(item, sources));
  if (origins.length !== columns.length) return [...columns];
  return columns.map((column, index) => {
    const origin = origins[index];
    if (origin === null || origin === undefined) return column;
    const typed = declared(column, data, origin);
    return rowCount === 1 ? typed : { ...typed, database: 'CLINIC', schema: origin.schema, table: origin.table };
  });
}

function declared(column: Column, data: AccountData, { schema, table, column: name }: Origin): Column {
  const type = data.typeOf(schema, table, name)?.toLowerCase();
  return type === undefined ? column : { ...column, type: type as Column['type'] };
}

const isWord = (token: Token | undefined, word: string): boolean => token?.kind === 'word' && token.text.toUpperCase() === word;

/** Index of the word outside of parentheses; -1 = it is not there. */
function topLevel(tokens: readonly Token[], word: string): number {
  let depth = 0;
  return tokens.findIndex((token) => {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    return depth === 0 && isWord(token, word);
  });
}

function itemsOf(tokens: readonly Token[]): Token[][] {
  const items: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (token.text === ',' && depth === 0) items.push([]);
    else items.at(-1)?.push(token);
  }
  return items;
}

const enders = new Set(['WHERE', 'ORDER', 'LIMIT', 'QUALIFY', 'HAVING', 'FETCH', 'OFFSET']);

/** Null = something else than names of relations. */
async function sourcesOf(tokens: readonly Token[], data: AccountData, schema: string): Promise<Source[] | null> {
  const sources: Source[] = [];
  for (let index = 0; index < tokens.length;) {
    const path: string[] = [];
    for (; index < tokens.length; index += 2) {
      const token = tokens[index];
      if (token === undefined || (token.kind !== 'word' && token.kind !== 'quoted')) return null;
      path.push(nameOf(token));
      if (tokens[index + 1]?.text !== '.') break;
    }
    index += 1;
    const [table = '', where = schema] = path.toReversed();
    const columns = await data.columnsOf(where, table);
    if (columns === null) return null;
    let alias = table;
    if (isWord(tokens[index], 'AS')) index += 1;
    const next = tokens[index];
    if (
      next !== undefined &&
      (next.kind === 'quoted' ||
        (next.kind === 'word' &&
          !/^(?:JOIN|INNER|LEFT|RIGHT|FULL|CROSS|ON|USING|NATURAL|AT|SAMPLE|TABLESAMPLE)$/i.test(next.text) &&
          !enders.has(next.text.toUpperCase())))
    ) {
      alias = nameOf(next);
      index += 1;
    }
    sources.push({ alias, schema: where, table, columns });
    // Behind a condition comes the next JOIN, a comma, or the end.
    let depth = 0;
    for (; index < tokens.length; index += 1) {
      const token = tokens[index] as Token;
      if (token.text === '(') depth += 1;
      if (token.text === ')') depth -= 1;
      if (depth > 0) continue;
      if (token.kind === 'word' && enders.has(token.text.toUpperCase())) return sources;
      if (token.text === ',' || isWord(token, 'JOIN')) break;
    }
    index += 1;
  }
  return sources;
}

function originsOf(item: readonly Token[], sources: readonly Source[]): (Origin | null)[] {
  const all = (source: Source): Origin[] => source.columns.map((column) => ({ schema: source.schema, table: source.table, column }));
  if (item.length === 1 && item[0]?.text === '*') return sources.flatMap(all);
  if (item.length === 3 && item[2]?.text === '*') return sources.filter(({ alias }) => alias === nameOf(item[0] as Token)).flatMap(all);
  let end = 1;
  while (item[end]?.text === '.') end += 2;
  const rest = item.slice(end);
  const isAliased = rest.length === 0 || (rest.length === 1 && rest[0]?.kind !== 'op') || (rest.length === 2 && isWord(rest[0], 'AS'));
  if (!isAliased || (item[0]?.kind !== 'word' && item[0]?.kind !== 'quoted')) return [null];
  const name = nameOf(item[end - 1] as Token);
  const alias = end > 1 ? nameOf(item[end - 3] as Token) : null;
  const source = sources.find((each) => (alias === null || each.alias === alias) && each.columns.includes(name));
  return [source === undefined ? null : { schema: source.schema, table: source.table, column: name }];
}

/** Labels of expressions: their texts in capitals. Empty = not known. */
export function labelsOf(text: string): (string | null)[] {
  const tokens = meaningful(tokensOf(text));
  const from = topLevel(tokens, 'FROM');
  if (!isWord(tokens[0], 'SELECT')) return [];
  const start = isWord(tokens[1], 'DISTINCT') || isWord(tokens[1], 'ALL') ? 2 : isWord(tokens[1], 'TOP') ? 3 : 1;
  const items = itemsOf(tokens.slice(start, from < 0 ? undefined : from));
  if (items.some((item) => item.some((token, index) => token.text === '*' && (index === 0 || item[index - 1]?.text === '.')))) return [];
  return items.map((item) => {
    const [last, before] = [item.at(-1), item.at(-2)];
    const isName = last?.kind === 'quoted' || (last?.kind === 'word' && !/^(?:END|NULL|TRUE|FALSE)$/i.test(last.text));
    const isBehindName = before === undefined || before.text === '.' || before.text === ')' || before.kind !== 'op';
    const isNamed =
      isName &&
      isBehindName &&
      !(before?.kind === 'word' && /^(?:IS|NOT|AND|OR|LIKE|THEN|ELSE|WHEN|CASE|IN|DISTINCT|BY)$/i.test(before.text));
    if (isNamed && last !== undefined) return nameOf(last);
    return item
      .map((token, index) => (index > 0 && token.kind !== 'op' && item[index - 1]?.kind !== 'op' ? ` ${token.text}` : token.text))
      .join('')
      .toUpperCase();
  });
}
