// Relations and names that a statement does not write as names. Each is replaced in the text that is analysed: IDENTIFIER('a.b') by the
// name, results that are read again by names that nothing else has. What is not known for certain is refused.

import type { Unknown } from '../../core/facts.ts';
import { type Token, lex, nameOf, stringLiteral, stringValue } from './lexer.ts';
import type { Replacement } from './analysis-text.ts';
import { Reader, type StatementText, splitStatements, wordAt, written } from './statement-text.ts';
import type { KnownResult, PlannedOutput, SnowflakeSession } from './types.ts';

export interface Virtual {
  /** In the text that is analysed. */
  readonly replacements: readonly Replacement[];
  readonly extra: ReadonlyMap<string, KnownResult>;
  /** In the text that is forwarded: ids of results as Snowflake knows them. */
  readonly edits: readonly Replacement[];
  /** Results are read whose columns are not known; nothing protected is in them. */
  readonly readsMetadata: boolean;
  readonly unknowns: readonly Unknown[];
}

/** Results that `->>` made before this statement: the last one first. Null outputs = metadata. */
export type Earlier = readonly { readonly outputs: readonly PlannedOutput[] | null }[];

const NAME_REMEDY = 'Write the name itself. Names in variables are passed when SET gave the variable a constant.';
const RESULT_REMEDY = 'Read results of this session by the id its statements were answered with, or run the query again.';

interface Found {
  readonly replacements: Replacement[];
  readonly extra: Map<string, KnownResult>;
  readonly edits: Replacement[];
  readonly unknowns: Unknown[];
  readsMetadata: boolean;
}

export function virtualRelations(statement: StatementText, session: SnowflakeSession, earlier: Earlier): Virtual {
  const found: Found = { replacements: [], extra: new Map(), edits: [], unknowns: [], readsMetadata: false };
  for (let index = 0; index < statement.tokens.length; index += 1) {
    const length = takeAt(statement, index, session, earlier, found);
    if (length > 0) index += length - 1;
  }
  return found;
}

/** @returns how many tokens were taken. */
function takeAt(statement: StatementText, index: number, session: SnowflakeSession, earlier: Earlier, found: Found): number {
  const token = statement.tokens[index];
  if (token === undefined) return 0;
  if (token.kind === 'variable') return takeStage(statement, index, earlier, found);
  const word = wordAt(statement, index);
  if (word === 'RESULT_SCAN') {
    found.unknowns.push({
      code: 'relation',
      what: 'RESULT_SCAN',
      remedy: 'Read it as SELECT ... FROM TABLE(RESULT_SCAN(...)).',
      at: token.start + 1,
    });
    return 1;
  }
  const reader = new Reader(statement, index);
  if (reader.take('TABLE', '(', 'RESULT_SCAN', '(')) return takeResult(statement, index, reader, session, found);
  if (reader.take('IDENTIFIER', '(') || reader.take('TABLE', '(')) return takeName(statement, index, reader, session, found);
  return 0;
}

/** `FROM $1` behind `->>`. */
function takeStage(statement: StatementText, index: number, earlier: Earlier, found: Found): number {
  const token = statement.tokens[index] as Token;
  const number = Number(written(statement, token).slice(1));
  if (earlier.length === 0 || !Number.isInteger(number) || !['FROM', 'JOIN'].includes(wordAt(statement, index - 1))) return 0;
  const result = earlier[number - 1];
  if (result === undefined) {
    found.unknowns.push({
      code: 'relation',
      what: 'a result of ->> that is not there',
      remedy: 'Read $1 for the statement before, $2 for the one before that.',
      at: token.start + 1,
    });
    return 1;
  }
  put(statement, token, token, `_${number}`, result.outputs, found);
  return 1;
}

function takeResult(statement: StatementText, index: number, reader: Reader, session: SnowflakeSession, found: Found): number {
  const first = statement.tokens[index] as Token;
  const from = reader.token;
  const id = resultId(reader, statement, session);
  const to = statement.tokens[reader.at - 1];
  const last = statement.tokens[reader.at + 1];
  const result = id === null ? undefined : session.result(id);
  if (from === undefined || to === undefined || !reader.take(')', ')') || last === undefined || result === undefined) {
    found.unknowns.push({ code: 'relation', what: 'a result of RESULT_SCAN', remedy: RESULT_REMEDY, at: first.start + 1 });
    return reader.at - index;
  }
  found.edits.push({ start: from.start, end: to.end, text: stringLiteral(result.queryId) });
  put(statement, first, last, `_r${index}`, result.outputs, found);
  return reader.at - index;
}

