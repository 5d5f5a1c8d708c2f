// A worker thread: serves traffic beside the main thread, on the same port and into the same log. It is told everything by
// the main thread and ends with it; a fault nobody caught ends the thread, and with it the gateway.
// REFUSES: a policy that is not, bit for bit, the one that the main thread has.

import { parentPort, workerData } from 'node:worker_threads';
import { connectAuditLog } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { Logger } from '../core/ports.ts';
import { createSessionSlots } from '../session/session-slots.ts';
import { createParser } from '../sql/parser.ts';
import { failuresOfThread } from './login-failures.ts';
import { requirePolicy } from './policy-source.ts';
import { systemClock, systemRandom } from './ports.ts';
import { remoteDesk } from './remote-desk.ts';
import { ThreadCalls } from './thread-calls.ts';
import { authenticatorOf, createTraffic, policySettingOf, type Traffic } from './traffic.ts';
import { fromPlain, isWorkerData, type MainCalls, type WorkerCalls } from './worker-messages.ts';

export function runWorker(): void {
  if (parentPort === null || !isWorkerData(workerData)) throw new SallyportError('SP_INTERNAL', 'not a worker thread of the gateway');
  const { thread, policySha256, slots } = workerData;
  const settings = fromPlain(workerData.settings);
  const clock = systemClock;
  const audit = connectAuditLog(workerData.audit, clock);
  const failures = failuresOfThread(clock, (address) => calls.tell('loginFailed', address));

  let started: Traffic | null = null;
  const traffic = (): Traffic => {
    if (started === null) throw new SallyportError('SP_INTERNAL', 'the worker has not started');
    return started;
  };
  const calls = new ThreadCalls<MainCalls, WorkerCalls>(parentPort, {
    async start() {
      const policy = requirePolicy(settings.policyTexts, policySettingOf(settings.document));
      if (policy.sha256 !== policySha256)
        throw new SallyportError('SP_INTERNAL', 'a worker has loaded another policy than the main thread');
      started = createTraffic({
        settings,
        policy,
        parser: await createParser(),
        authenticator: authenticatorOf(settings.document, { clock, logger }),
        audit,
        approvals: remoteDesk(calls),
        slots: createSessionSlots(settings.document.limits.maxSessions, slots),
        failures: failures.limiter,
        cancelElsewhere: (pid, key) => calls.call('cancel', { pid, key: Uint8Array.from(key) }),
        // The writer forgets a session's key with its `session.close`.
        onSessionClosed: () => undefined,
        thread,
        clock,
        random: systemRandom,
        logger,
      });
      await started.adapter.start();
    },
    async listen({ index, port }) {
      await traffic().listen(index, { port, sharing: 'further' });
    },
    cancel: async ({ pid, key }) => traffic().adapter.cancel(pid, key),
    loginFailed: async (address) => failures.recordElsewhere(address),
    status: async () =>
      traffic()
        .adapter.analysts()
        .map((analyst) => analyst.status()),
    metrics: () => traffic().metrics.snapshot(),
    async refuseSessions() {
      traffic().gate.drain();
    },
    drain: (_, signal) => traffic().adapter.drain(signal),
    async close() {
      started?.gate.close();
      await audit.close();
    },
  });
  const logger = loggerOf((level) => (fields, message) => calls.tell('log', { level, fields: { ...fields, worker: thread }, message }));
}

function loggerOf(at: (level: 'info' | 'warn' | 'error') => Logger['info']): Logger {
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
