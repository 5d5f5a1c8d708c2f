// docs/policy.md against the code: keys, fields of conditions, functions, masks, packs, and its example.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { policyKeys } from '../../scripts/policy-schema.ts';
import { faultsOf } from '../../test/support/policy.ts';
import { MASK_METHODS, REVEALING } from '../core/decision.ts';
import { loadPacks } from '../app/packs.ts';
import { CONDITION_FIELDS, CONDITION_FUNCTIONS, loadPolicy, PACK_NAMES, renderFault } from './index.ts';
import { PREDICATE_MODES } from './schema.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8');

/** First column of the table below a heading. */
function rowsBelow(heading: string): string[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '');
}

test('docs/policy.md has a row for every key of the language and for nothing else', () => {
  assert.deepEqual(rowsBelow('Keys').toSorted(), policyKeys());
});

test('docs/policy.md has a row for every field a condition sees', () => {
  const fields = Object.entries(CONDITION_FIELDS).flatMap(([root, rows]) =>
    Object.entries(rows).map(([name, { type }]) => [`${root}.${name}`, type] as const),
  );
  assert.deepEqual(rowsBelow('Conditions'), [...fields.map(([field]) => field), 'now']);
  for (const [field, type] of fields) {
    const shown = type.replace('<', '(').replace('>', ')');
    assert.ok(page.includes(`| \`${field}\` | ${shown} |`), `${field} is ${shown}`);
  }
});

test('docs/policy.md names every function and method of conditions', () => {
  const section = page.split('\nFunctions: ')[1]?.split(' All others are refused')[0] ?? '';
  const [functions = '', methods = ''] = section.split('Methods:');
  const names = (text: string): string[] => [...text.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '');
  assert.deepEqual(names(functions), [...CONDITION_FUNCTIONS.functions]);
  assert.deepEqual(names(methods), [...CONDITION_FUNCTIONS.methods]);
});

test('docs/policy.md lists masks from least to most revealing, the predicate modes and the packs', () => {
  const order = page.split('From least to most revealing:')[1]?.split('. A column')[0] ?? '';
  const expected = MASK_METHODS.toSorted((left, right) => REVEALING[left] - REVEALING[right]);
  assert.deepEqual(
    [...order.matchAll(/`([^`]+)`/g)].map((match) => match[1]),
    expected,
  );
  assert.deepEqual(rowsBelow('Predicates on protected columns'), [...PREDICATE_MODES]);
  assert.deepEqual(rowsBelow('Packs'), [...PACK_NAMES]);
});

/** Text of the first example after a heading, without its `version: 1`. */
function exampleBelow(heading: string): string {
  return page.split(heading)[1]?.split('```yaml\nversion: 1\n')[1]?.split('```')[0] ?? '';
}

const packs = loadPacks();

test('the first example of docs/policy.md loads', () => {
  const example = exampleBelow('# Policy');
  assert.deepEqual(faultsOf(example, { packs: (name) => packs.get(name), targets: ['clinic'], issuers: ['corp'] }), []);
});

test('the example of every key loads, and has every key but the one that is refused', () => {
  const text = `version: 1\n${exampleBelow('### Every key in one policy')}`;
  const loaded = loadPolicy({
    files: [
      { name: 'policy.yaml', text },
      { name: 'teams/agents.yaml', text: 'version: 1\n' },
      { name: 'classes/billing.yaml', text: 'version: 1\nclasses: [{ class: billing.cost, columns: ["clinic:public.bills.cost"] }]\n' },
    ],
    packs: (name) => packs.get(name),
    targets: ['clinic', 'ehr-api'],
    issuers: ['corp', 'github'],
  });
  assert.deepEqual(loaded.ok ? [] : loaded.faults.map(renderFault), []);
  const used = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) for (const each of value) visit(each, `${path}[]`);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        const at = path === '' ? key : `${path}.${key}`;
        used.add(at);
        visit(inner, at);
      }
    }
  };
  visit(parse(text), '');
  assert.deepEqual(
    policyKeys().filter((key) => !used.has(key)),
    ['classes[].minGroup'],
  );
});
