import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import { test } from 'node:test';
import { jsonv2Cell, jsonv2Mask } from './jsonv2.ts';
import { sentPlan } from './plan.ts';
import { output, planOf, rowType } from './testing.ts';
import { Transform } from './transform.ts';

const limits = { format: 'json', wanted: { rows: 0, bytes: 0 }, maxRowBytes: 10_000, maxMessageBytes: 10_000 } as const;

test('booleans are words, times have nine digits, everything else stays', () => {
  const boolean = jsonv2Cell('boolean');
  assert.deepEqual(
    ['1', '0', 'true', 'false'].map((cell) => boolean?.(cell)),
    ['true', 'false', 'true', 'false'],
  );
  const time = jsonv2Cell('timestamp');
  const cells = {
    '1.5': '1.500000000',
    '0': '0.000000000',
    '-0.25 1500': '-0.250000000 1500',
    '-1.000000001': '-1.000000001',
    '82919.123456789': '82919.123456789',
  };
  for (const [cell, shown] of Object.entries(cells)) assert.equal(time?.(cell), shown);
  assert.equal(jsonv2Cell('time')?.('82919'), '82919.000000000');
  for (const family of ['text', 'number', 'float', 'date', 'variant', 'binary', 'other'] as const) assert.equal(jsonv2Cell(family), null);
});

test('a cell that is not of its type is refused without being told', () => {
  for (const [family, cell] of [
    ['boolean', 'secret'],
    ['boolean', ''],
    ['timestamp', 'secret'],
    ['time', '1.0000000001'],
  ] as const) {
    assert.throws(
      () => jsonv2Cell(family)?.(cell),
      (fault: Error & { code?: string }) => fault.code === 'SP_UPSTREAM_PROTOCOL' && !fault.message.includes('secret'),
    );
  }
});

test('masks come first; NULL is a text where that is asked for', () => {
  const clear = { kind: 'clear' } as const;
  assert.deepEqual(jsonv2Mask(clear, 'text', { nulls: null }), clear);
  const asked = jsonv2Mask({ kind: 'map', subject: null, map: () => '0' }, 'boolean', { nulls: 'null' });
  assert.ok(asked.kind === 'map');
  assert.deepEqual([asked.map('1', null), asked.whenNull], ['false', 'null']);
  const none = jsonv2Mask({ kind: 'map', subject: null, map: () => null }, 'timestamp', { nulls: 'null' });
  assert.equal(none.kind === 'map' && none.map('1', null), 'null');
  assert.deepEqual(jsonv2Mask({ kind: 'constant', cell: null }, 'text', { nulls: 'null' }), { kind: 'constant', cell: 'null' });
  assert.deepEqual(jsonv2Mask({ kind: 'constant', cell: '***' }, 'text', { nulls: null }), { kind: 'constant', cell: '***' });
});

const plan = planOf(
  [rowType('A', 'text'), rowType('B', 'boolean'), rowType('C', 'timestamp_ntz'), rowType('D', 'text')],
  [output('clear'), output('clear'), output('clear'), output('redact')],
);

async function partition(
  rows: string,
  nulls: string | null,
  piece: number,
  isZipped = false,
  rowCount: number | null = null,
): Promise<Buffer> {
  const transform = await Transform.create({ ...limits, plan: sentPlan(plan, { nulls }), output: isZipped ? 'gzip' : 'plain', rowCount });
  const bytes = gzipSync(rows);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += piece) parts.push((await transform.step(bytes.subarray(at, at + piece))).output);
  parts.push((await transform.step(null)).output);
  transform.close();
  return Buffer.concat(parts);
}

const rows = '["a\\"b","1","1.5","x"],\n[null,null,null,null],["c","0","-1","y"]';

test('a partition is one object of masked rows, however its chunk comes in pieces', async () => {
  for (const piece of [1, 7, 1000]) {
    assert.deepEqual(JSON.parse((await partition(rows, null, piece)).toString()), {
      data: [
        ['a"b', 'true', '1.500000000', '***'],
        [null, null, null, '***'],
        ['c', 'false', '-1.000000000', '***'],
      ],
    });
  }
  const text = JSON.parse((await partition(rows, 'null', 5)).toString()) as { data: unknown[][] };
  assert.deepEqual(text.data[1], ['null', 'null', 'null', '***']);
  assert.deepEqual(
    JSON.parse(gunzipSync(await partition(rows, null, 9, true)).toString()),
    JSON.parse((await partition(rows, null, 9)).toString()),
  );
  assert.equal((await partition('', null, 10)).toString(), '{"data":[]}');
});

test('a partition with other rows than were announced, or a cell that is none, does not end well', async () => {
  await assert.rejects(partition(rows, null, 50, false, 2), /rows than were announced/);
  await assert.rejects(partition(rows, null, 50, false, 4), /rows than were announced/);
  await assert.rejects(partition('["a","yes","1","x"]', null, 50), /boolean/);
});
