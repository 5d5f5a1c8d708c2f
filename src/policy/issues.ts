// zod issues to sentences: what is wrong at a path, and which known word was probably meant.

import type { z } from 'zod';
import { closest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

interface DescribedIssue {
  readonly path: readonly (string | number)[];
  /** True when the fault is about the key at `path`, not its value. */
  readonly key: boolean;
  readonly what: string;
  readonly suggestion: string | null;
}

/** One description per fault. `schema` is asked for the keys that would have been valid. */
export function describeIssues(schema: z.ZodType, issues: readonly Issue[]): DescribedIssue[] {
  return issues.flatMap((issue) => describe(schema, issue, plainPath(issue.path)));
}

function plainPath(path: readonly PropertyKey[]): (string | number)[] {
  return path.map((part) => (typeof part === 'number' ? part : String(part)));
}

function describe(schema: z.ZodType, issue: Issue, path: readonly (string | number)[]): DescribedIssue[] {
  const value = (what: string, suggestion: string | null = null): DescribedIssue[] => [{ path, key: false, what, suggestion }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const known = keysAt(schema, path, issue.input);
        const suggestion = closest(key, known);
        const list = suggestion === null && known.length > 0 ? `; known here: ${known.join(', ')}` : '';
        return { path: [...path, key], key: true, what: `unknown key${list}`, suggestion };
      });
    case 'invalid_type':
      if (issue.expected === 'never') return value(issue.message);
      return value(issue.message.endsWith('received undefined') ? 'is missing' : `must be ${article(issue.expected)}`);
    case 'invalid_value': {
      if (issue.input === undefined) return value('is missing');
      const options = issue.values.map(String);
      const received = typeof issue.input === 'string' ? issue.input : null;
      const number = typeof issue.values[0] === 'number' ? 'the number ' : '';
      const text = options.length === 1 ? `must be ${number}${options[0]}` : `must be one of ${options.join(', ')}`;
      const suggestion = received === null ? null : closest(received, options);
      return value(text, suggestion === received ? null : suggestion);
    }
    case 'invalid_union': {
      if (issue.discriminator !== undefined) return value(...wrongDiscriminator(issue.discriminator, optionsOf(issue), issue.input));
      const branch = bestBranch(issue.errors);
      if (branch === null) return value('has none of the forms allowed here');
      return branch.flatMap((inner) => describe(schema, inner, [...path, ...plainPath(inner.path)]));
    }
    case 'too_small':
      return value(bounded(issue.origin, 'at least', Number(issue.minimum)));
    case 'too_big':
      return value(bounded(issue.origin, 'at most', Number(issue.maximum)));
    case 'custom':
      return value(issue.message);
    case 'invalid_format':
      return value(issue.message.startsWith('Invalid') ? `is not a valid ${issue.format}` : issue.message);
    default:
      return value('is not valid');
  }
}

/** Of a mapping that has several forms, told apart by one key. */
function wrongDiscriminator(key: string, allowed: readonly unknown[], input: unknown): [what: string, suggestion: string | null] {
  const options = allowed.map(String);
  const received = isMapping(input) ? input[key] : undefined;
  if (received === undefined) return ['is missing', null];
  return [`must be one of ${options.join(', ')}`, typeof received === 'string' ? closest(received, options) : null];
}

/** zod 4 gives them, but does not say so in its types. */
function optionsOf(issue: Issue): readonly unknown[] {
  return 'options' in issue && Array.isArray(issue.options) ? issue.options : [];
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function bounded(origin: string, which: string, limit: number): string {
  if (origin === 'string') return `must be ${which} ${limit} ${limit === 1 ? 'character' : 'characters'} long`;
  if (origin === 'array') return `must have ${which} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `must be ${which} ${limit}`;
}

function article(expected: string): string {
  const plain: Readonly<Record<string, string>> = {
    array: 'a list',
    object: 'a mapping',
    record: 'a mapping',
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    null: 'empty',
  };
  return plain[expected] ?? expected;
}

/** The alternative that fits best: fewest faults about its own kind, then the deepest fault. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | null {
  const wrongKind = (issues: readonly Issue[]): boolean =>
    issues.some((issue) => issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value'));
  const fitting = branches.filter((issues) => issues.length > 0 && !wrongKind(issues));
  if (fitting.length > 0) return fitting.toSorted((left, right) => left.length - right.length)[0] ?? null;
  const valued = branches.filter((issues) => issues.some((issue) => issue.code === 'invalid_value'));
  return valued.length === 1 ? (valued[0] ?? null) : null;
}

/** Keys an object schema at `path` accepts, across all alternatives that `input` may be. */
function keysAt(schema: z.ZodType, path: readonly (string | number)[], input: unknown): string[] {
  let level: z.core.$ZodType[] = unwrap(schema);
  for (const part of path) level = level.flatMap((each) => step(each, part)).flatMap(unwrap);
  const shapes = level.map(shapeOf).filter((shape) => shape !== null);
  const possible = shapes.filter((shape) => Object.entries(shape).every(([key, each]) => isPossible(each, input, key)));
  return [...new Set(possible.flatMap((shape) => Object.keys(shape)))];
}

/** False when the key tells that another alternative is meant. */
function isPossible(schema: z.core.$ZodType, input: unknown, key: string): boolean {
  const definition = definitionOf(schema);
  if (definition.type !== 'literal' || !isMapping(input) || typeof input[key] !== 'string') return true;
  return definition.values.includes(input[key]);
}

type Definition = z.core.$ZodTypes['_zod']['def'];

function definitionOf(schema: z.core.$ZodType): Definition {
  return (schema as z.core.$ZodTypes)._zod.def;
}

function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | null {
  const definition = definitionOf(schema);
  return definition.type === 'object' ? definition.shape : null;
}

/** Schemas behind wrappers (optional, default, pipe ...) and unions. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType[] {
  const definition = definitionOf(schema);
  switch (definition.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'catch':
    case 'nonoptional':
      return unwrap(definition.innerType);
    case 'pipe':
      return unwrap(definition.in);
    case 'lazy':
      return unwrap(definition.getter());
    case 'union':
      return definition.options.flatMap(unwrap);
    default:
      return [schema];
  }
}

function step(schema: z.core.$ZodType, part: string | number): z.core.$ZodType[] {
  const definition = definitionOf(schema);
  if (definition.type === 'array' && typeof part === 'number') return [definition.element];
  if (definition.type === 'record') return [definition.valueType];
  const next = Object.hasOwn(shapeOf(schema) ?? {}, part) ? shapeOf(schema)?.[part] : undefined;
  return next === undefined ? [] : [next];
}
