// A policy of 5,000 classes over 50,000 columns behaves as a small one does. How long it takes: scripts/bench-policy.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnsOf, largePolicy } from '../../scripts/bench/large-policy.ts';
import { context, people, policyOf, principalOf, requestOf } from '../support/policy.ts';
import type { TargetName } from '../../src/core/ids.ts';
import { checkPolicy, classRules, decide, diffPolicies, loadPolicy, masksFor, renderFault } from '../../src/policy/index.ts';

const size = { classes: 5000, columnsPerClass: 10, targets: ['clinic'] } as const;
const loaded = loadPolicy({ files: largePolicy(size), packs: () => undefined, targets: ['clinic'], issuers: ['corp'] });
if (!loaded.ok) assert.fail(loaded.faults.map(renderFault).join('\n'));
const { policy } = loaded;
const columns = columnsOf(size);

test('every class, column and mask of it counts', () => {
  assert.equal(policy.classNames.length, 5000);
  assert.equal(columns.length, 50_000);
  const rules = classRules(policy, 'clinic');
  assert.deepEqual(new Set(rules.map(({ pattern }) => pattern)), new Set(columns));
  const { byClass } = masksFor(principalOf(), 'clinic', policy);
  assert.deepEqual([byClass['phi.c0'], byClass['phi.c1'], byClass['phi.c4999']], ['redact', 'year', 'year']);
});

test('it is decided as under the few classes that a request touches', () => {
  const few = policyOf(`${people}classes:
  - { class: phi.c0, columns: ["clinic:a.b.c"], predicates: none }
  - { class: phi.c1, columns: ["clinic:a.b.d"] }
masks: [{ class: phi.c1, mask: year }]
rules: [{ name: bulk, when: "request.unbounded && request.classes.exists(c, c.startsWith('phi.'))", then: deny }]
`);
  for (const facts of [
    { classes: ['phi.c1'], outputClasses: ['phi.c1'] },
    { classes: ['phi.c0', 'phi.c1'], predicateClasses: ['phi.c0'] },
    { classes: ['phi.c1'], unbounded: true },
    { effects: ['write'] as const },
  ]) {
    const small = decide(requestOf(facts), principalOf(), few, context);
    const large = decide(requestOf(facts), principalOf(), policy, context);
    assert.deepEqual([large.outcome, large.reasons, large.rules], [small.outcome, small.reasons, small.rules]);
    for (const name of ['phi.c0', 'phi.c1']) assert.equal(large.masks.byClass[name] ?? 'redact', small.masks.byClass[name] ?? 'redact');
  }
});

test('it is checked against a live catalogue, and the one column that is not there is found', async () => {
  const there = new Set(columns);
  const missing = columns[31_415] ?? '';
  there.delete(missing);
  const live = {
    target: 'clinic' as TargetName,
    knowsColumn: async (column: string) => there.has(column),
    protectedColumns: async () => new Map([...there].map((column) => [column, ['phi.x']])),
  };
  const faults = await checkPolicy(policy, [live]);
  assert.deepEqual(
    faults.map(({ file, path, what }) => [file, path, what]),
    [['classes-6.yaml', 'classes[141].columns[5]', 'there is no such column on clinic']],
  );
});

test('a name that is misspelt among thousands is found at its place, with what was meant', () => {
  const files = largePolicy(size).map(({ name, text }) => ({
    name,
    text: text.replace('class: phi.c777, mask', 'class: phi.c7777, mask'),
  }));
  const broken = loadPolicy({ files, packs: () => undefined, targets: ['clinic'], issuers: ['corp'] });
  assert.ok(!broken.ok);
  assert.match(
    broken.faults.map(renderFault).join('\n'),
    /^policy\.yaml:785:14 masks\[776\]\.class: no class has this name, did you mean "phi\.c\d*7777?"/,
  );
});

test('more masks than can be compared are said to be cut, never to be equal', () => {
  const classes = Array.from({ length: 5000 }, (_, n) => `  - { class: c.n${n}, columns: ["clinic:public.t.c${n}"] }`).join('\n');
  const roles = Array.from({ length: 21 }, (_, n) => `  - { role: r${n}, members: [{ issuer: corp, group: g${n} }] }`).join('\n');
  const named = Array.from({ length: 21 }, (_, n) => `r${n}`).join(', ');
  const text = (mask: string): string =>
    `roles:\n${roles}\nclasses:\n${classes}\nmasks:\n  - { class: c.*, roles: [${named}], mask: ${mask} }\n`;
  const found = diffPolicies(policyOf(text('clear')), policyOf(text('redact')), ['clinic']);
  assert.deepEqual([found.isCut, found.isEqual], [true, false]);
});
