import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDraft } from '../audit/entry.ts';
import { factsOf } from '../core/testing.ts';
import { recordedColumns, recordedFacts } from './recorded-facts.ts';

const encoded = (facts: ReturnType<typeof recordedFacts>): string => encodeDraft({ type: 'request.denied', facts }, 0).members;

test('columns are recorded by relation and by what the statement does with them', () => {
  const facts = factsOf({
    relations: [{ name: 'public.patients', access: 'read' }],
    columns: ['public.patients.id', 'public.patients.name', 'public.patients.ssn', 'public.patients.ward'],
    lineage: {
      shown: ['public.patients.name', 'public.patients.ssn'],
      tested: ['public.patients.id', 'public.patients.ssn'],
      open: ['public.patients'],
    },
    limit: 50,
  });
  const recorded = recordedFacts(facts);
  assert.deepEqual(recorded.columns, [{ relation: 'public.patients', shown: ['name', 'ssn'], tested: ['id', 'ssn'], read: ['ward'] }]);
  assert.deepEqual([recorded.open, recorded.limit, recorded.statements, recorded.cut], [['public.patients'], 50, 1, undefined]);
  encoded(recorded);
});

test('a name with a dot stays with its relation', () => {
  const facts = factsOf({
    relations: [{ name: 'public.odd', access: 'read' }],
    columns: ['public.odd.a.b'],
    lineage: { shown: ['public.odd.a.b'], tested: [], open: [] },
  });
  assert.deepEqual(recordedFacts(facts).columns, [{ relation: 'public.odd', shown: ['a.b'] }]);
});

test('a statement that reads no column, and all rows, says so', () => {
  const recorded = recordedFacts(factsOf({ columns: [], lineage: { shown: [], tested: [], open: ['public.patients'] } }));
  assert.deepEqual([recorded.columns, recorded.open, recorded.cut], [undefined, ['public.patients'], undefined]);
});

test('a LIMIT that could carry a value is not recorded, and said to be missing', () => {
  for (const limit of [10_000, 970_789_909, -1]) {
    const recorded = recordedFacts(factsOf({ lineage: { shown: [], tested: [], open: [] }, limit }));
    assert.deepEqual([recorded.limit, recorded.cut], [undefined, ['limit']]);
    assert.doesNotMatch(encoded(recorded), /970789909|10000/);
  }
  assert.equal(recordedFacts(factsOf({ lineage: { shown: [], tested: [], open: [] }, limit: 9_999 })).limit, 9_999);
});

test('what does not fit is left out, named, and the header is still taken', () => {
  const many = Array.from({ length: 400 }, (_, index) => `public.wide.column_with_a_rather_long_name_${index}`);
  const wide = recordedFacts(
    factsOf({ relations: [{ name: 'public.wide', access: 'read' }], columns: many, lineage: { shown: many, tested: [], open: [] } }),
  );
  assert.deepEqual([wide.columns, wide.cut], [undefined, ['columns']]);
  const relations = Array.from({ length: 300 }, (_, index) => ({ name: `public.t${index}`, access: 'read' as const }));
  const broad = recordedFacts(
    factsOf({ relations, verbs: Array.from({ length: 201 }, () => 'SELECT'), lineage: { shown: [], tested: [], open: [] } }),
  );
  assert.deepEqual([broad.relations.length, broad.verbs.length, broad.cut], [200, 200, ['verbs', 'relations']]);
  encoded(wide);
  encoded(broad);
});

test('names that headers refuse, and facts without lineage, are cut and do not keep the statement from running', () => {
  const odd = ['public.patients.a\nb'];
  assert.deepEqual(recordedFacts(factsOf({ columns: odd, lineage: { shown: odd, tested: [], open: [] } })).cut, ['columns']);
  assert.deepEqual(recordedFacts(factsOf({ lineage: { shown: [], tested: [], open: ['public.a\u0007'] } })).cut, ['columns']);
  assert.deepEqual(recordedFacts(factsOf()).cut, ['columns']);
});

test('protected columns of an answer say what they are made from, as far as the header has room; others do not', () => {
  const masks = { id: 'm', byClass: { 'phi.name': 'clear' } } as const;
  const column = (name: string, classes: string[], sources: string[]) => ({ name, classes, sources });
  assert.deepEqual(
    recordedColumns(
      [
        column('x', ['phi.ssn'], ['public.patients.ssn']),
        column('n', ['phi.name'], ['public.patients.first', 'public.patients.last']),
        column('id', [], ['public.patients.id']),
        column('odd', ['phi.ssn'], ['public.t.a\nb']),
        column('', ['phi.ssn'], []),
      ],
      masks,
    ),
    [
      { name: 'x', classes: ['phi.ssn'], mask: 'redact', sources: ['public.patients.ssn'] },
      { name: 'n', classes: ['phi.name'], mask: 'clear', sources: ['public.patients.first', 'public.patients.last'] },
      { name: 'id', classes: [], mask: 'clear' },
      { name: 'odd', classes: ['phi.ssn'], mask: 'redact' },
      { name: '', classes: ['phi.ssn'], mask: 'redact' },
    ],
  );
  const long = Array.from({ length: 60 }, (_, at) => `public.${'t'.repeat(40)}.c${at}`);
  const wide = recordedColumns(
    Array.from({ length: 300 }, () => column('x', ['phi.ssn'], long)),
    masks,
  );
  assert.equal(wide.length, 200);
  assert.ok(wide.some(({ sources }) => sources !== undefined) && wide.some(({ sources }) => sources === undefined));
  const result = { rows: 0, bytes: 0, code: 'ok', ms: 0, columns: wide };
  assert.ok(encodeDraft({ type: 'request.result', result }, 0).members.length < 40_000);
  assert.throws(() =>
    encodeDraft({ type: 'request.result', result: { ...result, columns: [{ ...wide[0]!, expression: 'x' } as never] } }, 0),
  );
});
