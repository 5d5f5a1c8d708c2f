import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Mask } from '../../../core/mask.ts';
import { cellMask, instantOf, instantText } from './cell.ts';
import type { SnowflakeRowType } from './query-data.ts';
import { shownText } from './row-frames.ts';
import { output, planOf, rowType, testTokens } from './testing.ts';

function shown(mask: Mask, column: SnowflakeRowType, cell: string, more: Parameters<typeof output>[1] = {}): string | null {
  const plan = planOf([column, rowType('K', 'fixed')], [output(mask, { subjectOutput: 1, ...more }), output('clear')]);
  const made = cellMask(plan.columns[0] ?? assert.fail(), plan);
  if (made.kind === 'clear') return cell;
  return made.kind === 'constant' ? made.cell : made.map(cell, '17');
}
const scaled = (type: string, scale: number): SnowflakeRowType => rowType('C', type, { scale });

describe('cells of JSON results', () => {
  it('are masked in the encoding of their type', () => {
    const number = scaled('fixed', 2);
    assert.equal(shown('round', number, '-1234.56'), '-1230.00');
    assert.equal(
      shown('round(1000)', scaled('fixed', 0), '99999999999999999999999999999999999999'),
      '99999999999999999999999999999999999000',
    );
    assert.equal(shown('age-90', number, '93.50'), '90.00');
    assert.equal(shown('age-90', number, '-0.50'), '0.00');
    assert.equal(shown('round', scaled('real', 0), '1234.5'), '1230');
    assert.equal(shown('round', scaled('real', 0), 'NaN'), null);
    assert.equal(shown('round', scaled('real', 0), '-inf'), null);
    assert.equal(shown('year', scaled('date', 0), '11448'), '11323');
    assert.equal(shown('month', scaled('timestamp_ntz', 9), '989132889.123000000'), '988675200.000000000');
    assert.equal(shown('year', scaled('timestamp_ltz', 0), '-1'), '-31536000');
    assert.equal(shown('year', scaled('timestamp_tz', 3), '989132889.123 1560'), '978307200.000 1440');
    assert.equal(shown('hash', scaled('binary', 0), '00FF')?.length, 64);
    assert.equal(shown('token', scaled('text', 0), 'x'), testTokens.issue('phi.x', 'x'));
    assert.match(shown('date-shift(30)', scaled('timestamp_tz', 3), '989132889.123 1560') ?? '', /^\d+\.123 1440$/);
  });

  it('are constants where a method says nothing about the type; semi-structured ones stay valid JSON', () => {
    for (const type of ['variant', 'object', 'array']) {
      assert.equal(JSON.parse(shown('redact', scaled(type, 0), '{"ssn":1}') ?? ''), '***');
      assert.equal(JSON.parse(shown('token', scaled(type, 0), '{"ssn":1}') ?? ''), '***');
      assert.equal(shown('null', scaled(type, 0), '{}'), null);
      assert.equal(shown('redact', rowType('C', type, { fields: [{ type: 'text' }] }), '{}'), null);
    }
    for (const type of ['boolean', 'time', 'fixed', 'real', 'date', 'binary', 'geography', 'vector', 'map', 'toString', '__proto__']) {
      assert.equal(shown('partial', scaled(type, 0), '1'), null, type);
    }
    assert.equal(shown('redact', scaled('text', 0), 'x'), '***');
    assert.equal(shown('token', scaled('text', 0), 'x', { shape: 'derived' }), '***');
    assert.equal(shown('year', scaled('date', 0), '1', { shape: 'derived' }), null);
  });

  it('end the answer when they are not of their type, without telling the cell', () => {
    const wrong: readonly (readonly [Mask, SnowflakeRowType, string])[] = [
      ['round', scaled('fixed', 0), '12x'],
      ['round', scaled('fixed', 0), '1e5'],
      ['round', scaled('real', 0), '12x'],
      ['year', scaled('date', 0), '2001-01-01'],
      ['year', scaled('timestamp_ntz', 0), '2001-01-01 00:00'],
      ['hash', scaled('binary', 0), '0'],
    ];
    for (const [mask, column, cell] of wrong) {
      assert.throws(
        () => shown(mask, column, cell),
        (fault: Error) => !fault.message.includes(cell) && 'code' in fault && fault.code === 'SP_UPSTREAM_PROTOCOL',
      );
    }
  });

  it('have no shifted dates without a subject that has one text', () => {
    const date = scaled('date', 0);
    assert.equal(shown('date-shift', date, '11448', { subjectOutput: null }), null);
    const moved = ['11448', '11449'].map((cell) => Number(shown('date-shift(30)', date, cell, { subjectOutput: 'class' })));
    assert.equal((moved[1] ?? 0) - (moved[0] ?? 0), 1, 'all dates of the class move together');
    const offset = Math.abs((moved[0] ?? 0) - 11448);
    assert.ok(offset >= 1 && offset <= 30);
    const plan = planOf([date, rowType('K', 'real')], [output('date-shift', { subjectOutput: 1 }), output('clear')]);
    assert.deepEqual(cellMask(plan.columns[0] ?? assert.fail(), plan), { kind: 'constant', cell: null });
  });

  it('read instants before 1970 and write them the same', () => {
    assert.deepEqual(instantOf('-1.500'), { seconds: -2, nanos: 500_000_000, digits: 3, zone: null });
    for (const cell of ['0', '-1.500', '-0.000000001', '1.000000000', '-5', '1500000000.123 1440', '7.0 0', '-62135596800.000 2280']) {
      const instant = instantOf(cell);
      assert.equal(instant === null ? null : instantText(instant), cell);
    }
    for (const cell of ['', 'x', '1.', '1 2 3', '1.1234567890', '1e3', ' 1']) assert.ok(instantOf(cell) === null || cell === '1.', cell);
  });

  it('are recorded as people read them', () => {
    const text = (type: string, cell: string): string => {
      const plan = planOf([rowType('C', type)], [output('clear')]);
      return shownText(plan.columns[0] ?? assert.fail(), cell);
    };
    assert.equal(text('boolean', '1'), 't');
    assert.equal(text('boolean', '0'), 'f');
    assert.equal(text('date', '11448'), '2001-05-06');
    assert.equal(text('time', '25689.000000001'), '07:08:09.000000001');
    assert.equal(text('timestamp_ntz', '989132889.5'), '2001-05-06 07:08:09.5');
    assert.equal(text('timestamp_ltz', '-1.5'), '1969-12-31 23:59:58.5+00');
    assert.equal(text('timestamp_tz', '989132889.5 1560'), '2001-05-06 09:08:09.5+02');
    assert.equal(text('timestamp_tz', '989132889.5 1350'), '2001-05-06 05:38:09.5-01:30');
    assert.equal(text('binary', '00FF'), '\\x00ff');
    assert.equal(text('variant', '{"a":1}'), '{"a":1}');
  });
});
