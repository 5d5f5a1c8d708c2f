// How much work a condition can make for one request, told before it is evaluated. CEL has no endless loop, but it has loops
// over loops and texts that double: a condition of 100 characters can take hours. From the parsed condition and the lengths
// of what it reads this computes an upper bound of its steps; what a decision cannot afford is an error of the rule, which denies.
//
// One step is about 50 ns of a slow core. A step that fails inside of exists() or `||` costs much more: the fault is built
// and thrown away for every entry.

import type { ASTNode } from '@marcbachmann/cel-js';
import type { RE2JS } from 're2js';
import { type ConditionInput, fieldRow } from './condition-fields.ts';

const failure = 1500;
/** Building a formatter for a time zone. */
const timeZone = 2000;
const charsPerStep = 32;
const maxInteger = 2 ** 63 - 1;
const textOfNumber = 40;

/** An upper bound of a value's size. */
type Extent =
  | { readonly kind: 'number'; readonly most: number }
  | { readonly kind: 'text'; readonly chars: number }
  | { readonly kind: 'list'; readonly entries: number; readonly each: Extent }
  /** Of constant size. */
  | { readonly kind: 'other' };
type ListExtent = Extent & { readonly kind: 'list' };

const other: Extent = { kind: 'other' };
const number = (most: number): Extent => ({ kind: 'number', most });
const text = (chars: number): Extent => ({ kind: 'text', chars });
const list = (entries: number, each: Extent): ListExtent => ({ kind: 'list', entries, each });

/** Lists of facts live as long as the plan of a statement. */
const extents = new WeakMap<readonly string[], Extent>();

function extentOf(value: unknown): Extent {
  if (typeof value === 'string') return text(value.length);
  if (typeof value === 'bigint') return number(Math.abs(Number(value)));
  if (!Array.isArray(value)) return other;
  const entries = value as readonly string[];
  const known = extents.get(entries);
  if (known !== undefined) return known;
  let chars = 0;
  for (const entry of entries) chars = Math.max(chars, entry.length);
  const extent = list(entries.length, text(chars));
  extents.set(entries, extent);
  return extent;
}

/** Chars to copy, compare or hash. */
function weight(extent: Extent): number {
  if (extent.kind === 'text') return 1 + extent.chars / charsPerStep;
  return extent.kind === 'list' ? 1 + product(extent.entries, weight(extent.each)) : 1;
}

/** Infinity times nothing is nothing here. */
function product(left: number, right: number): number {
  return left === 0 || right === 0 ? 0 : left * right;
}

function join(left: Extent, right: Extent): Extent {
  if (left.kind === 'number' && right.kind === 'number') return number(Math.max(left.most, right.most));
  if (left.kind === 'text' && right.kind === 'text') return text(Math.max(left.chars, right.chars));
  if (left.kind === 'list' && right.kind === 'list') return list(Math.max(left.entries, right.entries), join(left.each, right.each));
  return left.kind === 'other' ? right : left;
}

/** Steps of evaluating `node`, at most. @param node as it was parsed: the type checker rewrites its own tree.
 *  @param patterns the compiled patterns of re() */
export function stepsOf(node: ASTNode, patterns: ReadonlyMap<string, RE2JS>, input: ConditionInput): number {
  const meter = new Meter(patterns, input);
  meter.of(node, new Map());
  return meter.steps;
}

type Scope = ReadonlyMap<string, Extent>;

class Meter {
  steps = 0;
  readonly #patterns: ReadonlyMap<string, RE2JS>;
  readonly #input: ConditionInput;

  constructor(patterns: ReadonlyMap<string, RE2JS>, input: ConditionInput) {
    this.#patterns = patterns;
    this.#input = input;
  }

