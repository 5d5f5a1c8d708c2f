// Snowflake's dialect, as far as DuckDB can be taught it by rewriting tokens. What remains is answered by the account's table of answers.

import { type Token, literal, meaningful, nameOf, quoted, stringValue, textOf, tokensOf } from './tokens.ts';

export interface Scope {
  readonly variables: ReadonlyMap<string, string>;
  /** Functions without arguments that tell of the session, `CURRENT_ROLE`, ... to SQL. */
  readonly told: Readonly<Record<string, string>>;
  /** SQL of a bind, from its number. */
  bind(number: number): string;
  /** The relation that has the rows of a query. */
  resultOf(queryId: string): string;
  /** Query id of `LAST_QUERY_ID(n)`. */
  lastQueryId(offset: number): string | null;
  /** Text of a view or table. */
  ddlOf(kind: string, name: string, isQualified: boolean): string;
}

const types: Readonly<Record<string, string>> = {
  NUMBER: 'DECIMAL', NUMERIC: 'DECIMAL', STRING: 'VARCHAR', VARIANT: 'JSON', OBJECT: 'JSON', ARRAY: 'JSON', BINARY: 'BLOB', FLOAT: 'DOUBLE',
  TIMESTAMP_NTZ: 'TIMESTAMP', TIMESTAMP_LTZ: 'TIMESTAMPTZ', TIMESTAMP_TZ: 'TIMESTAMPTZ', DATETIME: 'TIMESTAMP', INT: 'DECIMAL(38,0)',
  INTEGER: 'DECIMAL(38,0)', BIGINT: 'DECIMAL(38,0)', BYTEINT: 'DECIMAL(38,0)', SMALLINT: 'DECIMAL(38,0)', DECIMAL: 'DECIMAL',
}; // prettier-ignore

/** Functions whose first argument is a part of a date, bare or in quotes. */
const datePartFirst = new Set(['DATEADD', 'DATEDIFF', 'DATE_TRUNC', 'DATE_PART', 'TIMESTAMPADD', 'TIMESTAMPDIFF', 'TIMEADD']);

const names: Readonly<Record<string, string>> = {
  LISTAGG: 'STRING_AGG', MINUS: 'EXCEPT', SHA2: 'SHA256', BASE64_ENCODE: 'TO_BASE64_TEXT', HEX_ENCODE: 'HEX', CHARINDEX: 'POSITION_OF', POSITION: 'POSITION_OF',
  RLIKE: 'REGEXP_MATCHES', REGEXP_LIKE: 'REGEXP_MATCHES', EDITDISTANCE: 'LEVENSHTEIN', JAROWINKLER_SIMILARITY: 'JARO_WINKLER_SIMILARITY',
  BOOLOR_AGG: 'BOOL_OR', BOOLAND_AGG: 'BOOL_AND', ARRAY_SIZE: 'JSON_ARRAY_LENGTH', PARSE_JSON: 'AS_JSON', TO_VARIANT: 'TO_JSON', GET_PATH: 'GET_PATH_OF',
  OBJECT_KEYS: 'JSON_KEYS', TYPEOF: 'JSON_TYPE', TO_TIMESTAMP_NTZ: 'TO_TIMESTAMP_OF', TO_TIMESTAMP: 'TO_TIMESTAMP_OF', ARRAY_CONSTRUCT: 'JSON_ARRAY',
  OBJECT_AGG: 'JSON_GROUP_OBJECT', ARRAY_AGG: 'JSON_GROUP_ARRAY', OBJECT_CONSTRUCT: 'JSON_OBJECT', SQUARE: 'SQUARE_OF', DIV0: 'DIV0', SYSDATE: 'NOW', TO_JSON: 'JSON_TEXT', REGEXP_SUBSTR: 'REGEXP_EXTRACT',
}; // prettier-ignore

