import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetName } from '../../core/ids.ts';
import type { SubjectDigests, SubjectIndex } from '../../core/subject.ts';
import { message } from './messages.ts';
import type { PlannedText } from './planner.ts';
import type { Portal } from './prepared.ts';
import { MAX_KEYS, SubjectWatch } from './subject-watch.ts';

const target = 'clinic' as TargetName;
/** Digests that can be read. */
const index: SubjectIndex = { digest: (_target, _subject, key) => Buffer.from(key), append: () => assert.fail() };
const output = { subject: 'patient', column: 1, family: 'number' as const };

function watching(
  change: { readonly parameters?: object[]; readonly constants?: object[]; readonly portal?: object; readonly copyForm?: 'text' } = {},
): SubjectWatch {
  const { parameters = [], constants = [], portal = null, copyForm } = change;
  const subjects = [{ subject: 'patient', outputs: [], parameters, isClosed: true, relations: [] }];
  const statements = [{ subjectOutputs: [output], ...(copyForm === undefined ? {} : { copyForm }) }, {}];
  const planned = { plan: { facts: { subjects }, subjectConstants: constants, statements } } as unknown as PlannedText;
  return SubjectWatch.of(index, target, planned, portal as Portal | null) ?? assert.fail();
}

const described = (types: readonly (readonly [type: number, format: number])[]): Uint8Array =>
  message('T', (body) => {
    body.int16(types.length);
    for (const [type, format] of types) body.cString('c').bytes(new Uint8Array(6)).int32(type).bytes(new Uint8Array(6)).int16(format);
  }).subarray(5);

const row = (...values: readonly (Uint8Array | null)[]): Uint8Array =>
  message('D', (body) => {
    body.int16(values.length);
    for (const value of values) body.int32(value?.length ?? -1).bytes(value ?? new Uint8Array());
  });

const text = (value: string | number): Uint8Array => Buffer.from(String(value));
const told = (watch: SubjectWatch): { asked: string[]; returned: string[]; isClosed: boolean } => {
  const [found] = watch.finish() as [SubjectDigests];
  const names = (digests: readonly Uint8Array[]): string[] => digests.map((each) => Buffer.from(each).toString());
  return { asked: names(found.asked), returned: names(found.returned), isClosed: found.isClosed };
};

test('keys are read from rows that are cut anywhere, each once', () => {
  const bytes = Buffer.concat([row(text('a'), text(17)), row(null, null), row(text('b'), text('018')), row(text('c'), text(17))]);
  for (let at = 0; at <= bytes.length; at += 1) {
    const watch = watching();
    watch.columns(
      described([
        [25, 0],
        [23, 0],
      ]),
    );
    const isBoundary = at === 0 || at === bytes.length;
    if (at > 0) watch.rows(0, bytes.subarray(0, at), isBoundary);
    if (at < bytes.length) watch.rows(0, bytes.subarray(at), true);
    assert.deepEqual(told(watch), { asked: [], returned: ['n:17', 'n:18'], isClosed: true }, String(at));
  }
});

test('binary rows are read by their types; a statement without keys is not looked at', () => {
  const watch = watching();
  watch.columns(
    described([
      [25, 0],
      [23, 1],
    ]),
  );
  watch.rows(1, row(text('a'), Buffer.of(0, 0, 0, 99)), true);
  watch.rows(0, row(text('a'), Buffer.of(0, 0, 0, 17)), true);
  assert.deepEqual(told(watch).returned, ['n:17']);
});