  of(node: ASTNode, scope: Scope): Extent {
    this.steps += 1;
    switch (node.op) {
      case 'value':
        return extentOf(node.args);
      case 'id':
        return scope.get(node.args) ?? other;
      case '.':
        return this.#field(node.args[0], node.args[1], scope);
      case '==':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=': {
        const left = this.of(node.args[0], scope);
        const right = this.of(node.args[1], scope);
        this.steps += weight(left) + weight(right);
        return other;
      }
      case 'in': {
        const wanted = weight(this.of(node.args[0], scope));
        const among = this.of(node.args[1], scope);
        this.steps += among.kind === 'list' ? product(among.entries, wanted + weight(among.each)) : wanted;
        return other;
      }
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return this.#arithmetic(node.op, node.args[0], node.args[1], scope);
      case '-_':
      case '!_':
        return this.of(node.args, scope);
      case '&&':
      case '||': {
        for (const each of node.args) this.of(each, scope);
        return other;
      }
      case '?:': {
        this.of(node.args[0], scope);
        return join(this.of(node.args[1], scope), this.of(node.args[2], scope));
      }
      case '[]': {
        const from = this.of(node.args[0], scope);
        this.of(node.args[1], scope);
        this.steps += failure;
        return from.kind === 'list' ? from.each : other;
      }
      case 'list':
        return list(node.args.length, node.args.map((each) => this.of(each, scope)).reduce(join, other));
      case 'call':
        return this.#function(node.args[0], node.args[1], scope);
      case 'rcall':
        return this.#method(node.args[0], node.args[1], node.args[2], scope);
      default:
        // Refused at load; should one come through, nobody knows what it takes.
        this.steps = Infinity;
        return other;
    }
  }

  #field(owner: ASTNode, name: string, scope: Scope): Extent {
    const row = owner.op === 'id' && !scope.has(owner.args) ? fieldRow(owner.args, name) : undefined;
    const value = row?.read(this.#input);
    // Absent, or inside of something that may be.
    if (value === undefined) this.steps += failure;
    if (value === undefined && row?.type === 'int') return number(0);
    return extentOf(value);
  }

  #arithmetic(op: '+' | '-' | '*' | '/' | '%', leftNode: ASTNode, rightNode: ASTNode, scope: Scope): Extent {
    const left = this.of(leftNode, scope);
    const right = this.of(rightNode, scope);
    if (left.kind === 'list' || right.kind === 'list') {
      const sum = list(entriesOf(left) + entriesOf(right), join(eachOf(left), eachOf(right)));
      this.steps += sum.entries;
      return sum;
    }
    if (left.kind === 'text' || right.kind === 'text') {
      const sum = text(charsOf(left) + charsOf(right));
      this.steps += weight(sum);
      return sum;
    }
    if (left.kind !== 'number' || right.kind !== 'number') {
      // Times and durations.
      this.steps += failure;
      return other;
    }
    if (op === '/' || op === '%') {
      if (rightNode.op !== 'value' || right.most === 0) this.steps += failure;
      return left;
    }
    const most = op === '*' ? product(left.most, right.most) : left.most + right.most;
    if (!(most < maxInteger)) this.steps += failure;
    return number(Math.min(most, maxInteger));
  }

  #function(name: string, args: readonly ASTNode[], scope: Scope): Extent {
    if (name === 'has') {
      // It does not read what it asks for, but what that is inside of.
      if (args[0]?.op === '.' && args[0].args[0].op !== 'id') this.steps += failure;
      return other;
    }
    const [first, second] = args.map((each) => ({ node: each, extent: this.of(each, scope) }));
    if (first === undefined) return other;
    switch (name) {
      case 'size':
        return number(first.extent.kind === 'list' ? first.extent.entries : charsOf(first.extent));
      case 're': {
        const pattern = second?.node.op === 'value' && typeof second.node.args === 'string' ? second.node.args : '';
        const program = this.#patterns.get(pattern)?.programSize() ?? Infinity;
        this.steps += product(charsOf(first.extent) + 1, 2 + program / 16);
        return other;
      }
      case 'string':
        this.steps += weight(first.extent);
        return text(Math.max(charsOf(first.extent), textOfNumber));
      default:
        // int, timestamp, duration: of a text that may not be one.
        this.steps += weight(first.extent) + failure;
        return name === 'int' ? number(maxInteger) : other;
    }
  }

  #method(name: string, receiverNode: ASTNode, args: readonly ASTNode[], scope: Scope): Extent {
    const receiver = this.of(receiverNode, scope);
    const [variable, ...bodies] = args;
    if (variable?.op === 'id' && isComprehension(name)) {
      const inner = new Map(scope).set(variable.args, eachOf(receiver));
      const before = this.steps;
      const made = bodies.map((body) => this.of(body, inner)).at(-1) ?? other;
      this.steps = before + product(entriesOf(receiver), this.steps - before + 3);
      if (name === 'map') return list(entriesOf(receiver), made);
      return name === 'filter' ? receiver : other;
    }
    const given = args.map((each) => this.of(each, scope));
    if (name === 'size') return number(receiver.kind === 'list' ? receiver.entries : charsOf(receiver));
    if (name.startsWith('get')) {
      this.steps += given.length > 0 ? timeZone : 1;
      return number(10_000);
    }
    // A search may look at every character of one text for every character of the other.
    const needle = given.reduce((sum, each) => sum + weight(each), 0);
    this.steps += name === 'contains' ? product(weight(receiver), needle) : weight(receiver) + needle;
    return receiver;
  }
}

function isComprehension(name: string): boolean {
  return name === 'exists' || name === 'exists_one' || name === 'all' || name === 'filter' || name === 'map';
}

function entriesOf(extent: Extent): number {
  return extent.kind === 'list' ? extent.entries : 0;
}

function eachOf(extent: Extent): Extent {
  return extent.kind === 'list' ? extent.each : other;
}

function charsOf(extent: Extent): number {
  return extent.kind === 'text' ? extent.chars : 0;
}
