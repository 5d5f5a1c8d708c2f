// Long work as newline-delimited JSON: `{"progress":{...}}` while it goes on, then one `{"result":...}` or `{"problem":...}`. The status
// was sent before, so a fault that comes later is told in the last line.

import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { OnProgress } from './ports.ts';
import { problemOf } from './problem.ts';
import { untilGone } from './until-gone.ts';

const everyMs = 250;

export function withProgress<T>(
  reply: FastifyReply,
  requestId: string,
  nowMs: () => number,
  work: (onProgress: OnProgress, signal: AbortSignal) => Promise<T>,
): FastifyReply {
  const stream = new PassThrough();
  const write = (line: object): void => {
    if (!stream.destroyed) stream.write(`${JSON.stringify(line)}\n`);
  };
  const signal = untilGone(reply);
  let toldMs = Number.NEGATIVE_INFINITY;
  const onProgress: OnProgress = (progress) => {
    if (nowMs() - toldMs < everyMs) return;
    toldMs = nowMs();
    write({ progress });
  };
  void work(onProgress, signal)
    .then(
      (result) => write({ result }),
      (fault: unknown) => write({ problem: problemOf(fault, requestId) }),
    )
    .finally(() => stream.end());
  return reply.type('application/x-ndjson').send(stream);
}
