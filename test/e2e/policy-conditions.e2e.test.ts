// Conditions against a second implementation of CEL (@bufbuild/cel): generated expressions over generated inputs, values and
// faults compared. What may differ is a list with reasons, and each reason must still be needed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { celEnv, celFunc, type CelInput, CelScalar, isCelError, parse, plan } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import fc from 'fast-check';
import { clinic, noonMs, principalOf, requestOf } from '../support/policy.ts';
import type { Facts } from '../../src/core/facts.ts';
import type { Principal } from '../../src/core/identity.ts';
import { conditionInput, type ConditionInput, type SessionFacts } from '../../src/policy/condition-fields.ts';
import { ConditionCompiler } from '../../src/policy/condition.ts';

const expressionsCompared = 2100;

function inputOf(facts: Partial<Facts>, principal: Partial<Principal>, roles: readonly string[], session?: SessionFacts): ConditionInput {
  const parameters = [{ type: 'text', bytes: 3 }];
  const input = conditionInput(requestOf(facts, { parameters }), principalOf(principal), roles, clinic, noonMs, session);
  assert.ok(input !== null);
  return input;
}

const inputs: readonly ConditionInput[] = [
  inputOf({}, {}, []),
  inputOf(
    { effects: ['ddl', 'write'], unbounded: true, classes: ['phi.ssn', 'hr.salary'], limit: 5, verbs: ['DROP TABLE'], statements: 2 },
    { groups: ['ai-agents', 'read', ''] },
    ['reporting-agent'],
    { ageSeconds: 0, statements: 1 },
  ),
  inputOf(
    { effects: [], columns: ['public.patients.ssn', 'ssn', ' t '], limit: 1_000_000, statements: 3, outputClasses: ['phi.ssn'] },
    { subject: 'phi.', issuer: 'd' },
    [],
    { ageSeconds: 86_400, statements: 40 },
  ),
  inputOf(
    { classes: ['phi.name'], unbounded: true },
    { kind: 'person', groups: [], subject: 'Ærø-Δ', issuer: '👩‍⚕️ x' },
    ['a', 'privacy-officer'],
    { ageSeconds: 59, statements: 2 },
  ),
];

/** The same values as the other implementation wants them: maps, without absent fields. */
function bindingsOf(input: ConditionInput): Record<string, CelInput> {
  const mapOf = (fields: object): CelInput =>
    new Map(Object.entries(fields).filter(([, value]) => value !== undefined) as [string, CelInput][]);
  const { request, principal, target, session } = input;
  // Not a field of its own object: a getter, so that it is not read in vain.
  const withParameters = Object.assign({}, request, { parameters: request.parameters });
  return { request: mapOf(withParameters), principal: mapOf(principal), target: mapOf(target), session: mapOf(session) };
}

const bindings = inputs.map(bindingsOf);
const funcs = [
  ...strings,
  celFunc('re', [CelScalar.STRING, CelScalar.STRING], CelScalar.BOOL, (text, pattern) => new RegExp(pattern, 'u').test(text)),
];
const nowText = `timestamp('${new Date(noonMs).toISOString()}')`;

const env = celEnv({ funcs });

/** The value, or `error`, for each input. */
function ofTheirs(source: string): readonly unknown[] {
  let evaluate: ReturnType<typeof plan>;
  try {
    evaluate = plan(env, parse(source.replaceAll(/\bnow\b/g, nowText)));
  } catch {
    return inputs.map(() => 'error');
  }
  return bindings.map((each) => {
    const result = evaluate(each);
    return isCelError(result) ? 'error' : result;
  });
}

const compiler = new ConditionCompiler({ roles: ['a', 'reporting-agent', 'privacy-officer'], targets: null });

/** The same of ours. Null = refused at load: the type checker and the vocabularies are ours alone. */
function ofOurs(source: string): readonly unknown[] | null {
  const result = compiler.compile(source);
  if (!result.ok) return null;
  return inputs.map((input) => {
    try {
      return result.condition.test({ ...input, work: { ...input.work } });
    } catch {
      return 'error';
    }
  });
}

// --- generated expressions, by type; `vars` are variables of enclosing comprehensions, all of them strings ----------

type Gen = fc.Arbitrary<string>;
interface Types {
  readonly bool: Gen;
  readonly int: Gen;
  readonly text: Gen;
  readonly list: Gen;
}

const literal = fc
  .constantFrom('read', 'ddl', 'phi.ssn', 'phi.', 'ssn', 's', 'agent', '', ' t ', 'Δ', '👩‍⚕️', '7', '-12', 'x7')
  .map((value) => `'${value}'`);
const intLiteral = fc.constantFrom('0', '1', '2', '5', '7', '60', '1000000', '9223372036854775807', '-9223372036854775808', '-3');
const listField = fc.constantFrom(
  'request.effects',
  'request.verbs',
  'request.relations',
  'request.columns',
  'request.classes',
  'request.outputClasses',
  'request.parameters',
  'principal.groups',
  'principal.roles',
);
const textField = fc.constantFrom('principal.subject', 'principal.issuer', 'request.action', 'target.name', 'principal.kind');
const intField = fc.constantFrom(
  'request.statements',
  'request.limit',
  'session.ageSeconds',
  'session.statements',
  'request.estimatedRows',
);
const pattern = fc.constantFrom('^a', 'n$', '[0-9]+', 'phi|ddl', '(a+)+$', '.', 'Δ');
const time = fc.constantFrom('now', "timestamp('2026-01-05T00:00:00Z')", "timestamp('2025-02-28T23:59:59+02:00')");
const getter = fc.constantFrom('FullYear', 'Month', 'Date', 'DayOfMonth', 'DayOfWeek', 'DayOfYear', 'Hours', 'Minutes', 'Seconds');