/** Functions of Snowflake as macros of DuckDB. */
export const macros: readonly string[] = [
  'IFF(a, b, c) AS CASE WHEN a THEN b ELSE c END',
  'NVL(a, b) AS COALESCE(a, b)',
  'NVL2(a, b, c) AS CASE WHEN a IS NOT NULL THEN b ELSE c END',
  'ZEROIFNULL(a) AS COALESCE(a, 0)',
  'NULLIFZERO(a) AS NULLIF(a, 0)',
  'EQUAL_NULL(a, b) AS a IS NOT DISTINCT FROM b',
  'DIV0(a, b) AS CASE WHEN b = 0 THEN 0 ELSE a / b END',
  'TO_VARCHAR(a) AS CAST(a AS VARCHAR)',
  'TO_CHAR(a) AS CAST(a AS VARCHAR)',
  'TO_NUMBER(a) AS CAST(a AS DECIMAL(38,0))',
  'TO_DECIMAL(a) AS CAST(a AS DECIMAL(38,0))',
  'TRY_TO_NUMBER(a) AS TRY_CAST(a AS DECIMAL(38,0))',
  'TO_DOUBLE(a) AS CAST(a AS DOUBLE)',
  'TRY_TO_DOUBLE(a) AS TRY_CAST(a AS DOUBLE)',
  'TO_DATE(a) AS CAST(a AS DATE)',
  'TRY_TO_DATE(a) AS TRY_CAST(a AS DATE)',
  'TO_TIMESTAMP_OF(a) AS CAST(a AS TIMESTAMP)',
  'TO_BOOLEAN(a) AS CAST(a AS BOOLEAN)',
  'TO_BASE64_TEXT(a) AS TO_BASE64(CAST(a AS BLOB))',
  'POSITION_OF(a, b) AS STRPOS(b, a)',
  'SQUARE_OF(a) AS a * a',
  'AS_JSON(a) AS CAST(a AS JSON)',
  'TRY_PARSE_JSON(a) AS TRY_CAST(a AS JSON)',
  "GET_PATH_OF(a, b) AS JSON_EXTRACT(a, '$.' || b)",
  'JSON_TEXT(a) AS CAST(a AS VARCHAR)',
  'DATEADD(p, n, d) AS CAST(d AS TIMESTAMP) + CASE UPPER(p) WHEN \'DAY\' THEN TO_DAYS(CAST(n AS INTEGER)) WHEN \'MONTH\' THEN TO_MONTHS(CAST(n AS INTEGER)) WHEN \'YEAR\' THEN TO_YEARS(CAST(n AS INTEGER)) WHEN \'WEEK\' THEN TO_DAYS(CAST(n * 7 AS INTEGER)) WHEN \'HOUR\' THEN TO_HOURS(n) WHEN \'MINUTE\' THEN TO_MINUTES(n) ELSE TO_SECONDS(n) END',
  'SEQ4() AS 0',
]; // prettier-ignore

/** @throws Error for a bind or a result that is not there */
export function toDuckdb(text: string, scope: Scope): string {
  let tokens = meaningful(tokensOf(text));
  tokens = substitute(tokens, scope);
  tokens = tables(tokens, scope);
  tokens = paths(tokens);
  return textOf(words(tokens).flatMap((token) => [token, blank])).trim();
}

const blank: Token = { kind: 'blank', text: ' ' };
const raw = (text: string): Token => ({ kind: 'op', text });
const isWord = (token: Token | undefined, ...wanted: string[]): boolean =>
  token !== undefined && token.kind === 'word' && wanted.includes(token.text.toUpperCase());
const isOp = (token: Token | undefined, text: string): boolean => token?.kind === 'op' && token.text === text;

/** Index after the parenthesis that closes the one at `open`. */
function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index += 1) {
    if (isOp(tokens[index], '(')) depth += 1;
    if (isOp(tokens[index], ')')) depth -= 1;
    if (depth === 0) return index + 1;
  }
  return tokens.length;
}

/** Binds, session variables, and functions of the session. */
function substitute(tokens: readonly Token[], scope: Scope): Token[] {
  const out: Token[] = [];
  let binds = 0;
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index] as Token;
    const next = tokens[index + 1];
    const name = token.kind === 'word' ? token.text.toUpperCase() : '';
    if (isOp(token, '?')) out.push(raw(scope.bind((binds += 1))));
    else if (isOp(token, ':') && next?.kind === 'number' && !isOperand(tokens[index - 1])) {
      out.push(raw(scope.bind(Number(next.text))));
      index += 1;
    } else if (token.kind === 'variable' && scope.variables.has(token.text.slice(1).toUpperCase())) {
      out.push({ kind: 'string', text: scope.variables.get(token.text.slice(1).toUpperCase()) as string });
    } else if (name === 'LAST_QUERY_ID' && isOp(next, '(')) {
      const end = closing(tokens, index + 1);
      const offset = Number(textOf(tokens.slice(index + 2, end - 1)) || '-1');
      const id = scope.lastQueryId(offset);
      out.push({ kind: 'string', text: id === null ? 'NULL' : literal(id) });
      index = end - 1;
    } else if (name in scope.told && name.startsWith('CURRENT_') && isOp(next, '(')) {
      out.push(raw(scope.told[name] as string));
      index = closing(tokens, index + 1) - 1;
    } else if (name === 'GET_DDL' && isOp(next, '(')) {
      const end = closing(tokens, index + 1);
      const given = tokens.slice(index + 2, end - 1).filter(({ kind }) => kind === 'string');
      const [kind = '', relation = ''] = given.map(({ text }) => stringValue(text));
      out.push(raw(literal(scope.ddlOf(kind, relation, isWord(tokens[end - 2], 'TRUE')))));
      index = end - 1;
    } else out.push(token);
  }
  return out;
}

