// A process that appends to an audit log as fast as it can and prints the index of every acknowledged entry, one per
// line, until it is killed or the log fails. For end-to-end tests: node test/support/audit-writer.ts <dir> <setup.json>

import { randomBytes } from 'node:crypto';
import { readFileSync, writeSync } from 'node:fs';
import { openAuditLog } from '../../src/audit/index.ts';
import { Secret } from '../../src/core/secret.ts';

export interface WriterSetup {
  readonly origin: string;
  readonly signingKey: string;
  readonly recipient: string;
  readonly inFlight: number;
  readonly payloadBytes: number;
  readonly segmentBytes: number;
}

async function main(dir: string, setup: WriterSetup): Promise<void> {
  const log = await openAuditLog({
    dir,
    origin: setup.origin,
    replica: 'writer',
    signingKey: new Secret(setup.signingKey),
    recipients: [setup.recipient],
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (length) => randomBytes(length) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    segmentBytes: setup.segmentBytes,
    checkpointMs: 50,
    onFatal: (error) => console.log(`fatal ${error.code}`),
  });
  const payload = randomBytes(setup.payloadBytes);
  const client = async (session: string): Promise<void> => {
    for (let n = 0; ; n += 1) {
      const index = await log.append({ type: 'request.intent', session, n, detail: { mark: `${session}.${n}` } }, [
        { kind: 'statement', bytes: payload },
      ]);
      // Synchronous: an index that was acknowledged must have left the process before it can be killed.
      writeSync(1, `${index} ${session}.${n}\n`);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: setup.inFlight }, (_, at) => client(`ses_${process.pid}_${at}`)));
  for (const result of results) if (result.status === 'rejected') console.log(`refused ${String(result.reason.code)}`);
  console.log(`writable ${log.writable}`);
  await log.close();
}

if (import.meta.main) await main(process.argv[2] ?? '', JSON.parse(readFileSync(process.argv[3] ?? '', 'utf8')));
