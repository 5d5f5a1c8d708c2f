// What is left of a server message, field by field. SPEC: "Error and Notice Message Fields".

import assert from 'node:assert/strict';
import test from 'node:test';
import type { MessagePolicy } from '../../sql/plan.ts';
import { parseFields } from './messages.ts';
import { scrubError, scrubNotice, stricter } from './scrub.ts';

const every = 'SVCMDHPpqWstcdnFLR';
/** Every field of the protocol, each with a text of its own. */
const fields = (sqlstate: string, left = every): Map<string, string> =>
  new Map([...left].map((field) => [field, field === 'C' ? sqlstate : `970-${field}`]));
const kept = (message: Uint8Array | null): string => [...parseFields((message ?? assert.fail('dropped')).subarray(5)).keys()].join('');
const text = (sqlstate: string, policy: MessagePolicy, left = every): string =>
  parseFields(scrubError(fields(sqlstate, left), policy).subarray(5)).get('M') ?? '';

test('every field that may quote a row, an object or code is gone unless nothing protected can be in it', () => {
  assert.equal(kept(scrubError(fields('22P02'), 'pass')), 'SVCMDHWstcdnFLR');
  assert.equal(kept(scrubError(fields('22P02'), 'trim')), 'SVCMFL');
  assert.equal(kept(scrubError(fields('22P02'), 'code-only')), 'SVCMFL');
  assert.equal(kept(scrubNotice(fields('00000'), 'pass')), 'SVCMDHWstcdnFLR');
});

test('a text that may carry a value is withheld whatever its class, and one about the statement itself is shown', () => {
  for (const sqlstate of ['22P02', '22007', '23505', '23514', 'P0001', 'XX000', '0A000', '40001', '54000', '57014', '2F003', '38000'])
    for (const left of [every, 'SVCMP']) assert.doesNotMatch(text(sqlstate, 'code-only', left), /970-/, `${sqlstate} ${left}`);
  assert.equal(text('42703', 'code-only', 'SVCMP'), '970-M');
  for (const left of ['SVCM', 'SVCMPW', 'SVCMPq', 'SVCMPp']) assert.doesNotMatch(text('42703', 'code-only', left), /970-/, left);
  assert.equal(text('23505', 'trim'), '970-M');
});

test('the bytes of a text that an encoding cannot hold are not quoted: a mask may have met them', () => {
  const said = (sqlstate: string, message: string): string =>
    parseFields(
      scrubError(
        new Map([
          ['C', sqlstate],
          ['M', message],
        ]),
        'pass',
      ).subarray(5),
    ).get('M') ?? '';
  assert.equal(
    said('22021', 'invalid byte sequence for encoding "UTF8": 0xe9 0x20 0x53'),
    'invalid byte sequence for encoding "UTF8": (bytes withheld)',
  );
  const untranslatable = said('22P05', 'character with byte sequence 0x81 in encoding "WIN1252" has no equivalent in encoding "UTF8"');
  assert.doesNotMatch(untranslatable, /0x/);
  assert.equal(said('22P02', 'invalid input syntax for type integer: "0xe9"'), 'invalid input syntax for type integer: "0xe9"');
});

test('notices are dropped as soon as anything is hidden', () => {
  for (const policy of ['trim', 'code-only'] as const) assert.equal(scrubNotice(fields('00000'), policy), null);
});

test('of two policies the stricter counts', () => {
  const order = ['pass', 'trim', 'code-only'] as const;
  for (const [low, a] of order.entries()) for (const [high, b] of order.entries()) assert.equal(stricter(a, b), order[Math.max(low, high)]);
});
