// The comparison and the cutting of regression files: what `npm run test:interop` rests on, without a server.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compare, draft } from './compare.ts';
import { marked, splitMarked } from './regress-split.ts';
import type { TestResult } from './suite.ts';

const passed: TestResult = { outcome: 'passed', detail: '' };
const failed: TestResult = { outcome: 'failed', detail: 'sallyport: no' };
const skipped: TestResult = { outcome: 'skipped', detail: '' };
const results = (entries: Record<string, TestResult>): Map<string, TestResult> => new Map(Object.entries(entries));

describe('comparing both sides', () => {
  it('counts what ran and gives every difference its reason', () => {
    const expected = [{ suite: 's', reason: 'by design', tests: ['b'] }];
    const found = compare('s', results({ a: passed, b: passed, c: skipped }), results({ a: passed, b: failed, c: skipped }), expected);
    assert.deepEqual(
      { run: found.run, direct: found.passedDirect, gate: found.passedGate, vanished: found.vanished },
      { run: 2, direct: 2, gate: 1, vanished: [] },
    );
    assert.deepEqual(found.differences, [{ test: 'b', direct: 'passed', gate: 'failed', detail: 'sallyport: no', reason: 'by design' }]);
  });

  it('has no reason for a difference of another suite, and offers it as a draft', () => {
    const found = compare('s', results({ b: passed }), results({ b: failed }), [{ suite: 'other', reason: 'by design', tests: ['b'] }]);
    assert.equal(found.differences[0]?.reason, null);
    assert.deepEqual(draft([found]), [{ suite: 's', reason: 'sallyport: no', tests: ['b'] }]);
  });

  it('tells of a listed difference that is gone, unless timing decides', () => {
    const same = results({ a: passed });
    assert.deepEqual(compare('s', same, same, [{ suite: 's', reason: 'r', tests: ['a'] }]).vanished, ['a']);
    assert.deepEqual(compare('s', same, same, [{ suite: 's', reason: 'r', tests: ['a'], flaky: true }]).vanished, []);
  });

  it('holds a test that is missing through the gate for different', () => {
    assert.equal(compare('s', results({ a: passed }), results({}), []).differences[0]?.gate, 'missing');
  });

  it('takes another output for a difference and shows the first line that is new', () => {
    const printed = (output: string): Map<string, TestResult> => results({ a: { ...passed, output } });
    const found = compare('s', printed('1\n2'), printed('1\n3'), []);
    assert.deepEqual(
      found.differences.map(({ gate, detail }) => [gate, detail]),
      [['prints other', '3']],
    );
    assert.equal(found.passedGate, 0);
  });
});

describe('cutting a regression file', () => {
  const lines = (text: string): number[] => [...marked(text).matchAll(/^\\echo @@interop (\d+)$/gm)].map(([, line]) => Number(line));

  it('marks lines that end a statement', () => {
    assert.deepEqual(lines('select 1;\nselect\n2;\n'), [1, 3]);
  });

  it('leaves quotes, comments, brackets and dollar quotes whole', () => {
    assert.deepEqual(lines("select 'a;\nb';\n/* ;\n/* ; */\n; */ select 1;\nselect $x$;\n$$;$x$;\nselect (1;\n);"), [2, 5, 7, 9]);
    assert.deepEqual(lines("select E'\\';\n';"), [2]);
    assert.deepEqual(lines('select ";\n";'), [2]);
  });

  it('does not split data of COPY', () => {
    assert.deepEqual(lines('copy t from stdin;\n1;\n\\.\nselect 1;'), [3, 4]);
  });

  it('keeps the body of a SQL function together', () => {
    assert.deepEqual(lines('create function f() returns int begin atomic\nselect 1;\nend;\nselect 1;'), [3, 4]);
  });

  it('takes commands of psql for an end', () => {
    assert.deepEqual(lines('select 1 \\gset\n\\d t\nselect 2 as "x"\n;'), [1, 2, 4]);
  });

  it('cuts the output at the same places, without positions of errors', () => {
    const output =
      'select x;\nERROR:  no\nLINE 1: select x;\n               ^\n\\echo @@interop 1\n@@interop 1\nselect 2;\n 2\n@@interop 2\n';
    assert.deepEqual(
      [...splitMarked(output)],
      [
        [1, 'select x;\nERROR:  no'],
        [2, 'select 2;\n 2'],
      ],
    );
  });

  it('shows what was printed behind the last marker, because psql ended there', () => {
    assert.deepEqual([...splitMarked('@@interop 1\nconnection lost').values()], ['', 'connection lost']);
  });
});
