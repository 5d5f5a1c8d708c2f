// How the gateway logs in to a real server: md5, and SCRAM bound to the TLS channel. A relay that ends TLS with a certificate
// the gateway trusts shows the binding: plain SCRAM would pass through it, SCRAM-SHA-256-PLUS must not.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { TLSSocket, connect as connectTls, createSecureContext } from 'node:tls';
import { type KeyedCertificate, createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import { Secret } from '../../src/core/secret.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { type UpstreamTls, connectUpstream } from '../../src/protocols/postgres/upstream.ts';

const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
let md5: EmbeddedPostgres;
let scram: EmbeddedPostgres;
let authority: KeyedCertificate;
let relay: Server;
let relayed = 0;

before(async () => {
  const nowMs = Date.now();
  authority = await createAuthority({ name: 'upstream CA', nowMs });
  const issue = () => issueServerCertificate(authority, { hosts: ['localhost', '127.0.0.1'], nowMs });
  const [ofServer, ofRelay] = [await issue(), await issue()];
  [md5, scram] = await Promise.all([startEmbeddedPostgres({ authentication: 'md5' }), startEmbeddedPostgres({ tls: ofServer })]);
  relay = createServer((client) => void pass(client, ofRelay));
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
});
after(async () => {
  relay.close();
  await Promise.all([md5.stop(), scram.stop()]);
});

/** Ends the client's TLS with `certificate` and opens TLS of its own to the server; passes everything on. */
async function pass(client: Socket, certificate: KeyedCertificate): Promise<void> {
  client.on('error', () => undefined);
  await once(client, 'data');
  const server = connect(scram.port, '127.0.0.1');
  server.write(sslRequest);
  const [answer] = (await once(server, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'S');
  const inside = connectTls({ socket: server, ca: authority.certificate, host: 'localhost' });
  await once(inside, 'secureConnect');
  client.write('S');
  const secureContext = createSecureContext({ cert: certificate.certificate, key: certificate.key });
  const outside = new TLSSocket(client, { isServer: true, secureContext });
  for (const socket of [inside, outside]) socket.on('error', () => undefined);
  outside.pipe(inside).pipe(outside);
  relayed += 1;
}

const logIn = (port: number, password: string, tls: UpstreamTls) =>
  connectUpstream(
    { host: '127.0.0.1', port, database: 'postgres', user: 'postgres', password: new Secret(password), tls, connectTimeoutMs: 30_000 },
    new Map(),
    AbortSignal.timeout(40_000),
  );

test('md5: the right password logs in, a wrong one is the fault of the credential', async () => {
  (await logIn(md5.port, md5.password, { mode: 'disable' })).terminate();
  await assert.rejects(logIn(md5.port, 'wrong', { mode: 'disable' }), { code: 'SP_UPSTREAM_AUTH' });
});

test('threat: a relay with a trusted certificate cannot log in with what it hears, because SCRAM is bound to the channel', async () => {
  const tls: UpstreamTls = { mode: 'verify-full', ca: authority.certificate };
  (await logIn(scram.port, scram.password, tls)).terminate();
  await assert.rejects(logIn((relay.address() as AddressInfo).port, scram.password, tls), { code: 'SP_UPSTREAM_AUTH' });
  assert.equal(relayed, 1);
});
