// What the parts of the walker share: the state of one statement, names, and how deep it may go.

import type { Unknown } from '../../core/facts.ts';
import type { Constants } from './constants.ts';
import type { Findings } from './findings.ts';
import { list, node, nodeKind, Refusal, tagged, textOf } from './nodes.ts';
import type { Scope } from './scope.ts';
import type { Column } from './scope.ts';
import type { Bind, KnownResult, PlanContext } from './types.ts';
import type { Taint } from './values.ts';

export interface WalkEnv {
  readonly context: PlanContext;
  /** Of this statement: lines and columns of its tree are places in it. */
  readonly text: string;
  readonly binds: readonly Bind[];
  /** Relations that are no tables, by what stands for them: `$1` of `->>`. */
  readonly extra: ReadonlyMap<string, KnownResult>;
}

/** Rows that a query gives. */
export interface Rows {
  readonly columns: readonly Column[];
  /** Relations of which it lets rows through without a bound. */
  readonly open: ReadonlySet<string>;
  /** Outermost constant LIMIT. */
  readonly limit: number | null;
  readonly isUnsure: boolean;
}

/** Where a query stands. `answer`: its rows are the answer, compared with the plan by name. */
export type Position = 'answer' | 'inner';

export interface Walker {
  readonly env: WalkEnv;
  readonly findings: Findings;
  readonly constants: Constants;
  /** Aggregates seen in the query block that is walked now. */
  block: Block;
  query(tree: unknown, outer: Scope | null, position: Position): Rows;
  expression(tree: unknown, scope: Scope): Taint;
  predicate(tree: unknown, scope: Scope, where: string): void;
  deeper<T>(work: () => T): T;
}

export interface Block {
  aggregates: boolean;
  collects: boolean;
  /** Relations of sub-queries that are read once for each row. */
  readonly perRow: Set<string>;
  readonly windows: Map<string, unknown>;
}

export function newBlock(): Block {
  return { aggregates: false, collects: false, perRow: new Set(), windows: new Map() };
}

/** As Snowflake stores it: upper case unless it is quoted. */
export function nameOf(ident: unknown): string {
  const fields = node(ident, 'Ident');
  const text = textOf(fields['value'], 'Ident');
  const quote = fields['quote_style'];
  if (quote === null || quote === undefined) return text.toUpperCase();
  if (quote !== '"') throw nodeKind('Ident.quote_style');
  return text;
}

/** Written without quotes: it may be a word of the language. */
export function isBare(ident: unknown): boolean {
  const quote = node(ident, 'Ident')['quote_style'];
  return quote === null || quote === undefined;
}

/** Parts of a name of a relation; an empty schema (`db..t`) is PUBLIC. `IDENTIFIER('a.b')` is what its constant says. */
export function objectName(tree: unknown, walker: Walker): readonly string[] {
  const parts = list(tree).flatMap((part) => {
    const [kind, held] = tagged(part, 'name');
    if (kind === 'Identifier') return [nameOf(held)];
    if (kind === 'Function' && list(tree).length === 1) return identifierOf(held, walker);
    throw nodeKind(`name ${kind}`);
  });
  if (parts.length === 0 || parts.length > 4) throw nodeKind('name');
  if (parts.some((part) => part.startsWith('@'))) throw stage();
  const named = parts.map((part, index) => (part === '' && index === parts.length - 2 && index > 0 ? 'PUBLIC' : part));
  if (named.includes('')) throw nodeKind('name');
  return named;
}

function stage(): Refusal {
  return new Refusal({ code: 'statement-kind', what: 'a stage', remedy: 'Read tables: files of stages are not passed.' });
}

function identifierOf(held: unknown, walker: Walker): readonly string[] {
  const fields = held as { readonly name?: unknown; readonly args?: unknown };
  if (nameOf(fields.name) !== 'IDENTIFIER') throw nodeKind('name function');
  const [argument, ...others] = list(fields.args);
  const [kind, value] = tagged(argument, 'IDENTIFIER');
  const [inner, expression] = kind === 'Unnamed' ? tagged(value, 'IDENTIFIER') : ['', null];
  if (others.length > 0 || inner !== 'Expr') throw nodeKind('IDENTIFIER');
  return identifierParts(expression, walker);
}

/** Parts of the name in the constant of IDENTIFIER. */
export function identifierParts(expression: unknown, walker: Walker): readonly string[] {
  const [kind, held] = tagged(expression, 'IDENTIFIER');
  const text = kind === 'Value' ? walker.constants.read(held)?.texts : undefined;
  const [name] = text ?? [];
  const unknown: Unknown = { code: 'relation', what: 'IDENTIFIER', remedy: 'Write the name itself, or IDENTIFIER of a constant.' };
  if (text?.length !== 1 || typeof name !== 'string') throw new Refusal(unknown);
  const parts: string[] = [];
  const pattern = /\s*(?:"((?:[^"]|"")+)"|([A-Za-z_][\w$]*))\s*(\.|$)/gy;
  for (let end = false; !end;) {
    const match = pattern.exec(name);
    if (match === null) throw new Refusal(unknown);
    parts.push(match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').toUpperCase());
    end = match[3] === '';
    if (end && pattern.lastIndex !== name.length) throw new Refusal(unknown);
  }
  return parts;
}

/** Columns of lists of names: `(a, b)` of an INSERT or USING. */
export function columnNames(tree: unknown): readonly string[] {
  return list(tree).map((each) => {
    const parts = Array.isArray(each) ? (each as unknown[]) : [{ Identifier: each }];
    const [part] = parts;
    const [kind, held] = tagged(part, 'column');
    if (parts.length !== 1 || kind !== 'Identifier') throw nodeKind('column name');
    return nameOf(held);
  });
}

export function relationUnknown(what: string): Refusal {
  return new Refusal({ code: 'relation', what, remedy: 'Use names of tables and columns that are there, with their database and schema.' });
}
