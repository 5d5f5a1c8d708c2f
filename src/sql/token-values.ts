// Tokens as statements use them: which constants and parameters may hold one, what each place asks of it, and the SQL that
// puts the value in its place. The value itself is never in a text: the target computes it from the token, under a key that
// only its session has.
// INVARIANT: only tokens that were checked here get to that SQL: it does not ask whether they are genuine.

import type { Unknown } from '../core/facts.ts';
import type { Column, Relation } from './catalogue.ts';
import { nameList } from './resolve.ts';
import type { Body } from './rewrite.ts';
import { quoteName } from './rewrite.ts';

/** What a column shows in place of its values, under a key. `text`: tokens that can be reversed. `other`: UUIDs, or tokens
 *  inside of arrays, which cannot. `digest`: equal for equal values. `shift`: dates, moved by what their subject says. */
export interface TokenColumn {
  readonly className: string;
  readonly form: 'text' | 'other' | 'digest' | 'shift';
  /** Of shifted dates: column that says whose they are, when there is one. */
  readonly subject?: string;
}

/** Tokens of one principal on one target; the same object for as long as its masks are the same. */
export interface Tokens {
  /** Null: the column shows no tokens. */
  columnOf(relation: Relation, column: Column, classes: readonly string[]): TokenColumn | null;
  /** Somebody who writes this means a token. */
  meansToken(text: string): boolean;
  /** A token that cannot be reversed is in it: a UUID that stands for another, an array with tokens. */
  holdsToken(text: string): boolean;
  /** The token that stands for the same value today, or why the text is none.
   *  @param className null = of any class that is shown by tokens */
  renew(
    className: string | null,
    text: string,
  ): { readonly token: string } | { readonly fault: 'malformed' | 'forged' | 'expired' | 'one-way' };
  /** Stands for a value that is too long to be put in its place. */
  isOneWay(text: string): boolean;
  /** Bytes that the value behind a token has at most: what the token itself tells. */
  maxBytes(token: string): number;
  /** Expression of type text: the value behind a token, NULL for other texts. @param token expression of type text */
  open(token: string, className: string): string;
}

/** What a place does with a token. `compared`: with tokens. `opened`: the value is compared. `stored`: the value is stored.
 *  `only`: the same, and nothing but a token may stand there. `none`: no token may stand there. */
export type TokenUse = 'compared' | 'opened' | 'stored' | 'only' | 'none';

/** A place of a statement where a token may stand. */
export interface TokenPlace {
  /** Null: of any class; then a text that is no token is left alone. */
  readonly className: string | null;
  readonly use: TokenUse;
  /** `schema.relation.column`, or '' where several may be meant. */
  readonly column: string;
  /** Characters that fit: a token that might stand for more is refused. */
  readonly limit?: number;
  /** Neither may a token be inside of the text, nor a UUID that stands for another. */
  readonly inside?: true;
  /** An array of texts stands there: this is about its elements. */
  readonly isArray?: boolean;
}

/** A parameter in such a place. */
export interface TokenParameter extends TokenPlace {
  /** From 1. */
  readonly number: number;
}

/** What a text asks of its parameters. */
export interface PlanTokens {
  readonly parameters: readonly TokenParameter[];
  /** A column of tokens is written by an expression: a token in any other parameter might end up in it. */
  readonly refusesOthers: boolean;
}

const UNCHANGED = 'Use a token exactly as it was shown, for a column of the same class.';
const REMEDIES = {
  malformed: UNCHANGED,
  forged: UNCHANGED,
  expired: 'Read the value again: its token is another one by now.',
  'one-way': 'The value behind this token is too long to be put in its place: select the row in another way.',
} as const;

export type CheckedToken = { readonly text: string } | { readonly refused: Unknown };

export const REMEDY_GUESS =
  'Write the token of a value that you were shown. Plain values may be written where policy allows look-ups (predicates: equality).';

