import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { faultsOf, people, policyOf } from '../../test/support/policy.ts';
import { loadPolicy, renderFault } from './index.ts';

const known = { targets: ['clinic', 'lab'], issuers: ['corp', 'github'] };

test('an empty policy loads and is a policy that gives nothing', () => {
  const policy = policyOf('');
  assert.deepEqual([policy.access, policy.rules, policy.classNames], [[], [], []]);
});

test('the hash is the SHA-256 of the source that is kept, and any changed byte of any file changes it', () => {
  const load = (text: string, name = 'a.yaml') => {
    const loaded = loadPolicy({
      files: [
        { name, text },
        { name: 'b.yaml', text: 'version: 1\n' },
      ],
      packs: () => undefined,
    });
    assert.ok(loaded.ok);
    return loaded.policy;
  };
  const policy = load('version: 1\n');
  assert.equal(createHash('sha256').update(policy.source).digest('hex'), policy.sha256);
  assert.equal(load('version: 1\n').sha256, policy.sha256);
  assert.notEqual(load('version: 1 \n').sha256, policy.sha256);
  assert.notEqual(load('version: 1\n', 'c.yaml').sha256, policy.sha256);
});

test('a directory of files is one policy, in order of the names, whatever order they are given in', () => {
  const files = [
    { name: 'b.yaml', text: 'version: 1\nrules:\n  - { name: second, when: "true", then: deny }\n' },
    { name: 'a.yaml', text: 'version: 1\nrules:\n  - { name: first, when: "true", then: deny }\n' },
  ];
  const one = loadPolicy({ files, packs: () => undefined });
  const other = loadPolicy({ files: files.toReversed(), packs: () => undefined });
  assert.ok(one.ok && other.ok);
  assert.deepEqual(
    one.policy.rules.map(({ name }) => name),
    ['first', 'second'],
  );
  assert.equal(one.policy.sha256, other.policy.sha256);
});

test('a fault in one of several files names that file', () => {
  const loaded = loadPolicy({
    files: [
      { name: 'a.yaml', text: 'version: 1\n' },
      { name: 'b.yaml', text: 'version: 1\naccess:\n  - { role: ghost, targets: [clinic], effects: [read] }\n' },
    ],
    packs: () => undefined,
  });
  assert.ok(!loaded.ok);
  assert.deepEqual(loaded.faults.map(renderFault), ['b.yaml:3:13 access[0].role: no role has this name']);
});

test('no file at all and a file given twice are refused', () => {
  const none = loadPolicy({ files: [], packs: () => undefined });
  assert.ok(!none.ok);
  const file = { name: 'a.yaml', text: 'version: 1\n' };
  const twice = loadPolicy({ files: [file, file], packs: () => undefined });
  assert.ok(!twice.ok);
  assert.match(twice.faults.map(renderFault).join(), /given twice/);
});

const rule = (body: string): string => `${people}rules:\n  - name: r\n    when: "request.unbounded"\n    ${body}`;