const isOperand = (token: Token | undefined): boolean =>
  token !== undefined && (token.kind === 'word' || token.kind === 'quoted' || isOp(token, ')') || isOp(token, ']'));

/** IDENTIFIER(...), TABLE(...), FLATTEN(...), time travel, INFORMATION_SCHEMA. */
function tables(tokens: readonly Token[], scope: Scope): Token[] {
  const out: Token[] = [];
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index] as Token;
    const next = tokens[index + 1];
    if (isWord(token, 'IDENTIFIER') && isOp(next, '(')) {
      const end = closing(tokens, index + 1);
      const [inner] = tokens.slice(index + 2, end - 1);
      out.push(...(inner?.kind === 'string' ? tokensOf(stringValue(inner.text)) : []));
      index = end - 1;
    } else if (isWord(token, 'TABLE') && isOp(next, '(')) {
      const end = closing(tokens, index + 1);
      const inner = tokens.slice(index + 2, end - 1);
      if (isWord(inner[0], 'RESULT_SCAN')) out.push(raw(scope.resultOf(stringValue(inner[2]?.text ?? "''"))));
      else if (isWord(inner[0], 'GENERATOR')) out.push(raw(`RANGE(${textOf(inner.filter(({ kind }) => kind === 'number'))})`));
      else if (inner[0]?.kind === 'string') out.push(...tokensOf(stringValue(inner[0].text)));
      else out.push(...tables(inner, scope));
      index = end - 1;
    } else if (isWord(token, 'FLATTEN') && isOp(next, '(')) {
      const end = closing(tokens, index + 1);
      const parts = tokens.slice(index + 2, end - 1);
      const from = isWord(parts[0], 'INPUT') ? 2 : 0;
      const until = parts.findIndex((each, at) => at > from && isOp(each, ',') && depthAt(parts, at) === 0);
      const input = textOf(words(paths(parts.slice(from, until < 0 ? undefined : until))).flatMap((each) => [each, blank]));
      out.push(
        raw(
          `(SELECT id AS SEQ, key AS "KEY", fullkey AS PATH, TRY_CAST(key AS INTEGER) AS "INDEX", value AS "VALUE", ${input} AS THIS FROM JSON_EACH(${input}))`,
        ),
      );
      index = end - 1;
    } else if (isWord(token, 'LISTAGG', 'ARRAY_AGG') && isOp(next, '(') && isWord(tokens[closing(tokens, index + 1)], 'WITHIN')) {
      const end = closing(tokens, index + 1);
      const order = closing(tokens, end + 2);
      out.push(token, ...tables(tokens.slice(index + 1, end - 1), scope), ...tables(tokens.slice(end + 3, order), scope));
      index = order - 1;
    } else if (isWord(token, 'OBJECT_CONSTRUCT', 'OBJECT_CONSTRUCT_KEEP_NULL') && isOp(tokens[index + 2], '*')) {
      // The whole row is called by the name of its relation.
      const from = tokens.findIndex((each) => isWord(each, 'FROM'));
      let name = from + 1;
      while (isOp(tokens[name + 1], '.')) name += 2;
      if (tokens[name + 1]?.kind === 'word' && !isWord(tokens[name + 1], 'WHERE', 'ORDER', 'LIMIT', 'GROUP', 'JOIN')) name += 1;
      out.push(raw('TO_JSON'), raw('('), tokens[name] as Token, raw(')'));
      index = closing(tokens, index + 1) - 1;
    } else if (isWord(token, 'AT', 'BEFORE') && isOp(next, '(') && isWord(tokens[index + 2], 'OFFSET', 'TIMESTAMP', 'STATEMENT')) {
      index = closing(tokens, index + 1) - 1;
    } else if (isWord(token, 'INFORMATION_SCHEMA') && isOp(next, '.')) {
      // The database before it says which rows: there is one.
      if (isOp(out.at(-1), '.')) out.splice(-2, 2);
      out.push(raw('SNOWFLAKE_META.INFO'));
    } else out.push(token);
  }
  return out;
}

