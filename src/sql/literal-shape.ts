// Texts that differ only in literals: a client that writes values into its SQL sends a new text every time, but the same
// statement. The shape of a text is the text with its plain literals cut out; of those the inert ones may differ without
// any effect on facts or rewriting.
// REFUSES (null): comments, escapes, prefixed, doubled or dollar quotes, and whatever is not ASCII. Such texts have no shape.
//
// WHY this is sound: two texts with the same shape have the same characters everywhere but inside plain literals, and
// PostgreSQL's scanner cannot tell plain literals of one kind apart. That a literal is inert is proven on the parse tree.

import type { ParseResult } from './parser.ts';

export interface LiteralShape {
  /** The text, each literal replaced by a character that no statement has. */
  readonly key: string;
  /** Literals as written, quotes included, in order. */
  readonly literals: readonly string[];
  /** Where each begins. */
  readonly starts: readonly number[];
}

const integerMark = '\u0001';
const stringMark = '\u0002';
/** Longer ones have another type than shorter ones. */
const maxIntegerDigits = 9;
const maxLiterals = 200;
/** Where a token begins, in a literal or in an element of one. */
const tokenStart = 'tok_';

const kinds = { other: 0, word: 1, digit: 2, quote: 3, doubleQuote: 4, dollar: 5, minus: 6, slash: 7, dot: 8, refused: 9 } as const;

const kindOf: Uint8Array = (() => {
  const table = new Uint8Array(128).fill(kinds.refused);
  for (const blank of [9, 10, 13]) table[blank] = kinds.other;
  for (let code = 32; code < 127; code += 1) {
    const char = String.fromCharCode(code);
    table[code] = /[A-Za-z_]/.test(char) ? kinds.word : /\d/.test(char) ? kinds.digit : kinds.other;
  }
  const special: readonly (readonly [string, number])[] = [
    ["'", kinds.quote],
    ['"', kinds.doubleQuote],
    ['$', kinds.dollar],
    ['-', kinds.minus],
    ['/', kinds.slash],
    ['.', kinds.dot],
    ['\\', kinds.refused],
    ['&', kinds.other],
  ];
  for (const [char, kind] of special) table[char.charCodeAt(0)] = kind;
  return table;
})();

/** @returns null when the text has no shape, or no literal. Linear. */
export function literalShape(text: string): LiteralShape | null {
  const literals: string[] = [];
  const starts: number[] = [];
  const mayHoldTokens = text.includes(tokenStart);
  let key = '';
  let kept = 0;
  let before: number = kinds.other;
  for (let at = 0; at < text.length;) {
    const kind = kindOf[text.charCodeAt(at)] ?? kinds.refused;
    let end = at + 1;
    switch (kind) {
      case kinds.refused:
        return null;
      case kinds.minus:
      case kinds.slash:
        // Comments.
        if (text[at + 1] === (kind === kinds.minus ? '-' : '*')) return null;
        break;
      case kinds.dollar:
        // A parameter, or part of a name; else a dollar quote may begin here.
        if (before !== kinds.word && (kindOf[text.charCodeAt(at + 1)] ?? kinds.refused) !== kinds.digit) return null;
        before = kinds.word;
        at = end;
        continue;
      case kinds.doubleQuote:
        end = text.indexOf('"', at + 1) + 1;
        if (end === 0) return null;
        for (let inside = at + 1; inside < end; inside += 1) {
          if ((kindOf[text.charCodeAt(inside)] ?? kinds.refused) === kinds.refused) return null;
        }
        break;
      case kinds.quote: {
        if (before === kinds.word || text[at - 1] === '&') return null;
        end = plainStringEnd(text, at);
        if (end === 0) return null;
        // Tokens are treated in a way of their own (walk-token.ts, token-writes.ts).
        if ((mayHoldTokens && text.slice(at, end).includes(tokenStart)) || mayBeUuidToken(text, at, end)) break;
        key += text.slice(kept, at) + stringMark;
        literals.push(text.slice(at, end));
        starts.push(at);
        kept = end;
        break;
      }
      case kinds.digit: {
        while ((kindOf[text.charCodeAt(end)] ?? kinds.refused) === kinds.digit) end += 1;
        if (before === kinds.word) {
          at = end;
          continue;
        }
        const next = end === text.length ? kinds.other : (kindOf[text.charCodeAt(end)] ?? kinds.refused);
        // An exponent, or junk: what belongs to the number is for the real scanner to say.
        if (next === kinds.word || next === kinds.dollar) return null;
        const isInteger = before !== kinds.dot && next !== kinds.dot;
        if (isInteger && end - at <= maxIntegerDigits) {
          key += text.slice(kept, at) + integerMark;
          literals.push(text.slice(at, end));
          starts.push(at);
          kept = end;
        }
        before = kinds.digit;
        at = end;
        continue;
      }
    }
    before = kind;
    at = end;
  }
  if (literals.length === 0 || literals.length > maxLiterals) return null;
  return { key: key + text.slice(kept), literals, starts };
}

