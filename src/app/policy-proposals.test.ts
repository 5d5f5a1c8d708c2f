import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { people, policyOf } from '../../test/support/policy.ts';
import type { EntryDraft } from '../core/event.ts';
import type { TargetName } from '../core/ids.ts';
import type { StoredColumn, TargetAnalyst } from '../core/ports.ts';
import { proposeClasses } from './policy-proposals.ts';

const policy = policyOf(`${people}
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"] }
`);
const by = { issuer: 'corp', subject: 'otto', kind: 'person' as const };
const never = new AbortController().signal;
const column = (relation: string, name: string, kind: StoredColumn['kind'] = 'text'): StoredColumn => ({
  schema: 'public',
  relation,
  column: name,
  type: kind,
  kind,
});

interface Asked {
  readonly entries: EntryDraft[];
  readonly sampled: (readonly [string, readonly string[]])[];
}

function setting(
  columns: readonly StoredColumn[],
  values: Readonly<Record<string, readonly string[]>>,
): Asked & { readonly analyst: TargetAnalyst } {
  const entries: EntryDraft[] = [];
  const sampled: Asked['sampled'] = [];
  const none = (): never => assert.fail('not asked');
  const analyst: TargetAnalyst = {
    target: 'clinic' as TargetName,
    status: none,
    analyse: none,
    protectedColumns: none,
    relationsOf: none,
    knowsColumn: none,
    under: ({ classRules }) => ({
      analyse: none,
      protectedColumns: async () => new Map(classRules.map(({ class: name, pattern }) => [pattern, [name]])),
    }),
    columns: async () => columns,
    tree: none,
    async sample({ relation }, names) {
      assert.equal(entries.length, 1, 'recorded before a value is read');
      sampled.push([relation, names]);
      if (relation === 'locked') return null;
      if (relation === 'broken') throw new Error('connection lost: 123-45-6789');
      return new Map(names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])));
    },
  };
  return { entries, sampled, analyst };
}

const audit = (entries: EntryDraft[]) => ({ append: async (entry: EntryDraft) => entries.push(entry) - 1 });

describe('proposals of classes', () => {
  it('by name: columns that nothing protects, nothing is read and nothing recorded', async () => {
    const { analyst, entries, sampled } = setting([column('patients', 'ssn'), column('patients', 'email'), column('orders', 'status')], {});
    const { proposals, notes } = await proposeClasses(policy, [analyst], null, never);
    assert.deepEqual(proposals, [
      {
        column: 'clinic:public.patients.email',
        class: 'phi.email',
        isDeclared: false,
        evidence: 'its name says "email"',
        byName: 'email',
        byContent: null,
      },
    ]);
    assert.deepEqual([entries, sampled, notes], [[], [], []]);
  });

  it('by sample: only text and numbers of unprotected columns are read, after it is recorded who asked, and values stay inside', async () => {
    const ssn = [...Array.from({ length: 187 }, (_, n) => `123-45-${String(1000 + n)}`), ...Array.from({ length: 13 }, () => 'n/a')];
    const { analyst, entries, sampled } = setting([column('patients', 'ssn'), column('misc', 'col_a'), column('misc', 'when', 'date')], {
      col_a: ssn,
    });
    const found = await proposeClasses(policy, [analyst], { by, audit: audit(entries) }, never);
    assert.deepEqual(found.proposals, [
      {
        column: 'clinic:public.misc.col_a',
        class: 'phi.ssn',
        isDeclared: true,
        evidence: '187 of 200 sampled values look like ssn',
        byName: null,
        byContent: { kind: 'ssn', matched: 187, of: 200 },
      },
    ]);
    assert.deepEqual(sampled, [['misc', ['col_a']]]);
    assert.deepEqual(entries, [{ type: 'policy.sampled', principal: by, resource: { target: 'clinic' }, detail: { relations: 1 } }]);
    assert.doesNotMatch(JSON.stringify([found, entries]), /123-45/);
  });

  it('says what it could not read, without what went wrong there', async () => {
    const { analyst, entries } = setting([column('locked', 'email'), column('broken', 'email'), column('fine', 'email')], {});
    const { proposals, notes } = await proposeClasses(policy, [analyst], { by, audit: audit(entries) }, never);
    assert.equal(proposals.length, 3);
    assert.deepEqual(notes, ['2 relations of clinic were not sampled: row security, no right to read, or out of time']);
  });

  it('reads nothing when it cannot be recorded', async () => {
    const { analyst, sampled } = setting([column('patients', 'email')], {});
    const failing = { append: async () => Promise.reject(new Error('disk full')) };
    await assert.rejects(proposeClasses(policy, [analyst], { by, audit: failing }, never), /disk full/);
    assert.deepEqual(sampled, []);
  });
});

it('a proposal for a target whose names begin with a database names it', async () => {
  const { analyst } = setting([{ ...column('PATIENTS', 'EMAIL_ADDRESS'), database: 'CLINIC', schema: 'PUBLIC' }], {});
  const { proposals } = await proposeClasses(policy, [analyst], null, never);
  assert.deepEqual(
    proposals.map((proposal) => proposal.column),
    ['clinic:CLINIC.PUBLIC.PATIENTS.EMAIL_ADDRESS'],
  );
});

it('a target that is never sampled is judged by names, said so, and not recorded as sampled', async () => {
  const { analyst, entries, sampled } = setting([column('patients', 'email_address')], { email_address: ['a@b.c'] });
  const { proposals, notes } = await proposeClasses(policy, [{ ...analyst, isNeverSampled: true }], { by, audit: audit(entries) }, never);
  assert.deepEqual([proposals.length, entries, sampled], [1, [], []]);
  assert.deepEqual(notes, ['values of clinic are not sampled: its proposals are by name only']);
});
