import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SallyportError } from '../core/error.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { SubjectDigests, SubjectIndex, SubjectRecord } from '../core/subject.ts';
import { SubjectRecorder } from './subject-recorder.ts';

const clock = { nowMs: () => 5, monotonicMs: () => 0 };
const logged = { isDone: true, wait: () => Promise.resolve() };
const some: readonly SubjectDigests[] = [{ subject: 'patient', asked: [], returned: [], isClosed: true }];

function staged(): { index: SubjectIndex; records: SubjectRecord[]; durable: { upTo: number } } {
  const records: SubjectRecord[] = [];
  const durable = { upTo: 0 };
  const index: SubjectIndex = {
    digest: () => new Uint8Array(16),
    append(record) {
      const number = records.push(record);
      return {
        get isDone() {
          return durable.upTo >= number;
        },
        wait: () => (durable.upTo >= number ? Promise.resolve() : Promise.reject(new SallyportError('SP_AUDIT_UNWRITABLE', 'not yet'))),
      };
    },
  };
  return { index, records, durable };
}

test('INVARIANT: an answer waits for the index as for the log, also that of a later request of the session', async () => {
  const { index, records, durable } = staged();
  const recorder = new SubjectRecorder(index, 'ses_a' as SessionId, 'clinic' as TargetName, clock);
  const first = recorder.record(logged, 4, some);
  assert.deepEqual([records[0]?.n, records[0]?.atMs, first.isDone], [4, 5, false]);
  await assert.rejects(first.wait(), { code: 'SP_AUDIT_UNWRITABLE' });
  // It touched nobody itself, but stands for what came before it.
  const later = recorder.record(logged, 6, []);
  assert.equal(later.isDone, false);
  durable.upTo = 1;
  assert.equal(later.isDone, true);
  await first.wait();
  assert.equal(recorder.record(logged, 8, []), logged);
  // Neither counts alone.
  durable.upTo = 2;
  assert.equal(recorder.record({ isDone: false, wait: () => Promise.resolve() }, 9, some).isDone, false);
});

test('an index that cannot be written refuses the answer', async () => {
  const index: SubjectIndex = {
    digest: () => new Uint8Array(16),
    append() {
      throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the disk is full');
    },
  };
  const recorded = new SubjectRecorder(index, 'ses_a' as SessionId, 'clinic' as TargetName, clock).record(logged, 1, some);
  assert.equal(recorded.isDone, false);
  await assert.rejects(recorded.wait(), { code: 'SP_AUDIT_UNWRITABLE' });
});
