// Conditions: CEL, typed and bounded. Everything is checked when the policy loads: types, the functions used, regular
// expressions, and literals against what exists (effects, roles, targets ...).
// REFUSES: `.matches()` (its engine can be made to hang), dyn() and other ways around the type checker, fields that are not
// named (`request['limit']`: who reads the condition must see what it reads), anything that is not bool, more than two
// comprehensions inside each other.

import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';
import {
  CONDITION_FIELDS,
  CONDITION_OBJECTS,
  type ConditionInput,
  type FieldRow,
  fieldRow,
  type FieldVocabulary,
  MAX_LIST_LENGTH,
  MAX_STEPS,
  MAX_TEXT_LENGTH,
  PrincipalFields,
  RequestFields,
  SessionFields,
  SHORT_LENGTH,
  TargetFields,
  type WorkBudget,
} from './condition-fields.ts';
import { type Demand, demandsOf, type Refute, refuterOf } from './refute.ts';
import { closest } from './suggest.ts';
import { stepsOf } from './work.ts';

export interface Condition {
  readonly source: string;
  /** @throws when the condition cannot be evaluated: a missing field, an index out of range, more work than is left in
   *  `input.work`, which it counts down. */
  test(input: ConditionInput): boolean;
  /** Literals compared with fields, for `policy check`. */
  readonly literals: readonly ConditionLiteral[];
  /** Fields it reads or asks for by has(): `request.limit`. */
  readonly fields: readonly ConditionField[];
  /** What it cannot be true without. */
  readonly demands: readonly Demand[];
  /** It reads `now` or the session: equal requests may be decided differently a moment later. */
  readonly readsMoment: boolean;
}

export interface ConditionLiteral {
  /** `request.effects` */
  readonly field: string;
  readonly how: 'is' | 'prefix';
  readonly value: string;
  readonly offset: number;
}

export interface ConditionField {
  readonly field: string;
  readonly offset: number;
}

interface ConditionFault {
  /** Character in the condition. */
  readonly offset: number;
  readonly what: string;
  readonly suggestion: string | null;
}

/** Names a condition may compare with. Null = not known here, anything goes. */
interface ConditionNames {
  readonly roles: readonly string[];
  readonly targets: readonly string[] | null;
}

type CompiledCondition =
  | { readonly ok: true; readonly condition: Condition }
  | { readonly ok: false; readonly faults: readonly ConditionFault[] };

/** Functions and methods a condition may call; all others are refused. Linear in what they get. */
export const CONDITION_FUNCTIONS = {
  functions: ['has', 'size', 're', 'timestamp', 'duration', 'int', 'string'],
  methods: [
    'startsWith',
    'endsWith',
    'contains',
    'lowerAscii',
    'upperAscii',
    'trim',
    'size',
    'exists',
    'exists_one',
    'all',
    'filter',
    'map',
    'getFullYear',
    'getMonth',
    'getDate',
    'getDayOfMonth',
    'getDayOfWeek',
    'getDayOfYear',
    'getHours',
    'getMinutes',
    'getSeconds',
  ],
} as const;

const comprehensions = new Set(['exists', 'exists_one', 'all', 'filter', 'map']);
const maxComprehensionDepth = 2;
const limits = { maxAstNodes: 500, maxDepth: 40, maxListElements: 200, maxMapEntries: 0, maxCallArguments: 4 };
const fieldClasses = { request: RequestFields, principal: PrincipalFields, target: TargetFields, session: SessionFields } as const;
/** Work that a condition may take for a short request without being asked. A policy has at most 1000 rules. */
const cheapSteps = (2 * MAX_STEPS) / 1000;
/** The same for the shortcut, which takes far less time for a step. */
const cheapShortcutSteps = 10 * cheapSteps;
const variables = [...Object.keys(CONDITION_FIELDS), 'now'];

/** Compiles the conditions of one policy; regular expressions are compiled once and kept with it. */
export class ConditionCompiler {
  readonly #names: ConditionNames;
  readonly #patterns = new Map<string, RE2JS>();
  readonly #environment: Environment;

