// Memory that a Node really uses: through its inspector it is asked for a full garbage collection and for the size of its
// heap. Resident memory alone misleads: pages that an earlier peak left behind take up new objects unseen.
// The process is started with `--inspect=127.0.0.1:0`.

import { rssMiB, sleep } from './machine.ts';
import type { Started } from './processes.ts';
import type { Target } from './targets.ts';

export const inspectOption = '--inspect=127.0.0.1:0';

export interface Memory {
  readonly rssMiB: number;
  /** Live objects and their buffers; null when it is no Node. */
  readonly heapMiB: number | null;
}

interface Answer {
  readonly id: number;
  readonly result: { readonly result?: { readonly value?: unknown } };
}

/** After a full collection. @returns bytes of live objects and buffers of the main thread */
async function collectGarbage(node: Pick<Started, 'printed'>): Promise<number> {
  const [, url = ''] = await node.printed(/Debugger listening on (ws:\S+)/);
  const socket = new WebSocket(url);
  const call = (id: number, method: string, params: object = {}): Promise<Answer> =>
    new Promise((resolve) => {
      const onMessage = ({ data }: MessageEvent): void => {
        const answer = JSON.parse(String(data)) as Answer;
        if (answer.id !== id) return;
        socket.removeEventListener('message', onMessage);
        resolve(answer);
      };
      socket.addEventListener('message', onMessage);
      socket.send(JSON.stringify({ id, method, params }));
    });
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true });
      socket.addEventListener('error', () => reject(new Error('the inspector does not answer')), { once: true });
    });
    // Twice: what finalisers let go of in the first is gone after the second.
    await call(1, 'HeapProfiler.collectGarbage');
    await call(2, 'HeapProfiler.collectGarbage');
    const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    return Number((await call(3, 'Runtime.evaluate', { expression })).result.result?.value);
  } finally {
    socket.close();
  }
}

/** Once garbage is collected and resident memory no longer falls. */
export async function settledMemory(target: Target): Promise<Memory> {
  const heap = target.node === undefined ? null : await collectGarbage(target.node);
  let lowest = rssMiB(target.pids);
  for (let still = 0, turns = 0; still < 4 && turns < 40; turns += 1) {
    await sleep(250);
    const now = rssMiB(target.pids);
    still = now < lowest - 0.5 ? 0 : still + 1;
    lowest = Math.min(lowest, now);
  }
  return { rssMiB: lowest, heapMiB: heap === null ? null : heap / 2 ** 20 };
}

/** What `count` things need each, KiB: growth of resident memory and of the heap. */
export function growthKiB(before: Memory, after: Memory, count: number): { readonly rss: number; readonly heap: number | null } {
  const each = (mebibytes: number): number => (mebibytes * 1024) / count;
  const { heapMiB } = after;
  return {
    rss: each(after.rssMiB - before.rssMiB),
    heap: heapMiB === null || before.heapMiB === null ? null : each(heapMiB - before.heapMiB),
  };
}
