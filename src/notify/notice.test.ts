import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Approval } from '../core/ports.ts';
import { noticeOfApproval } from './notice.ts';
import { approvalOf, NOW_MS } from './testing.ts';

const by = { issuer: 'corp', subject: 'olga', kind: 'person' as const };
const fact = (approval: Approval, name: string) => noticeOfApproval(approval).facts.find((one) => one.name === name)?.value;

describe('the notice of an approval', () => {
  it('says who wants what, what comes out how, and how to answer', () => {
    const approval = approvalOf({ onBehalfOf: { issuer: 'corp', subject: 'pat', kind: 'person' } });
    const notice = noticeOfApproval(approval);
    assert.deepEqual(
      [notice.kind, notice.id, notice.who, notice.actions, notice.link],
      ['approval.requested', approval.id, 'privacy-officer', ['approve', 'deny'], `/v1/approvals/${approval.id}`],
    );
    assert.deepEqual(Object.fromEntries(notice.facts.map(({ name, value }) => [name, value])), {
      Who: 'Agent 1 (corp/agent-1, agent)',
      For: 'corp/pat',
      Target: 'clinic',
      Does: 'read',
      Touches: 'public.patients (read)',
      'Protected data': 'phi.ssn as redact',
      Bounded: 'no: it can return whole tables',
      'Held by': 'bulk-read-of-phi',
      Says: 'Ask for less.',
      Statement: 'SELECT * FROM patients WHERE ssn = $1',
      Needs: '2 of role privacy-officer',
      Asked: '2026-11-21T09:00:00Z',
      Expires: '2026-11-21T09:15:00Z',
      'Answer with': `sallyport approvals show ${approval.id}`,
    });
  });

  it('follows the state, and asks for an answer only while one is wanted', () => {
    const answers = [{ by, verdict: 'approve' as const, atMs: NOW_MS }];
    const cases = [
      [{ answers }, 'approval.answered', 2, 'clinic: 1 of 2 have approved'],
      [{ state: 'approved', answers }, 'approval.answered', 0, 'clinic: approved'],
      [{ state: 'denied', answers }, 'approval.answered', 0, 'clinic: denied'],
      [{ state: 'expired' }, 'approval.expired', 0, 'clinic: nobody answered in time'],
      [{ state: 'cancelled' }, 'approval.expired', 0, 'clinic: no longer needed'],
      [{ state: 'used', answers }, 'approval.used', 0, 'clinic: the approved statement has run'],
    ] as const;
    const events = cases.map(([change, kind, actions, title]) => {
      const notice = noticeOfApproval(approvalOf(change));
      assert.deepEqual([notice.kind, notice.actions.length, notice.title], [kind, actions, title]);
      return notice.event;
    });
    assert.equal(new Set(events).size, events.length, 'no two events are the same');
    assert.equal(fact(approvalOf({ answers }), 'Answers'), 'approve by corp/olga at 2026-11-21T09:00:00Z');
  });

  it('names twenty relations and counts the rest', () => {
    const relations = Array.from({ length: 50 }, (_, at) => ({ name: `public.t${at}`, access: 'read' as const }));
    assert.match(fact(approvalOf({ relations }), 'Touches') ?? '', /t19 \(read\), and 30 more$/);
  });

  it('carries nothing of an approval but the fields it picks: no binding, no alias, nothing added later', () => {
    const canary = 'canary-123-45-6789';
    const base = approvalOf();
    const approval = {
      ...base,
      binding: {
        ...base.binding,
        principal: canary,
        statementSha256: canary,
        parametersSha256: canary,
        catalogueVersion: canary,
        maskSetId: canary,
      },
      outputs: [{ name: canary, classes: ['phi.ssn'], mask: 'redact', sample: canary }],
      relations: [{ name: 'public.patients', access: 'read', rows: [canary] }],
      requester: { ...base.requester, claims: { ssn: canary } },
      answers: [{ by: { ...by, name: canary }, verdict: 'approve', atMs: NOW_MS, justification: canary }],
      preview: { before: [canary], after: [canary] },
      parameters: [canary],
    } as unknown as Approval;
    assert.ok(!JSON.stringify(noticeOfApproval(approval)).includes(canary));
  });
});
