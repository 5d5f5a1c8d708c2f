import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SallyportError } from '../core/error.ts';
import { Secret } from '../core/secret.ts';
import { createLogKey, createSealingIdentity, parseSigningKey } from './keys.ts';
import { unseal } from './opening.ts';
import { checkRecipients, dataKey, keyFirstSeq, keyId, isKeyId, seal, wrapDataKey } from './sealing.ts';

const { identity, recipient } = await createSealingIdentity();
const second = await createSealingIdentity();
const key = Buffer.alloc(32, 1);
const wrapped = await wrapDataKey(key, [recipient, second.recipient]);
const freshKey = (bytes: Uint8Array = key) => dataKey(keyId(7, new Uint8Array(8)), bytes);
const plaintext = Buffer.from("insert into patients values ('Jane Roe', '123-45-6789')");

const corrupt = (error: unknown): boolean => error instanceof SallyportError && error.code === 'SP_AUDIT_CORRUPT';

test('a sealed payload opens for every recipient, as the payload it was', async () => {
  const { blob, ref } = seal({ kind: 'result', bytes: plaintext }, freshKey(), 1000);
  for (const holder of [identity, second.identity]) {
    const opened = await unseal(blob, wrapped, holder, ref);
    assert.deepEqual(opened, {
      kind: 'result',
      bytes: new Uint8Array(plaintext),
      truncated: false,
      originalBytes: plaintext.length,
      commitment: ref.commitment,
    });
  }
  assert.equal(blob.includes('Jane'), false);
  assert.equal(ref.bytes, blob.length);
});

test('a payload over the limit is sealed as its beginning and says so', async () => {
  const { blob, ref } = seal({ kind: 'result', bytes: plaintext }, freshKey(), 10);
  const opened = await unseal(blob, wrapped, identity, ref);
  assert.deepEqual([opened.truncated, opened.originalBytes, Buffer.from(opened.bytes).toString()], [true, plaintext.length, 'insert int']);
  const exact = seal({ kind: 'result', bytes: plaintext }, freshKey(), plaintext.length);
  assert.equal((await unseal(exact.blob, wrapped, identity)).truncated, false);
});

test('a blob with any byte changed or cut off does not open', async () => {
  const { blob } = seal({ kind: 'statement', bytes: Buffer.from('x') }, freshKey(), 1000);
  for (let at = 0; at < blob.length; at += 1) {
    const changed = Buffer.from(blob);
    changed[at]! ^= 1;
    await assert.rejects(unseal(changed, wrapped, identity), corrupt, `byte ${at}`);
    await assert.rejects(unseal(blob.subarray(0, at), wrapped, identity), corrupt, `length ${at}`);
  }
});

test('a blob is not accepted in place of the one the entry names', async () => {
  const sealing = freshKey();
  const first = seal({ kind: 'statement', bytes: Buffer.from('one') }, sealing, 1000);
  const other = seal({ kind: 'statement', bytes: Buffer.from('two') }, sealing, 1000);
  await assert.rejects(unseal(other.blob, wrapped, identity, first.ref), corrupt);
  await assert.rejects(unseal(first.blob, wrapped, identity, { ...first.ref, commitment: other.ref.commitment }), corrupt);
  await assert.rejects(unseal(first.blob, wrapped, identity, { ...first.ref, kind: 'result' }), corrupt);
  await assert.rejects(unseal(first.blob, wrapped, identity, { ...first.ref, key: keyId(8, new Uint8Array(8)) }), corrupt);
});

test('the same plaintext gets another ciphertext each time and the same commitment under one key only', () => {
  const sealing = freshKey();
  const payload = { kind: 'statement', bytes: plaintext } as const;
  const [a, b] = [seal(payload, sealing, 1000), seal(payload, sealing, 1000)];
  assert.notEqual(a.ref.sha256, b.ref.sha256);
  assert.equal(a.ref.commitment, b.ref.commitment);
  assert.notEqual(seal(payload, freshKey(Buffer.alloc(32, 2)), 1000).ref.commitment, a.ref.commitment);
});

test('a stranger, a broken wrapped key and nonsense identities are refused without leaking them', async () => {
  const { blob } = seal({ kind: 'statement', bytes: plaintext }, freshKey(), 1000);
  const stranger = await createSealingIdentity();
  for (const [wrappedKey, holder] of [
    [wrapped, stranger.identity],
    ['nonsense', identity],
    [wrapped, new Secret('AGE-SECRET-KEY-1NONSENSE')],
  ] as const) {
    await assert.rejects(
      unseal(blob, wrappedKey, holder),
      (error: unknown) => corrupt(error) && !(error as Error).message.includes('NONSENSE'),
    );
  }
});

test('recipients that age cannot encrypt to are refused', async () => {
  for (const recipients of [[], ['x'], [recipient, 'age1x'], [identity.reveal()]]) {
    await assert.rejects(
      checkRecipients(recipients),
      (error: unknown) => error instanceof SallyportError && error.code === 'SP_CONFIG_INVALID',
    );
  }
  await checkRecipients([recipient, second.recipient]);
});

test('key ids tell where a key was first used and nothing else passes for one', () => {
  const id = keyId(123_456_789_012, Buffer.alloc(8, 0xab));
  assert.deepEqual([isKeyId(id), keyFirstSeq(id)], [true, 123_456_789_012]);
  for (const wrong of ['', '../x', `${id}.age`, id.toUpperCase(), `${id}\n`]) assert.equal(isKeyId(wrong), false, wrong);
});

test('a signing key is read as note key, PEM or base64, always to the same public key', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = new Secret(String(privateKey.export({ format: 'pem', type: 'pkcs8' })));
  const der = new Secret(privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'));
  assert.equal(parseSigningKey(pem, 'a.example/x').vkey, parseSigningKey(der, 'a.example/x').vkey);
  const made = createLogKey('a.example/x');
  assert.equal(parseSigningKey(made.signingKey, 'a.example/x').vkey, made.vkey);
  assert.doesNotMatch(inspect(made), /PRIVATE/);
});

test('other keys and texts are refused without quoting them', () => {
  const rsa = String(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const texts = ['', 'c2VjcmV0', '-----BEGIN secret', rsa, 'PRIVATE+KEY+a+b+c', createLogKey('other.example/x').signingKey.reveal()];
  for (const text of texts) {
    assert.throws(
      () => parseSigningKey(new Secret(text), 'a.example/x'),
      (error: unknown) =>
        error instanceof SallyportError && error.code === 'SP_CONFIG_INVALID' && (text === '' || !inspect(error).includes(text)),
    );
  }
  assert.throws(() => createLogKey('two words'), SallyportError);
});
