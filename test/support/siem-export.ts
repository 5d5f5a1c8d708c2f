// A real log, a real store and the exporters of a `siem:` section, without a gateway around them. Run as a program it appends entries
// until it is killed: node test/support/siem-export.ts <dir> <setup.json>

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { z } from 'zod';
import type { LoadedConfig } from '../../src/app/config.ts';
import { readSiem } from '../../src/app/siem-settings.ts';
import { createGatewaySiem, type GatewaySiem } from '../../src/app/siem.ts';
import { siemDestination } from '../../src/app/siem-schema.ts';
import { type OpenAuditLog, openAuditLog } from '../../src/audit/index.ts';
import type { Logger } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/secret.ts';
import { openStore } from '../../src/store/index.ts';

export interface ExportSetup {
  readonly origin: string;
  readonly signingKey: string;
  readonly recipient: string;
  /** As in the configuration; `{ env: X }` is the secret X itself. */
  readonly siem: readonly object[];
}

export interface RunningExport {
  readonly log: OpenAuditLog;
  readonly siem: GatewaySiem;
  readonly registry: Registry;
  close(): Promise<void>;
}

const quiet: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startExport(dir: string, setup: ExportSetup): Promise<RunningExport> {
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const random = { bytes: (length: number) => randomBytes(length) };
  const log = await openAuditLog({
    dir: join(dir, 'audit'),
    origin: setup.origin,
    replica: 'main',
    signingKey: new Secret(setup.signingKey),
    recipients: [setup.recipient],
    clock,
    random,
    logger: quiet,
    checkpointMs: 50,
  });
  const store = await openStore({ dir: join(dir, 'state') });
  const config = {
    file: join(dir, 'sallyport.yaml'),
    path: (path: string) => path,
    document: { siem: z.array(siemDestination).parse(setup.siem), audit: { origin: setup.origin } },
  } as unknown as LoadedConfig;
  const destinations = await readSiem(config, async (source) => new Secret('env' in source ? source.env : ''));
  const registry = new Registry();
  const siem = createGatewaySiem(
    destinations,
    { auditDirectory: join(dir, 'audit'), origin: setup.origin, cursors: store.siemCursors, audit: log, clock, random, logger: quiet },
    registry,
  );
  await siem.start();
  return {
    log,
    siem,
    registry,
    async close() {
      await siem.stop();
      await store.close();
      await log.close();
    },
  };
}

if (import.meta.main) {
  const { log } = await startExport(process.argv[2] ?? '', JSON.parse(readFileSync(process.argv[3] ?? '', 'utf8')) as ExportSetup);
  console.log('started');
  for (;;) await log.append({ type: 'auth.fail', detail: { fault: 'test' } });
}
