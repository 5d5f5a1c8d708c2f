// One check at a time, in a worker of its own: to end it is to end the worker.

import { useCallback, useEffect, useRef, useState } from 'react';
import type { VerifyAnswer, VerifyJob, VerifyResult } from '../../verify/messages.ts';
import { startWorker } from '../../workers.ts';

export type Check =
  | { readonly state: 'none' }
  | { readonly state: 'running'; readonly step: 'files' | 'entries'; readonly done: number; readonly total: number }
  | { readonly state: 'done'; readonly result: VerifyResult; readonly ms: number }
  | { readonly state: 'failed'; readonly message: string };

const NONE: Check = { state: 'none' };

export function useCheck() {
  const [check, setCheck] = useState<Check>(NONE);
  const worker = useRef<Worker | null>(null);
  const end = useCallback(() => {
    worker.current?.terminate();
    worker.current = null;
  }, []);
  useEffect(() => end, [end]);
  const start = useCallback(
    (job: VerifyJob) => {
      end();
      const startedMs = performance.now();
      const finish = (last: Check): void => {
        end();
        setCheck(last);
      };
      setCheck({ state: 'running', step: 'files', done: 0, total: job.file.size });
      worker.current = startWorker('bundle');
      worker.current.addEventListener('message', ({ data }: MessageEvent<VerifyAnswer>) => {
        if (data.kind === 'progress') setCheck({ state: 'running', step: data.step, done: data.done, total: data.total });
        else if (data.kind === 'result') finish({ state: 'done', result: data.result, ms: performance.now() - startedMs });
        else finish({ state: 'failed', message: data.message });
      });
      worker.current.addEventListener('error', () => finish({ state: 'failed', message: 'the verifier could not be started' }));
      worker.current.postMessage(job);
    },
    [end],
  );
  const cancel = useCallback(() => {
    end();
    setCheck(NONE);
  }, [end]);
  return { check, start, cancel };
}