for (const [what, text, expected] of [
  ['another version', 'version: 2', /this key is given twice/],
  ['an unknown section', 'rule: []', /^policy\.yaml:2:1 rule: unknown key, did you mean "rules"\?$/],
  [
    'access on request without approvers',
    `${people.replace('effects: [read]\n', 'effects: [read]\n    how: { on-request: { maxDuration: 2h } }\n')}`,
    /how\.on-request\.approvers: is missing/,
  ],
  [
    'access on request for longer than a week',
    `${people.replace('effects: [read]\n', 'effects: [read]\n    how: { on-request: { maxDuration: 8d, approvers: { role: privacy-officer } } }\n')}`,
    /maxDuration: must be a duration/,
  ],
  [
    'access on request that nobody can answer',
    `${people.replace('effects: [read]\n', 'effects: [read]\n    how: { on-request: { maxDuration: 2h, approvers: { role: privcy-officer } } }\n')}`,
    /how\.on-request\.approvers\.role: no role has this name, did you mean "privacy-officer"/,
  ],
  [
    'break-glass that nobody reviews',
    `${people.replace('effects: [read]\n', 'effects: [read]\n    how: { break-glass: { maxDuration: 1h, reviewers: { role: nobody } } }\n')}`,
    /how\.break-glass\.reviewers\.role: no role has this name/,
  ],
  [
    'two ways at once',
    `${people.replace(
      'effects: [read]\n',
      'effects: [read]\n    how: { on-request: { maxDuration: 2h, approvers: { role: privacy-officer } }, break-glass: { maxDuration: 1h, reviewers: { role: privacy-officer } } }\n',
    )}`,
    /how: must be standing, on-request: \{ maxDuration, approvers \} or break-glass/,
  ],
  ['no way at all', `${people.replace('effects: [read]\n', 'effects: [read]\n    how: {}\n')}`, /how: must be standing, on-request/],
  [
    'a misspelt how',
    `${people.replace('effects: [read]\n', 'effects: [read]\n    how: standng\n')}`,
    /how: must be standing, did you mean "standing"/,
  ],
  [
    'a test that grants a role which does not exist',
    `${people}tests: [{ name: t, as: { issuer: corp, subject: a, granted: [ghost] }, target: clinic, sql: SELECT 1, expect: { decision: allow } }]`,
    /tests\[0\]\.as\.granted\[0\]: no role has this name/,
  ],
  [
    'small-cell suppression',
    'classes: [{ class: phi.a, columns: ["clinic:a.b.c"], minGroup: 11 }]',
    /minGroup: small-cell suppression is not supported/,
  ],
  ['a column pattern of three parts', 'classes: [{ class: phi.a, columns: ["clinic:b.c"] }]', /must be target:schema\.relation\.column/],
  ['a class that says nothing', 'classes: [{ class: phi.a }]', /columns: is missing: say where the class is found/],
  [
    'predicates: hold without approvers',
    'classes: [{ class: phi.a, columns: ["clinic:a.b.c"], predicates: hold }]',
    /approvers: is missing[\s\S]*within: is missing/,
  ],
  [
    'approvers of a class without predicates: hold',
    `${people}classes: [{ class: phi.a, columns: ["clinic:a.b.c"], approvers: { role: privacy-officer } }]`,
    /is only for predicates: hold/,
  ],
  ['an unknown mask', 'masks: [{ class: phi.a, mask: redcat }]', /did you mean "redact"/],
  [
    'a mask for a class that is not declared',
    'classes: [{ class: phi.name, columns: ["clinic:a.b.c"] }]\nmasks: [{ class: phi.nmae, mask: clear }]',
    /masks\[0\]\.class: no class has this name, did you mean "phi.name"/,
  ],
  ['a class pattern with a star inside', 'masks: [{ class: "p*i", mask: clear }]', /must be a class such as phi\.ssn, or a pattern/],
  [
    'a mask for an unknown role',
    `${people}masks: [{ class: "phi.*", roles: [treating-clinican], mask: clear }]`,
    /masks\[0\]\.roles\[0\]: no role has this name, did you mean "treating-clinician"/,
  ],
  [
    'an unknown target of access',
    people.replace('targets: [clinic]', 'targets: [clinci]'),
    /no target has this name, did you mean "clinic"/,
  ],
  [
    'an unknown target of a class',
    'classes: [{ class: phi.a, columns: ["clinik:a.b.c"] }]',
    /classes\[0\]\.columns\[0\]: no target has this name, did you mean "clinic"/,
  ],
  ['an unknown effect', people.replace('effects: [read]', 'effects: [raed]'), /did you mean "read"/],
  [
    'an unknown identity provider',
    people.replace('issuer: corp', 'issuer: crop'),
    /members\[0\]\.issuer: no identity provider has this name, did you mean "corp"/,
  ],
  ['a role that everybody of an issuer would have', 'roles: [{ role: a, members: [{ issuer: corp }] }]', /names everybody of the issuer/],
  [
    'a claim without a value',
    'roles: [{ role: a, members: [{ issuer: corp, claim: repository }] }]',
    /is: is missing: claim and is go together/,
  ],
  [
    'a role given twice',
    'roles: [{ role: a, members: [] }, { role: a, members: [] }]',
    /roles\[1\]\.role: another entry has the same name/,
  ],
  ['a hold without approvers', rule('then: hold'), /approvers: is missing: then: hold needs approvers/],
  [
    'a hold by an unknown role',
    rule('then: hold\n    approvers: { role: privacy-offcer }\n    within: 15m'),
    /no role has this name, did you mean "privacy-officer"/,
  ],
  ['a deny with approvers', rule('then: deny\n    approvers: { role: privacy-officer }'), /is only for then: hold/],
  [
    'a duration without a unit',
    rule('then: hold\n    approvers: { role: privacy-officer }\n    within: "15"'),
    /must be a duration such as 90s/,
  ],
  ['a duration over a week', rule('then: hold\n    approvers: { role: privacy-officer }\n    within: 8d'), /at most 7d/],
  ['no approver at all', rule('then: hold\n    approvers: { role: privacy-officer, count: 0 }\n    within: 1m'), /must be at least 1/],
  ['text for the client with control characters', rule('then: deny\n    say: "a\\u001b[31m"'), /must be one line of text/],
  [
    'a rule name that could be taken for another thing',
    `${people}rules: [{ name: "predicate:x", when: "true", then: deny }]`,
    /must be lower-case letters/,
  ],
  [
    'two rules of one name',
    `${people}rules: [{ name: r, when: "true", then: deny }, { name: r, when: "true", then: deny }]`,
    /rules\[1\]\.name: another entry has the same name/,
  ],
  ['a pack that does not exist', 'packs: [hipaa-agent]', /packs\[0\]: there is no such pack; packs: .*did you mean "hipaa-agents"/],
  [
    'a test of an unknown target',
    'tests: [{ name: t, as: { issuer: corp, subject: a }, target: clinci, sql: SELECT 1, expect: { decision: allow } }]',
    /tests\[0\]\.target: no target has this name, did you mean "clinic"/,
  ],
  [
    'a test that expects an unknown rule',
    'tests: [{ name: t, as: { issuer: corp, subject: a }, target: clinic, sql: SELECT 1, expect: { decision: deny, rules: [r] } }]',
    /expect\.rules\[0\]: no rule has this name/,
  ],
] as const) {
  test(`${what} is refused`, () => {
    assert.match(faultsOf(text, known).join('\n'), expected);
  });
}

