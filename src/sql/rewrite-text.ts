// From the rewritten tree back to text. The tree is printed with a short placeholder for every stand-in, parsed again and
// compared; then the placeholders are filled with their SQL. What the deparser cannot print faithfully (WITH TIES,
// `(ARRAY[...])[1]`) is made by editing names in the client's own text, and checked in the same way.

import { sameTree } from './parser.ts';
import type { ParseResult, Parser } from './parser.ts';
import type { Body } from './rewrite.ts';

const PLACEHOLDER = 'sp_stand_in_';
const VALUE = 'sp_token_value_';

/** The stand-ins of one client text. */
export class StandIns {
  readonly #texts: string[] = [];
  readonly #values: string[] = [];

  /** @param sql the SELECT that stands for a relation. @returns its placeholder in the tree. */
  place(sql: string): Body {
    const name = `${PLACEHOLDER}${this.#texts.push(sql)}`;
    const column = { ResTarget: { val: { ColumnRef: { fields: [{ String: { sval: name } }] } } } };
    return { SelectStmt: { targetList: [column], limitOption: 'LIMIT_OPTION_DEFAULT', op: 'SETOP_NONE' } };
  }

  /** @param sql the expression that stands for a value. @returns its placeholder in the tree. */
  value(sql: string): Body {
    return { ColumnRef: { fields: [{ String: { sval: `${VALUE}${this.#values.push(sql)}` } }] } };
  }

  /** The placeholder made last, as text. */
  get last(): string {
    return `SELECT ${PLACEHOLDER}${this.#texts.length}`;
  }

  /** @returns null unless every placeholder stands in `printed` exactly once: a client cannot bring its own. */
  fill(printed: string): string | null {
    if (!isExact(printed, PLACEHOLDER, /SELECT sp_stand_in_(\d+)/g, this.#texts.length)) return null;
    if (!isExact(printed, VALUE, /\bsp_token_value_(\d+)\b/g, this.#values.length)) return null;
    return printed.replaceAll(/SELECT sp_stand_in_(\d+)|\bsp_token_value_(\d+)\b/g, (_, query?: string, value?: string) =>
      query === undefined ? `(${this.#values[Number(value) - 1] ?? ''})` : (this.#texts[Number(query) - 1] ?? ''),
    );
  }
}

/** Each of `count` placeholders stands in the text exactly once, and what they begin with nowhere else. */
function isExact(printed: string, start: string, placeholder: RegExp, count: number): boolean {
  const found = [...printed.matchAll(placeholder)].map(([, digits]) => Number(digits));
  return found.length === count && new Set(found).size === count && printed.split(start).length - 1 === count;
}

/** Replaces a dotted name of the client's text. */
export interface NameEdit {
  /** Byte offset of the name. */
  readonly at: number;
  /** Name parts to replace. */
  readonly parts: number;
  readonly text: string;
  /** Remove the keyword ONLY before it. */
  readonly dropOnly: boolean;
}

/** Text for a rewritten tree, or null when it cannot be written faithfully.
 *  @param original the client's text; `edits` the names in it that changed. */
export function writeTree(
  tree: ParseResult,
  original: string,
  edits: readonly NameEdit[],
  standIns: StandIns,
  parser: Parser,
): string | null {
  const printed = parser.deparse(tree);
  if (printed !== null && meansTree(printed, tree, parser)) return standIns.fill(printed);
  const edited = editNames(original, edits, parser);
  return edited !== null && meansTree(edited, tree, parser) ? standIns.fill(edited) : null;
}

function meansTree(text: string, tree: ParseResult, parser: Parser): boolean {
  const parsed = parser.parse(text);
  if (!parsed.ok) return false;
  const left = tree.stmts ?? [];
  const right = parsed.tree.stmts ?? [];
  return left.length === right.length && left.every((each, index) => sameTree(each.stmt, right[index]?.stmt));
}

function editNames(original: string, edits: readonly NameEdit[], parser: Parser): string | null {
  const tokens = parser.scan(original)?.filter((token) => token.kind !== 'comment');
  if (tokens === undefined) return null;
  const bytes = new TextEncoder().encode(original);
  const decoder = new TextDecoder();
  const textOf = (start: number, end: number): string => decoder.decode(bytes.subarray(start, end));
  const indexByStart = new Map(tokens.map((token, index) => [token.start, index]));
  let result = '';
  let position = 0;
  for (const edit of [...edits].sort((a, b) => a.at - b.at)) {
    const first = indexByStart.get(edit.at);
    const last = first === undefined ? undefined : tokens[first + 2 * (edit.parts - 1)];
    const before = first === undefined ? undefined : tokens[first - 1];
    if (last === undefined) return null;
    let start = edit.at;
    if (edit.dropOnly) {
      if (before === undefined || textOf(before.start, before.end).toLowerCase() !== 'only') return null;
      start = before.start;
    }
    if (start < position) return null;
    result += textOf(position, start) + edit.text;
    position = last.end;
  }
  return result + textOf(position, bytes.length);
}
