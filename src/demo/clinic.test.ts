import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clinicLoadSql, clinicTables } from './clinic.ts';

describe('clinic data', () => {
  it('is the same each time it is made', () => {
    for (const { table, rows } of clinicTables()) {
      const [first] = rows;
      const [again] = rows;
      assert.deepEqual(first, again, table);
    }
    const patients = clinicTables().find((entry) => entry.table === 'patients');
    const [first] = patients?.rows ?? [];
    assert.equal(first?.[1], 'MRN7654321X');
    assert.equal(first[5], '903-13-4577');
  });

  it('has a value for each column of each row', () => {
    for (const { table, columns, rows } of clinicTables()) {
      let count = 0;
      for (const cells of rows) {
        assert.equal(cells.length, columns.length, table);
        count += 1;
        if (count === 300) break;
      }
      assert.ok(count > 10, table);
    }
  });

  it('is loaded by INSERT statements that quote what needs it', () => {
    const [clinics] = clinicLoadSql();
    assert.match(
      clinics ?? '',
      /^INSERT INTO public\.clinics \(id, name, region, city, state, beds, opened_on\) VALUES\n\('1','Harbor Point Clinic'/,
    );
  });
});
