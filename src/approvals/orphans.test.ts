import assert from 'node:assert/strict';
import { test } from 'node:test';
import { approvalOf } from '../../test/conformance/approval-store.ts';
import type { ApprovalId } from '../core/ids.ts';
import { Orphans } from './orphans.ts';

const id = (n: number): ApprovalId => `apr_${String(n).padStart(26, 'a')}` as ApprovalId;
const { binding, approvers } = approvalOf({ id: id(0) });
const wanted = { binding, approvers };

test('an approval is taken up once, by who asks exactly the same, the longest lost one first', () => {
  const orphans = new Orphans();
  orphans.add(id(1), wanted);
  orphans.add(id(2), wanted);
  for (const part of Object.keys(binding)) assert.equal(orphans.take({ approvers, binding: { ...binding, [part]: 'other' } }), null, part);
  assert.equal(orphans.take({ binding, approvers: { ...approvers, role: 'other' } }), null);
  assert.equal(orphans.take({ binding, approvers: { ...approvers, count: approvers.count + 1 } }), null);
  assert.deepEqual([orphans.take(wanted), orphans.take(wanted), orphans.take(wanted)], [id(1), id(2), null]);
});

test('one that has ended, or that somebody waits for again, is not taken up', () => {
  const orphans = new Orphans();
  orphans.add(id(1), wanted);
  orphans.add(id(1), wanted);
  orphans.delete(id(1));
  orphans.delete(id(9));
  assert.equal(orphans.take(wanted), null);
});
