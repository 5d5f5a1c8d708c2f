// A worker thread: serves traffic beside the main thread, on the same port and into the same log. It is told everything by
// the main thread and ends with it; a fault nobody caught ends the thread, and with it the gateway.
// REFUSES: a policy that is not, bit for bit, the one that the main thread has.

import { parentPort, workerData } from 'node:worker_threads';
import { connectAuditLog } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { Logger } from '../core/ports.ts';
import { endedByPerson } from '../session/session-control.ts';
import { loadVersion, type Policy } from '../policy/index.ts';
import { AccessTable } from '../session/access-table.ts';
import { createSessionSlots } from '../session/session-slots.ts';
import { createParser } from '../sql/parser.ts';
import { remoteBoundColumns } from './bound-columns.ts';
import { failuresOfThread } from './login-failures.ts';
import { systemClock, systemRandom } from './ports.ts';
import { remoteDesk } from './remote-desk.ts';
import { ThreadCalls } from './thread-calls.ts';
import { ThreadPolicy } from './thread-policy.ts';
import { authenticatorOf, createTraffic, policySettingOf, type Traffic } from './traffic.ts';
import { fromPlain, isWorkerData, type MainCalls, type WorkerCalls } from './worker-messages.ts';

export function runWorker(): void {
  if (parentPort === null || !isWorkerData(workerData)) throw new SallyportError('SP_INTERNAL', 'not a worker thread of the gateway');
  const { thread, policySha256, slots, boundVersion } = workerData;
  const settings = fromPlain(workerData.settings);
  const clock = systemClock;
  // The main thread hears of it by itself and ends the gateway; until then nobody here goes on without a record.
  const audit = connectAuditLog(workerData.audit, clock, (fault) => started?.gate.endAll(fault));
  const failures = failuresOfThread(clock, (address) => calls.tell('loginFailed', address));

  // Nobody has access by grant before the main thread has told of it.
  const access = new AccessTable({ clock });

  let started: Traffic | null = null;
  let prepared: Policy | null = null;
  const setting = policySettingOf(settings.document);
  const versionOf = (source: string, sha256: Sha256Hex): Policy => {
    const loaded = loadVersion(source, setting);
    if (!loaded.ok || loaded.policy.sha256 !== sha256)
      throw new SallyportError('SP_INTERNAL', 'a worker has loaded another policy than the main thread');
    return loaded.policy;
  };
  const traffic = (): Traffic => {
    if (started === null) throw new SallyportError('SP_INTERNAL', 'the worker has not started');
    return started;
  };
  const calls = new ThreadCalls<MainCalls, WorkerCalls>(parentPort, {
    async start() {
      started = createTraffic({
        settings,
        policy: new ThreadPolicy(versionOf(settings.policySource, policySha256), settings.document.targets),
        parser: await createParser(),
        authenticator: authenticatorOf(settings.document, { clock, logger }),
        audit,
        approvals: remoteDesk(calls),
        boundColumns: remoteBoundColumns(calls, boundVersion),
        slots: createSessionSlots(settings.document.limits.maxSessions, slots),
        access,
        failures: failures.limiter,
        cancelElsewhere: (pid, key) => calls.call('cancel', { pid, key: Uint8Array.from(key) }),
        onSessionClosed: (id) => audit.forgetSession(id),
        // Uncaught: it ends the thread, and with it the gateway.
        onSubjectFault: (fault) =>
          setImmediate(() => {
            throw fault;
          }),
        thread,
        clock,
        random: systemRandom,
        logger,
      });
      await started.adapters.start();
    },
    async listen({ index, port }) {
      await traffic().listen(index, { port, sharing: 'further' });
    },
    cancel: async ({ pid, key }) => traffic().cancel(pid, key),
    loginFailed: async (address) => failures.recordElsewhere(address),
    access: async (snapshot) => access.replace(snapshot),
    async preparePolicy({ source, sha256 }) {
      prepared = versionOf(source, sha256);
    },
    async usePolicy(sha256) {
      if (prepared?.sha256 !== sha256) throw new SallyportError('SP_INTERNAL', 'the worker has not prepared this policy');
      traffic().usePolicy(prepared);
      prepared = null;
    },
    endSession: async (id) => traffic().gate.endSession(id, endedByPerson()),
    status: async () =>
      traffic()
        .adapters.analysts()
        .map((analyst) => analyst.status()),
    metrics: () => traffic().metrics.snapshot(),
    async refuseSessions() {
      traffic().gate.drain();
    },
    drain: (_, signal) => traffic().adapters.drain(signal),
    async close() {
      started?.gate.close();
      await started?.closeSubjects();
      await audit.close();
    },
  });
  const logger = loggerOf((level) => (fields, message) => calls.tell('log', { level, fields: { ...fields, worker: thread }, message }));
}

function loggerOf(at: (level: 'info' | 'warn' | 'error') => Logger['info']): Logger {
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
