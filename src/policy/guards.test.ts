import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { context, people, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import { decide, explain, type Policy } from './index.ts';

const policyWith = (conditions: readonly string[]): Policy =>
  policyOf(
    `${people}rules:\n${conditions.map((when, index) => `  - { name: r${index}, when: ${JSON.stringify(when)}, then: deny }\n`).join('')}`,
  );
const keysOf = ({ guards }: Policy): string[][] =>
  guards.ofRule.map((group) => (guards.groups[group] ?? []).map((position) => guards.demands[position]?.key ?? ''));

test('what rules have in common is found, however it is written, and asked for once', () => {
  const policy = policyWith([
    "principal.kind == 'agent' && 'ddl' in request.effects",
    "('ddl' in request.effects) && request.statements > 3 && principal.kind   == 'agent'",
    "principal.kind == 'agent' && request.unbounded",
    "!(principal.kind == 'agent') || request.unbounded",
    "request.limit > 3 && principal.kind == 'service'",
  ]);
  const agent = 'principal.kind == "agent"';
  const ddl = '"ddl" in request.effects';
  assert.deepEqual(keysOf(policy), [[agent, ddl], [agent, ddl], [agent], [], []]);
  assert.equal(policy.guards.demands.length, 2);
});

test('what can fail, and what takes long, guards nothing', () => {
  for (const part of [
    'request.limit > 3',
    "request.columns.exists(c, c == 'a')",
    "!re(principal.subject, 'a')",
    "request.verbs[0] == 'x'",
  ]) {
    assert.deepEqual(keysOf(policyWith([`${part} && request.unbounded`, `${part} && !request.unbounded`])), [[], []], part);
  }
});

const part = fc.constantFrom(
  "principal.kind == 'agent'",
  "principal.kind == 'person'",
  "'ddl' in request.effects",
  '!request.unbounded',
  'request.unbounded',
  'has(request.limit)',
  'request.limit > 3',
  "request.classes.exists(c, c.startsWith('phi.'))",
  "request.verbs[1] == 'SELECT'",
  "(request.unbounded || principal.issuer == 'corp')",
);
const condition = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(' && '));

test('guards never change a decision, nor what is told of a rule', () => {
  const requests = [
    requestOf(),
    requestOf({ effects: ['ddl'], unbounded: true, classes: ['phi.ssn'], limit: 5 }),
    requestOf({ limit: 2, verbs: ['SELECT', 'SELECT'], classes: ['phi.ssn'] }),
  ];
  let skipped = 0;
  fc.assert(
    fc.property(fc.array(condition, { minLength: 2, maxLength: 12 }), fc.constantFrom('agent', 'person'), (conditions, kind) => {
      const policy = policyWith(conditions);
      const without: Policy = { ...policy, guards: { demands: [], groups: [[]], ofRule: policy.rules.map(() => 0) } };
      const principal = principalOf({ kind });
      for (const request of requests) {
        const decision = decide(request, principal, policy, context);
        const told = explain(request, principal, policy, context);
        assert.deepEqual(decision, decide(request, principal, without, context));
        assert.deepEqual(told.decision, decision);
        assert.deepEqual(told.rules, explain(request, principal, without, context).rules);
      }
      skipped += policy.guards.groups.filter((group) => group.length > 0).length;
    }),
    { numRuns: 300 },
  );
  assert.ok(skipped > 300, `only ${skipped} groups with guards`);
});
