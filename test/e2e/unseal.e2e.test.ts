// Sealed history: opened by two persons over the command line, and by nothing that lies on the gateway.

import assert from 'node:assert/strict';
import { createDecipheriv, createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAuditLog, unseal } from '../../src/audit/index.ts';
import { Secret } from '../../src/core/secret.ts';
import { clerkOf, clinicTests, entriesOf, officerOf } from '../support/clinic-tests.ts';
import { apiEnvironment, connect, sallyport, until } from '../support/small-clinic.ts';

const { gatewayOf, served } = clinicTests();
const canary = 'Quokka-Sealed-4711';
const rule = () => ({ unseal: { approvers: { role: 'officer', count: 1 } } });

test('a session is opened by one person after another has approved, on the auditor’s machine; the log tells all of it first', async () => {
  const gateway = await gatewayOf({ audit: rule });
  const client = await connect(gateway, gateway.port, await clerkOf(gateway));
  await client.query(`SELECT '${canary}' AS x`);
  await client.end();
  const { session } = await until('the session is in the log', async () =>
    (await entriesOf(gateway)).find(({ type }) => type === 'session.close'),
  );
  const identity = join(gateway.directory, 'auditor.age');
  writeFileSync(identity, gateway.sealingIdentity.reveal(), { mode: 0o600 });
  const auditor = apiEnvironment(gateway, gateway.running.api.port, await officerOf(gateway));
  const second = apiEnvironment(
    gateway,
    gateway.running.api.port,
    await gateway.issuer.token('otto', { groups: ['privacy'], kind: 'person' }),
  );

  const what = ['unseal', session!, '--purpose', 'patient-request', '--identity', identity];
  const asked = await sallyport(what, auditor).ended;
  assert.equal(asked.code, 0, asked.err);
  assert.doesNotMatch(asked.out + asked.err, new RegExp(canary));
  const id = /uns_[a-z2-7]{26}/.exec(asked.out)?.[0] ?? assert.fail(asked.out);
  const alone = await sallyport(['unseals', 'approve', id], auditor).ended;
  assert.equal(alone.code, 1);
  assert.match(alone.err, /SP_API_FORBIDDEN/);
  const early = await sallyport(['session', 'replay', session!, '--identity', identity, '--purpose', 'a look'], auditor).ended;
  assert.match(early.err, /SP_UNSEAL_NOT_APPROVED/);

  assert.match(
    (await sallyport(['unseals', 'ls'], second).ended).out,
    new RegExp(`${id}.*pending.*olivia.*${session}.*clinic.*patient-request`),
  );
  assert.match((await sallyport(['unseals', 'approve', id], second).ended).out, /approved/);
  const opened = await sallyport([...what, '--request', id], auditor).ended;
  assert.equal(opened.code, 0, opened.err);
  assert.match(opened.out, new RegExp(canary));
  const replayed = await sallyport(['session', 'replay', session!, '--identity', identity, '--purpose', 'a look', '--request', id], auditor)
    .ended;
  assert.match(replayed.out, new RegExp(canary));

  const told = (await entriesOf(gateway)).filter(({ type }) => /^unseal|^payload/.test(type));
  assert.deepEqual(
    told.map(({ type, principal, answer }) => [type, principal?.subject, answer?.by.subject]),
    [
      ['unseal.requested', 'olivia', undefined],
      ['unseal.answered', 'olivia', 'otto'],
      ['payload.unsealed', 'olivia', 'otto'],
      ['payload.unsealed', 'olivia', 'otto'],
    ],
  );
  assert.doesNotMatch(JSON.stringify(told), new RegExp(canary));
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Everything that 32 bytes of key could be made of in a text or file, in every form keys are written in. */
function keysIn(bytes: Buffer): Buffer[] {
  const text = bytes.toString('latin1');
  const forms = [bytes, createHash('sha256').update(bytes).digest(), createHash('sha256').update(text.trim()).digest()];
  for (const [run] of text.matchAll(/[0-9a-fA-F]{64,}/g)) forms.push(Buffer.from(run, 'hex'));
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{42,}={0,2}/g)) forms.push(Buffer.from(run, 'base64'));
  return forms.flatMap((form) =>
    Array.from({ length: Math.max(0, Math.min(form.length - 31, 600)) }, (_, at) => form.subarray(at, at + 32)),
  );
}

test('THREAT stolen gateway: a full copy of its disk, configuration and environment opens nothing of its history', async () => {
  const gateway = await gatewayOf({ start: false });
  const secretOfEnvironment = createHash('sha256').update('an environment').digest('hex');
  const process = await served(gateway, { SALLYPORT_TEST_SECRET: secretOfEnvironment });
  const client = await connect(gateway, process.port, await clerkOf(gateway));
  await client.query(`SELECT '${canary}' AS x`);
  await client.end();
  await until('the session is in the log', async () =>
    (await entriesOf(gateway, process.apiPort)).some(({ type }) => type === 'session.close'),
  );
  const copy = mkdtempSync(join(tmpdir(), 'sallyport-stolen-'));
  const environment = readFileSync(`/proc/${process.pid}/environ`);
  try {
    process.kill('SIGKILL');
    await process.ended;
    cpSync(gateway.directory, copy, { recursive: true });
    const files = filesBelow(copy);
    const all = Buffer.concat([environment, ...files.map((file) => readFileSync(file))]);
    assert.ok(environment.includes(secretOfEnvironment), 'the environment is the whole one');
    for (const trace of [canary, 'AGE-SECRET-KEY-']) assert.equal(all.includes(trace), false, trace);

    const log = await openAuditLog({
      dir: join(copy, 'data', 'audit'),
      origin: 'audit.test/e2e',
      replica: 'thief',
      signingKey: new Secret(readFileSync(join(copy, 'keys', 'log.key'), 'utf8')),
      recipients: [/age1[0-9a-z]{50,70}/.exec(readFileSync(join(copy, 'sallyport.yaml'), 'utf8'))![0]],
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    const small = files.filter((file) => statSync(file).size <= 8192 && !file.includes('/tile/')).map((file) => readFileSync(file));
    const keys = [environment, ...small].flatMap(keysIn);
    assert.ok(keys.length > 5000, `${keys.length} keys tried`);
    let opened = 0;
    let tried = 0;
    for await (const { sealed } of log.entries(0, log.size())) {
      for (const ref of sealed ?? []) {
        const blob = (await log.sealed(ref))!;
        const ciphertext = Buffer.from(blob.ciphertext);
        const head = 5 + ref.key.length;
        if (tried++ === 0) {
          for (const key of keys) {
            try {
              const open = createDecipheriv('aes-256-gcm', key, ciphertext.subarray(head, head + 12), { authTagLength: 16 });
              open.setAAD(ciphertext.subarray(0, head)).setAuthTag(ciphertext.subarray(-16));
              open.update(ciphertext.subarray(head + 12, -16));
              open.final();
              assert.fail('a key of the gateway opened a payload');
            } catch (error) {
              if (error instanceof assert.AssertionError) throw error;
            }
          }
        }
        // The identity that is elsewhere opens all of it.
        const plain = await unseal(blob.ciphertext, blob.wrappedKey, gateway.sealingIdentity, ref);
        if (Buffer.from(plain.bytes).includes(canary)) opened += 1;
      }
    }
    assert.ok(opened > 0);
    await log.close();
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
