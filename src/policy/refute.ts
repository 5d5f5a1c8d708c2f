// A fast answer for conditions that are plainly false. Most rules do not apply to most requests; running CEL for each
// of them would cost more than the rest of the decision. From the parsed condition this derives a test that returns
// true only if CEL is certain to say false (`false && x` is false in CEL even if x fails). CEL has the last word on
// all others. A property test compares the two.

import { type ASTNode, serialize } from '@marcbachmann/cel-js';
import type { RE2JS } from 're2js';
import { type ConditionInput, fieldRow, type FieldRow } from './condition-fields.ts';

/** True = the condition is false for this input, whatever else it says. */
export type Refute = (input: ConditionInput) => boolean;

/** A part that the condition cannot be true without. */
export interface Demand {
  /** Equal for equal parts. */
  readonly key: string;
  /** Exactly what CEL would say; cannot fail, and takes no longer for long lists than looking through them once. */
  readonly holds: (input: ConditionInput) => boolean;
}

/** Parts joined by `&&` that are understood and cheap. */
export function demandsOf(node: ASTNode, patterns: ReadonlyMap<string, RE2JS>): readonly Demand[] {
  if (node.op === '&&') return node.args.flatMap((each) => demandsOf(each, patterns));
  if (isLooping(node)) return [];
  const exact = new Reader(patterns, null).exact(node);
  return exact === null ? [] : [{ key: serialize(node), holds: (input) => exact(input, '') }];
}

/** It has exists() or re(). */
function isLooping(node: ASTNode): boolean {
  switch (node.op) {
    case 'rcall':
      return node.args[0] === 'exists';
    case 'call':
      return node.args[0] === 're';
    case '!_':
      return isLooping(node.args);
    case '&&':
    case '||':
      return node.args.some(isLooping);
    default:
      return false;
  }
}

type Exact = (input: ConditionInput, item: string) => boolean;

/** @param patterns the compiled patterns of re().
 *  @returns null when nothing in the condition can be told cheaply. */
export function refuterOf(node: ASTNode, patterns: ReadonlyMap<string, RE2JS>): Refute | null {
  const exact = new Reader(patterns, null).exact(node);
  if (exact !== null) return (input) => !exact(input, '');
  switch (node.op) {
    case '&&': {
      const left = refuterOf(node.args[0], patterns);
      const right = refuterOf(node.args[1], patterns);
      if (left === null || right === null) return left ?? right;
      return (input) => left(input) || right(input);
    }
    case '||': {
      const left = refuterOf(node.args[0], patterns);
      const right = refuterOf(node.args[1], patterns);
      return left === null || right === null ? null : (input) => left(input) && right(input);
    }
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const read = fieldOf(node.args[0], null, 'int');
      const bound = node.args[1].op === 'value' ? node.args[1].args : null;
      if (read === null || typeof bound !== 'bigint') return null;
      const holds = comparisons[node.op];
      return (input) => {
        // An absent number is a fault in CEL, not false.
        const value = read(input);
        return typeof value === 'bigint' && !holds(value, bound);
      };
    }
    default:
      return null;
  }
}

const comparisons = {
  '<': (left: bigint, right: bigint): boolean => left < right,
  '<=': (left: bigint, right: bigint): boolean => left <= right,
  '>': (left: bigint, right: bigint): boolean => left > right,
  '>=': (left: bigint, right: bigint): boolean => left >= right,
} as const;

const textTests = {
  '==': (left: string, right: string): boolean => left === right,
  '!=': (left: string, right: string): boolean => left !== right,
  startsWith: (left: string, right: string): boolean => left.startsWith(right),
  endsWith: (left: string, right: string): boolean => left.endsWith(right),
  contains: (left: string, right: string): boolean => left.includes(right),
} as const;

type TextSource =
  | { readonly from: 'literal'; readonly value: string }
  | { readonly from: 'item' }
  | { readonly from: 'field'; readonly read: FieldRow['read'] };

/** Understands conditions that cannot fail; anything else is null. */
class Reader {
  readonly #patterns: ReadonlyMap<string, RE2JS>;
  /** Variable of the enclosing exists(). */
  readonly #item: string | null;

  constructor(patterns: ReadonlyMap<string, RE2JS>, item: string | null) {
    this.#patterns = patterns;
    this.#item = item;
  }

