import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, type Authority, authorityOf, type Question, refusalOf, verdictOf } from './answering.ts';
import type { ActorRef, Principal } from './identity.ts';
import type { DelegationId } from './ids.ts';
import { principalOf } from './testing.ts';

const actor = (subject: string): ActorRef => ({ issuer: 'corp', subject, kind: 'person' });
const person = (subject: string, change: Partial<Principal> = {}): Principal =>
  principalOf({ ...actor(subject), name: subject, ...change });
const question = (change: Partial<Question> = {}): Question => ({
  requester: actor('rita'),
  onBehalfOf: null,
  approvers: { role: 'officer', count: 2 },
  answers: [],
  ...change,
});
const own: Authority = { kind: 'role', role: 'officer' };
const lentBy = (subject: string): Authority => ({ kind: 'delegation', id: 'dlg_1' as DelegationId, from: actor(subject) });
const yes = (subject: string, from?: string): Answer => ({
  by: actor(subject),
  verdict: 'approve',
  atMs: 1,
  ...(from === undefined ? {} : { lentBy: actor(from) }),
});
const codeOf = (principal: Principal, authorities: readonly Authority[], change: Partial<Question> = {}) =>
  refusalOf(question(change), principal, authorities, 0)?.code ?? null;

describe('who may answer', () => {
  it('is a person with the right, whose identity is valid', () => {
    assert.equal(codeOf(person('bob'), [own]), null);
    assert.equal(codeOf(person('bob'), []), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('bob', { kind: 'agent' }), [own]), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('bob', { kind: 'service' }), [own]), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('bob', { onBehalfOf: actor('eve') }), [own]), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('bob', { expiresAtMs: 0 }), [own]), 'SP_AUTH_EXPIRED');
  });

  it('INVARIANT: is never who asked, nor for whom it was asked, by whatever right', () => {
    assert.equal(codeOf(person('rita'), [own]), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('rita'), [lentBy('zoe')]), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('alice'), [own], { onBehalfOf: actor('alice') }), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('rita', { issuer: 'partner' }), [own]), null);
  });

  it('INVARIANT: is nobody by a right that the requester lent', () => {
    assert.equal(codeOf(person('dave'), [lentBy('rita')]), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('dave'), [lentBy('alice')], { onBehalfOf: actor('alice') }), 'SP_API_FORBIDDEN');
    assert.equal(codeOf(person('dave'), [lentBy('rita'), lentBy('zoe')]), null);
    assert.deepEqual(authorityOf(question(), actor('dave'), [lentBy('rita'), lentBy('zoe')]), lentBy('zoe'));
  });

  it('uses a role of their own before a lent right', () => {
    assert.deepEqual(authorityOf(question(), actor('dave'), [lentBy('zoe'), own]), own);
  });

  it('is nobody twice: not the same person, nor the one who lent and the one who borrowed', () => {
    assert.equal(authorityOf(question({ answers: [yes('bob')] }), actor('bob'), [own]), null);
    assert.equal(authorityOf(question({ answers: [yes('dave', 'zoe')] }), actor('zoe'), [own]), null);
    assert.equal(authorityOf(question({ answers: [yes('zoe')] }), actor('dave'), [lentBy('zoe')]), null);
    assert.equal(authorityOf(question({ answers: [yes('dave', 'zoe')] }), actor('erin'), [lentBy('zoe')]), null);
    assert.deepEqual(
      authorityOf(question({ answers: [yes('dave', 'zoe')] }), actor('erin'), [lentBy('zoe'), lentBy('yan')]),
      lentBy('yan'),
    );
    assert.deepEqual(authorityOf(question({ answers: [yes('bob')] }), actor('carol'), [own]), own);
  });
});

describe('what answers make', () => {
  it('counts people by whose right it was', () => {
    assert.equal(verdictOf(question(), []), 'pending');
    assert.equal(verdictOf(question(), [yes('bob')]), 'pending');
    assert.equal(verdictOf(question(), [yes('bob'), yes('carol')]), 'approved');
    assert.equal(verdictOf(question(), [yes('dave', 'zoe'), yes('erin', 'zoe')]), 'pending');
    assert.equal(verdictOf(question(), [yes('dave', 'zoe'), yes('zoe')]), 'pending');
    assert.equal(verdictOf(question(), [yes('dave', 'zoe'), yes('bob')]), 'approved');
  });

  it('lets one denial outweigh any number of approvals', () => {
    assert.equal(verdictOf(question(), [yes('bob'), yes('carol'), { ...yes('dan'), verdict: 'deny' }]), 'denied');
  });
});
