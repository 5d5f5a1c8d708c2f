import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Logger } from '../core/ports.ts';
import { type HttpLimits, type HttpListening, type HttpRequest, serveHttp } from './http-server.ts';
import { isPlainPath } from './http-router.ts';

const logger: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

let web: HttpListening | undefined;
let seen: HttpRequest[] = [];
let release = Promise.withResolvers<void>();

// Also run after tests of other files, which share the process.
afterEach(async () => {
  await web?.close();
  web = undefined;
});

async function start(limits: Partial<HttpLimits> = {}, perAddress = 100): Promise<number> {
  seen = [];
  release = Promise.withResolvers<void>();
  web = await serveHttp({
    config: { host: '127.0.0.1', port: 0, security: { mode: 'insecure' }, maxConnections: 100, maxConnectionsPerAddress: perAddress },
    logger,
    limits,
    routes: [
      {
        method: 'POST',
        path: '/echo',
        handle: async (request, response) => {
          seen.push(request);
          response.end(await request.body(1_000));
        },
      },
      {
        method: 'GET',
        path: '/things/*/end',
        handle: async ({ parts }, response) => void response.end(parts.join()),
      },
      {
        method: 'GET',
        path: '/slow',
        handle: async (request, response) => {
          seen.push(request);
          await release.promise;
          response.end('late');
        },
      },
    ],
    otherwise: async (_request, response) => void response.writeHead(404).end(),
  });
  return web.bound;
}

/** Sends bytes as they are. @returns everything that comes back until the other side closes, or until `end` is in it */
async function raw(port: number, bytes: string, end = /^$/): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  const done = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (end.test(text)) resolve();
    });
    socket.on('close', () => resolve());
    socket.on('error', () => resolve());
  });
  socket.write(bytes);
  await done;
  socket.destroy();
  return text;
}

const post = (port: number, body: Buffer, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/echo', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });

test('routes are exact; a part that is left open is one segment', async () => {
  const port = await start();
  const get = async (path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return `${response.status} ${await response.text()}`;
  };
  assert.equal(await get('/things/a-1/end'), '200 a-1');
  for (const path of ['/things/a/b/end', '/things/end', '/things/a/end/', '/echo', '/things'])
    assert.match(await get(path), /^40[04]/, path);
});

test('paths have one spelling', () => {
  for (const path of ['/', '/a', '/a/b-c.d~e_f']) assert.ok(isPlainPath(path), path);
  for (const path of [
    '',
    'a',
    '*',
    '/a//b',
    '/a/../b',
    '/./a',
    '/a%2fb',
    '/a b',
    '/a;b',
    '/ä',
    '/a\\b',
    'http://x/a',
    '/a/',
    `/${'a'.repeat(3_000)}`,
  ]) {
    assert.ok(!isPlainPath(path), path);
  }
});

test('what a strict parser refuses is refused, and the connection is closed', async () => {
  const port = await start();
  const refused = [
    'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\nabc',
    'POST http://x/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
    'GET /things/a/../b HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /things/%2e%2e/end HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /slow HTTP/1.1\r\n\r\n',
    'GET /slow HTTP/1.1\r\nHost: a b\r\n\r\n',
    'GET /slow HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n',
    'GET /slow HTTP/1.1\nHost: x\n\n',
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ];
  for (const bytes of refused) {
    const answer = await raw(port, bytes);
    assert.match(answer, /^HTTP\/1\.1 400 /, JSON.stringify(bytes));
  }
  assert.match(await raw(port, 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'), /^$/);
  assert.match(await raw(port, `GET /slow HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  assert.deepEqual(seen, []);
});

test('a body is bounded as it comes and as it is inflated', async () => {
  const port = await start();
  assert.deepEqual(await post(port, Buffer.from('abc')), { status: 200, body: 'abc' });
  const zipped = { 'content-encoding': 'gzip' };
  assert.deepEqual(await post(port, gzipSync('abc'), zipped), { status: 200, body: 'abc' });
  assert.equal((await post(port, Buffer.alloc(1_001))).status, 413);
  assert.equal((await post(port, Buffer.alloc(1_001), { 'transfer-encoding': 'chunked' })).status, 413);
  const bomb = gzipSync(Buffer.alloc(500_000));
  assert.ok(bomb.length < 1_000);
  assert.equal((await post(port, bomb, zipped)).status, 413);
  assert.equal((await post(port, Buffer.from('no gzip'), zipped)).status, 400);
  assert.equal((await post(port, Buffer.from('abc'), { 'content-encoding': 'br' })).status, 400);
});

test('bodies of all connections together are bounded', async () => {
  const port = await start({ maxBodiesBytes: 600 });
  const socket = connect(port, '127.0.0.1');
  socket.write(`POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n${'a'.repeat(500)}`);
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
  // The first body lies in memory while its end is awaited.
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((await post(port, Buffer.alloc(200))).status, 413);
  socket.destroy();
  await once(socket, 'close');
  for (let tries = 0; (await post(port, Buffer.alloc(200))).status !== 200; tries += 1) assert.ok(tries < 100);
});

test('a client that does not finish its headers, or its body, is cut off', async () => {
  const port = await start({ headersTimeoutMs: 60, requestTimeoutMs: 60 });
  assert.match(await raw(port, 'GET /slow HTTP/1.1\r\nHost: x\r\n'), /^HTTP\/1\.1 408 /);
  assert.match(await raw(port, 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc'), /^HTTP\/1\.1 408 |^$/);
});

test('connections over the bound of their address are closed at once', async () => {
  const port = await start({}, 2);
  const sockets: Socket[] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const third = connect(port, '127.0.0.1');
  third.on('error', () => undefined);
  await once(third, 'close');
  for (const socket of sockets) socket.destroy();
});

test('a handler learns that its client has gone', async () => {
  const port = await start();
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  const gone = seen[0]?.gone;
  assert.ok(gone !== undefined);
  if (!gone.aborted) await once(gone, 'abort');
  release.resolve();
});

test('a drain ends idle connections at once and the others with their answer', async () => {
  const port = await start();
  const agent = new Agent({ keepAlive: true });
  const idle = connect(port, '127.0.0.1');
  idle.on('error', () => undefined);
  await once(idle, 'connect');
  const answered = new Promise<string>((resolve) => {
    httpRequest({ port, host: '127.0.0.1', path: '/slow', agent }, (response) => {
      response.setEncoding('utf8').on('data', (text: string) => resolve(`${response.headers.connection} ${text}`));
    }).end();
  });
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const drained = web!.drain(AbortSignal.timeout(5_000));
  await once(idle, 'close');
  release.resolve();
  assert.match(await answered, /late/);
  await drained;
  agent.destroy();
});

test('links lead back to where the client said it is', async () => {
  const port = await start();
  await post(port, Buffer.from(''), { host: 'gate.example:8443' });
  assert.equal(seen[0]?.origin, 'http://gate.example:8443');
  assert.equal(seen[0].address, '127.0.0.1');
});
