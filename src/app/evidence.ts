// Evidence bundles from a running gateway: recorded first, made beside the log, sent, and thrown away.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvidenceSurface } from '../api/index.ts';
import type { OpenAuditLog } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { PolicyVersions } from '../core/ports.ts';
import type { NoteSigner } from '../audit/tlog/index.ts';
import { exportBundle, loadVerifier, zipOf } from '../evidence/index.ts';
import { VERSION } from './version.ts';

/** Of the disk that the audit log writes to: without it traffic stops. */
const RESERVE_BYTES = 1024 * 1024 * 1024;

export interface EvidenceDeps {
  readonly audit: Pick<OpenAuditLog, 'append' | 'publish'>;
  /** The `log` folder of the audit log. */
  readonly log: string;
  /** Where bundles are made; emptied at the start. */
  readonly workDirectory: string;
  readonly signer: NoteSigner;
  readonly versions: Pick<PolicyVersions, 'get'>;
}

export async function createEvidence(deps: EvidenceDeps): Promise<EvidenceSurface> {
  const { workDirectory } = deps;
  // Of a gateway that was killed while it made one.
  await rm(workDirectory, { recursive: true, force: true });
  let isBusy = false;
  return {
    async export({ issuer, subject, kind }, request, signal) {
      if (isBusy) throw new SallyportError('SP_API_RATE_LIMITED', 'another evidence bundle is being made');
      isBusy = true;
      let folder: string | null = null;
      let isDone = false;
      const done = async (): Promise<void> => {
        if (isDone) return;
        isDone = true;
        isBusy = false;
        if (folder !== null) await rm(folder, { recursive: true, force: true });
      };
      try {
        await deps.audit.append({
          type: 'evidence.exported',
          principal: { issuer, subject, kind },
          ...(request.target === null ? {} : { resource: { target: request.target } }),
          detail: { from: request.from, to: request.to, isFiltered: request.principal !== null || request.target !== null },
        });
        await deps.audit.publish();
        await mkdir(workDirectory, { recursive: true, mode: 0o700 });
        folder = await mkdtemp(join(workDirectory, 'bundle-'));
        const bundle = await exportBundle(
          request,
          {
            log: deps.log,
            signer: deps.signer,
            policy: async (sha256) => (await deps.versions.get(sha256 as Sha256Hex))?.source ?? null,
            verifier: loadVerifier,
            version: VERSION,
            reserveBytes: RESERVE_BYTES,
            signal,
          },
          folder,
        );
        // A client that went away before it read anything never ends the iteration.
        signal.addEventListener('abort', () => void done(), { once: true });
        if (signal.aborted) await done();
        return archive(folder, bundle.files, done);
      } catch (fault) {
        await done();
        throw fault;
      }
    },
  };
}

async function* archive(folder: string, files: Parameters<typeof zipOf>[1], done: () => Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    yield* zipOf(folder, files);
  } finally {
    await done();
  }
}
