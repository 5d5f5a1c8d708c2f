import assert from 'node:assert/strict';
import { test } from 'node:test';
import { context, noonMs, people, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import type { TargetName } from '../core/ids.ts';
import { MAX_LIST_LENGTH } from './condition-fields.ts';
import { TWO_APPROVERS } from './decide.ts';
import { decide, explain, hasAccess, rolesOf } from './index.ts';

const agent = principalOf();
const clinician = principalOf({ subject: 'doc', kind: 'person', groups: ['clinicians'] });

const hold = (name: string, when: string, role: string, more = ''): string =>
  `  - name: ${name}\n    when: ${JSON.stringify(when)}\n    then: hold\n    approvers: { role: ${role}${more} }\n    within: 15m\n`;
const deny = (name: string, when: string, say = ''): string =>
  `  - name: ${name}\n    when: ${JSON.stringify(when)}\n    then: deny\n${say}`;

test('default deny: without a role, without access to the target, or with an expired identity there is no access', () => {
  const policy = policyOf(people);
  const strangers = [
    principalOf({ groups: [] }),
    principalOf({ issuer: 'other' }),
    principalOf({ groups: ['AI-AGENTS'] }),
    principalOf({ groups: ['privacy'] }),
    principalOf({ expiresAtMs: noonMs }),
  ];
  for (const stranger of strangers) {
    const decision = decide(requestOf(), stranger, policy, context);
    assert.deepEqual([decision.outcome, decision.reasons, decision.rules], ['deny', ['no-access'], []]);
  }
  assert.equal(hasAccess(agent, 'clinic', policy), true);
  assert.equal(hasAccess(agent, 'lab', policy), false);
  assert.equal(hasAccess(clinician, 'lab', policy), true);
});

test('access allows exactly the effects it gives; a request without effects needs access only', () => {
  const policy = policyOf(people);
  assert.equal(decide(requestOf(), agent, policy, context).outcome, 'allow');
  assert.equal(decide(requestOf({ effects: [] }), agent, policy, context).outcome, 'allow');
  const write = decide(requestOf({ effects: ['read', 'write'] }), agent, policy, context);
  assert.deepEqual([write.outcome, write.reasons], ['deny', ['effect-not-granted']]);
  assert.equal(decide(requestOf({ effects: ['read', 'write'] }), clinician, policy, context).outcome, 'allow');
});

test('INVARIANT: unknown facts never yield allow, whatever the rules say', () => {
  const policy = policyOf(`${people}rules: [{ name: yes, when: "true", then: allow }]`);
  const unknowns = [{ code: 'function', what: 'pg_read_file', remedy: '' }] as const;
  const decision = decide(requestOf({ unknowns }), agent, policy, context);
  assert.deepEqual([decision.outcome, decision.reasons], ['deny', ['not-understood']]);
  const held = policyOf(`${people}rules:\n${hold('wait', 'true', 'privacy-officer')}`);
  assert.equal(decide(requestOf({ unknowns }), agent, held, context).outcome, 'deny');
});

test('deny beats hold beats allow, and every rule that made the decision is named in policy order', () => {
  const rules = [
    '  - { name: fine, when: "true", then: allow }\n',
    hold('wait', 'request.unbounded', 'privacy-officer'),
    deny('never', "'DROP TABLE' in request.verbs", '    say: No.\n'),
    deny('also', 'request.statements > 5'),
  ].join('');
  const policy = policyOf(`${people}rules:\n${rules}`);
  const outcome = (facts: Parameters<typeof requestOf>[0]) => {
    const { outcome: result, rules: names, reasons } = decide(requestOf(facts), agent, policy, context);
    return [result, names, reasons];
  };
  assert.deepEqual(outcome({}), ['allow', ['fine'], ['rule']]);
  assert.deepEqual(outcome({ unbounded: true }), ['hold', ['wait'], ['rule']]);
  assert.deepEqual(outcome({ unbounded: true, verbs: ['DROP TABLE'], statements: 9 }), ['deny', ['never', 'also'], ['rule']]);
  const denied = decide(requestOf({ verbs: ['DROP TABLE'] }), agent, policy, context);
  assert.equal(denied.outcome === 'deny' ? denied.say : '', 'No.');
});

test('an allow rule gives nothing that access does not give', () => {
  const policy = policyOf(`${people}rules: [{ name: yes, when: "true", then: allow }]`);
  assert.equal(decide(requestOf({ effects: ['ddl'] }), agent, policy, context).outcome, 'deny');
  assert.deepEqual(decide(requestOf(), principalOf({ groups: [] }), policy, context).reasons, ['no-access']);
});

test('a rule that cannot be evaluated denies, even if it would have allowed', () => {
  for (const then of ['allow', 'deny']) {
    const policy = policyOf(`${people}rules: [{ name: broken, when: "request.limit > 5", then: ${then} }]`);
    const decision = decide(requestOf({ limit: null }), agent, policy, context);
    assert.deepEqual([decision.outcome, decision.reasons, decision.rules], ['deny', ['policy-error'], ['broken']]);
    assert.equal(decide(requestOf({ limit: 3 }), agent, policy, context).outcome, 'allow');
  }
});

test('facts beyond the list cap deny instead of being cut short', () => {
  const policy = policyOf(people);
  const columns = Array.from({ length: MAX_LIST_LENGTH + 1 }, (_, index) => `a.b.c${index}`);
  assert.deepEqual(decide(requestOf({ columns }), agent, policy, context).reasons, ['policy-error']);
});

test('a request for another target than the one decided on is denied', () => {
  const policy = policyOf(people);
  const decision = decide(requestOf({}, { target: 'lab' as TargetName }), agent, policy, context);
  assert.deepEqual([decision.outcome, decision.reasons], ['deny', ['policy-error']]);
});

test('holds for one role combine to the most approvers and the shortest time', () => {
  const rules = hold('one', 'true', 'privacy-officer') + hold('two', 'true', 'privacy-officer', ', count: 2').replace('15m', '5m');
  const decision = decide(requestOf(), agent, policyOf(`${people}rules:\n${rules}`), context);
  assert.ok(decision.outcome === 'hold');
  assert.deepEqual(decision.approvers, { role: 'privacy-officer', count: 2 });
  assert.equal(decision.withinMs, 300_000);
  assert.deepEqual(decision.rules, ['one', 'two']);
});

test('holds for different roles deny: no approval may be dropped', () => {
  const rules = hold('one', 'true', 'privacy-officer') + hold('two', 'true', 'treating-clinician');
  const decision = decide(requestOf(), agent, policyOf(`${people}rules:\n${rules}`), context);
  assert.ok(decision.outcome === 'deny');
  assert.deepEqual([decision.reasons, decision.rules, decision.say], [['rule', 'policy-error'], ['one', 'two'], TWO_APPROVERS]);
});

const classes = `
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"], predicates: none }
  - { class: phi.name, columns: ["clinic:public.patients.name"], predicates: hold, approvers: { role: privacy-officer }, within: 10m }
  - { class: phi.mrn, columns: ["clinic:public.patients.mrn"], predicates: equality }
  - { class: phi.zip, columns: ["clinic:public.patients.zip"] }
masks:
  - { class: phi.ssn, roles: [treating-clinician], mask: clear }
`;

test('predicates on a masked class follow its mode; any and equality need nobody', () => {
  const policy = policyOf(people + classes);
  const outcome = (...predicateClasses: string[]) => {
    const decision = decide(requestOf({ predicateClasses }), agent, policy, context);
    return [decision.outcome, decision.reasons, decision.rules];
  };
  assert.deepEqual(outcome('phi.zip'), ['allow', [], []]);
  assert.deepEqual(outcome('phi.mrn'), ['allow', [], []]);
  assert.deepEqual(outcome('phi.name'), ['hold', ['predicate'], ['predicate:phi.name']]);
  assert.deepEqual(outcome('phi.name', 'phi.ssn'), ['deny', ['predicate'], ['predicate:phi.ssn']]);
});

test('predicates on a class that is shown in clear are free', () => {
  const policy = policyOf(people + classes);
  assert.equal(decide(requestOf({ predicateClasses: ['phi.ssn'] }), clinician, policy, context).outcome, 'allow');
  assert.equal(decide(requestOf({ predicateClasses: ['phi.name'] }), clinician, policy, context).outcome, 'hold');
});

test('a decision carries the policy hash, the roles in policy order, and the masks it was made with', () => {
  const policy = policyOf(people + classes);
  const both = principalOf({ groups: ['clinicians', 'ai-agents'] });
  const decision = decide(requestOf(), both, policy, context);
  assert.equal(decision.policySha256, policy.sha256);
  assert.deepEqual(decision.roles, ['reporting-agent', 'treating-clinician']);
  assert.equal(decision.masks.byClass['phi.zip'], 'redact');
});

test('the same question has the same answer', () => {
  const policy = policyOf(people + classes);
  const again = policyOf(people + classes);
  const ask = (which: typeof policy) => decide(requestOf({ predicateClasses: ['phi.name'] }), principalOf(), which, context);
  assert.deepEqual(ask(policy), ask(policy));
  assert.deepEqual(ask(policy), ask(again));
});

test('role membership: every condition of an entry must hold, any entry suffices, types count', () => {
  const policy = policyOf(`roles:
  - { role: etl, members: [{ issuer: github, claim: repository, is: clinic/etl }] }
  - { role: admins, members: [{ issuer: corp, claim: admin, is: true }] }
  - { role: tagged, members: [{ issuer: corp, claim: tags, is: blue }] }
  - { role: one, members: [{ issuer: corp, subject: ann, kind: person }, { issuer: corp, subject: bob }] }
  - { role: bots, members: [{ issuer: corp, kind: agent, group: ai-agents }] }
`);
  const roles = (change: Parameters<typeof principalOf>[0]) => rolesOf(principalOf({ groups: [], kind: 'person', ...change }), policy);
  assert.deepEqual(roles({ issuer: 'github', claims: { repository: 'clinic/etl' } }), ['etl']);
  assert.deepEqual(roles({ issuer: 'corp', claims: { repository: 'clinic/etl' } }), []);
  assert.deepEqual(roles({ claims: { admin: true } }), ['admins']);
  assert.deepEqual(roles({ claims: { admin: 'true' } }), []);
  assert.deepEqual(roles({ claims: { tags: ['red', 'blue'] } }), ['tagged']);
  assert.deepEqual(roles({ claims: { constructor: 'x' } }), []);
  assert.deepEqual(roles({ subject: 'ann' }), ['one']);
  assert.deepEqual(roles({ subject: 'ann', kind: 'agent' }), []);
  assert.deepEqual(roles({ subject: 'bob', kind: 'agent' }), ['one']);
  assert.deepEqual(roles({ kind: 'agent', groups: ['ai-agents'] }), ['bots']);
});

test('explain tells roles, access, every rule tried and why each mask, and decides as decide does', () => {
  const rules =
    hold('wait', 'request.unbounded', 'privacy-officer') + deny('broken', 'request.limit > 5') + deny('never', 'request.statements > 5');
  const policy = policyOf(`${people}${classes}rules:\n${rules}`);
  const request = requestOf({ unbounded: true, effects: ['read', 'write'], classes: ['phi.ssn', 'phi.zip'] });
  const told = explain(request, agent, policy, context);
  assert.deepEqual(told.decision, decide(request, agent, policy, context));
  assert.deepEqual(
    told.roles.map(({ role, member }) => [role, member]),
    [['reporting-agent', 0]],
  );
  assert.deepEqual(told.access.missingEffects, ['write']);
  assert.deepEqual(
    told.rules.map(({ rule, outcome, detail }) => [rule, outcome, detail]),
    [
      ['wait', 'matched', null],
      ['broken', 'error', 'No such key: limit'],
      ['never', 'not-matched', null],
    ],
  );
  assert.deepEqual(
    told.masks.map(({ class: name, mask, why }) => [name, mask, why]),
    [
      ['phi.ssn', 'redact', 'no mask is given for it: redact'],
      ['phi.zip', 'redact', 'no mask is given for it: redact'],
    ],
  );
  const doctor = explain(request, clinician, policy, context).masks[0];
  assert.deepEqual([doctor?.mask, doctor?.place?.line], ['clear', policy.masks[0]?.origin.place.line]);
});

test('an explanation says what predicates on a masked class do', () => {
  const policy = policyOf(people + classes);
  const why = (name: string, who = agent): string =>
    explain(requestOf({ predicateClasses: [name] }), who, policy, context).masks[0]?.why.split('; predicates: ')[1] ?? '';
  assert.equal(why('phi.ssn'), 'none, they are denied');
  assert.equal(why('phi.name'), 'hold, they wait for approval');
  assert.equal(why('phi.mrn'), 'equality, an exact match of a whole key sees the stored value, all others see the mask');
  assert.equal(why('phi.zip'), 'any, they see the mask');
  assert.equal(why('phi.ssn', clinician), '');
  assert.equal(explain(requestOf({ classes: ['phi.mrn'] }), agent, policy, context).masks[0]?.why, 'no mask is given for it: redact');
});

test('a policy is timeless until a rule reads the time or the session', () => {
  const timeless = (when: string): boolean => policyOf(`${people}rules:\n${deny('r', when)}`).isTimeless;
  assert.equal(timeless('request.unbounded'), true);
  assert.equal(timeless('now.getHours() < 5'), false);
  assert.equal(timeless('has(session.ageSeconds) && session.ageSeconds > 60'), false);
  assert.equal(timeless('request.unbounded && request.classes.exists(c, session.statements > 5)'), false);
});

test('a rule about the session denies where no session is known', () => {
  const policy = policyOf(`${people}rules:\n${deny('r', 'session.statements > 5')}`);
  const reasons = (session?: { ageSeconds: number; statements: number }) =>
    decide(requestOf(), agent, policy, session === undefined ? context : { ...context, session }).reasons;
  assert.deepEqual(reasons({ ageSeconds: 0, statements: 5 }), []);
  assert.deepEqual(reasons({ ageSeconds: 0, statements: 6 }), ['rule']);
  assert.deepEqual(reasons(), ['policy-error']);
});
