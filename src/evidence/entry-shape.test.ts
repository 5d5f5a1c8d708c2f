import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leafOfEveryType } from '../ocsf/testing.ts';
import { Derivation } from './derive.ts';
import { rangeEntryOf, type Scope } from './derivation.ts';
import { isEntryHeader } from './entry-shape.ts';
import type { Header } from './fields.ts';
import { HashingSink } from './sinks.ts';

const headers = [true, false].flatMap((isFull) => leafOfEveryType(isFull).map(({ header }): Header => ({ ...header })));

test('headers of every type have the shape of the format, full and as bare as they can be', () => {
  for (const header of headers) assert.equal(isEntryHeader(header), true, String(header['type']));
});

test('a header with any member of another shape does not have it, and derives without a fault all the same', () => {
  const scope: Scope = {
    origin: 'audit.test/shape',
    from: '2026-11-01T00:00:00.000Z',
    to: '2026-11-02T00:00:00.000Z',
    first: 0,
    end: 1,
    size: 1,
    root: '',
    principal: null,
    target: null,
  };
  const deep = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) as unknown;
  const odd = [null, 7, 'x', [], [null], [[]], {}, { kind: 'robot' }, { issuer: {}, subject: [] }, { columns: [null] }, deep, 1e308];
  const of = headers[headers.findIndex(({ type }) => type === 'request.result')]!;
  const derivation = new Derivation(scope, 'test', new HashingSink());
  let refused = 0;
  for (const name of Object.keys({ ...of, facts: 0, answer: 0, policy: 0, statement: 0 })) {
    for (const value of odd) {
      const header = { ...of, [name]: value };
      derivation.push(rangeEntryOf(0, header, Buffer.from('{}'), '00'));
      if (!isEntryHeader(header)) refused += 1;
    }
  }
  derivation.end();
  assert.ok(refused > 150, String(refused));
  assert.equal(isEntryHeader({ ...of, detail: { at: deep } }), false);
  assert.equal(isEntryHeader({ ...of, ts: 'yesterday' }), false);
});
