import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CelInput, CelScalar, celFunc, isCelError, run } from '@bufbuild/cel';
import fc from 'fast-check';
import { clinic, noonMs, principalOf, requestOf } from '../../test/support/policy.ts';
import type { Facts } from '../core/facts.ts';
import type { Principal } from '../core/identity.ts';
import { CONDITION_FIELDS, conditionInput, type ConditionInput, MAX_LIST_LENGTH, type SessionFacts } from './condition-fields.ts';
import { ConditionCompiler } from './condition.ts';

const names = { roles: ['reporting-agent', 'privacy-officer'], targets: ['clinic', 'lab'] };

function compiled(source: string) {
  const result = new ConditionCompiler(names).compile(source);
  if (!result.ok) assert.fail(`${source}: ${JSON.stringify(result.faults)}`);
  return result.condition;
}

function faultsOf(source: string) {
  const result = new ConditionCompiler(names).compile(source);
  return result.ok ? [] : result.faults;
}

function inputOf(
  facts: Partial<Facts> = {},
  principal: Partial<Principal> = {},
  roles: readonly string[] = [],
  session?: SessionFacts,
): ConditionInput {
  const parameters = [{ type: 'text', bytes: 3 }];
  const input = conditionInput(requestOf(facts, { parameters }), principalOf(principal), roles, clinic, noonMs, session);
  assert.ok(input !== null);
  return input;
}

test('a condition sees the request, the principal, the target and the time', () => {
  const input = inputOf(
    { effects: ['read', 'ddl'], classes: ['phi.ssn'], limit: 10, relations: [{ name: 'public.a', access: 'write' }] },
    { kind: 'agent' },
    ['reporting-agent'],
  );
  for (const source of [
    "'ddl' in request.effects && principal.kind == 'agent'",
    "request.classes.exists(c, c.startsWith('phi.'))",
    'has(request.limit) && request.limit <= 10',
    "'public.a' in request.relations && 'public.a' in request.writtenRelations",
    "'reporting-agent' in principal.roles",
    "target.name == 'clinic' && target.protocol == 'postgres' && request.protocol == 'postgres'",
    'now.getHours() == 12 && now < timestamp("2027-01-01T00:00:00Z")',
    "size(request.parameters) == 1 && request.parameters[0] == 'text'",
    "request.action == 'query' && request.statements == 1",
    "re(principal.subject, '^agent-[0-9]+$')",
  ]) {
    assert.equal(compiled(source).test(input), true, source);
  }
});

test('what cannot be evaluated throws and is never quietly false', () => {
  assert.throws(() => compiled('request.limit > 5').test(inputOf({ limit: null })), /No such key/);
  assert.throws(() => compiled("request.verbs[3] == 'x'").test(inputOf()));
  assert.throws(() => compiled('1 / (request.statements - 1) > 0').test(inputOf()));
});

test('a condition sees the session, and cannot be evaluated where there is none', () => {
  const young = inputOf({}, {}, [], { ageSeconds: 59.9, statements: 3 });
  assert.equal(compiled('session.ageSeconds == 59 && session.statements < 4').test(young), true);
  assert.throws(() => compiled('session.statements > 5').test(inputOf()), /No such key/);
  assert.equal(compiled('has(session.statements) && session.statements > 5').test(inputOf()), false);
  // A clock that was set back does not make an age negative.
  assert.equal(compiled('session.ageSeconds == 0').test(inputOf({}, {}, [], { ageSeconds: -5, statements: 1 })), true);
});

test('fields that no request of this version has are absent: has() is false, reading them cannot be evaluated', () => {
  for (const [source, reads] of [
    ["has(request.http) && request.http.method == 'POST'", "request.http.method == 'POST'"],
    ["has(request.kubernetes) && request.kubernetes.verb == 'delete'", "request.kubernetes.namespace == 'prod'"],
    ['has(request.estimatedRows) && request.estimatedRows > 1000', 'request.estimatedRows > 1000'],
  ] as const) {
    assert.equal(compiled(source).test(inputOf()), false, source);
    assert.throws(() => compiled(reads).test(inputOf()), /No such key/, reads);
  }
  assert.match(faultsOf("request.http.metod == 'x'")[0]?.what ?? '', /No such key: metod/);
  assert.match(faultsOf('request.kubernetes.verb == 5')[0]?.what ?? '', /no such overload/);
});

test('the rows that a target expects are seen where it was asked for them', () => {
  const input = conditionInput(requestOf({}, { estimatedRows: 5000.7 }), principalOf(), [], clinic, noonMs);
  assert.ok(input !== null);
  assert.equal(compiled('has(request.estimatedRows) && request.estimatedRows == 5000').test(input), true);
});