  constructor(names: ConditionNames) {
    this.#names = names;
    this.#environment = new Environment({ limits });
    for (const [typeName, fields] of Object.entries(CONDITION_OBJECTS)) {
      // oxlint-disable-next-line typescript/no-extraneous-class -- the library tells types apart by their class
      this.#environment.registerType(typeName, { ctor: class {}, fields });
    }
    for (const [root, rows] of Object.entries(CONDITION_FIELDS)) {
      const typeName = root[0]?.toUpperCase() + root.slice(1);
      const fields = Object.fromEntries(Object.entries(rows).map(([field, row]) => [field, row.type]));
      this.#environment.registerType(typeName, { ctor: fieldClasses[root as keyof typeof fieldClasses], fields });
      this.#environment.registerVariable(root, typeName);
    }
    this.#environment.registerVariable('now', 'google.protobuf.Timestamp');
    this.#environment.registerFunction('re(string, string): bool', (text: string, pattern: string): boolean => {
      const compiled = this.#patterns.get(pattern);
      if (compiled === undefined) throw new Error('re() was given a pattern that was not compiled at load');
      return compiled.test(text);
    });
  }

  compile(source: string): CompiledCondition {
    let parsed: ReturnType<Environment['parse']>;
    try {
      parsed = this.#environment.parse(source);
    } catch (error) {
      return { ok: false, faults: [celFault(error)] };
    }
    // The walk comes before the type check, which rewrites the tree.
    const walk = new Walk(this.#names, this.#patterns);
    walk.visit(parsed.ast, new Map(), 0);
    if (walk.faults.length > 0) return { ok: false, faults: walk.faults };
    const refuses: Refute | null = refuterOf(parsed.ast, this.#patterns);
    const demands = demandsOf(parsed.ast, this.#patterns);
    const { ast } = this.#environment.parse(source);
    const steps = (input: ConditionInput): number => stepsOf(ast, this.#patterns, input);
    if (steps(smallestInput) > MAX_STEPS) return fault(0, 'takes more work than a decision may, even for the smallest request');
    const stepsWhenShort = steps(shortInput);
    const isAlwaysCheap = steps(longestInput) <= cheapSteps;

    const checked = parsed.check();
    if (!checked.valid) return { ok: false, faults: [celFault(checked.error)] };
    if (checked.type !== 'bool') return fault(0, `must be true or false, but is ${checked.type ?? 'unknown'}`);
    if (walk.constant) {
      const value: unknown = this.#constantValue(parsed);
      if (value !== true) return fault(0, 'is never true: this rule cannot fire');
    }

    const test = (input: ConditionInput): boolean => {
      const { work } = input;
      // The shortcut is charged for where it may be dear itself.
      const isCharged = !isAlwaysCheap && (!work.isShort || stepsWhenShort > cheapShortcutSteps);
      if (isCharged) charge(work, steps(input));
      if (refuses?.(input) === true) return false;
      if (!isCharged && stepsWhenShort > cheapSteps) charge(work, steps(input));
      const value: unknown = parsed(input);
      if (typeof value !== 'boolean') throw new Error('the condition is not bool');
      return value;
    };
    const { literals, fields, readsMoment } = walk;
    return { ok: true, condition: { source, test, literals, fields, demands, readsMoment } };
  }

  #constantValue(parsed: () => unknown): unknown {
    try {
      return parsed();
    } catch {
      return undefined;
    }
  }
}

const smallestInput = inputOfLength(1, 1n);
const shortInput = inputOfLength(SHORT_LENGTH, undefined);
const longestInput = inputOfLength(MAX_LIST_LENGTH, undefined, MAX_TEXT_LENGTH);

/** @throws TooMuchWork */
function charge(work: WorkBudget, steps: number): void {
  work.stepsLeft -= steps;
  if (!(work.stepsLeft >= 0)) throw new TooMuchWork();
}

class TooMuchWork extends Error {
  /** As faults of the library have it. */
  readonly summary = 'takes more work than a decision may, for a request with lists and texts this long';
}

/** Every list and every text of that length; undefined = numbers are absent, which is dearest. */
function inputOfLength(length: number, int: bigint | undefined, chars = length): ConditionInput {
  const value = 'x'.repeat(chars);
  const values: Readonly<Record<string, unknown>> = { string: value, bool: true, int, 'list<string>': Array.from({ length }, () => value) };
  const fieldsOf = (rows: Readonly<Record<string, FieldRow>>): unknown =>
    Object.fromEntries(Object.entries(rows).map(([name, { type }]) => [name, values[type]]));
  const roots = Object.entries(CONDITION_FIELDS).map(([root, rows]) => [root, fieldsOf(rows)] as const);
  return Object.fromEntries(roots) as unknown as ConditionInput;
}

function fault(offset: number, what: string, suggestion: string | null = null): CompiledCondition {
  return { ok: false, faults: [{ offset, what, suggestion }] };
}

/** Faults of the library, in its words: they name fields and types of the condition. */
function celFault(error: unknown): ConditionFault {
  if (!(error instanceof Error)) return { offset: 0, what: 'is not a valid condition', suggestion: null };
  const { summary, range } = error as { summary?: unknown; range?: { start?: unknown } };
  const what = typeof summary === 'string' ? summary : 'is not a valid condition';
  const offset = typeof range?.start === 'number' ? range.start : 0;
  const word = /^(?:No such key|Unknown variable): (\S+)$/.exec(what)?.[1];
  if (word === undefined) return { offset, what, suggestion: null };
  const known = what.startsWith('Unknown variable') ? variables : Object.values(CONDITION_FIELDS).flatMap((rows) => Object.keys(rows));
  return { offset, what, suggestion: closest(word, known) };
}

/** Names of fields that exists() variables stand for. */
type Scope = ReadonlyMap<string, string | null>;

class Walk {
  readonly faults: ConditionFault[] = [];
  readonly literals: ConditionLiteral[] = [];
  /** No variable is read. */
  constant = true;
  readsMoment = false;
  readonly fields: ConditionField[] = [];
  readonly #names: ConditionNames;
  readonly #patterns: Map<string, RE2JS>;

  constructor(names: ConditionNames, patterns: Map<string, RE2JS>) {
    this.#names = names;
    this.#patterns = patterns;
  }

  visit(node: ASTNode, scope: Scope, depth: number): void {
    switch (node.op) {
      case 'value':
        return;
      case 'id':
        if (scope.has(node.args)) return;
        if (Object.hasOwn(CONDITION_FIELDS, node.args))
          return this.#refuse(node, `${node.args} is no value: name one of its fields, as in ${node.args}.${exampleField(node.args)}`);
        this.constant = false;
        if (node.args === 'now') this.readsMoment = true;
        return;
      case '.': {
        const [owner] = node.args;
        const field = fieldName(node, scope);
        if (field !== null) this.fields.push({ field, offset: node.start });
        if (owner.op !== 'id' || !Object.hasOwn(CONDITION_FIELDS, owner.args)) return this.visit(owner, scope, depth);
        this.constant = false;
        if (owner.args === 'session') this.readsMoment = true;
        return;
      }
      case '==':
      case '!=':
      case 'in':
        this.#compared(node.args[0], node.args[1], scope);
        return this.#all(node.args, scope, depth);
      case '&&':
      case '||':
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
      case '<':
      case '<=':
      case '>':
      case '>=':
      case '[]':
      case '?:':
      case 'list':
        return this.#all(node.args, scope, depth);
      case '!_':
      case '-_':
        return this.visit(node.args, scope, depth);
      case 'call':
        return this.#call(node, node.args[0], node.args[1], scope, depth);
      case 'rcall':
        return this.#method(node, node.args, scope, depth);
      default:
        this.#refuse(node, `${node.op} is not supported in conditions`);
    }
  }

  #all(nodes: readonly ASTNode[], scope: Scope, depth: number): void {
    for (const each of nodes) this.visit(each, scope, depth);
  }

  #call(node: ASTNode, name: string, args: readonly ASTNode[], scope: Scope, depth: number): void {
    const known: readonly string[] = CONDITION_FUNCTIONS.functions;
    if (!known.includes(name)) return this.#refuse(node, `${name}() is not available in conditions`, closest(name, known));
    if (name === 're') this.#pattern(node, args[1]);
    this.#all(args, scope, depth);
  }

  #method(node: ASTNode, [name, receiver, args]: readonly [string, ASTNode, readonly ASTNode[]], scope: Scope, depth: number): void {
    const known: readonly string[] = CONDITION_FUNCTIONS.methods;
    if (name === 'matches') {
      return this.#refuse(node, ".matches() is not available in conditions: its run time has no bound; write re(text, 'pattern')");
    }
    if (!known.includes(name)) return this.#refuse(node, `.${name}() is not available in conditions`, closest(name, known));
    this.visit(receiver, scope, depth);
    if (!comprehensions.has(name)) {
      if (name === 'startsWith') this.#prefixed(receiver, args[0], scope);
      return this.#all(args, scope, depth);
    }
    if (depth >= maxComprehensionDepth) {
      return this.#refuse(node, `more than ${maxComprehensionDepth} of exists, all, filter and map inside each other`);
    }
    const [variable, ...bodies] = args;
    const inner = new Map(scope);
    if (variable?.op === 'id') {
      if (variables.includes(variable.args)) this.#refuse(variable, `${variable.args} is taken; use another name here`);
      inner.set(variable.args, fieldName(receiver, scope));
    }
    this.#all(bodies, inner, depth + 1);
  }

  #pattern(node: ASTNode, pattern: ASTNode | undefined): void {
    if (pattern?.op !== 'value' || typeof pattern.args !== 'string') {
      return this.#refuse(pattern ?? node, "re() needs its pattern as a literal: re(text, 'pattern')");
    }
    if (pattern.args.length > 1000) return this.#refuse(pattern, 'the pattern is longer than 1000 characters');
    try {
      if (!this.#patterns.has(pattern.args)) this.#patterns.set(pattern.args, RE2JS.compile(pattern.args));
    } catch (error) {
      this.#refuse(pattern, `not a pattern that RE2 knows: ${error instanceof Error ? error.message : 'invalid'}`);
    }
  }

  #prefixed(receiver: ASTNode, prefix: ASTNode | undefined, scope: Scope): void {
    const field = fieldName(receiver, scope);
    if (field === null || prefix?.op !== 'value' || typeof prefix.args !== 'string') return;
    this.literals.push({ field, how: 'prefix', value: prefix.args, offset: prefix.start });
  }

  /** `field == 'literal'`, `'literal' in field`, `field in ['literal', ...]`. */
  #compared(left: ASTNode, right: ASTNode, scope: Scope): void {
    const field = fieldName(left, scope) ?? fieldName(right, scope);
    if (field === null) return;
    const others = [left, right].flatMap((node) => (node.op === 'list' ? node.args : [node]));
    for (const other of others) {
      if (other.op !== 'value' || typeof other.args !== 'string') continue;
      this.literals.push({ field, how: 'is', value: other.args, offset: other.start });
      const known = this.#known(field);
      if (known === null || known.includes(other.args)) continue;
      const list = known.length > 0 && known.length <= 12 ? `; known: ${known.join(', ')}` : '';
      const suggestion = closest(other.args, known);
      this.#refuse(other, `${field} is never ${JSON.stringify(other.args)}${suggestion === null ? list : ''}`, suggestion);
    }
  }

  #known(field: string): readonly string[] | null {
    const [root = '', name = ''] = field.split('.');
    const vocabulary: FieldVocabulary = fieldRow(root, name)?.vocabulary ?? 'open';
    if (vocabulary === 'roles') return this.#names.roles;
    if (vocabulary === 'targets') return this.#names.targets;
    return typeof vocabulary === 'string' ? null : vocabulary;
  }

  #refuse(node: ASTNode, what: string, suggestion: string | null = null): void {
    this.faults.push({ offset: node.start, what, suggestion });
  }
}

function exampleField(root: string): string {
  const rows: Readonly<Record<string, FieldRow>> = CONDITION_FIELDS[root as keyof typeof CONDITION_FIELDS];
  return Object.keys(rows)[0] ?? '';
}

/** `request.effects` for that node, or for a variable that runs over it. */
function fieldName(node: ASTNode, scope: Scope): string | null {
  if (node.op === 'id') return scope.get(node.args) ?? null;
  if (node.op !== '.') return null;
  const [owner, field] = node.args;
  return owner.op === 'id' && fieldRow(owner.args, field) !== undefined ? `${owner.args}.${field}` : null;
}
