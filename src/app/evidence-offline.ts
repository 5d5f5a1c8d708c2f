// Evidence bundles from a data directory, without a gateway: its disk, or a copy of it, and the configuration with the signing key.

import { dirname, join } from 'node:path';
import { parseSigningKey } from '../audit/index.ts';
import type { OfflineExport } from '../cli/index.ts';
import { exportTo, loadVerifier } from '../evidence/index.ts';
import { resolveSecret } from '../secrets/index.ts';
import { openPolicyArchive } from '../store/index.ts';
import { loadConfig } from './config.ts';
import { environment } from './environment.ts';
import { VERSION } from './version.ts';

export const exportOffline: OfflineExport = async ({ config: file, output, request, onProgress, signal }) => {
  const config = await loadConfig(file);
  const { audit, dataDirectory } = config.document;
  const signingKey = await resolveSecret(audit.signingKey, { environment: environment(), baseDir: dirname(config.file) });
  const directory = config.path(dataDirectory);
  const policies = openPolicyArchive(join(directory, 'state'));
  try {
    const { scope, files, policiesMissing } = await exportTo(output, request, {
      log: join(directory, 'audit', 'log'),
      signer: parseSigningKey(signingKey, audit.origin),
      policy: async (sha256) => policies.get(sha256),
      verifier: loadVerifier,
      version: VERSION,
      reserveBytes: 0,
      onProgress,
      signal,
    });
    return { entries: scope.end - scope.first, files: files.length, policiesMissing: policiesMissing.length };
  } finally {
    policies.close();
  }
};
