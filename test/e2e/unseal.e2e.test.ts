// Sealed history: opened by two persons over the command line, and by nothing that lies on the gateway.

import assert from 'node:assert/strict';
import { createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { armor, Decrypter } from 'age-encryption';
import { createSealingIdentity, openAuditLog, unseal } from '../../src/audit/index.ts';
import { SallyportError } from '../../src/core/error.ts';
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

/** Whether this is the data key of a blob, by the format alone (docs/formats/sealing.md). */
function isKeyOf(key: Buffer, ciphertext: Buffer, id: string): boolean {
  const head = 5 + id.length;
  const counter = ciphertext.subarray(head, head + 16);
  const plain = createDecipheriv('aes-256-ctr', key, counter).update(ciphertext.subarray(head + 16, -32));
  if (plain[0] !== 1 || (plain[1] ?? 0) > 5) return false;
  const commitKey = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), `sallyport/v2/commit/${id}`, 32));
  return createHmac('sha256', commitKey).update(plain).digest().equals(ciphertext.subarray(-32));
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

    // Whoever has it can seal to themselves from now on, which is an entry; nothing of before opens.
    const thief = await createSealingIdentity();
    const log = await openAuditLog({
      dir: join(copy, 'data', 'audit'),
      origin: 'audit.test/e2e',
      replica: 'thief',
      signingKey: new Secret(readFileSync(join(copy, 'keys', 'log.key'), 'utf8')),
      recipients: [thief.recipient],
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    const own = await log.append({ type: 'alarm' }, [{ kind: 'statement', bytes: Buffer.from('of the thief') }]);
    const small = files.filter((file) => statSync(file).size <= 8192 && !file.includes('/tile/')).map((file) => readFileSync(file));
    const keys = [environment, ...small].flatMap(keysIn);
    assert.ok(keys.length > 5000, `${keys.length} keys tried`);
    const folder = join(copy, 'data', 'audit', 'keys');
    const foreign = readdirSync(folder).find((name) => name.endsWith('.age') && !files.includes(join(folder, name)));
    const corrupt = (fault: unknown): boolean => fault instanceof SallyportError && fault.code === 'SP_AUDIT_CORRUPT';
    let opened = 0;
    let rotated = 0;
    for await (const { seq, sealed, type, detail } of log.entries(0, log.size())) {
      if (type === 'key.rotated' && detail?.['of'] === 'recipients') rotated += 1;
      for (const ref of sealed ?? []) {
        const blob = (await log.sealed(ref))!;
        const ciphertext = Buffer.from(blob.ciphertext);
        if (seq === own) {
          assert.equal(Buffer.from((await unseal(ciphertext, blob.wrappedKey, thief.identity, ref)).bytes).toString(), 'of the thief');
          await assert.rejects(unseal(ciphertext, blob.wrappedKey, gateway.sealingIdentity, ref), corrupt);
          continue;
        }
        assert.equal(
          keys.some((key) => isKeyOf(key, ciphertext, ref.key)),
          false,
          'a key of the gateway opened a payload',
        );
        await assert.rejects(unseal(ciphertext, blob.wrappedKey, thief.identity, ref), corrupt);
        // A data key that the thief can open, in place of the one that cannot be had.
        const wrapped = readFileSync(join(folder, foreign ?? assert.fail('the thief has data keys')), 'utf8');
        await assert.rejects(unseal(ciphertext, wrapped, thief.identity, ref), corrupt);
        // The identity that is elsewhere opens all of it, and what it opens is what was looked for above.
        const plain = await unseal(ciphertext, blob.wrappedKey, gateway.sealingIdentity, ref);
        if (Buffer.from(plain.bytes).includes(canary)) opened += 1;
        const decrypter = new Decrypter();
        decrypter.addIdentity(gateway.sealingIdentity.reveal());
        assert.ok(isKeyOf(Buffer.from(await decrypter.decrypt(armor.decode(blob.wrappedKey))), ciphertext, ref.key));
      }
    }
    assert.equal(rotated, 1);
    assert.ok(opened > 0);
    await log.close();
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
