// The worker that checks heads and proves entries, and the files of the log that it asks for.

import { HEADERS, Problem, send } from '../../api/client.ts';
import type { FromLogWorker, Head, HeadQuestion, LogJob, Proof, ProofQuestion, ToLogWorker } from '../../verify/messages.ts';
import { startWorker } from '../../workers.ts';

/** What was served does not prove what it should. */
export class NotProven extends Error {
  override name = 'NotProven';
}

interface Waiting {
  resolve(result: Head | Proof): void;
  reject(fault: Error): void;
}

const waiting = new Map<number, Waiting>();
let worker: Worker | null = null;
let jobs = 0;

export const checkHead = (question: HeadQuestion): Promise<Head> => ask({ kind: 'head', question }) as Promise<Head>;
export const prove = (question: ProofQuestion): Promise<Proof> => ask({ kind: 'prove', question }) as Promise<Proof>;

/** @throws NotProven, or the Problem of a file that could not be read */
function ask(job: LogJob): Promise<Head | Proof> {
  const id = (jobs += 1);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    post({ id, job });
  });
}

function post(message: ToLogWorker): void {
  worker ??= started();
  worker.postMessage(message);
}

function started(): Worker {
  const fresh = startWorker('log');
  fresh.addEventListener('message', ({ data }: MessageEvent<FromLogWorker>) => {
    const { id } = data;
    if (data.kind === 'done') settle(id, (job) => job.resolve(data.result));
    else if (data.kind === 'fault') settle(id, (job) => job.reject(new NotProven(data.message)));
    else
      readFile(data.path).then(
        (bytes) => post({ id, path: data.path, bytes }),
        (fault: unknown) => settle(id, (job) => job.reject(fault as Error)),
      );
  });
  fresh.addEventListener('error', () => {
    worker = null;
    for (const id of waiting.keys()) settle(id, (job) => job.reject(new Error('the verifier could not be started')));
  });
  return fresh;
}

function settle(id: number, end: (job: Waiting) => void): void {
  const job = waiting.get(id);
  waiting.delete(id);
  if (job !== undefined) end(job);
}

/** Null = not there. @throws {Problem} */
async function readFile(path: string): Promise<Uint8Array | null> {
  try {
    return new Uint8Array(await (await send(`/log/${path}`, { headers: HEADERS })).arrayBuffer());
  } catch (fault) {
    if (fault instanceof Problem && fault.status === 404) return null;
    throw fault;
  }
}