/** @returns the text to send in place of `text`, or why it is refused. */
export function checkToken(text: string, place: TokenPlace, tokens: Tokens): CheckedToken {
  if (place.isArray === true) return checkArray(text, place, tokens);
  const { className, use, column } = place;
  const refused = (what: string, remedy: string): { readonly refused: Unknown } => ({ refused: { code: 'token', what, remedy } });
  if (place.inside === true && tokens.holdsToken(text)) return { refused: strayToken(column) };
  if (!tokens.meansToken(text)) {
    return use === 'only' ? refused(`${column}: a value that is no token`, REMEDY_GUESS) : { text };
  }
  if (use === 'none') return { refused: strayToken(column) };
  const renewed = tokens.renew(className, text);
  if ('fault' in renewed) {
    if (className === null) return { text };
    const what = renewed.fault === 'expired' ? `a token of ${className} whose key has expired` : `a text that is no token of ${className}`;
    return refused(renewed.fault === 'one-way' ? `a token of a long value of ${className}` : what, REMEDIES[renewed.fault]);
  }
  if (use !== 'compared' && tokens.isOneWay(text)) return refused(`a token of a long value of ${className}`, REMEDIES['one-way']);
  if (place.limit !== undefined && tokens.maxBytes(renewed.token) > place.limit) {
    return refused(`${column}: the value behind the token may be too long`, 'Store it in a column that takes longer values.');
  }
  return { text: renewed.token };
}

