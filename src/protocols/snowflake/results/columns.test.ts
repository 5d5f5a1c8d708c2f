import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SnowflakeProtection } from '../../../sql/snowflake/types.ts';
import { bindColumns } from './columns.ts';
import { noProtection, output, rowType } from './testing.ts';

const protection: SnowflakeProtection = { columns: new Map([['D.S.T.SSN', ['phi.ssn']]]), opaque: new Set() };
const disagrees = { code: 'SP_LINEAGE_DISAGREEMENT' };

describe('the plan and the columns of an answer', () => {
  it('must agree in number and in the names that are known', () => {
    const rowtype = [rowType('A', 'text'), rowType('COUNT(*)', 'fixed')];
    assert.doesNotThrow(() => bindColumns(rowtype, [output('clear', { name: 'A' }), output('clear', { name: null })], protection));
    for (const outputs of [[], [output('clear')], [output('clear'), output('clear'), output('clear')]]) {
      assert.throws(() => bindColumns(rowtype, outputs, protection), disagrees);
    }
    assert.throws(() => bindColumns(rowtype, [output('clear', { name: 'a' }), output('clear')], protection), disagrees);
    assert.throws(() => bindColumns([], [output('redact')], protection), disagrees);
  });

  it('disagree where an origin is protected that the plan does not know; a blank origin says nothing', () => {
    const ssn = rowType('SSN', 'text');
    assert.throws(() => bindColumns([ssn], [output('clear')], protection), disagrees);
    assert.throws(() => bindColumns([ssn], null, protection), disagrees);
    assert.doesNotThrow(() => bindColumns([ssn], [output('clear', { classes: ['phi.ssn'] })], protection));
    assert.doesNotThrow(() => bindColumns([ssn], [output('token')], protection));
    for (const blank of [{ table: '' }, { schema: null }, { database: '' }]) {
      assert.doesNotThrow(() => bindColumns([{ ...ssn, ...blank }], [output('clear')], protection));
    }
  });

  it('keep what drivers read, but for NULLs and lengths that masks need', () => {
    const short = rowType('A', 'text', { length: 5, byteLength: 20, collation: 'x', extTypeName: null });
    const shown = (mask: Parameters<typeof output>[0], column = short) => bindColumns([column], [output(mask)], noProtection).rowtype[0];
    assert.deepEqual(shown('clear'), short);
    assert.deepEqual(shown('redact'), { ...short, nullable: true });
    assert.deepEqual(shown('token'), { ...short, nullable: true, length: 16_777_216, byteLength: 16_777_216 });
    assert.deepEqual(shown('partial'), { ...short, nullable: true, length: 16_777_216, byteLength: 16_777_216 });
    assert.equal(shown('token', { ...short, length: 16_777_216 })?.byteLength, 20);
    const binary = rowType('B', 'binary', { length: 8, byteLength: 8 });
    assert.equal(shown('hash', binary)?.length, 8_388_608);
    const number = rowType('N', 'fixed', { precision: 10, scale: 2 });
    assert.deepEqual(shown('round', number), { ...number, nullable: true });
  });

  it('refuse scales and subjects that cannot be', () => {
    for (const scale of [-1, 39, 1.5])
      assert.throws(() => bindColumns([rowType('N', 'fixed', { scale })], null, noProtection), { code: 'SP_UPSTREAM_PROTOCOL' });
    for (const subjectOutput of [1, -1, 0.5]) {
      assert.throws(() => bindColumns([rowType('N', 'date')], [output('date-shift', { subjectOutput })], noProtection), disagrees);
    }
  });
});
