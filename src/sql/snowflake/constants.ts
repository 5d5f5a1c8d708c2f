// Constants of a statement: literals, binds and session variables; and the tokens among them, which are replaced by the values they
// stand for before the statement is sent.

import type { Unknown } from '../../core/facts.ts';
import type { Findings } from './findings.ts';
import { isTree, list, node, nodeKind, Refusal, tagged, textOf, type Tree } from './nodes.ts';
import type { Bind, PlanContext } from './types.ts';
import { constant, type Family, familyOf, NULL_VALUE, type Taint } from './values.ts';

export interface Constant {
  readonly value: Taint;
  /** Of each element of an array bind; null = NULL. Undefined: a kind of constant that no token may be. */
  readonly texts?: readonly (string | null)[];
  readonly place?: Place;
  readonly family: Family | null;
}

type Place =
  | { readonly kind: 'text'; readonly start: number; readonly end: number }
  | { readonly kind: 'bind'; readonly index: number; readonly name: string };

const STRAY: Unknown = {
  code: 'token',
  what: 'a token that cannot be told apart from other text',
  remedy: 'Write the token as a plain string of its own, and each bind once.',
};

export class Constants {
  readonly #text: string;
  readonly #binds: readonly Bind[];
  readonly #context: PlanContext;
  readonly #findings: Findings;
  readonly #lines: readonly number[];
  /** Start of each `?` of the tree, in order. */
  readonly #questions: readonly number[];
  readonly #uses = new Map<string, number>();

  constructor(
    tree: unknown,
    env: { readonly text: string; readonly binds: readonly Bind[]; readonly context: PlanContext },
    findings: Findings,
  ) {
    this.#text = env.text;
    this.#binds = env.binds;
    this.#context = env.context;
    this.#findings = findings;
    this.#lines = [0, ...[...env.text.matchAll(/\n/g)].map((match) => match.index + 1)];
    const found = placeholders(tree);
    for (const { name } of found) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
    this.#questions = [...new Set(found.filter(({ name }) => name === '?').map(({ span }) => this.#span(span)[0]))].sort((a, b) => a - b);
  }

  /** @param value what a `Value` node holds. `$1` is no constant and none of ours: null. */
  read(value: unknown): Constant | null {
    const fields = node(value, 'Value');
    const [kind, held] = tagged(fields['value'], 'Value');
    switch (kind) {
      case 'Null':
        return { value: NULL_VALUE, family: null, texts: [null] };
      case 'Number': {
        const text = textOf(list(held)[0], 'Number');
        const value = constant('number');
        return { value: /^\d{1,9}$/.test(text) ? { ...value, isSmall: true } : value, family: 'number', texts: [text] };
      }
      case 'Boolean':
        return { value: constant('boolean'), family: 'boolean' };
      case 'SingleQuotedString': {
        const [start, end] = this.#span(fields['span']);
        const text = textOf(held, kind);
        return { value: ofText(text), family: 'text', texts: [text], place: { kind: 'text', start, end } };
      }
      case 'HexStringLiteral':
        return { value: constant('binary'), family: 'binary' };
      case 'Placeholder':
        return this.#placeholder(textOf(held, kind), fields['span']);
      default:
        throw nodeKind(kind);
    }
  }

