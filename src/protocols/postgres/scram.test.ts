import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { Secret } from '../../core/secret.ts';
import { ScramClient, md5Response, serverEndPoint } from './scram.ts';

// RFC 7677 section 3 uses user name `user`; PostgreSQL sends an empty one, so the vector is followed up to the proof by
// a server written from RFC 5802 below.
import { createHmac, pbkdf2Sync } from 'node:crypto';

const password = new Secret('pencil');
const nonce = Buffer.from('0123456789abcdefgh');
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');

/** The server's half: checks the proof and answers with its own signature. */
function server(clientFirst: string, secret: string): { first: string; final(clientFinal: string): string } {
  const bare = clientFirst.slice(clientFirst.indexOf('n=,'));
  const clientNonce = /r=(.*)$/.exec(bare)?.[1] ?? '';
  const first = `r=${clientNonce}server,s=${salt.toString('base64')},i=4096`;
  return {
    first,
    final(clientFinal) {
      const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest();
      const salted = pbkdf2Sync(secret, salt, 4096, 32, 'sha256');
      const at = clientFinal.indexOf(',p=');
      const message = `${bare},${first},${clientFinal.slice(0, at)}`;
      const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
      const signature = hmac(storedKey, message);
      const proof = Buffer.from(clientFinal.slice(at + 3), 'base64');
      const clientKey = Buffer.from(proof.map((byte, index) => byte ^ (signature[index] ?? 0)));
      assert.deepEqual(createHash('sha256').update(clientKey).digest(), storedKey);
      return `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`;
    },
  };
}

test('client and server prove the password to each other', () => {
  const client = new ScramClient(password, nonce, { kind: 'none' });
  const peer = server(client.first(), 'pencil');
  client.verify(peer.final(client.final(peer.first)));
});

test('a server that does not know the password is found out', () => {
  const client = new ScramClient(password, nonce, { kind: 'none' });
  const peer = server(client.first(), 'pencil');
  client.final(peer.first);
  assert.throws(() => client.verify(`v=${Buffer.alloc(32).toString('base64')}`), { code: 'SP_UPSTREAM_AUTH' });
  assert.throws(() => client.verify('e=other-error'), { code: 'SP_UPSTREAM_AUTH' });
});

test('a final message before the exchange is refused', () => {
  assert.throws(() => new ScramClient(password, nonce, { kind: 'none' }).verify('v=AAAA'), { code: 'SP_UPSTREAM_AUTH' });
});

test('a nonce that does not extend ours, a missing salt and absurd iteration counts are refused', () => {
  const mine = nonce.toString('base64');
  for (const first of [
    `r=other,s=AAAA,i=4096`,
    `r=${mine},s=AAAA,i=4096`,
    `r=${mine}x,s=,i=4096`,
    `r=${mine}x,s=AAAA,i=1`,
    `r=${mine}x,s=AAAA,i=99999999999`,
    `r=${mine}x,s=AAAA,i=4096e`,
  ]) {
    assert.throws(() => new ScramClient(password, nonce, { kind: 'none' }).final(first), { code: 'SP_UPSTREAM_AUTH' }, first);
  }
});

test('channel binding names itself and carries the certificate hash', () => {
  const client = new ScramClient(password, nonce, { kind: 'tls-server-end-point', data: Uint8Array.of(1, 2, 3) });
  assert.equal(client.mechanism, 'SCRAM-SHA-256-PLUS');
  assert.ok(client.first().startsWith('p=tls-server-end-point,,'));
  const final = client.final(server(client.first(), 'pencil').first);
  const binding = Buffer.from(/c=([^,]*)/.exec(final)?.[1] ?? '', 'base64');
  assert.deepEqual(binding, Buffer.concat([Buffer.from('p=tls-server-end-point,,'), Buffer.of(1, 2, 3)]));
});

test('without an offer of channel binding a downgrade stays visible to the server', () => {
  assert.ok(new ScramClient(password, nonce, { kind: 'not-offered' }).first().startsWith('y,,'));
});

test('the end point hash follows the signature, never weaker than SHA-256', () => {
  const certificate = Buffer.from('certificate');
  const hash = (name: string): Buffer => createHash(name).update(certificate).digest();
  assert.deepEqual(serverEndPoint(certificate, 'ecdsa-with-SHA384'), hash('sha384'));
  assert.deepEqual(serverEndPoint(certificate, 'sha256WithRSAEncryption'), hash('sha256'));
  assert.deepEqual(serverEndPoint(certificate, 'sha1WithRSAEncryption'), hash('sha256'));
  assert.equal(serverEndPoint(certificate, 'ED25519'), null);
  assert.equal(serverEndPoint(certificate, undefined), null);
});

test('the MD5 answer is the one PostgreSQL documents', () => {
  const inner = createHash('md5').update('pencilann').digest('hex');
  const outer = createHash('md5')
    .update(inner)
    .update(Buffer.of(1, 2, 3, 4))
    .digest('hex');
  assert.equal(md5Response('ann', password, Buffer.of(1, 2, 3, 4)), `md5${outer}`);
});
