// A rule that never terminates is impossible: what a condition may cost is known before it is evaluated.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clinic, context, noonMs, people, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import type { Facts } from '../core/facts.ts';
import { conditionInput, type ConditionInput, MAX_LIST_LENGTH, MAX_STEPS, MAX_TEXT_LENGTH } from './condition-fields.ts';
import { ConditionCompiler } from './condition.ts';
import { decide, explain } from './index.ts';

const compiler = new ConditionCompiler({ roles: [], targets: null });

function compiled(source: string) {
  const result = compiler.compile(source);
  if (!result.ok) assert.fail(`${source}: ${JSON.stringify(result.faults)}`);
  return result.condition;
}

function inputOf(facts: Partial<Facts> = {}): ConditionInput {
  const input = conditionInput(requestOf(facts), principalOf(), [], clinic, noonMs);
  assert.ok(input !== null);
  return input;
}

const names = (count: number, chars = 12): string[] => Array.from({ length: count }, (_, index) => `c${index}`.padEnd(chars, 'x'));
const longest = { columns: names(MAX_LIST_LENGTH), classes: names(MAX_LIST_LENGTH), verbs: names(MAX_LIST_LENGTH) };
const tooMuch = /^takes more work than a decision may/;

/** Work, not time: the machine may be busy with something else. */
function cpuMs(run: () => void): number {
  const before = process.threadCpuUsage();
  run();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

const hostile: readonly string[] = [
  // Lists over lists.
  'request.columns.exists(a, request.columns.exists(b, a == b + "!"))',
  'request.columns.all(a, request.columns.all(b, size(a) + size(b) > 0 && (a + b).contains(a) && (b + a).startsWith(b)))',
  'size(request.columns.filter(a, request.classes.exists(b, request.verbs == [a, b]))) == 1',
  'size(request.columns.map(a, request.columns.map(b, a + b))) == 1',
  'request.columns.exists(a, a in request.classes.map(b, b + "!"))',
  '(request.columns + request.columns + request.columns).exists(a, (request.columns + request.columns).exists(b, a == b + "!"))',
  '[request.columns, request.classes].exists(l, l.exists(a, a + "!" in request.verbs))',
  // A fault for each entry.
  'request.columns.exists(a, request.limit > 3)',
  'request.columns.exists(a, request.columns[size(a) + 9000] == a)',
  'request.columns.exists(a, int(a) == 3)',
  'request.columns.exists(a, timestamp(a) == now)',
  'request.columns.exists(a, duration(a) == duration("1s"))',
  'request.columns.exists(a, 1 / (request.statements - 1) == 3)',
  'request.columns.exists(a, size(a) * 9223372036854775807 == 3)',
  'request.columns.exists(a, request.http.method == a)',
  'request.columns.exists(a, has(request.http.method))',
  // A formatter for each entry.
  'request.columns.exists(a, now.getHours("Europe/Berlin") == 25)',
];

test('hostile conditions over the longest lists are refused before they run', () => {
  for (const source of hostile) {
    const condition = compiled(source);
    const input = inputOf(longest);
    const ms = cpuMs(() =>
      assert.throws(
        () => condition.test(input),
        (fault: { summary?: string }) => tooMuch.test(fault.summary ?? ''),
        source,
      ),
    );
    assert.ok(ms < 200, `${source} took ${ms} ms`);
  }
});

test('the same conditions are evaluated where the lists are as long as statements have them', () => {
  const few = { columns: names(20), classes: names(5), verbs: ['SELECT'], limit: 5, statements: 1 };
  for (const source of hostile.slice(0, 7)) assert.equal(typeof compiled(source).test(inputOf(few)), 'boolean', source);
});

test('texts and lists that double in every step cannot be made', () => {
  const doubled = (start: string, times: number): string => start + '.map(x, x + x)'.repeat(times);
  for (const source of [
    `${doubled('["a"]', 34)} == ["b"]`,
    `size(${doubled('[["a"]]', 34)}) == 2`,
    `${doubled('request.columns', 34)}.exists(x, x == "a")`,
    `size(${doubled('[request.columns]', 34)}) == 2`,
  ]) {
    const result = compiler.compile(source);
    assert.ok(!result.ok);
    assert.match(result.faults[0]?.what ?? '', tooMuch);
  }
  // A few times is no harm, until the texts are long.
  const some = compiled(`${doubled('request.columns', 12)}.exists(x, x.contains("zz"))`);
  assert.equal(some.test(inputOf({ columns: names(2) })), false);
  assert.throws(() => some.test(inputOf(longest)));
});

test('whatever a condition costs is bounded by what it was charged', () => {
  for (const source of [
    ...hostile,
    'request.columns.exists(c, re(c, "(a{0,30}x{0,30}){0,10}y$"))',
    'request.columns.exists(c, c == "a")',
  ]) {
    const condition = compiled(source);
    // As long as it may just be.
    let low = 1;
    let high = MAX_LIST_LENGTH;
    const columnsOf = (count: number) => inputOf({ columns: names(count, 60), classes: names(count, 60), verbs: names(count, 60) });
    const isAffordable = (count: number): boolean => {
      const input = columnsOf(count);
      try {
        condition.test(input);
      } catch {
        // Its own faults or too much work: both are looked at by what is left.
      }
      return input.work.stepsLeft >= 0;
    };
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (isAffordable(middle)) low = middle;
      else high = middle - 1;
    }
    const input = columnsOf(low);
    const ms = cpuMs(() => {
      try {
        condition.test(input);
      } catch {
        // Only the time counts.
      }
    });
    // 50 ms of a slow core; ten times that for a machine that runs other tests.
    assert.ok(ms < 500, `${source} over ${low} columns took ${ms} ms`);
  }
});

