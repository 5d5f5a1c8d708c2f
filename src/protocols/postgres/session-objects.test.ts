// Names that SQL and the protocol share: EXECUTE of what Parse made, FETCH of what Bind made.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Facts } from '../../core/facts.ts';
import type { PlannedText } from './planner.ts';
import { LiveObjects } from './session-objects.ts';

const facts = (fingerprint: string): Facts => ({ fingerprint }) as unknown as Facts;
const planned = (fingerprint: string): PlannedText => ({ plan: { facts: facts(fingerprint), statements: [] } }) as unknown as PlannedText;

describe('names that SQL and the protocol share', () => {
  it('gives SQL EXECUTE the plan of the statement that Parse made', () => {
    const objects = new LiveObjects();
    objects.parsed('s', planned('of s'));
    assert.equal(objects.prepared('s')?.fingerprint, 'of s');
    objects.apply({ kind: 'deallocate', name: 's' });
    assert.equal(objects.prepared('s'), undefined);
  });

  it('gives SQL FETCH the plan of the portal that Bind made, until the transaction is over', () => {
    const objects = new LiveObjects();
    for (const tag of ['COMMIT', 'ROLLBACK']) {
      objects.bound('p', planned('of p'));
      assert.equal(objects.cursor('p')?.fingerprint, 'of p');
      objects.completed(tag);
      assert.equal(objects.cursor('p'), undefined);
    }
  });

  it('does not know the unnamed statement and portal: SQL cannot name them', () => {
    const objects = new LiveObjects();
    objects.parsed('', planned('x'));
    objects.bound('', planned('x'));
    assert.ok(objects.isEmpty);
  });

  it('forgets a statement that would be planned otherwise today', () => {
    let today: PlannedText | null = planned('newer facts');
    const objects = new LiveObjects(() => today);
    objects.parsed('s', planned('older facts'));
    assert.equal(objects.prepared('s')?.fingerprint, 'newer facts');
    today = null;
    assert.equal(objects.prepared('s'), undefined);
    assert.equal(objects.cursor('s'), undefined);
  });

  it('keeps a statement over the end of a transaction, as the server does', () => {
    const objects = new LiveObjects();
    objects.parsed('s', planned('of s'));
    objects.completed('ROLLBACK');
    assert.equal(objects.prepared('s')?.fingerprint, 'of s');
    objects.closed('statement', 's');
    assert.equal(objects.prepared('s'), undefined);
  });
});
