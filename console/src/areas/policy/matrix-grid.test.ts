import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsByRole, groupsOf, type Matrix, narrowed } from './matrix-grid.ts';

type Effects = Matrix['cells'][number]['effects'];
const effect = (name: Effects[number]['effect'], outcome: 'allow' | 'hold' | 'deny', by: Effects[number]['by'], rules: string[] = []) => ({
  effect: name,
  outcome,
  by,
  rules,
});
const cell = (role: string, target: string) => ({ role, target, effects: [], masks: {} });

test('effects with the same outcome and the same way to it stand together; what nothing gives is left out', () => {
  const groups = groupsOf({
    effects: [
      effect('read', 'allow', 'standing'),
      effect('write', 'hold', 'standing', ['every-write']),
      effect('ddl', 'allow', 'on-request'),
      effect('copy-in', 'hold', 'on-request', ['every-write']),
      effect('copy-out', 'allow', 'standing'),
      effect('call', 'deny', 'break-glass', ['never']),
      effect('admin', 'deny', null),
    ],
  });
  assert.deepEqual(groups, [
    { words: 'allow', tone: 'allow', effects: ['read', 'copy-out'], rules: [] },
    { words: 'hold', tone: 'hold', effects: ['write'], rules: ['every-write'] },
    { words: 'on request', tone: 'plain', effects: ['ddl'], rules: [] },
    { words: 'on request, then hold', tone: 'hold', effects: ['copy-in'], rules: ['every-write'] },
    { words: 'break-glass, then deny', tone: 'deny', effects: ['call'], rules: ['never'] },
  ]);
});

test('a denial by a rule of what a role has is not left out', () => {
  assert.deepEqual(groupsOf({ effects: [effect('admin', 'deny', 'standing', ['never'])] }), [
    { words: 'deny', tone: 'deny', effects: ['admin'], rules: ['never'] },
  ]);
});

test('a cell is found by its role and its target', () => {
  const cells = cellsByRole([cell('a', 'x'), cell('a', 'y'), cell('b', 'y')]);
  assert.equal(cells.get('a')?.get('y')?.target, 'y');
  assert.equal(cells.get('b')?.get('x'), undefined);
  assert.equal(cells.get('c'), undefined);
});

test('a search leaves roles by name or member, targets by name, and never an empty table because of the other side', () => {
  const matrix: Matrix = {
    sha256: '',
    roles: [
      { role: 'clerk', members: ['issuer corp, group clerks'] },
      { role: 'officer', members: ['issuer corp, group privacy'] },
    ],
    classes: [],
    targets: ['clinic', 'billing'],
    rules: [],
    cells: [],
    isCut: false,
  };
  const left = (search: string): string => {
    const { roles, targets } = narrowed(matrix, search);
    return `${roles.map(({ role }) => role).join(' ')} | ${targets.join(' ')}`;
  };
  assert.equal(left('  '), 'clerk officer | clinic billing');
  assert.equal(left('PRIVACY'), 'officer | clinic billing');
  assert.equal(left('billing'), 'clerk officer | billing');
  assert.equal(left('cl'), 'clerk | clinic');
  assert.equal(left('nothing like it'), ' | clinic billing');
});