/** Elements of an array as PostgreSQL writes it that begin as tokens do: no token has a character that must be quoted. */
const ELEMENT = /(?<=[{,"]\s*)tok_[^{},"\\\s]*/g;

/** Every token of an array that is given as text is an element as PostgreSQL itself would write it. Where quotes, escapes or
 *  blanks are inside of one, the target may read another text than we do. */
function isToldApart(text: string): boolean {
  const seen = text.match(ELEMENT)?.length ?? 0;
  return text.replaceAll(/["\\\s]/g, '').split('tok_').length - 1 === seen;
}

function checkArray(text: string, { isArray: _ofArrays, ...place }: TokenPlace, tokens: Tokens): CheckedToken {
  if (!isToldApart(text)) return { refused: strayToken(place.column) };
  let refused: CheckedToken | null = null;
  const checked = text.replaceAll(ELEMENT, (element) => {
    const one = checkToken(element, place, tokens);
    if ('text' in one) return one.text;
    refused ??= one;
    return element;
  });
  return refused ?? { text: checked };
}

/** @param column '' = some column that is shown by tokens */
export function strayToken(column: string): Unknown {
  return {
    code: 'token',
    what: `${column === '' ? 'an expression for a protected column' : column}: a token would be stored as it is`,
    remedy:
      'Write tokens as plain constants or parameters, into columns without checks, triggers and length limits that could tell something about the value.',
  };
}

/** A constant of the tree that is a token, and was not dealt with. */
export function holdsToken(node: unknown, tokens: Tokens, isDone: (constant: Body) => boolean): boolean {
  if (Array.isArray(node)) return node.some((each) => holdsToken(each, tokens, isDone));
  if (node === null || typeof node !== 'object') return false;
  const constant = (node as Body)['A_Const'] as Body | undefined;
  const text = constant === undefined || isDone(constant) ? null : constantText(constant);
  if (text !== null && (tokens.meansToken(text) || tokens.holdsToken(text))) return true;
  return Object.values(node).some((each) => holdsToken(each, tokens, isDone));
}

/** A constant or parameter, bare or cast to a type of texts. */
export interface TextValue {
  /** Fields of the constant; null = a parameter. */
  readonly constant: Body | null;
  /** From 1; 0 for a constant. */
  readonly parameter: number;
  /** Name of the type it is cast to, or null. */
  readonly cast: string | null;
  /** The constant or parameter in the tree. */
  readonly source: Body;
}

const TEXT_CASTS: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar', 'citext']);

/** @returns null for everything else: expressions, and casts that could cut a text. */
export function textValue(node: unknown): TextValue | null {
  const body = (node ?? {}) as Body;
  const cast = body['TypeCast'] as Body | undefined;
  const inner = (cast === undefined ? body : ((cast['arg'] ?? {}) as Body)) as Body;
  const type = cast === undefined ? null : castName(cast['typeName'] as Body);
  if (type === undefined) return null;
  const parameter = inner['ParamRef'] as Body | undefined;
  if (parameter !== undefined) return { constant: null, parameter: Number(parameter['number'] ?? 0), cast: type, source: parameter };
  const constant = inner['A_Const'] as Body | undefined;
  return constant === undefined ? null : { constant, parameter: 0, cast: type, source: constant };
}

/** An array of texts that is given as one parameter, possibly cast. */
export function arrayValue(node: unknown): TextValue | null {
  const body = (node ?? {}) as Body;
  const cast = body['TypeCast'] as Body | undefined;
  const parameter = ((cast === undefined ? body : cast['arg']) as Body | undefined)?.['ParamRef'] as Body | undefined;
  const type = cast === undefined ? null : castName(cast['typeName'] as Body, true);
  if (parameter === undefined || type === undefined) return null;
  return { constant: null, parameter: Number(parameter['number'] ?? 0), cast: type === null ? null : `${type}[]`, source: parameter };
}

/** Every use of a parameter in a tree, by its number. */
export function parameterUses(node: unknown, found: Map<number, Body[]> = new Map()): Map<number, Body[]> {
  if (Array.isArray(node)) for (const each of node) parameterUses(each, found);
  else if (node !== null && typeof node === 'object') {
    for (const [field, each] of Object.entries(node)) {
      if (field !== 'ParamRef') parameterUses(each, found);
      else {
        const number = Number((each as Body)['number'] ?? 0);
        found.set(number, [...(found.get(number) ?? []), each as Body]);
      }
    }
  }
  return found;
}

function castName(type: Body, isArray = false): string | undefined {
  const names = nameList(type['names']);
  const name = names?.at(-1);
  if (names === null || name === undefined || names.length > 2) return undefined;
  if ((type['arrayBounds'] !== undefined) !== isArray || type['typmods'] !== undefined || type['setof'] === true) return undefined;
  return TEXT_CASTS.has(name) && (names.length === 1 || names[0] === 'pg_catalog' || name === 'citext')
    ? names.map(quoteType).join('.')
    : undefined;
}

const quoteType = (name: string): string => (TEXT_CASTS.has(name) ? name : quoteName(name));

/** Text of a string constant; null for NULL, numbers and booleans. */
export function constantText(constant: Body): string | null {
  const text = (constant['sval'] as Body | undefined)?.['sval'];
  if (constant['sval'] === undefined || constant['isnull'] === true) return null;
  return typeof text === 'string' ? text : '';
}

export function setConstantText(constant: Body, text: string): void {
  constant['sval'] = { sval: text };
}

/** Type that a column of texts is compared and written in, as SQL. */
export function textTypeOf({ typeOid, typeName, typeSchema }: Column, use: 'compared' | 'written'): string {
  if (typeOid === 1042) return 'bpchar';
  if (typeOid === 1043 && use === 'written') return 'varchar';
  return /^(?:[^.]*\.)?"?citext"?$/.test(typeName) ? `${quoteName(typeSchema)}."citext"` : 'text';
}

/** A value as SQL, of the type that it would have without us: the column's, unless the client has cast it.
 *  WHY COALESCE: it gives a parameter its type as a cast would, but takes no other type than one of texts. A cast would also
 *  make a text of a `bytea`, whose text need not be the one that was checked when it was bound.
 *  @param token checked text of a constant */
export function valueSql(value: TextValue, type: string, token: string | null): string {
  if (value.constant !== null) return `'${(token ?? '').replaceAll("'", "''")}'::text`;
  return `COALESCE($${value.parameter}, NULL::${value.cast ?? type})`;
}
