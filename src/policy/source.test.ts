import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { parseYamlDocument, renderFault, renderPath } from './source.ts';

const schema = z.strictObject({
  name: z.string().optional(),
  mode: z.enum(['open', 'closed']).optional(),
  items: z
    .array(
      z.strictObject({
        key: z.string(),
        when: z.string().optional(),
        from: z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })]).optional(),
      }),
    )
    .optional(),
  table: z.record(z.string(), z.int()).optional(),
});

function faultsOf(text: string): string[] {
  const parsed = parseYamlDocument(text, 'a.yaml', schema);
  assert.equal(parsed.ok, false, 'expected faults');
  return parsed.ok ? [] : parsed.faults.map(renderFault);
}

function valueOf(text: string) {
  const parsed = parseYamlDocument(text, 'a.yaml', schema);
  if (!parsed.ok) assert.fail(parsed.faults.map(renderFault).join('\n'));
  return parsed;
}

test('a valid document gives its value', () => {
  assert.deepEqual(valueOf('name: x\nitems:\n  - key: a\n').value, { name: 'x', items: [{ key: 'a' }] });
});

test('an unknown key is refused at the key, with the word that was probably meant', () => {
  assert.deepEqual(faultsOf('items:\n  - key: a\n    whne: x\n'), ['a.yaml:3:5 items[0].whne: unknown key, did you mean "when"?']);
});

test('an unknown key that resembles nothing lists the keys known there', () => {
  assert.deepEqual(faultsOf('zzzzzz: 1\n'), ['a.yaml:1:1 zzzzzz: unknown key; known here: name, mode, items, table']);
});

test('a key inside one of several forms is suggested from all of them', () => {
  assert.match(
    faultsOf('items:\n  - key: a\n    from: { fiel: x }\n').join(),
    /a\.yaml:3:(11|13) items\[0\]\.from.*(did you mean "file"|is missing)/,
  );
});

test('a wrong word of a closed list is refused at the value, with the closest one', () => {
  assert.deepEqual(faultsOf('name: x\nmode: opne\n'), ['a.yaml:2:7 mode: must be one of open, closed, did you mean "open"?']);
});

test('a missing key is refused at the entry that lacks it', () => {
  assert.deepEqual(faultsOf('items:\n  - key: a\n  - when: b\n'), ['a.yaml:3:5 items[1].key: is missing']);
});

test('a wrong kind of value is named in plain words, without the value', () => {
  const faults = faultsOf('name: [hunter2]\ntable: { a: hunter2 }\nitems: {}\n');
  assert.deepEqual(faults, ['a.yaml:1:7 name: must be text', 'a.yaml:2:13 table.a: must be a number', 'a.yaml:3:8 items: must be a list']);
});

for (const [what, text, expected] of [
  ['a key given twice', 'name: a\nname: b\n', 'a.yaml:2:1 this key is given twice'],
  ['a second document', 'name: a\n---\nname: b\n', 'a.yaml:2:1 a second document starts here; one file holds one document'],
  ['an anchor', 'name: &a x\n', 'a.yaml:1:10 anchors are not supported; write the value out'],
  ['a tag of ours', 'name: !secret x\n', 'a.yaml:1:7 tags are not supported'],
  ['a standard tag', 'name: !!str 1\n', 'a.yaml:1:13 tags are not supported'],
  ['a tab', '\tname: a\n', 'a.yaml:1:1 tabs cannot indent; use spaces'],
  ['a key that is not text', '[a]: 1\n', 'a.yaml:1:1 keys must be plain text'],
  ['an empty file', '', 'a.yaml:1:1 must be a mapping'],
  ['a list at the top', '- 1\n', 'a.yaml:1:1 must be a mapping'],
] as const) {
  test(`${what} is refused`, () => {
    const [first] = faultsOf(text);
    assert.equal(first, expected);
  });
}

test('an alias bomb is refused without being expanded', () => {
  const levels = Array.from({ length: 30 }, (_, level) => `l${level + 1}: &a${level + 1} [*a${level}, *a${level}]`);
  const faults = faultsOf(['l0: &a0 [x]', ...levels].join('\n'));
  assert.match(faults.join('\n'), /aliases are not supported/);
});

test('a file that is too large or nested too deeply is refused', () => {
  assert.deepEqual(faultsOf(`name: ${'x'.repeat(1 << 20)}`), ['a.yaml:1:1 the file is larger than 1 MiB']);
  assert.match(faultsOf(`name: ${'['.repeat(50_000)}`).join(), /nested too deeply|not valid YAML|must be|indentation/);
});

test('__proto__ and constructor are ordinary unknown keys', () => {
  assert.match(faultsOf('__proto__: { name: x }\n').join(), /^a\.yaml:1:1 __proto__: unknown key/);
  assert.match(faultsOf('constructor: 1\n').join(), /^a\.yaml:1:1 constructor: unknown key/);
});

test('broken YAML never quotes the text', () => {
  for (const text of ['name: "hunter2', 'name: hunter2: hunter2', '{hunter2', 'name: @hunter2', 'a: b\n c: hunter2\n- hunter2']) {
    assert.doesNotMatch(faultsOf(text).join('\n').replaceAll('a.yaml', ''), /hunter2(?!:? unknown key)/, text);
  }
});

test('paths are written as a reader would', () => {
  assert.equal(renderPath(['rules', 0, 'when']), 'rules[0].when');
  assert.equal(renderPath(['a b', 'c.d']), '["a b"]["c.d"]');
});

test('positions inside a value are exact for plain, quoted and block text', () => {
  const parsed = valueOf(`items:\n  - key: plain text\n    when: "in quotes"\n  - key: |\n      first\n        second\n`);
  assert.deepEqual(parsed.locateInside(['items', 0, 'key'], 6), { file: 'a.yaml', line: 2, column: 16 });
  assert.deepEqual(parsed.locateInside(['items', 0, 'when'], 3), { file: 'a.yaml', line: 3, column: 15 });
  const block = 'first\n  second\n'.indexOf('second');
  assert.deepEqual(parsed.locateInside(['items', 1, 'key'], block), { file: 'a.yaml', line: 6, column: 9 });
});

test('positions inside text with escapes or folding fall back to where the value starts', () => {
  const parsed = valueOf(`items:\n  - key: "a\\tb c"\n  - key: >\n      one\n      two\n`);
  assert.deepEqual(parsed.locateInside(['items', 0, 'key'], 4), { file: 'a.yaml', line: 2, column: 10 });
  assert.equal(parsed.locateInside(['items', 1, 'key'], 5).line, 3);
});

test('a path that does not exist is placed at the nearest part that does', () => {
  const parsed = valueOf('name: x\nitems:\n  - key: a\n');
  assert.deepEqual(parsed.locate(['items', 0, 'nothing', 3]), { file: 'a.yaml', line: 3, column: 5 });
  assert.deepEqual(parsed.locate(['items', 7]), { file: 'a.yaml', line: 3, column: 3 });
});