test('the mask null may be written bare: YAML reads it as empty', () => {
  const policy = policyOf(
    'classes: [{ class: phi.a, columns: ["clinic:a.b.c"] }]\nmasks: [{ class: phi.a, mask: null }, { class: phi.*, mask: "null" }]\n',
  );
  assert.deepEqual(
    policy.masks.map(({ mask }) => mask),
    ['null', 'null'],
  );
});

test('every fault of a condition is placed inside the condition', () => {
  const faults = faultsOf(
    `rules:\n  - name: r\n    when: |\n      request.unbounded &&\n        'dll' in request.effects\n    then: deny\n`,
  );
  assert.deepEqual(faults, ['policy.yaml:6:9 rules[0].when: request.effects is never "dll", did you mean "ddl"?']);
});

test('a role that a pack needs and the policy lacks is a fault at the pack, once', () => {
  const pack = [
    'version: 1',
    'rules:',
    ...['a', 'b'].flatMap((name) => [
      `  - name: ${name}`,
      '    when: "true"',
      '    then: hold',
      '    approvers: { role: officer }',
      '    within: 1m',
    ]),
  ].join('\n');
  assert.deepEqual(faultsOf('packs: [p]\n', { packs: () => pack }), [
    'policy.yaml:2:9 packs[0]: the pack p needs the role officer, which this policy does not define; add it under roles',
  ]);
});

test('a rule of the policy that has the name of a rule of a pack is a fault at the policy', () => {
  const pack = 'version: 1\nrules: [{ name: r, when: "true", then: deny }]\n';
  const faults = faultsOf('packs: [p]\nrules: [{ name: r, when: "true", then: deny }]\n', { packs: () => pack });
  assert.deepEqual(faults, ['policy.yaml:3:17 rules[0].name: the pack p has an entry of the same name']);
});

test('the strictest predicate mode of all entries of a class counts; any tells less than equality', () => {
  const combined = (...modes: readonly string[]): string | undefined =>
    policyOf(
      `classes:\n${modes.map((mode) => `  - { class: phi.a, columns: ["clinic:a.b.c"], predicates: ${mode} }\n`).join('')}`,
    ).predicates.get('phi.a')?.mode;
  assert.equal(combined('none', 'equality'), 'none');
  assert.equal(combined('equality', 'any'), 'any');
  assert.equal(combined('any', 'equality'), 'any');
  assert.equal(combined('equality', 'equality'), 'equality');
});

test('two entries that hold predicates of a class for different approvers contradict each other', () => {
  const entry = (role: string): string =>
    `  - { class: phi.a, columns: ["clinic:a.b.c"], predicates: hold, approvers: { role: ${role} }, within: 1m }\n`;
  assert.match(
    faultsOf(`${people}classes:\n${entry('privacy-officer')}${entry('treating-clinician')}`).join(),
    /holds predicates for other approvers/,
  );
});
