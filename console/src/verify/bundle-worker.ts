// Verifies one bundle, then ends. It is given a file, and asks nobody for anything: no network.

import { messageOf } from './faults.ts';
import type { VerifyAnswer, VerifyJob } from './messages.ts';
import { verifyBlob } from './verify-blob.ts';

const REPORT_MS = 80;

const answer = (message: VerifyAnswer): void => globalThis.postMessage(message);

globalThis.addEventListener('message', ({ data }: MessageEvent<VerifyJob>) => {
  let reportedMs = 0;
  verifyBlob(data, (step, done, total) => {
    const nowMs = performance.now();
    if (done < total && nowMs - reportedMs < REPORT_MS) return;
    reportedMs = nowMs;
    answer({ kind: 'progress', step, done, total });
  }).then(
    (result) => answer({ kind: 'result', result }),
    (fault: unknown) => answer({ kind: 'fault', message: messageOf(fault) }),
  );
});
