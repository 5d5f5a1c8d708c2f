import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Delegation, mayAnswer, mayEnd, type Unseal } from './access-queries.ts';

const olga = { issuer: 'corp', subject: 'olga', kind: 'person' } as const;
const anna = { issuer: 'corp', subject: 'anna', kind: 'person' } as const;
const unseal: Unseal = {
  id: 'uns_a',
  state: 'pending',
  requester: anna,
  session: 'ses_a',
  entry: null,
  target: 'clinic',
  purpose: 'audit',
  approvers: { role: 'officer', count: 1 },
  answers: [],
  createdAt: '2026-11-21T09:00:00.000Z',
  expiresAt: '2026-11-21T10:00:00.000Z',
};

test('an answer is offered to those with the role, once, and never for their own request', () => {
  const viewer = { ...olga, roles: ['officer'] };
  assert.equal(mayAnswer(viewer, unseal), true);
  assert.equal(mayAnswer({ ...viewer, roles: ['clerk'] }, unseal), false);
  assert.equal(mayAnswer(viewer, { ...unseal, requester: olga }), false);
  assert.equal(mayAnswer(viewer, { ...unseal, answers: [{ by: olga, verdict: 'approve', at: unseal.createdAt }] }), false);
  assert.equal(
    mayAnswer(viewer, { ...unseal, answers: [{ by: { ...olga, issuer: 'other' }, verdict: 'approve', at: unseal.createdAt }] }),
    true,
  );
  for (const state of ['approved', 'denied', 'expired'] as const) assert.equal(mayAnswer(viewer, { ...unseal, state }), false);
});

test('a lent role is taken back by who lent it, and by operators', () => {
  const lent: Delegation = { id: 'dlg_a', role: 'officer', from: olga, to: anna, createdAt: unseal.createdAt, expiresAt: unseal.expiresAt };
  assert.equal(mayEnd({ ...olga, rights: [] }, lent), true);
  assert.equal(mayEnd({ ...anna, rights: ['audit'] }, lent), false);
  assert.equal(mayEnd({ ...anna, rights: ['operate'] }, lent), true);
});
