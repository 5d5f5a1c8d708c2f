// Certificates are judged by Node's own X.509 code and by a real handshake, not by the library that made them.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { createAuthority, issueServerCertificate } from './certificates.ts';

const nowMs = Date.now();

test('a client that trusts the authority completes a handshake with the server certificate', async () => {
  const authority = await createAuthority({ name: 'test authority', nowMs });
  const issued = await issueServerCertificate(authority, { hosts: ['gate.example.com', '127.0.0.1', '::1'], nowMs });
  const server = createServer({ cert: issued.certificate, key: issued.key }, (socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, ca: authority.certificate, servername: 'gate.example.com' });
  await once(socket, 'secureConnect');
  assert.equal(socket.authorized, true);
  socket.destroy();
  server.close();
});

test('certificates say what they are for, and nothing more', async () => {
  const authority = await createAuthority({ name: 'test authority', nowMs });
  const issued = await issueServerCertificate(authority, { hosts: ['gate.example.com', '127.0.0.1'], nowMs });
  const root = new X509Certificate(authority.certificate);
  const leaf = new X509Certificate(issued.certificate);
  assert.equal(root.ca, true);
  assert.equal(leaf.ca, false);
  assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey));
  assert.equal(leaf.subjectAltName, 'DNS:gate.example.com, IP Address:127.0.0.1');
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  const days = (Date.parse(leaf.validTo) - nowMs) / 86_400_000;
  assert.ok(days > 396 && days < 398);
  assert.ok(Date.parse(leaf.validFrom) < nowMs);
});

test('hosts that cannot be names and keys of another authority are refused', async () => {
  const authority = await createAuthority({ name: 'a', nowMs });
  const other = await createAuthority({ name: 'b', nowMs });
  for (const hosts of [[], [''], ['a b'], ['*'], ['gate.example.com\n']]) {
    await assert.rejects(issueServerCertificate(authority, { hosts, nowMs }), { code: 'SP_CONFIG_INVALID' });
  }
  const mixed = { certificate: authority.certificate, key: other.key };
  await assert.rejects(issueServerCertificate(mixed, { hosts: ['a'], nowMs }), { code: 'SP_CONFIG_INVALID' });
});
