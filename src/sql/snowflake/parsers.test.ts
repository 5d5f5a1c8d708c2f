import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { disagreement } from './agreement.ts';
import type { Answer, Program } from './instance.ts';
import { limitsOf, MAX_DEPTH, MAX_STATEMENT, MAX_TOKENS, parsersOf } from './parsers.ts';
import { contextOf, parsers } from './testing.ts';
import { walk } from './walk.ts';

test('one statement gives a tree of each parser; several, none and nonsense give a fault', () => {
  const tree = parsers.parse('select 1');
  assert.ok('tree' in tree && JSON.stringify(tree.tree).startsWith('{"Query"'));
  const second = parsers.second('select 1');
  assert.ok('tree' in second && JSON.stringify(second.tree).startsWith('{"select"'));
  for (const text of ['select 1; select 2', '', 'selec 1', 'select (', "select 'a", 'select 1 1']) {
    assert.deepEqual(parsers.parse(text), { fault: 'syntax' }, text);
  }
});

test('what is too long, too many or too deep is refused before a parser sees it', () => {
  assert.equal(limitsOf(`select '${'a'.repeat(MAX_STATEMENT)}'`), 'too-large');
  assert.equal(limitsOf(`select ${'1,'.repeat(MAX_TOKENS)}1`), 'too-large');
  const deep = MAX_DEPTH + 1;
  for (const text of [
    `select ${'('.repeat(deep)}1${')'.repeat(deep)}`,
    `select ${'['.repeat(deep)}1${']'.repeat(deep)}`,
    `select ${'case when true then '.repeat(deep)}1${' end'.repeat(deep)}`,
    `select ${'- '.repeat(deep)}1`,
    `select ${'not '.repeat(deep)}true`,
    `select 1 ${'+ 1 '.repeat(deep)}`,
    `select 1 where 1 = 1 ${'and a = 1 '.repeat(deep)}`,
    `select 1 ${'union select 1 '.repeat(deep)}`,
    `select a${':b'.repeat(deep)}`,
  ]) {
    assert.equal(limitsOf(text), 'too-deep', text.slice(0, 40));
  }
  assert.equal(limitsOf(`select 1 where a in (${'1, '.repeat(5000)}1)`), null, 'lists are not deep');
  assert.equal(limitsOf(`insert into t values ${'(1, 2 + 3), '.repeat(1000)}(1, 2)`), null);
});

test('after a panic the next statement meets another instance', () => {
  const answers: Answer[] = [{ error: 'the parser ended' }, { text: '[{"Query":{}}]' }];
  const program: Program = { call: () => answers.shift() ?? { error: 'none' } };
  const both = parsersOf(program, program);
  assert.deepEqual(both.parse('select 1'), { fault: 'syntax' });
  assert.deepEqual(both.parse('select 1'), { tree: { Query: {} } });
});

test('the parsers live through any text of tokens, and go on reading', () => {
  const words =
    'select from where ( ) , * a b 1 union as join on = \'x\' "q" case when then end over with insert into values :: : [ ] { } not in is null'.split(
      ' ',
    );
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 25 }), (list) => {
      const text = list.join(' ');
      parsers.parse(text);
      parsers.second(text);
    }),
    { numRuns: 40 },
  );
  assert.ok('tree' in parsers.parse('select 1') && 'tree' in parsers.second('select 1'));
});

test('what stays within the limits does not end the parsers', () => {
  const text = `select id from clinics where ${Array.from({ length: 60 }, (_, index) => `id = ${index}`).join(' or ')}`;
  assert.ok('tree' in parsers.parse(text) && 'tree' in parsers.second(text));
});

/** What the agreement says when the second tree is that of another text, or the first is. */
function compared(text: string, { first = text, second = text }: { first?: string; second?: string }): string | null {
  const tree = parsers.parse(first);
  const other = parsers.second(second);
  assert.ok('tree' in tree && 'tree' in other);
  const walked = walk(tree.tree, { context: contextOf(), text, binds: [], extra: new Map() });
  return disagreement(text, tree.tree, other.tree, walked, new Set())?.what ?? null;
}

test('the trees must name the same relations and outputs, and have all words of the text', () => {
  const text = 'select id, city as town from clinics';
  assert.equal(compared(text, {}), null);
  assert.equal(compared(text, { second: 'select id, city as town from patients' }), 'relations');
  assert.equal(compared(text, { second: 'select id, city as town from clinics, visits' }), 'relations');
  assert.equal(compared(text, { second: 'select id, city as t from clinics' }), 'outputs');
  assert.equal(compared(text, { second: 'select id, city from clinics' }), 'outputs');
  assert.equal(compared(text, { second: 'select id, city as town, 1 from clinics' }), 'outputs');
  assert.equal(compared(text, { second: 'select * from clinics' }), 'outputs');
  assert.equal(compared("select id from clinics where city = 'x'", { first: 'select id from clinics' }), 'words');
  assert.equal(compared('select id from clinics where city = $v', { first: 'select id from clinics' }), 'words');
  assert.equal(compared('select "Q" from clinics', { first: 'select id from clinics', second: 'select id from clinics' }), 'words');
});

test('a relation that the walker did not see is a disagreement', () => {
  const text = 'select id from clinics';
  const tree = parsers.parse(text);
  const second = parsers.second(text);
  assert.ok('tree' in tree && 'tree' in second);
  const walked = { ...walk(tree.tree, { context: contextOf(), text, binds: [], extra: new Map() }), relations: [] };
  assert.equal(disagreement(text, tree.tree, second.tree, walked, new Set())?.what, 'relations');
  assert.equal(disagreement(text, tree.tree, second.tree, { ...walked, outputs: [] }, new Set(['CLINICS']))?.what, 'outputs');
});
