// Checks heads and proves entries of the log, one job after the other. The page fetches the files that it names: it has no network.

import { messageOf } from './faults.ts';
import type { FromLogWorker, LogJob, ToLogWorker } from './messages.ts';
import type { ReadFile } from './prove.ts';
import { checkHead, prove } from './prove.ts';

const tell = (message: FromLogWorker): void => globalThis.postMessage(message);

/** Of each job: what waits for which file. */
const waiting = new Map<string, (bytes: Uint8Array | null) => void>();

async function run(id: number, job: LogJob): Promise<void> {
  const read: ReadFile = (path) =>
    new Promise((resolve) => {
      waiting.set(`${id} ${path}`, resolve);
      tell({ id, kind: 'read', path });
    });
  try {
    const result = job.kind === 'head' ? await checkHead(job.question, read) : await prove(job.question, read);
    tell({ id, kind: 'done', result });
  } catch (fault) {
    tell({ id, kind: 'fault', message: messageOf(fault) });
  }
}

globalThis.addEventListener('message', ({ data }: MessageEvent<ToLogWorker>) => {
  if ('job' in data) {
    void run(data.id, data.job);
    return;
  }
  const name = `${data.id} ${data.path}`;
  waiting.get(name)?.(data.bytes);
  waiting.delete(name);
});
