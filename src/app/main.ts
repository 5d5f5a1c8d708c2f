// The program: wires the command line to what only the root may construct.

import { unseal, verifyLog } from '../audit/index.ts';
import { processIo, runCli } from '../cli/index.ts';
import { createAuthority, issueServerCertificate } from './certificates.ts';
import { environment } from './config.ts';
import { serve } from './serve.ts';
import { systemClock } from './ports.ts';
import { VERSION } from './version.ts';

const io = processIo(environment());

process.exitCode = await runCli(
  {
    io,
    version: VERSION,
    serve: ({ config }) => serve({ config, write: (text) => io.stdout.write(text) }),
    // Loaded on demand: the demo's database and identity provider are development parts.
    demo: async (options) => {
      const { demo } = await import('./demo.ts');
      return demo({ ...options, write: (text) => io.stdout.write(text) });
    },
    certificates: async (hosts) => {
      const nowMs = systemClock.nowMs();
      const authority = await createAuthority({ name: 'Sallyport CA', nowMs });
      return { authority, server: await issueServerCertificate(authority, { hosts, nowMs }) };
    },
    unseal,
    verifyLog,
  },
  process.argv.slice(2),
);
