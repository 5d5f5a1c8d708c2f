// Evidence from a running gateway: recorded before anything is made, one at a time, and nothing stays behind.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseSigningKey } from '../audit/index.ts';
import type { Principal } from '../core/identity.ts';
import { SallyportError } from '../core/error.ts';
import { evidenceLog, type EvidenceLog, fillLog, origin, policySha256, policyText } from '../../test/support/evidence-log.ts';
import { createEvidence, type EvidenceDeps } from './evidence.ts';

let log: EvidenceLog;
before(async () => {
  log = await evidenceLog(async () => '');
  await fillLog(log);
});
after(() => log.close());

const auditor: Principal = {
  issuer: 'corp',
  subject: 'ada',
  kind: 'person',
  name: 'Ada',
  groups: [],
  claims: {},
  onBehalfOf: null,
  expiresAtMs: Number.MAX_SAFE_INTEGER,
};
const request = { from: '2020-01-01T00:00:00.000Z', to: '2030-01-01T00:00:00.000Z', principal: null, target: null };
const quiet = (): AbortSignal => new AbortController().signal;

function deps(over: Partial<EvidenceDeps> = {}): EvidenceDeps {
  return {
    audit: log.log,
    log: join(log.dir, 'log'),
    workDirectory: join(log.root, 'work'),
    signer: parseSigningKey(log.key.signingKey, origin),
    versions: { get: async (sha256) => (sha256 === policySha256 ? { source: policyText, appliedAtMs: 0 } : null) },
    ...over,
  };
}

async function drain(archive: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of archive) bytes += chunk.length;
  return bytes;
}

test('who exports is recorded under the checkpoint of the bundle, and what a killed gateway left is removed', async () => {
  mkdirSync(join(log.root, 'work', 'bundle-left'), { recursive: true });
  writeFileSync(join(log.root, 'work', 'bundle-left', 'x'), '');
  const evidence = await createEvidence(deps());
  assert.equal(existsSync(join(log.root, 'work')), false);
  const size = log.log.size();
  assert.ok((await drain(await evidence.export(auditor, request, quiet()))) > 10_000);
  const entries = [];
  for await (const entry of log.log.entries(size, size + 1)) entries.push(entry);
  assert.equal(entries[0]?.type, 'evidence.exported');
  assert.deepEqual(entries[0]?.principal, { issuer: 'corp', subject: 'ada', kind: 'person' });
  assert.equal(Number((await log.log.checkpoint())?.split('\n')[1]), log.log.size());
  assert.deepEqual(readdirSync(join(log.root, 'work')), []);
});

test('one at a time; one that nobody reads ends with its client', async () => {
  const evidence = await createEvidence(deps());
  const gone = new AbortController();
  const first = await evidence.export(auditor, request, gone.signal);
  await assert.rejects(evidence.export(auditor, request, quiet()), { code: 'SP_API_RATE_LIMITED' });
  gone.abort();
  const second = await evidence.export(auditor, request, quiet());
  // The first one's end does not free the place of the second.
  await drain(first).catch(() => 0);
  await assert.rejects(evidence.export(auditor, request, quiet()), { code: 'SP_API_RATE_LIMITED' });
  assert.ok((await drain(second)) > 10_000);
  assert.deepEqual(readdirSync(join(log.root, 'work')), []);
});

test('nothing is made when it cannot be recorded, and a fault frees the place', async () => {
  const append = async (): Promise<number> => {
    throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the disk is full');
  };
  const workDirectory = join(log.root, 'none');
  const evidence = await createEvidence(deps({ audit: { append, publish: () => log.log.publish() }, workDirectory }));
  for (let round = 0; round < 2; round += 1) {
    await assert.rejects(evidence.export(auditor, request, quiet()), { code: 'SP_AUDIT_UNWRITABLE' });
  }
  assert.equal(existsSync(workDirectory), false);
});
