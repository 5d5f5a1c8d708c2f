// The upkeep of a log by the real programme: `sallyport serve` destroys and prunes what is due, says which targets are down, and goes on with a
// new key; `audit reindex`, `audit new-key` and `audit verify` against what it left.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createSealingIdentity, nodeDisk, openAuditLog } from '../../src/audit/index.ts';
import type { EntryHeader } from '../../src/core/event.ts';
import { Secret } from '../../src/core/secret.ts';
import { officerOf } from '../support/clinic-tests.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { apiEnvironment, callApi, type Ended, sallyport, serve, type ServedGateway } from '../support/small-clinic.ts';

const nowhere = { name: 'clinic', host: '127.0.0.1', port: 1, database: 'x', user: 'x', password: 'x' };
const policy = 'version: 1\nroles: [{ role: officer, members: [{ issuer: corp, group: privacy }] }]\naccess: []\n';
const DAY_MS = 86_400_000;

let gateway: TestGateway | null = null;
let child: ServedGateway | null = null;
after(async () => {
  child?.kill('SIGKILL');
  await gateway?.close();
});

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const running = sallyport(args, env);
  running.end();
  return running.ended;
}

/** Its entries come after those that are pruned. */
const kept = `ses_${'d'.repeat(26)}`;

/** Seven years ago: 600 entries, the first 30 with payloads of three sessions, then a session that stays. */
async function oldLog(directory: string): Promise<void> {
  const wallMs = Date.now() - 2500 * DAY_MS;
  const log = await openAuditLog({
    dir: join(directory, 'data', 'audit'),
    origin: 'audit.test/e2e',
    replica: 'gw-0',
    signingKey: new Secret(readFileSync(join(directory, 'keys', 'log.key'), 'utf8')),
    recipients: [(await createSealingIdentity()).recipient],
    clock: { nowMs: () => wallMs, monotonicMs: () => performance.now() },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    disk: nodeDisk,
    segmentBytes: 20_000,
  });
  for (let at = 0; at < 600; at += 1) {
    const session = `ses_${'abc'[at % 3]?.repeat(26) ?? ''}`;
    await log.append({ type: 'request.intent', session }, at < 30 ? [{ kind: 'statement', bytes: Buffer.from('select 1') }] : []);
  }
  const session = kept;
  const principal = { issuer: 'corp', subject: 'agent-1', kind: 'agent' } as const;
  await log.append({ type: 'session.open', session, principal, resource: { target: 'clinic' } });
  for (let at = 0; at < 5; at += 1) await log.append({ type: 'request.intent', session });
  await log.close();
}

async function entriesFrom(served: ServedGateway, token: string, from: number): Promise<EntryHeader[]> {
  const { text } = await callApi(gateway!, served.apiPort, token, `/v1/audit/entries?from=${from}&limit=1000`);
  return (JSON.parse(text) as { entries: EntryHeader[] }).entries;
}

async function untilTold(served: ServedGateway, token: string, types: readonly string[]): Promise<EntryHeader[]> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const entries = await entriesFrom(served, token, 512);
    const missing = types.filter((type) => !entries.some((entry) => entry.type === type));
    if (missing.length === 0) return entries;
    assert.ok(performance.now() < deadlineMs, `never: ${missing.join()}; ${served.err()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('serve destroys and prunes what is due and records targets that are down; the index and the keys are made anew', async () => {
  gateway = await startTestGateway({
    targets: [nowhere],
    policy,
    start: false,
    audit: () => ({ retention: { payloads: '90d', headers: '2000d' } }),
  });
  const { directory } = gateway;
  const audit = join(directory, 'data', 'audit');
  mkdirSync(join(directory, 'data'), { mode: 0o700 });
  await oldLog(directory);
  const keys = (): string[] => readdirSync(join(audit, 'keys')).filter((name) => name.endsWith('.age'));
  const old = keys();
  assert.ok(old.length >= 3);

  child = await serve(gateway.configFile);
  const token = await officerOf(gateway);
  const env = apiEnvironment(gateway, child.apiPort, token);
  const entries = await untilTold(child, token, ['payload.shredded', 'log.pruned', 'connector.down']);
  const detailOf = (type: string) => entries.find((entry) => entry.type === type)?.detail;
  assert.deepEqual(detailOf('log.pruned'), { reason: 'retention', before: 512, previous: 0, days: 2000 });
  assert.equal(entries.find(({ type }) => type === 'connector.down')?.resource?.target, 'clinic');
  assert.ok(
    entries.some(({ type, detail }) => type === 'alarm' && detail?.['code'] === 'anchor-forgot'),
    'there was a log, but no file of its anchor',
  );
  const destroyed = entries.filter(({ type }) => type === 'payload.shredded').flatMap(({ keys: ids }) => ids ?? []);
  assert.equal(destroyed.length, 3);
  for (const id of destroyed) assert.equal(keys().includes(`${id}.age`), false);

  // Over a pruned log: twice the same, also from nothing.
  const first = await run(['audit', 'reindex', '--json'], env);
  assert.equal(first.code, 0, first.err);
  assert.ok(JSON.parse(first.out).entries > 600);
  const shown = async (): Promise<unknown> => {
    const { status, text } = await callApi(gateway!, child!.apiPort, token, `/v1/sessions/${kept}`);
    assert.equal(status, 200, text);
    return JSON.parse(text);
  };
  const before = await shown();
  assert.match((await run(['audit', 'reindex'], env)).out, /the index of sessions was built from \d+ entries/);
  assert.deepEqual(await shown(), before);
  const tail = await run(['audit', 'tail', '--from', '0', '--no-follow', '--json'], env);
  assert.equal(JSON.parse(tail.out.split('\n')[0] ?? '').seq, 512);
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);

  rmSync(join(directory, 'data', 'state', 'index.sqlite'));
  for (const suffix of ['-wal', '-shm']) rmSync(join(directory, 'data', 'state', `index.sqlite${suffix}`), { force: true });
  const next = join(directory, 'keys', 'next.key');
  const made = await run(['audit', 'new-key', next, '--origin', 'audit.test/e2e']);
  assert.equal(made.code, 0, made.err);
  const config = JSON.parse(readFileSync(gateway.configFile, 'utf8'));
  config.audit.retiringKey = config.audit.signingKey;
  config.audit.signingKey = { file: 'keys/next.key' };
  writeFileSync(gateway.configFile, JSON.stringify(config));
  child = await serve(gateway.configFile);
  await untilTold(child, token, ['key.rotated']);
  const deadlineMs = performance.now() + 30_000;
  for (let status = 0; status !== 200;) {
    ({ status } = await callApi(gateway, child.apiPort, token, `/v1/sessions/${kept}`));
    assert.ok(performance.now() < deadlineMs, 'the index is there again');
  }
  assert.deepEqual(await shown(), before);
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  for (const key of ['log.vkey', 'next.key.vkey']) {
    const verified = await run(['audit', 'verify', audit, '--key', join(directory, 'keys', key), '--json']);
    const verdict = JSON.parse(verified.out);
    assert.deepEqual([verified.code, verdict.problems, verdict.firstIndex], [0, [], 512], key);
  }
  assert.equal(existsSync(join(directory, 'data.anchor', 'checkpoint')), true);
});
