// The two parsers behind limits. sqlparser's tree is the one that is walked; polyglot's is the second opinion. What neither limit nor
// parser takes is refused by the caller; nothing here throws.

import { type Token, lex } from './lexer.ts';
import { type Program, startProgram } from './instance.ts';
import { loadSnowflakeWasm } from './wasm.ts';

/** In UTF-16 units, of one statement. */
export const MAX_STATEMENT = 256 * 1024;
export const MAX_TOKENS = 20_000;
/** Brackets, CASEs and operators in a row, which trees are as deep as. Both parsers' stacks hold ten times as much, but the text of a
 *  tree grows with the square of its depth. */
export const MAX_DEPTH = 200;

export type ParseFault = 'syntax' | 'too-large' | 'too-deep';

export type Parsed<Tree> = { readonly tree: Tree } | { readonly fault: ParseFault };

export interface SnowflakeParsers {
  /** sqlparser's tree of one statement; the fault `syntax` also for several. */
  parse(text: string): Parsed<unknown>;
  /** Polyglot's tree of one statement. */
  second(text: string): Parsed<unknown>;
  /** The statement as sqlparser prints what it has understood; null when it has not. */
  print(text: string): string | null;
}

let loaded: Promise<SnowflakeParsers> | undefined;

/** Loads and compiles both, once in a thread: 0.6 s and about 90 MB. */
export function loadSnowflakeParsers(): Promise<SnowflakeParsers> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<SnowflakeParsers> {
  const sqlparser = await WebAssembly.compile(await loadSnowflakeWasm('sqlparser'));
  const polyglot = await WebAssembly.compile(await loadSnowflakeWasm('polyglot'));
  return parsersOf(startProgram(sqlparser, 'multi-value'), startProgram(polyglot, 'pointer'));
}

export function parsersOf(sqlparser: Program, polyglot: Program): SnowflakeParsers {
  return {
    parse: (text) =>
      limited(text, () => {
        const answer = sqlparser.call('parse_sql_to_json_string', 'snowflake', text);
        return 'error' in answer ? null : single(json(answer.text));
      }),
    second: (text) =>
      limited(text, () => {
        const answer = polyglot.call('parse', text, 'snowflake');
        const outer = 'error' in answer ? null : json(answer.text);
        if (!isRecord(outer) || outer['success'] !== true || typeof outer['ast'] !== 'string') return null;
        return single(json(outer['ast']));
      }),
    print(text) {
      const answer = sqlparser.call('format_sql', 'snowflake', text);
      return 'error' in answer ? null : answer.text;
    },
  };
}

function limited(text: string, parse: () => unknown): Parsed<unknown> {
  const fault = limitsOf(text);
  if (fault !== null) return { fault };
  const tree = parse();
  return tree === null || tree === undefined ? { fault: 'syntax' } : { tree };
}

/** What is too much for the parsers, before they see it. */
export function limitsOf(text: string): ParseFault | null {
  if (text.length > MAX_STATEMENT) return 'too-large';
  const lexed = lex(text);
  if ('fault' in lexed) return 'syntax';
  if (lexed.tokens.length > MAX_TOKENS) return 'too-large';
  return depthOf(text, lexed.tokens) > MAX_DEPTH ? 'too-deep' : null;
}

const OPENING: ReadonlySet<string> = new Set(['(', '[', '{', 'CASE']);
const CLOSING: ReadonlySet<string> = new Set([')', ']', '}', 'END']);
/** Words that make a tree one level deeper, like operators. */
const CHAINING: ReadonlySet<string> = new Set(
  'AND OR NOT UNION INTERSECT EXCEPT MINUS JOIN LIKE ILIKE RLIKE REGEXP IS IN BETWEEN COLLATE ESCAPE'.split(' '),
);

/** An upper bound of how deep a tree can be: brackets that are open, and for each the operators since it was opened or the last comma. */
export function depthOf(text: string, tokens: readonly Token[]): number {
  let deepest = 0;
  /** Operators in a row of each open bracket, and their sum. */
  const runs = [0];
  let sum = 0;
  for (const token of tokens) {
    if (token.kind !== 'operator' && token.kind !== 'word') continue;
    const written = text.slice(token.start, token.end).toUpperCase();
    if (OPENING.has(written)) {
      runs.push(1);
      sum += 1;
    } else if (CLOSING.has(written)) {
      if (runs.length > 1) sum -= runs.pop() ?? 0;
    } else if (written === ',' || written === ';') {
      const last = runs.length - 1;
      const rest = last === 0 ? 0 : 1;
      sum -= (runs[last] ?? 0) - rest;
      runs[last] = rest;
    } else if (token.kind === 'operator' || CHAINING.has(written)) {
      runs[runs.length - 1] = (runs.at(-1) ?? 0) + 1;
      sum += 1;
    }
    if (sum > deepest) deepest = sum;
  }
  return deepest;
}

function single(trees: unknown): unknown {
  return Array.isArray(trees) && trees.length === 1 ? trees[0] : null;
}

function json(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