test('INVARIANT: what cannot be read makes it one that may have touched anybody', () => {
  const spoilt: ((watch: SubjectWatch) => void)[] = [
    (watch) => watch.rows(0, row(text('a'), text(17)), true),
    (watch) => {
      watch.columns(described([[23, 0]]));
      watch.rows(0, row(text('a'), text(17)), true);
    },
    (watch) => {
      watch.columns(
        described([
          [25, 0],
          [701, 1],
        ]),
      );
      watch.rows(0, row(text('a'), Buffer.alloc(8)), true);
    },
    (watch) => {
      watch.columns(
        described([
          [25, 0],
          [23, 0],
        ]),
      );
      watch.rows(0, row(text('a'), text(17)).subarray(0, 5), true);
    },
    (watch) => {
      watch.columns(
        described([
          [25, 0],
          [23, 0],
        ]),
      );
      const large = row(Buffer.alloc(2 * 1024 * 1024), text(17));
      watch.rows(0, large.subarray(0, 1000), false);
      watch.rows(0, large.subarray(1000), true);
      watch.rows(0, row(text('a'), text(18)), true);
    },
    (watch) => {
      watch.columns(
        described([
          [25, 0],
          [23, 0],
        ]),
      );
      for (let id = 0; id <= MAX_KEYS; id += 1) watch.rows(0, row(text('a'), text(id)), true);
      assert.equal(told(watch).returned.length, MAX_KEYS);
    },
  ];
  for (const [number, spoil] of spoilt.entries()) {
    const watch = watching();
    spoil(watch);
    assert.equal(told(watch).isClosed, false, String(number));
  }
});

test('constants, parameters and lines of COPY are told, NULL is nobody', () => {
  const parameterBytes = message('B', (body) => {
    body
      .int16(2)
      .int16(1)
      .int16(0)
      .int16(3)
      .int32(4)
      .bytes(Buffer.of(0, 0, 0, 17))
      .int32(-1)
      .int32(1)
      .bytes(Buffer.from('x'));
  }).subarray(5);
  const portal = { parameterBytes, statement: { parameterTypes: [] } };
  const asks = (number: number) => ({ number, family: 'number', isArray: false });
  const constants = [{ subject: 'patient', family: 'number', text: '+5' }];
  // One format for each of two, the third is text.
  assert.deepEqual(told(watching({ constants, parameters: [asks(1), asks(2)], portal })), {
    asked: ['n:5', 'n:17'],
    returned: [],
    isClosed: true,
  });
  assert.equal(told(watching({ parameters: [asks(3)], portal })).isClosed, false);
  assert.equal(told(watching({ parameters: [asks(1)] })).isClosed, false);
  const copied = watching({ copyForm: 'text' });
  copied.rows(
    0,
    message('d', (body) => body.bytes(Buffer.from('a\t17\n'))),
    true,
  );
  assert.deepEqual(told(copied), { asked: [], returned: ['n:17'], isClosed: true });
  copied.rows(
    0,
    message('d', (body) => body.bytes(Buffer.from('a'))),
    true,
  );
  assert.equal(told(copied).isClosed, false);
});

test('INVARIANT: a request that failed, or that was not fetched to its end, may have touched anybody', () => {
  const watch = watching();
  watch.columns(
    described([
      [25, 0],
      [23, 0],
    ]),
  );
  watch.rows(0, row(text('a'), text(17)), true);
  watch.interrupted();
  assert.deepEqual(told(watch), { asked: [], returned: ['n:17'], isClosed: false });
});

test('INVARIANT: values of types that round or cut are not told', () => {
  const parameters = [{ number: 1, family: 'number', isArray: false }];
  const bound = Buffer.concat([Buffer.of(0, 0, 0, 1, 0, 0, 0, 20), Buffer.from('17.00000000000000001')]);
  for (const [type, isClosed] of [
    [0, true],
    [1700, true],
    [701, false],
    [700, false],
  ] as const) {
    const watch = watching({ parameters, portal: { parameterBytes: bound, statement: { parameterTypes: [type] } } });
    assert.equal(told(watch).isClosed, isClosed, String(type));
  }
  const watch = watching();
  watch.columns(
    described([
      [25, 0],
      [701, 0],
    ]),
  );
  watch.rows(0, row(text('a'), text('9.007199254740992e+15')), true);
  assert.deepEqual(told(watch), { asked: [], returned: [], isClosed: false });
});