  #placeholder(name: string, span: unknown): Constant | null {
    if (/^\$\d+$/.test(name)) return null;
    if (name.startsWith('$')) return this.#variable(name.slice(1), span);
    const index = name === '?' ? this.#questions.indexOf(this.#span(span)[0]) : /^:[1-9]\d*$/.test(name) ? Number(name.slice(1)) - 1 : -1;
    if (index < 0) throw nodeKind(`bind ${name}`);
    const bind = this.#binds[index];
    // Describing a statement gives no binds.
    if (bind === undefined) return { value: constant(null), family: null };
    const texts = typeof bind.value === 'string' || bind.value === null ? [bind.value] : bind.value;
    const family = familyOf(bind.type);
    return { value: constant(family), family, texts, place: { kind: 'bind', index, name } };
  }

  #variable(written: string, span: unknown): Constant {
    const name = written.toUpperCase();
    const text = this.#context.session.variables.get(name);
    if (text === undefined) {
      throw new Refusal({
        code: 'session-object',
        what: `$${name}`,
        remedy: 'Set the variable to a constant in this session, or write the constant itself.',
      });
    }
    const [start, end] = this.#span(span);
    return { value: constant(null), family: null, texts: [text], place: { kind: 'text', start, end } };
  }

  /** Replaces the tokens of a constant by the values they stand for.
   *  @returns false = not every one of its texts is a token. */
  open(given: Constant, className: string): boolean {
    const { texts, place } = given;
    if (texts === undefined || place === undefined) return false;
    const reader = this.#context.tokens;
    const values: (string | null)[] = [];
    let isAll = true;
    let isAny = false;
    for (const text of texts) {
      if (text === null || !reader.meansToken(text)) {
        isAll &&= text === null;
        values.push(text);
        continue;
      }
      isAny = true;
      const opened = reader.open(className, text);
      if ('fault' in opened) {
        this.#findings.refuse({
          code: 'token',
          what: `a text that is no token of ${className}`,
          remedy: 'Use a token exactly as it was shown, for a column of the same class.',
        });
        return true;
      }
      values.push(opened.value);
    }
    if (isAny) this.#replace(place, texts, values);
    return isAll;
  }

  #replace(place: Place, texts: readonly (string | null)[], values: readonly (string | null)[]): void {
    if (place.kind === 'text') {
      const written = this.#text.slice(place.start, place.end);
      const isItself = written === `'${texts[0] ?? ''}'` || /^\$[A-Za-z_][\w$]*$/.test(written);
      const [value] = values;
      if (!isItself || value === null || value === undefined) return this.#findings.refuse(STRAY);
      this.#findings.edits.set(place.start, { start: place.start, end: place.end, text: quoted(value) });
      return;
    }
    const bind = this.#binds[place.index];
    const marks = this.#text.split('?').length - 1;
    // A `?` in a text or a comment, and a bind that stands in two places, would put the value where nobody looked.
    const isOnce =
      place.name === '?' ? marks === this.#questions.length && this.#uses.size === 1 : marks === 0 && this.#uses.get(place.name) === 1;
    if (bind === undefined || !isOnce) return this.#findings.refuse(STRAY);
    const value = typeof bind.value === 'string' ? (values[0] ?? null) : values;
    this.#findings.bindEdits.set(place.index, { ...bind, value });
  }

  #span(span: unknown): readonly [number, number] {
    if (!isTree(span)) throw nodeKind('span');
    return [this.#offset(span['start']), this.#offset(span['end'])];
  }

  /** sqlparser counts lines and characters from 1; texts are counted in UTF-16 units. */
  #offset(position: unknown): number {
    if (!isTree(position)) throw nodeKind('span');
    const [line, column] = [Number(position['line']), Number(position['column'])];
    let offset = this.#lines[line - 1];
    if (offset === undefined) throw nodeKind('span');
    for (let left = column - 1; left > 0; left -= 1) offset += (this.#text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
    return offset;
  }
}

function ofText(text: string): Taint {
  return { ...constant('text'), weight: 1 + Math.ceil(text.length / 64) };
}

/** Snowflake reads a backslash in a string. */
function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function placeholders(value: unknown): { readonly name: string; readonly span: unknown }[] {
  const found: { name: string; span: unknown }[] = [];
  const stack = [value];
  while (stack.length > 0) {
    const each = stack.pop();
    if (Array.isArray(each)) stack.push(...(each as unknown[]));
    else if (isTree(each)) {
      const held: unknown = each['value'];
      if (isTree(held) && typeof held['Placeholder'] === 'string') found.push({ name: held['Placeholder'], span: (each as Tree)['span'] });
      else stack.push(...Object.values(each));
    }
  }
  return found;
}
