// Reviews, leavers and coverage of a whole gateway, by the real command line: what is signed is sealed and can be opened by its
// recipient, what a leaver still has is found and ends, and only auditors may ask.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAuditLog, unseal } from '../../src/audit/index.ts';
import { Secret } from '../../src/core/secret.ts';
import { clerkOf, clinicTests, entriesOf, officerOf } from '../support/clinic-tests.ts';
import { apiEnvironment, callApi, connect, type Ended, sallyport } from '../support/small-clinic.ts';

const tests = clinicTests();
const { gatewayOf, open } = tests;

test(
  'a review is signed for auditors only, sealed to its recipient and listed; coverage says what is left',
  { timeout: 180_000 },
  async () => {
    const gateway = await gatewayOf();
    const apiPort = gateway.running.api.port;
    const [clerk, officer] = [await clerkOf(gateway), await officerOf(gateway)];
    const as = (token: string, ...args: string[]): Promise<Ended> => sallyport(args, apiEnvironment(gateway, apiPort, token)).ended;
    const client = await connect(gateway, gateway.port, clerk);
    open.push({ close: () => client.end().catch(() => undefined) as Promise<void> });
    await client.query('SELECT 1');
    assert.equal((await callApi(gateway, apiPort, 'forged', '/v1/whoami')).status, 401);

    // Auditors only.
    const refused = await as(clerk, 'review', 'sign', '--from', '1h', '--finding', 'x');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /SP_API_FORBIDDEN/);

    const before = JSON.parse((await as(officer, 'audit', 'coverage', '--from', '1h', '--json')).out) as {
      failedLogIns: { count: number };
      targets: { name: string; requests: number; notReviewed: number }[];
      notReviewed: { from: number; to: number }[];
    };
    assert.equal(before.failedLogIns.count, 1);
    assert.deepEqual(
      before.targets.map(({ name, requests }) => [name, requests]),
      [['clinic', 1]],
    );
    assert.equal(before.notReviewed[0]?.from, 0);

    const signed = await as(officer, 'review', 'sign', '--from', '1h', '--finding', 'Planted Finding about one patient', '--json');
    assert.equal(signed.code, 0, signed.err);
    const { seq, range } = JSON.parse(signed.out) as { seq: number; range: { from: number; to: number; failedLogIns: number } };
    assert.deepEqual([range.from, range.to, range.failedLogIns], [0, seq, 1]);
    const entry = (await entriesOf(gateway)).find((each) => each.seq === seq);
    assert.equal(entry?.type, 'review.signed');
    assert.doesNotMatch(JSON.stringify(entry), /Planted/);
    assert.match((await as(officer, 'review', 'ls')).out, new RegExp(`^${seq}\t.*corp/olivia\trecords\tentries 0 to ${seq - 1}$`, 'm'));

    // The sealed finding opens with the recipient's key, from the disk alone.
    const [ref] = entry?.sealed ?? [];
    assert.ok(ref !== undefined);
    await gateway.running.stop();
    const log = await openAuditLog({
      dir: join(gateway.directory, 'data', 'audit'),
      origin: 'audit.test/e2e',
      replica: 'reader',
      signingKey: new Secret(readFileSync(join(gateway.directory, 'keys', 'log.key'), 'utf8')),
      recipients: [JSON.parse(readFileSync(gateway.configFile, 'utf8')).audit.recipients[0]],
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    const blob = await log.sealed(ref);
    await log.close();
    assert.ok(blob !== null);
    const opened = await unseal(blob.ciphertext, blob.wrappedKey, gateway.sealingIdentity, ref);
    assert.match(new TextDecoder().decode(opened.bytes), /Planted Finding/);
  },
);

test('a leaver is found while a session of theirs lives, and is clear once a lock keeps them out', { timeout: 180_000 }, async () => {
  const gateway = await gatewayOf();
  const apiPort = gateway.running.api.port;
  const [clerk, officer] = [await clerkOf(gateway), await officerOf(gateway)];
  const as = (token: string, ...args: string[]): Promise<Ended> => sallyport(args, apiEnvironment(gateway, apiPort, token)).ended;
  const client = await connect(gateway, gateway.port, clerk);
  open.push({ close: () => client.end().catch(() => undefined) as Promise<void> });
  await client.query('SELECT id FROM visits LIMIT 1');
  const list = join(gateway.directory, 'gone.txt');
  writeFileSync(list, '# May\ncorp/clerk-1\ncorp/never-came\n');
  const found = await as(officer, 'access', 'leavers', '--gone', list);
  assert.equal(found.code, 1);
  assert.match(found.out, /^corp\/clerk-1\t\S+\t1\t1\tclinic\tsession ses_[a-z2-7]{26}$/m);
  assert.match(found.out, /^corp\/never-came\tnever\t0\t0\t-\tnothing$/m);
  assert.equal((await as(officer, 'lock', 'principal', 'corp/clerk-1')).code, 0);
  const after = await as(officer, 'access', 'leavers', '--gone', list);
  assert.equal(after.code, 0, after.out);
  assert.match(after.out, /nothing \(locked\)$/m);
});
