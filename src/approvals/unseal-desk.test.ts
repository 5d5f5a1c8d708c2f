import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Authority } from '../core/answering.ts';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft } from '../core/event.ts';
import type { Principal } from '../core/identity.ts';
import type { DelegationId } from '../core/ids.ts';
import { createUnsealDesk } from './unseal-desk.ts';

const personOf = (subject: string): Principal => ({
  issuer: 'corp',
  subject,
  kind: 'person',
  name: subject,
  groups: [],
  claims: {},
  onBehalfOf: null,
  expiresAtMs: Infinity,
});
const lent: Authority = { kind: 'delegation', id: 'dlg_1' as DelegationId, from: { issuer: 'corp', subject: 'olga', kind: 'person' } };

function deskOf(authorities: Readonly<Record<string, readonly Authority[]>>, count = 1) {
  const entries: EntryDraft[] = [];
  const time = { ms: 0 };
  let calls = 0;
  const desk = createUnsealDesk({
    audit: { append: async (entry) => entries.push(entry) },
    clock: { nowMs: () => time.ms, monotonicMs: () => time.ms },
    random: {
      bytes: (length) => {
        const bytes = new Uint8Array(length);
        new DataView(bytes.buffer).setUint32(0, (calls += 1));
        return bytes;
      },
    },
    approvers: { role: 'officer', count },
    authoritiesOf: ({ subject }) => authorities[subject] ?? [],
  });
  const ask = (subject: string) => desk.request(personOf(subject), { scope: { entry: 1 }, target: 'clinic', purpose: 'audit', reason: '' });
  return { desk, entries, time, ask };
}

test('an answer says in the log by which right it was given', async () => {
  const { desk, entries, ask } = deskOf(
    { olga: [{ kind: 'role', role: 'officer' }], escalated: [{ kind: 'role', role: 'chief' }], deputy: [lent] },
    2,
  );
  const { id } = await ask('ada');
  await desk.answer(id, personOf('deputy'), 'approve', '');
  // Olga's right was used: she and her deputy are one person.
  await assert.rejects(desk.answer(id, personOf('olga'), 'approve', ''), (fault) => (fault as SallyportError).code === 'SP_API_FORBIDDEN');
  assert.equal((await desk.answer(id, personOf('escalated'), 'approve', '')).state, 'approved');
  assert.deepEqual(
    entries.slice(1).map(({ answer, detail }) => [answer?.by.subject, detail]),
    [
      ['deputy', { unseal: id, state: 'pending', role: 'officer', count: 2, delegation: 'dlg_1' }],
      ['escalated', { unseal: id, state: 'approved', role: 'officer', count: 2, as: 'chief' }],
    ],
  );
});

test('THREAT many requests: those that are over give way to new ones, those that are open do not', async () => {
  const { desk, entries, time, ask } = deskOf({ olga: [{ kind: 'role', role: 'officer' }] });
  const first = await ask('ada');
  await desk.answer(first.id, personOf('olga'), 'deny', '');
  for (let n = 1; n < 1000; n += 1) await ask('ada');
  const count = entries.length;
  await ask('bob');
  assert.equal(desk.get(first.id), null);
  await assert.rejects(ask('bob'), (fault) => fault instanceof SallyportError && fault.code === 'SP_API_RATE_LIMITED');
  assert.equal(entries.length, count + 1, 'what is refused is no entry');
  time.ms += 24 * 3_600_000;
  await ask('bob');
});