test('re() over many long texts is charged for, also where the shortcut would answer', () => {
  const condition = compiled('request.columns.exists(c, re(c, "(a|b|ab|ba|aab){1,60}x$"))');
  const input = inputOf({ columns: names(MAX_LIST_LENGTH, MAX_TEXT_LENGTH) });
  assert.ok(cpuMs(() => assert.throws(() => condition.test(input))) < 200);
  assert.equal(condition.test(inputOf({ columns: names(10) })), false);
});

test('texts longer than the cap are not decided on, wherever they stand', () => {
  const long = 'x'.repeat(MAX_TEXT_LENGTH + 1);
  const of = (facts: Partial<Facts>, principal: Parameters<typeof principalOf>[0] = {}) =>
    conditionInput(requestOf(facts), principalOf(principal), [], clinic, noonMs);
  assert.equal(of({ columns: [long] }), null);
  assert.equal(of({ relations: [{ name: long, access: 'read' }] }), null);
  assert.equal(of({}, { subject: long }), null);
  assert.equal(of({}, { groups: ['a', long] }), null);
  assert.notEqual(of({ columns: [long.slice(1)] }, { subject: long.slice(1) }), null);
});

test('many parameters do not make a request too long to decide on', () => {
  const parameters = Array.from({ length: 60_000 }, () => ({ type: 'text', bytes: 1 }));
  assert.notEqual(conditionInput(requestOf({}, { parameters }), principalOf(), [], clinic, noonMs), null);
});

const rules = (count: number, when: string): string =>
  `${people}rules:\n${Array.from({ length: count }, (_, index) => `  - { name: r${index}, when: ${JSON.stringify(when)}, then: deny }\n`).join('')}`;

test('all conditions of a decision share what it may cost: a thousand dear rules take no longer than a few', () => {
  const dear = 'request.columns.exists(a, request.columns.exists(b, a == b + "!"))';
  const policy = policyOf(rules(1000, dear));
  const request = requestOf({ columns: names(200) });
  let decision = decide(request, principalOf(), policy, context);
  const ms = cpuMs(() => (decision = decide(request, principalOf(), policy, context)));
  assert.deepEqual([decision.outcome, decision.reasons], ['deny', ['policy-error']]);
  assert.ok(ms < 1000, `${ms} ms`);
  // One of them alone is affordable: the sum is what is refused.
  assert.equal(decide(request, principalOf(), policyOf(rules(1, dear)), context).outcome, 'allow');
  assert.deepEqual(decide(request, principalOf(), policy, context), explain(request, principalOf(), policy, context).decision);
  assert.match(explain(request, principalOf(), policy, context).rules.at(-1)?.detail ?? '', tooMuch);
});

test('a thousand cheap rules are decided on whatever the lists are', () => {
  const policy = policyOf(rules(1000, "principal.kind == 'service' || request.statements > 5"));
  assert.equal(decide(requestOf(longest), principalOf(), policy, context).outcome, 'allow');
  const over = policyOf(rules(20, "request.columns.exists(c, c.startsWith('secret'))"));
  assert.equal(decide(requestOf(longest), principalOf(), over, context).outcome, 'allow');
  assert.ok(MAX_STEPS >= 20 * 5 * MAX_LIST_LENGTH);
});
