import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SallyportError } from '../../../core/error.ts';
import { cellMask } from './cell.ts';
import { JsonChunk } from './json-chunk.ts';
import type { ResultPlan } from './plan.ts';
import { RowCollector } from './row-frames.ts';
import { output, planOf, rowType } from './testing.ts';

const rowtype = [
  rowType('ID', 'fixed', { scale: 0 }),
  rowType('T', 'text'),
  rowType('AT', 'timestamp_ntz', { scale: 3 }),
  rowType('N', 'text'),
];
const plan = planOf(rowtype, [output('clear'), output('partial'), output('date-shift', { subjectOutput: 3 }), output('clear')]);
const limits = { maxRowBytes: 10_000 };

function pushed(bytes: Uint8Array, cuts: readonly number[], used: ResultPlan = plan): { text: string; rows: number } {
  const chunk = new JsonChunk(used, limits, null);
  const shown: Buffer[] = [];
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    shown.push(Buffer.from(chunk.push(bytes.subarray(at, cut))));
    at = cut;
  }
  chunk.end();
  return { text: Buffer.concat(shown).toString(), rows: chunk.rows };
}

/** What the slow way gives. */
function wanted(rows: readonly (readonly (string | null)[])[], used: ResultPlan = plan): (string | null)[][] {
  const masks = used.columns.map((column) => cellMask(column, used));
  return rows.map((row) =>
    row.map((cell, index) => {
      const mask = masks[index];
      if (mask === undefined || mask.kind === 'clear') return cell;
      if (mask.kind === 'constant') return mask.cell;
      return cell === null ? null : mask.map(cell, mask.subject === null ? null : (row[mask.subject] ?? null));
    }),
  );
}

const isWire = (fault: unknown): boolean => fault instanceof SallyportError && fault.code === 'SP_UPSTREAM_PROTOCOL';

describe('chunks of JSON rows', () => {
  const rows = [
    ['1', '970-78-9909', '1500000000.123', 'a "quoted" \\ näme'],
    [null, null, null, null],
    ['2', 'e\u0001x\u{1f600}caped\n value', '-1.500', null],
    ['3', '', '0.000', ''],
  ];
  const text = rows.map((row) => JSON.stringify(row)).join(',');

  it('are masked alike however they are cut', () => {
    const bytes = Buffer.from(text);
    const whole = pushed(bytes, []);
    assert.deepEqual(JSON.parse(`[${whole.text}]`), wanted(rows));
    assert.equal(whole.rows, rows.length);
    for (let cut = 0; cut <= bytes.length; cut += 1) assert.deepEqual(pushed(bytes, [cut]), whole, `cut at ${cut}`);
    assert.deepEqual(pushed(bytes, Array.from(bytes.keys())), whole);
  });

  it('keep what is not masked byte for byte, escapes and blanks included', () => {
    const odd = ' [ "1" , "x" , null , "\\u00e4\\/\\ud83d\\ude00" ] ,\n\t["2","y",null,"ä"] ';
    const clear = planOf(
      rowtype,
      rowtype.map(() => output('clear')),
    );
    assert.equal(pushed(Buffer.from(odd), [5, 17], clear).text, odd.trimEnd() + (odd.endsWith(' ') ? ' ' : ''));
    const masked = planOf(rowtype, [output('clear'), output('redact'), output('clear'), output('clear')]);
    assert.equal(pushed(Buffer.from(odd), [5, 17], masked).text, odd.replace('"x"', '"***"').replace('"y"', '"***"'));
  });

  it('are nothing but rows: everything else ends them', () => {
    const good = '["1","2",null,"4"]';
    const bad = [
      '[]',
      '{}',
      '"a"',
      'null',
      '1',
      good + good,
      `${good},`,
      `,${good}`,
      `[${good}]`,
      `${good}]`,
      `${good},,${good}`,
      '["1","2",null]',
      '["1","2",null,"4","5"]',
      '["1","2",null,"4",]',
      '["1","2",,"4"]',
      '["1" "2",null,"4"]',
      '["1","2",nul,"4"]',
      '["1","2",nulL,"4"]',
      '["1","2",null,4]',
      '["1","2",true,"4"]',
      '["1","2",{},"4"]',
      '["1","2",["x"],"4"]',
      '["1","2",null,"4',
      '["1","2",null,"4"',
      '["1","2",nu',
      '["1","\\x",null,"4"]',
      '["1","\\u12g4",null,"4"]',
      '["1","a\u0001",null,"4"]',
      '["1","a\nb",null,"4"]',
      '["1","2","not a time","4"]',
      '["1","2","1 2 3","4"]',
      `${good}\0`,
      '\u{feff}' + good,
    ];
    for (const each of bad) {
      const bytes = Buffer.from(each);
      for (const cuts of [[], Array.from(bytes.keys())]) assert.throws(() => pushed(bytes, cuts), isWire, each);
    }
    assert.equal(pushed(Buffer.alloc(0), []).rows, 0);
    assert.equal(pushed(Buffer.from(' \n'), []).rows, 0);
  });

  it('are bounded by their longest row', () => {
    const chunk = new JsonChunk(plan, limits, null);
    assert.throws(
      () => {
        chunk.push(Buffer.from('["1","'));
        for (let pieces = 0; pieces < 200; pieces += 1) chunk.push(Buffer.alloc(100, 'x'));
      },
      { code: 'SP_ROW_TOO_LARGE' },
    );
    const many = Array.from({ length: 500 }, () => text).join(',');
    assert.equal(pushed(Buffer.from(many), []).rows, 500 * rows.length);
  });

  it('give the recording what is shown, as long as it wants rows', () => {
    const collector = new RowCollector(plan.columns, { rows: 2, bytes: 1000 });
    const chunk = new JsonChunk(plan, limits, collector);
    chunk.push(Buffer.from(text));
    const frames = Buffer.from(collector.drain());
    assert.ok(frames.includes('***9909') && !frames.includes('970-78'));
    assert.equal(frames.filter((byte, at) => byte === 0x44 && frames.readInt32BE(at + 1) > 0 && at === 0).length, 1);
    assert.equal(collector.isOpen, false);
  });

  it('never show a masked value, and every row as the slow way does, for rows of any texts', () => {
    const cell = fc.option(
      fc.string({ unit: 'binary', maxLength: 30 }).filter((value) => value.isWellFormed()),
      { freq: 5 },
    );
    const row = fc.tuple(cell, cell, fc.option(fc.integer({ min: -4e9, max: 4e9 }).map((seconds) => `${seconds}.250`)), cell);
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), fc.array(fc.nat({ max: 300 }), { maxLength: 6 }), (many, places) => {
        const bytes = Buffer.from(many.map((each) => JSON.stringify(each)).join(','));
        const cuts = places.filter((place) => place <= bytes.length).sort((a, b) => a - b);
        const shown = pushed(bytes, cuts);
        assert.deepEqual(JSON.parse(`[${shown.text}]`), wanted(many));
      }),
      { numRuns: 25 },
    );
  });

  it('are rows or a fault of ours for arbitrary bytes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('[', ']', ',', '"', '\\', 'u', 'n', 'null', '1', ' ', '["1","2",null,"4"]'), maxLength: 20 }),
        (given) => {
          try {
            const { text: shown } = pushed(Buffer.from(given), []);
            JSON.parse(`[${shown}]`);
          } catch (fault) {
            assert.ok(isWire(fault), String(fault));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
