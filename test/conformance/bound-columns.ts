// What every BoundColumns store does: it forgets nothing that it was not told to, and never mixes databases up.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TargetName } from '../../src/core/ids.ts';
import type { BoundColumn, BoundColumns } from '../../src/core/ports.ts';
import type { Made } from './approval-store.ts';

const clinic = 'clinic' as TargetName;
const origin = { cluster: '7710558361284639803', database: 16_385 };
const column = (relation: number, attnum: number, name = 'ssn'): BoundColumn => ({ name: ['public', 'patients', name], relation, attnum });
const nothing = { added: [], dropped: [] };

export function describeBoundColumns(name: string, make: () => Promise<Made<BoundColumns>>): void {
  describe(`bound columns: ${name}`, () => {
    let made: Made<BoundColumns>;
    let bound: BoundColumns;
    const known = async (of = origin, target = clinic): Promise<readonly BoundColumn[]> => (await bound.load(target, of)).columns;

    beforeEach(async () => {
      made = await make();
      bound = made.port;
    });
    afterEach(() => made.close());

    it('knows nothing at first, and then what was recorded, in a fixed order', async () => {
      assert.deepEqual(await bound.load(clinic, origin), { columns: [], isMoved: false });
      const odd: BoundColumn = { name: ['a.b', 'ö"\\', "*'"], relation: 4_294_967_295, attnum: 1600 };
      await bound.record(clinic, origin, { added: [odd, column(16_400, 3)], dropped: [] });
      await bound.record(clinic, origin, { added: [column(16_400, 3, 'tax_id'), column(16_400, 2, 'name')], dropped: [] });
      const columns = [column(16_400, 2, 'name'), column(16_400, 3), column(16_400, 3, 'tax_id'), odd];
      assert.deepEqual(await bound.load(clinic, origin), { columns, isMoved: false });
    });

    it('takes the same columns again, also many', async () => {
      const many = Array.from({ length: 1200 }, (_, attnum) => column(16_400, attnum + 1));
      await bound.record(clinic, origin, { added: many, dropped: [] });
      await Promise.all([bound.record(clinic, origin, { added: many, dropped: [] }), bound.record(clinic, origin, nothing)]);
      assert.deepEqual(await known(), many);
    });

    it('removes what was dropped, and only that', async () => {
      await bound.record(clinic, origin, { added: [column(1, 1), column(1, 2), column(2, 1), column(1, 1, 'other')], dropped: [] });
      await bound.record(clinic, origin, { added: [column(3, 1)], dropped: [column(1, 1), column(9, 9)] });
      assert.deepEqual(await known(), [column(1, 1, 'other'), column(1, 2), column(2, 1), column(3, 1)]);
    });

    it('keeps targets, databases and clusters apart, and says when a target is another one than before', async () => {
      await bound.record(clinic, origin, { added: [column(1, 1)], dropped: [] });
      for (const other of [
        { ...origin, database: 5 },
        { ...origin, cluster: '1' },
      ]) {
        assert.deepEqual(await bound.load(clinic, other), { columns: [], isMoved: true });
        await bound.record(clinic, other, { added: [column(2, 2)], dropped: [column(1, 1)] });
        assert.deepEqual(await bound.load(clinic, other), { columns: [column(2, 2)], isMoved: false });
      }
      assert.deepEqual(await bound.load('lab' as TargetName, origin), { columns: [], isMoved: false });
      assert.deepEqual(await known(), [column(1, 1)]);
    });

    it('takes a cluster that does not tell which it is for any, both ways: rather too much is protected', async () => {
      const silent = { ...origin, cluster: '' };
      await bound.record(clinic, origin, { added: [column(1, 1)], dropped: [] });
      await bound.record(clinic, { ...origin, cluster: '1' }, { added: [column(1, 1), column(2, 2)], dropped: [] });
      assert.deepEqual(await known(silent), [column(1, 1), column(2, 2)]);
      await bound.record(clinic, silent, { added: [column(3, 3)], dropped: [] });
      assert.deepEqual(await known(), [column(1, 1), column(3, 3)]);
      assert.deepEqual(await known({ ...silent, database: 5 }), []);
    });

    it('changes nothing about what it gave away', async () => {
      const added = [column(1, 1)];
      await bound.record(clinic, origin, { added, dropped: [] });
      added.push(column(2, 2));
      assert.deepEqual(await known(), [column(1, 1)]);
    });
  });
}
