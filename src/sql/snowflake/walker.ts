// What the parts of the walker share: the state of one statement, names, and how deep it may go.

import type { Constants } from './constants.ts';
import type { Findings } from './findings.ts';
import { list, node, nodeKind, Refusal, tagged, textOf } from './nodes.ts';
import type { Column, Scope } from './scope.ts';
import type { Taint } from './values.ts';
import type { WalkEnv } from './walked.ts';

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
  /** The same, with names looked up as a view of that schema does. */
  inSchema(path: readonly [string, string, string]): Walker;
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

/** Parts of a name of a relation; an empty schema (`db..t`) is PUBLIC. */
export function objectName(tree: unknown): readonly string[] {
  const parts = list(tree).map((part) => {
    const [kind, held] = tagged(part, 'name');
    if (kind !== 'Identifier') throw nodeKind(`name ${kind}`);
    return nameOf(held);
  });
  if (parts.length === 0 || parts.length > 4) throw nodeKind('name');
  if (parts.some((part) => part.startsWith('@'))) throw stage();
  const named = parts.map((part, index) => (part === '' && index === parts.length - 2 && index > 0 ? 'PUBLIC' : part));
  if (named.includes('')) throw nodeKind('name');
  return named;
}

function stage(): Refusal {
  return new Refusal({ code: 'stage', what: 'a stage', remedy: 'Read tables: files of stages are not passed.' });
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
