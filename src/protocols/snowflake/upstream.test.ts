import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Secret } from '../../core/secret.ts';
import { asPermit, allow, benchOf, never, openOn, requestOf } from '../../session/testing.ts';
import type { Permit } from '../../session/permit.ts';
import { connectSnowflake, OWN_CLIENT, type SnowflakeAccount, type SnowflakeUpstream } from './upstream.ts';
import { checkCredential, type SnowflakeCredential } from './upstream-credential.ts';
import { checkUpstreamTls, UpstreamHttp } from './upstream-http.ts';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string;
  readonly body: Record<string, unknown>;
}

type Reply = object | number | 'hang up' | 'garbage';

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const login = {
  success: true,
  code: null,
  message: null,
  data: { token: 't1', masterToken: 'm1', serverVersion: '9', parameters: [], sessionInfo: {} },
};
const done = { success: true, code: null, message: null, data: { queryId: 'q' } };
const failure = (code: string): object => ({ success: false, code, message: 'no', data: {} });

let server: Server;
let asked: Asked[];
/** Asked first for an answer; undefined = `done`. */
let script: (request: Asked) => Reply | undefined;
let http: UpstreamHttp;

// Hooks outside of a suite would run for the tests of all files.
describe('the leg to the account', () => {
  beforeEach(async () => {
    asked = [];
    script = () => undefined;
    server = createServer((request, response) => void answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    http = httpTo((server.address() as AddressInfo).port);
  });

  afterEach(() => {
    http.close();
    server.closeAllConnections();
    server.close();
  });

  const httpTo = (port: number): UpstreamHttp =>
    new UpstreamHttp({
      host: '127.0.0.1',
      port,
      tls: { mode: 'disable' },
      connectTimeoutMs: 500,
      answerTimeoutMs: 2_000,
      maxAnswerBytes: 10_000,
    });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
    const url = new URL(request.url ?? '/', 'http://x');
    const heard: Asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      token: /"(.*)"/.exec(request.headers.authorization ?? '')?.[1] ?? '',
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
    asked.push(heard);
    const reply = script(heard) ?? (heard.path === '/session/v1/login-request' ? login : done);
    if (reply === 'hang up') request.socket.destroy();
    else if (reply === 'garbage') response.end('<html>');
    else if (typeof reply === 'number') response.writeHead(reply, { location: 'http://127.0.0.1:1/' }).end();
    else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(JSON.stringify(reply)));
  }

  const account = (credential: SnowflakeCredential): SnowflakeAccount => ({
    account: 'acme.eu-central-1',
    user: 'gateway',
    credential,
    role: 'R',
    warehouse: 'W',
    database: null,
    schema: null,
  });
  const pat: SnowflakeCredential = { kind: 'access-token', token: async () => new Secret('pat') };
  const dial = (credential: SnowflakeCredential = pat): Promise<SnowflakeUpstream> =>
    connectSnowflake(account(credential), OWN_CLIENT, { http, clock }, never);

  async function permitOf(): Promise<Permit> {
    const bench = benchOf(() => allow);
    const session = await openOn(bench);
    return asPermit(await session.ask(requestOf(), never));
  }

  const statement = { requestId: '4f4e0c1f-8d0e-4a3f-9f3e-1d6f0f2f9a11', body: { sqlText: 'SELECT 1' }, accept: 'application/json' };
  const queries = (): Asked[] => asked.filter(({ path }) => path === '/queries/v1/query-request');

  test('logs in with a JWT of its key: account without region, upper case, fingerprint of the public key', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
    await dial({ kind: 'key-pair', privateKey: async () => new Secret(pem), passphrase: async () => new Secret('x') });
    const data = asked[0]?.body['data'] as Record<string, string>;
    assert.equal(data['AUTHENTICATOR'], 'SNOWFLAKE_JWT');
    assert.equal(data['ACCOUNT_NAME'], 'acme.eu-central-1');
    assert.equal(asked[0]?.query.get('roleName'), 'R');
    const [head = '', body = '', signature = ''] = (data['TOKEN'] ?? '').split('.');
    assert.ok(verify('sha256', Buffer.from(`${head}.${body}`), createPublicKey(privateKey), Buffer.from(signature, 'base64url')));
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
    assert.match(String(claims['iss']), /^ACME\.GATEWAY\.SHA256:[A-Za-z0-9+/]{43}=$/);
    assert.equal(claims['sub'], 'ACME.GATEWAY');
    assert.ok(Number(claims['exp']) - Number(claims['iat']) <= 3_600);
  });

  test('a refused log-in of the gateway is a fault of ours that tells nothing of the credential', async () => {
    script = () => failure('390144');
    await assert.rejects(dial(), (fault: Error & { code: string }) => {
      assert.equal(fault.code, 'SP_UPSTREAM_AUTH');
      assert.ok(!fault.message.includes('pat'));
      return true;
    });
    await assert.rejects(dial({ kind: 'key-pair', privateKey: async () => new Secret('no key'), passphrase: null }), {
      code: 'SP_CONFIG_INVALID',
    });
  });

  test('OAuth: a token of its own, or one from a token URL with the client secret', async () => {
    await dial({ kind: 'oauth', token: async () => new Secret('tok') });
    assert.deepEqual((asked[0]?.body['data'] as Record<string, unknown> | undefined)?.['TOKEN'], 'tok');
    let form = '';
    const issuer = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => (form += chunk.toString()));
      request.on('end', () =>
        response.end(JSON.stringify({ access_token: request.headers.authorization === `Basic ${btoa('id:s%20x')}` ? 'fetched' : '' })),
      );
    });
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    const tokenUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/token`;
    const client = { kind: 'oauth-client', tokenUrl, clientId: 'id', scope: 'session:role:R' } as const;
    await dial({ ...client, clientSecret: async () => new Secret('s x') });
    assert.equal((asked[1]?.body['data'] as Record<string, unknown> | undefined)?.['TOKEN'], 'fetched');
    assert.equal(form, 'grant_type=client_credentials&scope=session%3Arole%3AR');
    await assert.rejects(dial({ ...client, clientSecret: async () => new Secret('wrong') }), { code: 'SP_UPSTREAM_AUTH' });
    issuer.closeAllConnections();
    issuer.close();
    assert.throws(() => checkCredential({ ...client, tokenUrl: 'http://idp.example/token', clientSecret: async () => new Secret('x') }), {
      code: 'SP_CONFIG_INVALID',
    });
  });

  test('INVARIANT: a statement leaves with a genuine permit only', async () => {
    const upstream = await dial();
    await assert.rejects(upstream.query({ facts: {} } as never, statement, never), { code: 'SP_INTERNAL' });
    assert.equal(queries().length, 0);
    await upstream.query(await permitOf(), statement, never);
    assert.equal(queries().length, 1);
  });

  test('what fails on the way is sent again under the same request id, and says so', async () => {
    const upstream = await dial();
    const replies: (Reply | undefined)[] = ['hang up', 503, undefined];
    script = ({ path }) => (path === '/queries/v1/query-request' ? replies.shift() : undefined);
    assert.equal((await upstream.query(await permitOf(), statement, never)).success, true);
    const sent = queries();
    assert.equal(sent.length, 3);
    assert.deepEqual(new Set(sent.map(({ query }) => query.get('requestId'))), new Set([statement.requestId]));
    assert.equal(new Set(sent.map(({ query }) => query.get('request_guid'))).size, 3);
    assert.deepEqual(
      sent.map(({ query }) => query.get('retryCount')),
      [null, '1', '2'],
    );
  });

  test('a token that has expired is renewed once for all that wait, and they go on', async () => {
    const upstream = await dial();
    script = ({ path, token }) => {
      if (path === '/session/token-request') {
        return token === 'm1' ? { ...done, data: { sessionToken: 't2', masterToken: 'm2' } } : failure('390111');
      }
      return token === 't1' ? failure('390112') : undefined;
    };
    const permit = await permitOf();
    const [one, other] = await Promise.all([upstream.query(permit, statement, never), upstream.monitor('q', never)]);
    assert.ok(one.success && other.success);
    const renewals = asked.filter(({ path }) => path === '/session/token-request');
    assert.equal(renewals.length, 1);
    assert.deepEqual(renewals[0]?.body, { oldSessionToken: 't1', requestType: 'RENEW' });
  });

  test('it is renewed while it waits for a result, which is long after the statement began', async () => {
    const upstream = await dial();
    let polls = 0;
    script = ({ path, token }) => {
      if (path === '/session/token-request') return { ...done, data: { sessionToken: 't2', masterToken: 'm2' } };
      if (!path.startsWith('/queries/')) return undefined;
      polls += 1;
      if (polls === 2 || (polls > 2 && token === 't1')) return failure('390112');
      return polls < 4
        ? { success: true, code: '333333', message: null, data: { queryId: 'q', getResultUrl: '/queries/q/result' } }
        : undefined;
    };
    const first = await upstream.query(await permitOf(), statement, never);
    assert.equal((await upstream.follow(first, never)).code, null);
    assert.equal(queries().length, 1);
  });

  test('a session that the account has ended is over; no second log-in pretends to be it', async () => {
    const upstream = await dial();
    script = ({ path }) => (path === '/session/token-request' ? failure('390114') : failure('390112'));
    await assert.rejects(upstream.query(await permitOf(), statement, never), { code: 'SP_UPSTREAM_LOST' });
    assert.ok(upstream.isOver);
    assert.equal(asked.filter(({ path }) => path === '/session/v1/login-request').length, 1);
  });

  test('an address to go on at that is not one of results is not followed', async () => {
    const upstream = await dial();
    for (const getResultUrl of [
      'http://elsewhere/queries/q/result',
      '//elsewhere/queries/q/result',
      '/session?delete=true',
      '/queries/../x/result',
      undefined,
    ]) {
      await assert.rejects(upstream.follow({ success: true, code: '333333', message: null, data: { getResultUrl } }, never), {
        code: 'SP_UPSTREAM_PROTOCOL',
      });
    }
  });

  test('answers that are no protocol are refused: other content, redirects, more than the limit', async () => {
    const upstream = await dial();
    for (const reply of ['garbage', 302, 404, { ...done, data: { filler: 'x'.repeat(20_000) } }, { data: 1 }] as const) {
      script = () => reply;
      await assert.rejects(upstream.monitor('q', never), { code: 'SP_UPSTREAM_PROTOCOL' }, JSON.stringify(reply).slice(0, 40));
    }
  });

  test('an account that cannot be reached is told apart, and an abort ends the waiting at once', async () => {
    const upstream = await dial();
    script = () => 503;
    const cancel = new AbortController();
    const waiting = upstream.monitor('q', cancel.signal);
    while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
    cancel.abort(new Error('enough'));
    await assert.rejects(waiting);
    const nobody = httpTo(1);
    await assert.rejects(nobody.exchange({ method: 'GET', path: '/', token: null, accept: '', userAgent: '' }, never), {
      code: 'SP_UPSTREAM_UNREACHABLE',
    });
    nobody.close();
  });

  test('plaintext is for loopback only', () => {
    checkUpstreamTls('127.0.0.1', { mode: 'disable' });
    checkUpstreamTls('acme.snowflakecomputing.com', { mode: 'verify-full' });
    assert.throws(() => checkUpstreamTls('acme.snowflakecomputing.com', { mode: 'disable' }), { code: 'SP_CONFIG_INVALID' });
  });

  test('its end is told to the account, once, and nothing that happens then is thrown', async () => {
    const upstream = await dial();
    script = () => 'hang up';
    await upstream.close();
    await upstream.close();
    assert.equal(asked.filter(({ path, query }) => path === '/session' && query.get('delete') === 'true').length, 1);
  });
});