test('a condition knows what it reads, and whether time or session are part of it', () => {
  const { fields, readsMoment } = compiled("has(request.limit) && request.columns.exists(c, c == 'a' && request.limit > 3)");
  assert.deepEqual(
    fields.map(({ field, offset }) => [field, offset]),
    [
      ['request.limit', 4],
      ['request.columns', 22],
      ['request.limit', 60],
    ],
  );
  assert.equal(readsMoment, false);
  for (const source of ['now.getHours() < 5', 'request.unbounded && session.ageSeconds > 60', 'has(session.statements)']) {
    assert.equal(compiled(source).readsMoment, true, source);
  }
});

test('fields are named, so that what a condition reads can be told from it', () => {
  for (const source of [
    `request['limit'] > 3`,
    'request["l\\u0069mit"] > 3',
    `'raed' in request['effects']`,
    '[request].exists(r, r.limit > 3)',
    '[session].exists(s, s.statements > 3)',
    'principal == principal',
    'has(request.limit) && [target].size() == 1',
  ]) {
    const fault = faultsOf(source)[0]?.what ?? '';
    assert.match(fault, /^(request|session|principal|target) is no value: name one of its fields, as in \w+\.\w+$/, source);
  }
  assert.deepEqual(
    compiled('has(session.statements) && request.effects[0] == "read"').fields.map(({ field }) => field),
    ['session.statements', 'request.effects'],
  );
});

test('false && error is false and true || error is true, as CEL has it', () => {
  assert.equal(compiled('request.unbounded && request.limit > 5').test(inputOf({ unbounded: false })), false);
  assert.equal(compiled('request.limit > 5 && request.unbounded').test(inputOf({ unbounded: false })), false);
  assert.equal(compiled('request.limit > 5 || !request.unbounded').test(inputOf({ unbounded: false })), true);
});

for (const [source, what, suggestion, offset] of [
  ["principal.knid == 'agent'", 'No such key: knid', 'kind', 10],
  ['requets.unbounded', 'Unknown variable: requets', 'request', 0],
  ['request.effects.exists(e, e == 1)', 'no such overload: string == int', null, 26],
  ['request.unbounded &&', 'Unexpected token: EOF', null, 20],
  ['size(request.verbs)', 'must be true or false, but is int', null, 0],
  ["'raed' in request.effects", 'request.effects is never "raed"', 'read', 0],
  ["request.effects.exists(e, e == 'wriet')", 'request.effects is never "wriet"', 'write', 31],
  ["principal.kind == 'robot'", 'principal.kind is never "robot"; known: person, agent, service', null, 18],
  ["'reportng-agent' in principal.roles", 'principal.roles is never "reportng-agent"', 'reporting-agent', 0],
  ["target.name in ['clinic', 'labs']", 'target.name is never "labs"', 'lab', 26],
  ['1 == 2', 'is never true: this rule cannot fire', null, 0],
  ['1 / 0 == 1', 'is never true: this rule cannot fire', null, 0],
  ['dyn(request).nothing', 'dyn() is not available in conditions', null, 0],
  ["principal.subject.split('').size() > 1", '.split() is not available in conditions', null, 0],
  ['cel.bind(x, 1, x == 1)', '.bind() is not available in conditions', null, 0],
  ["b'a'.json() == b'b'.json()", '.json() is not available in conditions', null, 0],
  ['re(principal.subject, principal.issuer)', "re() needs its pattern as a literal: re(text, 'pattern')", null, 22],
  ['request.classes.exists(request, request == "x")', 'request is taken; use another name here', null, 23],
] as const) {
  test(`refused at load: ${source}`, () => {
    const [fault] = faultsOf(source);
    assert.deepEqual(fault, { offset, what, suggestion });
  });
}

test('.matches() is refused at load, wherever it stands: its run time has no bound', () => {
  for (const source of [
    "principal.subject.matches('a')",
    "request.classes.exists(c, c.matches('(a+)+$'))",
    "!(request.unbounded || principal.issuer.matches('x'))",
    "size(request.verbs.filter(v, v.matches('x'))) > 0",
    "request.unbounded ? true : principal.subject.matches('a')",
  ]) {
    assert.match(faultsOf(source)[0]?.what ?? '', /\.matches\(\) is not available/, source);
  }
});