/** UUIDs that stand for others have version 8. */
function mayBeUuidToken(text: string, start: number, end: number): boolean {
  const length = end - start;
  return length >= 34 && length <= 44 && /^'\s*\{?(?:[0-9a-f]{4}-?){3}8/i.test(text.slice(start, end));
}

/** @returns the offset behind the closing quote; 0 when the literal is not plain. */
function plainStringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const kind = kindOf[text.charCodeAt(at)] ?? kinds.refused;
    if (kind === kinds.refused) return 0;
    if (kind === kinds.quote) return text[at + 1] === "'" ? 0 : at + 1;
  }
  return 0;
}

/** A literal of the same kind that stands nowhere in `text`. */
export function standIn(literal: string, index: number): string {
  return literal.startsWith("'") ? `'sallyport stand-in ${index}.'` : String(1_900_000_000 + index);
}

const operators: ReadonlySet<string> = new Set([
  '=',
  '<>',
  '<',
  '>',
  '<=',
  '>=',
  '!=',
  '~~',
  '!~~',
  '~~*',
  '!~~*',
  '+',
  '-',
  '*',
  '/',
  '%',
  '||',
]);
/** Types whose input reads nothing but the text: no name of an object, no setting that matters here. */
const plainTypes: ReadonlySet<string> = new Set([
  'int2',
  'int4',
  'int8',
  'numeric',
  'float4',
  'float8',
  'text',
  'varchar',
  'bpchar',
  'date',
  'timestamp',
  'timestamptz',
  'time',
  'interval',
  'uuid',
]);
const listKinds: ReadonlySet<string> = new Set(['AEXPR_IN', 'AEXPR_BETWEEN', 'AEXPR_NOT_BETWEEN']);
const operatorKinds: ReadonlySet<string> = new Set(['AEXPR_OP', 'AEXPR_LIKE', 'AEXPR_ILIKE']);

type Body = Readonly<Record<string, unknown>>;

/** Offsets of constants whose value means nothing to facts and rewriting: operands of comparisons and arithmetic, rows of
 *  VALUES, and new values of columns; also under a cast to a plain type. */
export function inertConstants(tree: ParseResult): ReadonlySet<number> {
  const found = new Set<number>();
  visit(tree.stmts ?? [], found);
  return found;
}

function visit(value: unknown, found: Set<number>): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, found);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'A_Expr') operands(inner as Body, found);
    else if (key === 'valuesLists') for (const row of inner as Body[]) constantsIn(row, found);
    else if (key === 'UpdateStmt') for (const target of ((inner as Body)['targetList'] ?? []) as Body[]) assigned(target, found);
    visit(inner, found);
  }
}

function operands(body: Body, found: Set<number>): void {
  const kind = String(body['kind']);
  const operator = (((body['name'] as Body[] | undefined)?.[0] as Body | undefined)?.['String'] as Body | undefined)?.['sval'];
  if (operatorKinds.has(kind) ? !operators.has(String(operator)) : !listKinds.has(kind)) return;
  for (const side of [body['lexpr'], body['rexpr']] as (Body | undefined)[]) constantsIn(side, found);
}

function assigned(target: Body, found: Set<number>): void {
  constantsIn((target['ResTarget'] as Body | undefined)?.['val'] as Body | undefined, found);
}

/** A constant, bare or cast to a plain type, or a list of them. */
function constantsIn(node: Body | undefined, found: Set<number>): void {
  const constant = node?.['A_Const'] as (Body & { location?: number }) | undefined;
  if (constant !== undefined && (constant['ival'] !== undefined || constant['sval'] !== undefined)) found.add(constant.location ?? 0);
  const cast = node?.['TypeCast'] as Body | undefined;
  if (cast !== undefined && isPlainType(cast['typeName'] as Body)) constantsIn(cast['arg'] as Body, found);
  for (const item of ((node?.['List'] as Body | undefined)?.['items'] ?? []) as Body[]) constantsIn(item, found);
}

function isPlainType(type: Body): boolean {
  const names = ((type['names'] ?? []) as Body[]).map((name) => (name['String'] as Body | undefined)?.['sval']);
  return (names.length === 1 || names[0] === 'pg_catalog') && plainTypes.has(String(names.at(-1)));
}
