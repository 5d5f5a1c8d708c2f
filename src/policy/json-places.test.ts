import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { faultsOf, policyOf } from '../../test/support/policy.ts';
import { type JsonPlace, parseJsonPlace } from './json-places.ts';

function placeOf(text: string): JsonPlace {
  const parsed = parseJsonPlace(text);
  if (!parsed.ok) assert.fail(`${text}: ${parsed.what} at ${parsed.offset}`);
  return parsed.place;
}

const child = (name: string | null) => ({ name, deep: false });
const below = (name: string | null) => ({ name, deep: true });

test('a place is a target, a method, a path and a JSON path', () => {
  assert.deepEqual(placeOf('ehr-api:GET /patients/** $.name'), {
    target: 'ehr-api',
    method: 'GET',
    path: ['patients', '**'],
    location: { kind: 'json', steps: [child('name')] },
  });
  assert.deepEqual(placeOf('ehr-api:** $..patientName'), {
    target: 'ehr-api',
    method: null,
    path: ['**'],
    location: { kind: 'json', steps: [below('patientName')] },
  });
  assert.deepEqual(placeOf('*:/a/*/b:c $').path, ['a', '*', 'b:c']);
  assert.deepEqual(placeOf('*:/ $').path, ['']);
});

test('JSON paths have names, quoted names and every member, each at any depth too', () => {
  const steps = (path: string) => {
    const { location } = placeOf(`*:** ${path}`);
    return location.kind === 'json' ? location.steps : null;
  };
  assert.deepEqual(steps('$'), []);
  assert.deepEqual(steps("$.a['b c'][*].*"), [child('a'), child('b c'), child(null), child(null)]);
  assert.deepEqual(steps("$..a..['b']..[*]..*"), [below('a'), below('b'), below(null), below(null)]);
  assert.deepEqual(steps('$.größe_1'), [child('größe_1')]);
});

test('FHIR paths have a type of resource, or any, and elements, some of them only with a value', () => {
  assert.deepEqual(placeOf('*:** Patient.name').location, {
    kind: 'fhir',
    resource: 'Patient',
    elements: [{ name: 'name', choice: false, where: null }],
  });
  assert.deepEqual(placeOf("fhir:** *.telecom.where(system='phone').value[x]").location, {
    kind: 'fhir',
    resource: null,
    elements: [
      { name: 'telecom', choice: false, where: { name: 'system', value: 'phone' } },
      { name: 'value', choice: true, where: null },
    ],
  });
});

for (const [text, offset, what] of [
  ['$.name', 0, /must be target:path location/],
  ['ehr:$.name', 0, /must be target:path location/],
  ['ehr:GET $.name', 4, /must be a path/],
  ['ehr:get /a $.name', 4, /must be one of the methods GET/],
  ['ehr:PURGE /a $.name', 4, /must be one of the methods/],
  ['ehr:/a/../b $.name', 4, /must be a path/],
  ['ehr:/a/%2e%2e $.name', 4, /must be a path/],
  ['ehr:/a?b=c $.name', 4, /must be a path/],
  ['ehr:/a//b $.name', 4, /must be a path/],
  ['ehr:/a/**/b $.name', 4, /must be a path/],
  ['ehr:/a/x*y $.name', 4, /must be a path/],
  ['ehr:a/b $.name', 4, /must be a path/],
  ['ehr:** $.', 8, /must be \.name/],
  ['ehr:** $name', 8, /must be \.name/],
  ['ehr:** $.a[0]', 10, /must be \.name/],
  ['ehr:** $.a[1:2]', 10, /must be \.name/],
  ['ehr:** $.a[?(@.b)]', 10, /must be \.name/],
  ["ehr:** $['a\\'b']", 8, /must be \.name/],
  ['ehr:** $.a.length()', 17, /must be \.name/],
  ['ehr:** $.a $.b', 10, /must be \.name/],
  ['ehr:** patient.name', 7, /must be a JSON path such as/],
  ['ehr:** Patient', 7, /must be a JSON path such as/],
  ['ehr:** Patient.name.first()', 25, /must be \.element/],
  ['ehr:** Patient.telecom.where(system=phone)', 28, /must be \.element/],
  [`ehr:** $${'.a'.repeat(21)}`, 50, /more than 20 steps/],
] as const) {
  test(`refused: ${text.slice(0, 60)}`, () => {
    const parsed = parseJsonPlace(text);
    assert.ok(!parsed.ok);
    assert.match(parsed.what, what);
    assert.equal(parsed.offset, offset);
  });
}

test('a place that is wrong is a fault inside of the entry; one of an unknown target too', () => {
  const known = { targets: ['clinic', 'ehr-api'] };
  assert.deepEqual(faultsOf('classes:\n  - class: phi.name\n    json: ["ehr-api:** $.a[0]"]\n', known), [
    "policy.yaml:4:27 classes[0].json[0]: must be .name, ['name'], [*] or .*, or one of them after ..",
  ]);
  assert.deepEqual(faultsOf('classes:\n  - class: phi.name\n    json: ["*:** $.a", "ehr-apo:** $.a"]\n', known), [
    'policy.yaml:4:24 classes[0].json[1]: no target has this name, did you mean "ehr-api"?',
  ]);
  assert.equal(policyOf('classes: [{ class: phi.name, json: ["*:** $.a", "*:** Patient.name"] }]').classes[0]?.places.length, 2);
});

test('any text is a place or is refused, in linear time', () => {
  const part = fc.constantFrom(
    'a',
    '*',
    '**',
    ':',
    '/',
    ' ',
    '$',
    '.',
    '..',
    '[',
    ']',
    "'",
    'GET',
    'Patient',
    '.where(',
    ')',
    '=',
    'é',
    '\u0000',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      const text = parts.join('');
      const parsed = parseJsonPlace(text);
      assert.ok(parsed.ok || (parsed.offset >= 0 && parsed.offset <= text.length));
    }),
    { numRuns: 2000 },
  );
  for (const text of [`a:** $${'.a'.repeat(250)}`, `a:${' '.repeat(490)}`, `a:** $['${'a'.repeat(480)}`, `a:${'/a'.repeat(240)} $`])
    parseJsonPlace(text);
});
