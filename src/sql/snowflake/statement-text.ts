// A request's text as statements, and the words a statement begins with.

import { type Token, nameOf } from './lexer.ts';

/** One statement of a request: its tokens without comments and the `;`. */
export interface StatementText {
  /** The whole text of the request; offsets of tokens are in it. */
  readonly source: string;
  readonly tokens: readonly Token[];
}

/** Statements of a text; those without any token are none. */
export function splitStatements(source: string, tokens: readonly Token[]): StatementText[] {
  return splitAt(source, tokens, ';').filter((each) => each.tokens.length > 0);
}

/** Stages of a chain `a ->> b ->> c`; one for a statement that is none. */
export function splitStages(statement: StatementText): StatementText[] {
  return splitAt(statement.source, statement.tokens, '->>');
}

function splitAt(source: string, tokens: readonly Token[], separator: string): StatementText[] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (token.kind === 'comment') continue;
    if (token.kind === 'operator' && source.slice(token.start, token.end) === separator) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts.map((part) => ({ source, tokens: part }));
}

export function written(statement: StatementText, token: Token): string {
  return statement.source.slice(token.start, token.end);
}

/** Upper-case text of a word or operator at an index; '' for everything else, and behind the end. */
export function wordAt(statement: StatementText, index: number): string {
  const token = statement.tokens[index];
  return token !== undefined && (token.kind === 'word' || token.kind === 'operator') ? written(statement, token).toUpperCase() : '';
}

/** Reads a statement from left to right: what the grammar of commands needs. Nothing here throws; what does not match moves nothing. */
export class Reader {
  readonly statement: StatementText;
  #at: number;

  constructor(statement: StatementText, at = 0) {
    this.statement = statement;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.statement.tokens.length;
  }

  get token(): Token | undefined {
    return this.statement.tokens[this.#at];
  }

  /** The word here, upper case; '' where there is none. */
  get word(): string {
    return wordAt(this.statement, this.#at);
  }

  /** Takes all of the words, or none. */
  take(...words: readonly string[]): boolean {
    if (!words.every((word, index) => wordAt(this.statement, this.#at + index) === word)) return false;
    this.#at += words.length;
    return true;
  }

  /** Takes one of the words. */
  takeOneOf(words: ReadonlySet<string>): string | null {
    const { word } = this;
    if (word === '' || !words.has(word)) return null;
    this.#at += 1;
    return word;
  }

  /** Moves over one token, whatever it is. */
  skip(): void {
    this.#at += 1;
  }

  takeKind(kind: Token['kind']): Token | null {
    const { token } = this;
    if (token?.kind !== kind) return null;
    this.#at += 1;
    return token;
  }

  /** A name of up to `most` parts, as Snowflake stores it. Null moves nothing: no name, or the form `a..b`. */
  name(most = 3): string[] | null {
    const start = this.#at;
    const parts: string[] = [];
    do {
      const { token } = this;
      if (parts.length === most || (token?.kind !== 'word' && token?.kind !== 'quoted')) {
        this.#at = start;
        return null;
      }
      parts.push(nameOf(this.statement.source, token));
      this.#at += 1;
    } while (this.take('.'));
    return parts;
  }

  /** Takes a group in brackets. @returns false, having moved nothing, where there is none that closes. */
  skipBrackets(): boolean {
    if (this.word !== '(') return false;
    let depth = 0;
    for (let index = this.#at; index < this.statement.tokens.length; index += 1) {
      const word = wordAt(this.statement, index);
      if (word === '(') depth += 1;
      if (word === ')') depth -= 1;
      if (depth === 0) {
        this.#at = index + 1;
        return true;
      }
    }
    return false;
  }

  /** Upper-case words and operators from here to the end; constants as their kind in angles: `<string>`. */
  rest(): string[] {
    return this.statement.tokens.slice(this.#at).map((token, index) => wordAt(this.statement, this.#at + index) || `<${token.kind}>`);
  }
}
