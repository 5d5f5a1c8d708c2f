// What the command line is given for evidence. Loaded on demand: most commands do without.

import type { EvidenceTools } from '../cli/index.ts';

export const evidenceTools: EvidenceTools = {
  exportOffline: async (options) => {
    const { exportOffline } = await import('./evidence-offline.ts');
    return exportOffline(options);
  },
  save: async (...archive) => {
    const { saveArchive } = await import('../evidence/index.ts');
    return saveArchive(...archive);
  },
  verify: async (path, options) => {
    const { describeVerdict, verifyBundle } = await import('../evidence/index.ts');
    const verdict = await verifyBundle(path, options);
    return { ok: verdict.ok, verdict, lines: describeVerdict(verdict) };
  },
};