function depthAt(tokens: readonly Token[], at: number): number {
  return tokens.slice(0, at).reduce((depth, token) => depth + (isOp(token, '(') ? 1 : isOp(token, ')') ? -1 : 0), 0);
}

/** `a:b.c[0]::STRING` becomes a function of JSON. */
function paths(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index] as Token;
    const next = tokens[index + 1];
    if (!(isOp(token, ':') && isOperand(out.at(-1)) && (next?.kind === 'word' || next?.kind === 'quoted'))) {
      out.push(token);
      continue;
    }
    let path = `$."${next.kind === 'quoted' ? nameOf(next) : next.text}"`;
    index += 2;
    for (;;) {
      const [here, after] = [tokens[index], tokens[index + 1]];
      if (isOp(here, '.') && (after?.kind === 'word' || after?.kind === 'quoted')) {
        path += `."${after.kind === 'quoted' ? nameOf(after) : after.text}"`;
        index += 2;
      } else if (isOp(here, '[') && after !== undefined) {
        path += after.kind === 'string' ? `."${stringValue(after.text)}"` : `[${after.text}]`;
        index += 3;
      } else break;
    }
    const subject = takeOperand(out);
    const isText = isOp(tokens[index], '::') && isWord(tokens[index + 1], 'STRING', 'VARCHAR', 'TEXT', 'NUMBER', 'INT', 'FLOAT', 'DATE');
    out.push(raw(`${isText ? 'JSON_EXTRACT_STRING' : 'JSON_EXTRACT'}(${subject}, ${literal(path)})`));
    index -= 1;
  }
  return out;
}

/** Takes the operand that ends the list: a dotted name or a call. */
function takeOperand(out: Token[]): string {
  let start = out.length - 1;
  if (isOp(out[start], ')')) {
    let depth = 0;
    for (; start >= 0; start -= 1) {
      if (isOp(out[start], ')')) depth += 1;
      if (isOp(out[start], '(')) depth -= 1;
      if (depth === 0) break;
    }
    if (out[start - 1]?.kind === 'word') start -= 1;
  }
  while (isOp(out[start - 1], '.')) start -= 2;
  return textOf(words(out.splice(start)).flatMap((each) => [each, blank]));
}

/** Names in capitals, types and functions as DuckDB calls them. */
function words(tokens: readonly Token[]): Token[] {
  return tokens.map((token, index) => {
    if (token.kind === 'string') return raw(token.text === 'NULL' ? 'NULL' : scalarText(token.text));
    if (token.kind !== 'word') return token;
    const name = token.text.toUpperCase();
    const [before, after] = [tokens[index - 1], tokens[index + 1]];
    if (isOp(before, '.') || isOp(after, '.')) return { kind: 'word', text: quoted(name) };
    if (isOp(before, '(') && datePartFirst.has(tokens[index - 2]?.text.toUpperCase() ?? '')) return raw(literal(name));
    if (isOp(after, '(') && name in names && !isTypePlace(tokens, index)) {
      return { kind: 'word', text: names[name] as string };
    }
    if (isOp(token, '*')) return token;
    if (name === 'MINUS') return { kind: 'word', text: 'EXCEPT' };
    if (name in types && isTypePlace(tokens, index)) {
      const type = types[name] as string;
      return { kind: 'word', text: type === 'DECIMAL' && !isOp(after, '(') ? 'DECIMAL(38,0)' : type };
    }
    return { kind: 'word', text: name };
  });
}

/** Behind `::`, AS (of CAST) or the name of a column. */
function isTypePlace(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1];
  return (
    isOp(before, '::') ||
    isWord(before, 'AS') ||
    ((before?.kind === 'word' || before?.kind === 'quoted') &&
      !isWord(before, 'SELECT', 'BY', 'DISTINCT', 'AND', 'OR', 'WHERE', 'ON', 'FROM', 'JOIN', 'CASE', 'WHEN', 'THEN', 'ELSE'))
  );
}

/** A constant as DuckDB writes it. Constants of numbers stay. */
const scalarText = (text: string): string => (/^(?:'|\$\$)/.test(text) ? literal(stringValue(text)) : text);
