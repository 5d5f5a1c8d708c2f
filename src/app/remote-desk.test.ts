import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { describeApprovalDesk } from '../../test/conformance/approval-desk.ts';
import { SallyportError } from '../core/error.ts';
import type { ApprovalId } from '../core/ids.ts';
import type { ApprovalDesk, ApprovalOutcome } from '../core/ports.ts';
import { type DeskCalls, deskHandlers, remoteDesk } from './remote-desk.ts';
import { ThreadCalls } from './thread-calls.ts';

type Nothing = Record<string, never>;

function throughPort(desk: ApprovalDesk) {
  const { port1, port2 } = new MessageChannel();
  const main = new ThreadCalls<Nothing, DeskCalls>(port1, deskHandlers(desk));
  const worker = new ThreadCalls<DeskCalls, Nothing>(port2, {});
  return { desk: remoteDesk(worker), main, worker, close: () => port1.close() };
}

describeApprovalDesk('the approvals desk', (desk) => ({ desk, close: () => undefined }));
describeApprovalDesk('the approvals desk, from another thread', throughPort);

test('a thread that ends while its requests wait gives them up as lost, and gets no answer any more', async () => {
  const outcome = Promise.withResolvers<ApprovalOutcome>();
  const reason = Promise.withResolvers<unknown>();
  const asked = Promise.withResolvers<void>();
  const stub: Pick<ApprovalDesk, 'wait'> = {
    wait(_, signal) {
      signal.addEventListener('abort', () => reason.resolve(signal.reason));
      asked.resolve();
      return outcome.promise;
    },
  };
  const { desk, main, worker, close } = throughPort(stub as ApprovalDesk);
  const id = 'apr_x' as ApprovalId;
  const waiting = desk.wait(id, new AbortController().signal);
  const ended = new SallyportError('SP_INTERNAL', 'test: ended');
  await asked.promise;
  main.end(ended);
  const given = await reason.promise;
  assert.ok(given instanceof SallyportError && given.code === 'SP_CLIENT_LOST');
  worker.end(ended);
  await assert.rejects(waiting, ended);
  await assert.rejects(desk.wait(id, new AbortController().signal), ended);
  outcome.resolve({ outcome: 'cancelled', approval: id });
  close();
});