test('re() refuses what is not linear and stays fast on what hangs others', () => {
  assert.match(faultsOf(String.raw`re(principal.subject, '(a)\\1')`)[0]?.what ?? '', /not a pattern that RE2 knows/);
  const condition = compiled("re(principal.subject, '^(a+)+$')");
  const before = process.cpuUsage();
  assert.equal(condition.test(inputOf({}, { subject: `${'a'.repeat(2000)}!` })), false);
  // Work, not time: the machine may be busy with something else.
  assert.ok(process.cpuUsage(before).user < 1_000_000);
});

test('conditions are bounded in size and nesting', () => {
  assert.equal(faultsOf(Array.from({ length: 400 }, () => 'request.unbounded').join(' && ')).length, 1);
  assert.equal(faultsOf(`${'('.repeat(200)}true${')'.repeat(200)}`).length, 1);
  const nested = 'request.verbs.all(a, request.verbs.all(b, request.verbs.all(c, a == b && b == c)))';
  assert.match(faultsOf(nested)[0]?.what ?? '', /more than 2 of exists/);
});

test('lists longer than the cap are not decided on', () => {
  const verbs = Array.from({ length: MAX_LIST_LENGTH + 1 }, () => 'SELECT');
  assert.equal(conditionInput(requestOf({ verbs }), principalOf(), [], clinic, noonMs), null);
  assert.equal(conditionInput(requestOf(), principalOf({ groups: verbs }), [], clinic, noonMs), null);
  assert.notEqual(conditionInput(requestOf({ verbs: verbs.slice(1) }), principalOf(), [], clinic, noonMs), null);
});

// --- differential: two implementations of CEL, and the shortcut against CEL ---------------------------------------

const inputs: readonly ConditionInput[] = [
  inputOf(),
  inputOf({ effects: ['ddl', 'write'], unbounded: true, classes: ['phi.ssn', 'hr.salary'], limit: 5, verbs: ['DROP TABLE'] }),
  inputOf({ effects: [], columns: ['public.patients.ssn', 'public.patients.name'], limit: 1_000_000, statements: 3 }),
  inputOf({ classes: ['phi.name'] }, { kind: 'person', groups: [], subject: 'Ærø-Δ', issuer: 'github' }, ['privacy-officer']),
];

/** The same values as the other implementation wants them: maps, without absent fields. */
function bindingsOf(input: ConditionInput): Record<string, CelInput> {
  const mapOf = (fields: object): CelInput =>
    new Map(Object.entries(fields).filter(([, value]) => value !== undefined) as [string, CelInput][]);
  return { request: mapOf(input.request), principal: mapOf(input.principal), target: mapOf(input.target) };
}

const re = celFunc('re', [CelScalar.STRING, CelScalar.STRING], CelScalar.BOOL, (text, pattern) => new RegExp(pattern).test(text));

const expressions = [
  "'ddl' in request.effects",
  "!('ddl' in request.effects) && principal.kind == 'agent'",
  "principal.kind == 'agent' || principal.kind == 'person'",
  "principal.kind != 'agent'",
  "principal.kind in ['agent', 'service']",
  "request.unbounded && request.classes.exists(c, c.startsWith('phi.'))",
  "request.classes.exists(c, c == 'phi.ssn' || c.endsWith('salary'))",
  "request.classes.all(c, c.startsWith('phi.'))",
  "request.classes.exists_one(c, c.startsWith('phi.'))",
  "size(request.classes.filter(c, c.contains('s'))) > 1",
  "size(request.classes.map(c, c + '!')) == size(request.classes)",
  "'phi.ssn!' in request.classes.map(c, c + '!')",
  'request.limit > 10',
  'has(request.limit) && request.limit > 10',
  '!has(request.limit) || request.limit < 10',
  'request.limit > 10 || request.unbounded',
  'request.limit > 10 && request.unbounded',
  'request.limit > 10 ? request.unbounded : !request.unbounded',
  'request.statements * 2 - 1 >= 1',
  'request.statements % 2 == 1',
  'request.statements / 2 == 1',
  '-request.statements < 0',
  '10 / (request.statements - 1) > 1',
  "request.verbs[0] == 'SELECT'",
  "request.effects[1] == 'write'",
  "request.effects[0] == 'read' || request.effects[5] == 'read'",
  "request.effects == ['ddl', 'write']",
  "request.effects + request.verbs == ['read', 'SELECT']",
  'size(principal.subject) == 6',
  'principal.subject.size() > 5',
  "principal.subject < 'b'",
  "principal.issuer + '/' + principal.subject == 'corp/agent-1'",
  "string(request.statements) == '1'",
  "int('12') == 12",
  'int(principal.subject) == 12',
  "re(principal.subject, '^agent')",
  "request.columns.exists(c, re(c, 'ssn$'))",
  "request.columns.exists(c, c.endsWith('.ssn')) && !request.unbounded",
  "request.effects.exists(e, request.verbs.exists(v, v == 'SELECT' && e == 'read'))",
  "request.effects.exists(e, e in ['write', 'copy-in'])",
  "target.name == 'clinic' && target.protocol == request.protocol",
  "'reporting-agent' in principal.roles || size(principal.groups) == 0",
  'request.unbounded == (size(request.classes) > 0)',
  'request.unbounded != true',
  "request.unbounded ? 'ddl' in request.effects : 'read' in request.effects",
  "principal.subject.contains('Δ') && size(principal.subject) == 5",
  "request.verbs.exists(v, v > 'DROP')",
  'request.effects.all(e, request.limit > 3)',
  'request.effects.exists(e, request.limit > 3)',
  "'x' in []",
  "duration('90s') > duration('1m')",
];