const join = (strings: TemplateStringsArray, ...parts: Gen[]): Gen =>
  fc.tuple(...parts).map((values) => strings.map((text, index) => text + (values[index] ?? '')).join(''));
const oneOf = (...values: string[]): Gen => fc.constantFrom(...values);

function typesAt(depth: number, vars: readonly string[]): Types {
  const variable: Gen[] = vars.length === 0 ? [] : [oneOf(...vars)];
  const flat: Types = {
    bool: fc.oneof(oneOf('true', 'false', 'request.unbounded', 'has(request.limit)', 'has(session.ageSeconds)', 'has(request.http)')),
    int: fc.oneof(intLiteral, intField),
    text: fc.oneof(literal, textField, ...variable, ...variable),
    list: fc.oneof(listField, oneOf("['read', 'x']", "['']")),
  };
  if (depth === 0) return flat;
  const { bool, int, text, list } = typesAt(depth - 1, vars);
  const name = `v${vars.length}`;
  const inner = vars.length < 2 ? typesAt(depth - 1, [...vars, name]) : null;
  const over = (method: string, body: Gen): Gen => join`${list}.${oneOf(method)}(${oneOf(name)}, ${body})`;
  return {
    bool: fc.oneof(
      { withCrossShrink: true },
      flat.bool,
      join`(${bool} ${oneOf('&&', '||')} ${bool})`,
      join`(${bool} ${oneOf('&&', '||')} ${bool})`,
      join`!(${bool})`,
      join`(${bool} ? ${bool} : ${bool})`,
      join`(${bool} ${oneOf('==', '!=')} ${bool})`,
      join`(${int} ${oneOf('==', '!=', '<', '<=', '>', '>=')} ${int})`,
      join`(${text} ${oneOf('==', '!=', '<', '<=', '>', '>=')} ${text})`,
      join`(${list} ${oneOf('==', '!=')} ${list})`,
      join`(${text} in ${list})`,
      join`${text}.${oneOf('startsWith', 'endsWith', 'contains')}(${text})`,
      join`re(${text}, '${pattern}')`,
      join`(${time} ${oneOf('<', '>=', '==')} ${time})`,
      join`(${time} - ${time} > duration('${oneOf('90s', '36h', '-1.5h', '1m30s')}'))`,
      ...(inner === null ? [] : ['exists', 'exists_one', 'all'].map((method) => over(method, inner.bool))),
    ),
    int: fc.oneof(
      flat.int,
      join`(${int} ${oneOf('+', '-', '*', '/', '%')} ${int})`,
      join`-(${int})`,
      join`size(${list})`,
      join`${list}.size()`,
      join`size(${text})`,
      join`int(${text})`,
      join`(${bool} ? ${int} : ${int})`,
      join`${time}.get${getter}()`,
    ),
    text: fc.oneof(
      flat.text,
      join`(${text} + ${text})`,
      join`${text}.${oneOf('lowerAscii', 'upperAscii', 'trim')}()`,
      join`string(${int})`,
      join`${list}[${int}]`,
      join`(${bool} ? ${text} : ${text})`,
    ),
    list: fc.oneof(
      flat.list,
      join`[${text}, ${text}]`,
      join`(${list} + ${list})`,
      join`(${bool} ? ${list} : ${list})`,
      ...(inner === null ? [] : [over('filter', inner.bool), over('map', inner.text)]),
    ),
  };
}

/** What may differ, and why. `pattern` is looked for in the expression; `example` must still differ. */
const differences: readonly { readonly pattern: RegExp; readonly why: string; readonly example: string }[] = [
  {
    pattern: /-\(.*-9223372036854775808/,
    why: 'the smallest integer has no opposite: an overflow there, one more than the largest integer here',
    example: '-(-9223372036854775808) > request.statements',
  },
];

test('generated conditions give what a second implementation of CEL gives, faults included', () => {
  const tally = { expressions: 0, refused: 0, values: 0, faults: 0, differing: 0 };
  const surprises: string[] = [];
  for (const source of new Set(fc.sample(typesAt(4, []).bool, { numRuns: 2 * expressionsCompared, seed: 20260105 }))) {
    if (tally.expressions >= expressionsCompared) break;
    const ours = ofOurs(source);
    if (ours === null) {
      tally.refused += 1;
      continue;
    }
    tally.expressions += 1;
    ofTheirs(source).forEach((theirs, index) => {
      tally[theirs === 'error' ? 'faults' : 'values'] += 1;
      if (ours[index] === theirs) return;
      if (differences.some(({ pattern: known }) => known.test(source))) tally.differing += 1;
      else surprises.push(`${source}\n  input ${index}: ours ${String(ours[index])}, theirs ${String(theirs)}`);
    });
  }
  assert.deepEqual(surprises.slice(0, 10), []);
  assert.ok(tally.expressions >= expressionsCompared, JSON.stringify(tally));
  // Both kinds of answers must be plenty, or the comparison shows little.
  assert.ok(tally.values > 4000 && tally.faults > 1000, JSON.stringify(tally));
  assert.ok(tally.refused < expressionsCompared / 5 && tally.differing < 100, JSON.stringify(tally));
});

test('what may differ still does', () => {
  for (const { example, why } of differences) assert.notDeepEqual(ofOurs(example), ofTheirs(example), why);
});