/** The argument of RESULT_SCAN: a constant, a variable that is one, LAST_QUERY_ID() or LAST_QUERY_ID(-1). */
function resultId(reader: Reader, statement: StatementText, session: SnowflakeSession): string | null {
  if (reader.take('LAST_QUERY_ID', '(')) {
    if (reader.take('-')) {
      const number = reader.takeKind('number');
      if (number === null || written(statement, number) !== '1') return null;
    }
    return reader.take(')') ? session.lastQueryId : null;
  }
  return constantText(reader, statement, session);
}

function constantText(reader: Reader, statement: StatementText, session: SnowflakeSession): string | null {
  const string = reader.takeKind('string');
  if (string !== null) return stringValue(statement.source, string);
  const variable = reader.takeKind('variable');
  return variable === null ? null : (session.variables.get(written(statement, variable).slice(1).toUpperCase()) ?? null);
}

/** IDENTIFIER('a.b'), IDENTIFIER($v), TABLE('a.b'), TABLE($v). TABLE(f(...)) is a function's, and not taken. */
function takeName(statement: StatementText, index: number, reader: Reader, session: SnowflakeSession, found: Found): number {
  const first = statement.tokens[index] as Token;
  const isTable = wordAt(statement, index) === 'TABLE';
  if (isTable && reader.token?.kind !== 'string' && reader.token?.kind !== 'variable' && reader.token?.kind !== 'bind') return 0;
  const name = constantText(reader, statement, session);
  const last = reader.token;
  const plain = name === null ? null : plainName(name);
  if (plain === null || last === undefined || !reader.take(')')) {
    found.unknowns.push({
      code: 'relation',
      what: isTable ? 'TABLE of a name that is not known' : 'IDENTIFIER of a name that is not known',
      remedy: NAME_REMEDY,
      at: first.start + 1,
    });
    return Math.max(1, reader.at - index);
  }
  found.replacements.push({ start: first.start, end: last.end, text: plain });
  return reader.at - index;
}

/** A name as it may stand in a statement; null for a text that is none. */
function plainName(text: string): string | null {
  const lexed = lex(text);
  if ('fault' in lexed || lexed.tokens.some(({ kind }) => kind === 'comment')) return null;
  const [statement, ...others] = splitStatements(text, lexed.tokens);
  if (statement === undefined || others.length > 0) return null;
  const reader = new Reader(statement);
  const parts = reader.name();
  // Quoted, so that no word of the language is meant by it.
  return parts === null || !reader.isAtEnd ? null : parts.map((each) => `"${each.replaceAll('"', '""')}"`).join('.');
}

function put(
  statement: StatementText,
  first: Token,
  last: Token,
  name: string,
  outputs: readonly PlannedOutput[] | null,
  found: Found,
): void {
  const stored = name.toUpperCase();
  const isTaken = statement.tokens.some(
    (token) => (token.kind === 'word' || token.kind === 'quoted') && nameOf(statement.source, token) === stored,
  );
  if (isTaken) {
    found.unknowns.push({
      code: 'relation',
      what: 'a name that stands for a result',
      remedy: `Use another name than ${stored}.`,
      at: first.start + 1,
    });
    return;
  }
  found.replacements.push({ start: first.start, end: last.end, text: name });
  if (outputs === null) found.readsMetadata = true;
  found.extra.set(stored, { outputs: outputs ?? anyColumns(statement) });
}

/** Columns of a result that says nothing of tables: whatever the statement calls them. */
function anyColumns(statement: StatementText): readonly PlannedOutput[] {
  const names = statement.tokens.filter(({ kind }) => kind === 'word' || kind === 'quoted').map((token) => nameOf(statement.source, token));
  return [...new Set(names)].map((name) => ({
    name,
    sources: [],
    classes: [],
    shape: 'value',
    mask: 'clear',
    keyClass: null,
    subjectOutput: null,
  }));
}