test('conditions give what a second implementation of CEL gives, errors included', () => {
  for (const source of expressions) {
    const result = new ConditionCompiler({ roles: names.roles, targets: null }).compile(source);
    if (!result.ok) {
      // The one constant among them.
      assert.equal(source, "'x' in []");
      continue;
    }
    for (const [index, input] of inputs.entries()) {
      let ours: unknown;
      try {
        ours = result.condition.test(input);
      } catch {
        ours = 'error';
      }
      const theirs = run(source, bindingsOf(input), { funcs: [re] });
      assert.equal(ours, isCelError(theirs) ? 'error' : theirs, `${source} on input ${index}`);
    }
  }
});

const lists = Object.entries(CONDITION_FIELDS.request).filter(([, row]) => row.type === 'list<string>');
const words = ['read', 'd', 'phi.ssn', 'phi.', 'ssn', 'agent', 't', ''];
const word = fc.constantFrom(...words);
const list = fc.constantFrom(...lists.map(([field]) => `request.${field}`), 'principal.groups', 'principal.roles');
const text = fc.oneof(
  word.map((value) => `'${value}'`),
  fc.constantFrom('principal.kind', 'principal.subject', 'request.action', 'target.name'),
);
const leafOn = (variable: string): fc.Arbitrary<string> => {
  const any = fc.oneof(text, fc.constant(variable));
  return fc.oneof(
    fc.tuple(any, fc.constantFrom('==', '!='), any).map(([left, op, right]) => `${left} ${op} ${right}`),
    fc.tuple(any, fc.constantFrom('startsWith', 'endsWith', 'contains'), any).map(([left, op, right]) => `${left}.${op}(${right})`),
    fc.tuple(any, list).map(([left, right]) => `${left} in ${right}`),
    fc.tuple(any, word).map(([left, list]) => `${left} in ['${list}', 'read']`),
    fc.tuple(any, word).map(([left, pattern]) => `re(${left}, '^${pattern}')`),
  );
};
const leaf = fc.oneof(
  leafOn('principal.issuer'),
  fc.constantFrom(
    'request.unbounded',
    'true',
    'false',
    'request.limit > 3',
    'request.limit <= 5',
    'request.statements >= 2',
    'has(request.limit)',
    "request.verbs[1] == 'SELECT'",
  ),
  fc.tuple(list, leafOn('v')).map(([over, body]) => `${over}.exists(v, ${body})`),
  fc.tuple(list, leafOn('v')).map(([over, body]) => `${over}.all(v, ${body})`),
);
const condition = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.tuple(tie('tree'), fc.constantFrom('&&', '||'), tie('tree')).map(([left, op, right]) => `(${left}) ${op} (${right})`),
    tie('tree').map((inner) => `!(${inner})`),
  ),
})).tree;

test('the shortcut for false conditions never disagrees with CEL', () => {
  const compiler = new ConditionCompiler({ roles: words, targets: null });
  let compared = 0;
  fc.assert(
    fc.property(condition, (source) => {
      // The shortcut knows nothing of `?:`, so CEL evaluates all of this one.
      const forced = `(${source}) ? size(request.verbs) >= 0 : size(request.verbs) < 0`;
      const quick = compiler.compile(source);
      const whole = compiler.compile(forced);
      if (!quick.ok || !whole.ok) return;
      for (const input of inputs) {
        let expected: unknown;
        let actual: unknown;
        try {
          expected = whole.condition.test(input);
        } catch {
          expected = 'error';
        }
        try {
          actual = quick.condition.test(input);
        } catch {
          actual = 'error';
        }
        assert.equal(actual, expected, source);
        compared += 1;
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(compared > 1000, `only ${compared} comparisons`);
});
