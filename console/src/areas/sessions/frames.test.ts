import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordedEvent, Recording } from '../../../../src/wire/pg-recording.ts';
import { type Frame, framesOf, maxRows, schedule } from './frames.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const row = (...values: (Uint8Array | null)[]): RecordedEvent => ({ kind: 'row', ms: 2, values });
const columns = (names: string[], binary = names.map(() => false)): RecordedEvent => ({ kind: 'columns', ms: 1, names, binary });
const complete = (tag: string): RecordedEvent => ({ kind: 'complete', ms: 3, tag });
const recorded = (events: RecordedEvent[], more: Partial<Recording> = {}): Recording => {
  const rows = events.filter(({ kind }) => kind === 'row').length;
  return { events, rows, rowsShown: rows, isTruncated: false, ...more };
};
const rowsFrames = (recording: Recording) =>
  framesOf(recording, 7, 1000).filter((frame): frame is Extract<Frame, { kind: 'rows' }> => frame.kind === 'rows');

test('rows with their columns, NULL, and what the server said at the end', () => {
  const frames = framesOf(recorded([columns(['id', 'name']), row(bytes('1'), null), complete('SELECT 1')]), 7, 1000);
  assert.deepEqual(frames, [{ kind: 'rows', seq: 7, atMs: 1003, columns: ['id', 'name'], rows: [['1', null]], notes: ['SELECT 1'] }]);
});

test('binary cells are written as bytes, text cells next to them are not', () => {
  const [frame] = rowsFrames(recorded([columns(['a', 'b'], [true, false]), row(Uint8Array.of(0, 255), bytes('x')), complete('SELECT 1')]));
  assert.deepEqual(frame?.rows, [['\\x00ff', 'x']]);
});

test('where the recording has no names the columns are numbered, and what is no text is written as bytes', () => {
  const [frame] = rowsFrames(recorded([row(bytes('x'), Uint8Array.of(0, 0, 0, 7), Uint8Array.of(0xff)), complete('SELECT 1')]));
  assert.deepEqual(frame?.columns, ['1', '2', '3']);
  assert.deepEqual(frame?.rows, [['x', '\\x00000007', '\\xff']]);
});

test('the columns of one statement are not those of the next', () => {
  const frames = rowsFrames(
    recorded([columns(['a'], [true]), row(bytes('A')), complete('SELECT 1'), row(bytes('x'), bytes('y')), complete('SELECT 1')]),
  );
  assert.deepEqual(
    frames.map((frame) => [frame.columns, frame.rows[0]]),
    [
      [['a'], ['\\x41']],
      [
        ['1', '2'],
        ['x', 'y'],
      ],
    ],
  );
});

test('many rows are frames of their own, each with the columns', () => {
  const frames = rowsFrames(
    recorded([columns(['a']), ...Array.from({ length: maxRows + 1 }, () => row(bytes('x'))), complete('SELECT 201')]),
  );
  assert.deepEqual(
    frames.map((frame) => [frame.columns, frame.rows.length]),
    [
      [['a'], maxRows],
      [['a'], 1],
    ],
  );
});

test('what was not kept is said, also when nothing was', () => {
  const kept = rowsFrames(recorded([columns(['a']), row(bytes('x')), complete('SELECT 900')], { rows: 900, isTruncated: true }));
  assert.match(kept.at(-1)?.notes.join() ?? '', /^1 of 900 rows were kept/);
  const nothing = rowsFrames(recorded([], { rows: 900 }));
  assert.deepEqual(nothing[0]?.notes.length, 1);
});

test('errors, notices and copied lines are notes; a recording of nothing has no frame', () => {
  const error: RecordedEvent = { kind: 'error', ms: 4, severity: 'ERROR', code: '42P01', message: 'no such table' };
  const [frame] = rowsFrames(recorded([{ kind: 'copy', ms: 1, bytes: bytes('1\tx\n') }, error]));
  assert.deepEqual(frame?.notes, ['1\tx', 'ERROR 42P01: no such table']);
  assert.deepEqual(framesOf(recorded([]), 7, 1000), []);
});

test('frames keep their pace, long silences are cut, and time does not run back', () => {
  const at = (atMs: number): Frame => ({ kind: 'gone', seq: 0, atMs, what: '' });
  assert.deepEqual(schedule([at(5000), at(5200), at(3_605_200), at(3_605_100)]), [0, 200, 10_200, 10_200]);
});
