// What the command line is given for evidence.

import type { EvidenceTools } from '../cli/index.ts';
import { describeVerdict, saveArchive, verifyBundle } from '../evidence/index.ts';

export const evidenceTools: EvidenceTools = {
  // Loaded on demand: it brings the configuration and the store with it.
  exportOffline: async (options) => {
    const { exportOffline } = await import('./evidence-offline.ts');
    return exportOffline(options);
  },
  save: saveArchive,
  verify: async (path, options) => {
    const verdict = await verifyBundle(path, options);
    return { ok: verdict.ok, verdict, lines: describeVerdict(verdict) };
  },
};
