// The program: wires the command line to what only the root may construct. A worker thread enters here too.

import { workerData } from 'node:worker_threads';
import { processIo, runCli } from '../cli/index.ts';
import { environment } from './environment.ts';
import { evidenceTools } from './evidence-tools.ts';
import { systemClock } from './ports.ts';
import { isSiemThreadData } from './siem-messages.ts';
import { VERSION } from './version.ts';
import { isWorkerData } from './worker-messages.ts';

if (isWorkerData(workerData)) {
  const { runWorker } = await import('./worker.ts');
  runWorker();
} else if (isSiemThreadData(workerData)) {
  const { runSiemThread } = await import('./siem-thread.ts');
  runSiemThread();
} else {
  process.exitCode = await runProgram();
}

function runProgram(): Promise<number> {
  const io = processIo(environment());
  return runCli(
    {
      io,
      version: VERSION,
      // Loaded on demand: commands that only ask a gateway start in half the time without one, and the demo's database and
      // identity provider are development parts.
      serve: async ({ config }) => {
        const { serve } = await import('./serve.ts');
        await serve({ config, write: (text) => io.stdout.write(text) });
      },
      demo: async (options) => {
        const { demo } = await import('./demo.ts');
        return demo({ ...options, write: (text) => io.stdout.write(text) });
      },
      certificates: async (hosts) => {
        const { createAuthority, issueServerCertificate } = await import('./certificates.ts');
        const nowMs = systemClock.nowMs();
        const authority = await createAuthority({ name: 'Sallyport CA', nowMs });
        return { authority, server: await issueServerCertificate(authority, { hosts, nowMs }) };
      },
      unseal: async (...sealed) => {
        const { unseal } = await import('../audit/index.ts');
        return unseal(...sealed);
      },
      verifyLog: async (...options) => {
        const { verifyLog } = await import('../audit/index.ts');
        return verifyLog(...options);
      },
      evidence: evidenceTools,
    },
    process.argv.slice(2),
  );
}