  exact(node: ASTNode): Exact | null {
    switch (node.op) {
      case 'value': {
        const value = node.args;
        return typeof value === 'boolean' ? () => value : null;
      }
      case '.': {
        const read = fieldOf(node, this.#item, 'bool');
        return read === null ? null : (input) => read(input) === true;
      }
      case '!_': {
        const inner = this.exact(node.args);
        return inner === null ? null : (input, item) => !inner(input, item);
      }
      case '&&':
      case '||': {
        const left = this.exact(node.args[0]);
        const right = this.exact(node.args[1]);
        if (left === null || right === null) return null;
        return node.op === '&&'
          ? (input, item) => left(input, item) && right(input, item)
          : (input, item) => left(input, item) || right(input, item);
      }
      case '==':
      case '!=':
        return textTest(this.#text(node.args[0]), this.#text(node.args[1]), textTests[node.op]);
      case 'in':
        return this.#contained(node.args[0], node.args[1]);
      case 'call':
        return this.#function(node.args[0], node.args[1]);
      case 'rcall':
        return this.#method(node.args[0], node.args[1], node.args[2]);
      default:
        return null;
    }
  }

  #function(name: string, [first, second]: readonly ASTNode[]): Exact | null {
    if (name === 'has' && first?.op === '.') {
      const read = fieldOf(first, this.#item, null);
      return read === null ? null : (input) => read(input) !== undefined;
    }
    if (name !== 're' || first === undefined || second?.op !== 'value' || typeof second.args !== 'string') return null;
    const text = this.#text(first);
    const pattern = this.#patterns.get(second.args);
    if (text === null || pattern === undefined) return null;
    if (text.from === 'item') return (_input, item) => pattern.test(item);
    if (text.from === 'field') return (input) => pattern.test(text.read(input) as string);
    return null;
  }

  #method(name: string, receiver: ASTNode, args: readonly ASTNode[]): Exact | null {
    const [first, second] = args;
    if (name === 'exists' && this.#item === null && first?.op === 'id' && second !== undefined) {
      const items = fieldOf(receiver, null, 'list<string>');
      const test = new Reader(this.#patterns, first.args).exact(second);
      if (items === null || test === null) return null;
      return (input) => {
        for (const item of items(input) as readonly string[]) if (test(input, item)) return true;
        return false;
      };
    }
    if (args.length !== 1 || first === undefined) return null;
    if (name !== 'startsWith' && name !== 'endsWith' && name !== 'contains') return null;
    return textTest(this.#text(receiver), this.#text(first), textTests[name]);
  }

  #contained(left: ASTNode, right: ASTNode): Exact | null {
    const text = this.#text(left);
    if (text === null) return null;
    if (right.op === 'list') {
      const values: string[] = [];
      for (const each of right.args) {
        if (each.op !== 'value' || typeof each.args !== 'string') return null;
        values.push(each.args);
      }
      return (input, item) => values.includes(valueOf(text, input, item));
    }
    const read = fieldOf(right, this.#item, 'list<string>');
    if (read === null) return null;
    if (text.from === 'literal') {
      const { value } = text;
      return (input) => (read(input) as readonly string[]).includes(value);
    }
    return (input, item) => (read(input) as readonly string[]).includes(valueOf(text, input, item));
  }

  #text(node: ASTNode): TextSource | null {
    if (node.op === 'value') return typeof node.args === 'string' ? { from: 'literal', value: node.args } : null;
    if (node.op === 'id') return node.args === this.#item ? { from: 'item' } : null;
    const read = fieldOf(node, this.#item, 'string');
    return read === null ? null : { from: 'field', read };
  }
}

function valueOf(source: TextSource, input: ConditionInput, item: string): string {
  if (source.from === 'item') return item;
  return source.from === 'literal' ? source.value : (source.read(input) as string);
}

/** The common forms, field or item against a literal, get a function of their own. */
function textTest(left: TextSource | null, right: TextSource | null, test: (left: string, right: string) => boolean): Exact | null {
  if (left === null || right === null) return null;
  if (right.from === 'literal') {
    const { value } = right;
    if (left.from === 'item') return (_input, item) => test(item, value);
    if (left.from === 'field') return (input) => test(left.read(input) as string, value);
  }
  return (input, item) => test(valueOf(left, input, item), valueOf(right, input, item));
}

/** Reads `root.field`, unless the variable of exists() hides the root. */
function fieldOf(node: ASTNode, item: string | null, type: FieldRow['type'] | null): FieldRow['read'] | null {
  if (node.op !== '.') return null;
  const [owner, field] = node.args;
  if (owner.op !== 'id' || owner.args === item) return null;
  const row = fieldRow(owner.args, field);
  return row === undefined || (type !== null && row.type !== type) ? null : row.read;
}
