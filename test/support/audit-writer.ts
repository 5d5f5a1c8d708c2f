// A process that appends to an audit log as fast as it can and prints the index of every acknowledged entry, one per
// line, until it is killed or the log fails. Half of its clients post instead, as the gate does. For end-to-end tests: node test/support/audit-writer.ts <dir> <setup.json>

import { randomBytes } from 'node:crypto';
import { readFileSync, writeSync } from 'node:fs';
import { openAuditLog } from '../../src/audit/index.ts';
import { Secret } from '../../src/core/secret.ts';

export interface WriterSetup {
  readonly origin: string;
  readonly signingKey: string;
  /** The key before it, which goes on signing. */
  readonly retiringKey?: string;
  readonly recipient: string;
  readonly inFlight: number;
  readonly payloadBytes: number;
  readonly segmentBytes: number;
}

/** Synchronous: what was acknowledged must have left the process before it can be killed. */
function say(text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // The pipe does not block, and the test reads slower than the log writes.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

async function main(dir: string, setup: WriterSetup): Promise<void> {
  const log = await openAuditLog({
    dir,
    origin: setup.origin,
    replica: 'writer',
    signingKey: new Secret(setup.signingKey),
    retiringKey: setup.retiringKey === undefined ? undefined : new Secret(setup.retiringKey),
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
      say(`${index} ${session}.${n}\n`);
    }
  };
  const poster = async (session: string): Promise<void> => {
    const intent = log.template({ type: 'request.intent', session, statement: {} }, [{ kind: 'statement', bytes: payload }]);
    const result = log.template({ type: 'request.result', session, result: {} });
    for (let n = 0; ; n += 2) {
      const asked = log.post(intent, { n, statement: { bytes: setup.payloadBytes, parameters: [] } });
      await log.recorded(
        log.post(result, { n: n + 1, intent: asked, result: { rows: 1, bytes: 1, code: 'ok', ms: 1 } }, [
          { kind: 'result', bytes: payload },
        ]),
      );
      say(`posted ${session}.${n}\nposted ${session}.${n + 1}\n`);
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: setup.inFlight }, (_, at) => (at % 2 === 0 ? client : poster)(`ses_${process.pid}_${at}`)),
  );
  for (const result of results) if (result.status === 'rejected') console.log(`refused ${String(result.reason.code)}`);
  console.log(`writable ${log.writable}`);
  await log.close();
}

if (import.meta.main) await main(process.argv[2] ?? '', JSON.parse(readFileSync(process.argv[3] ?? '', 'utf8')));
