// Threat: whoever controls a configured name, its DNS or the endpoint behind it makes the gateway reach what only it can reach,
// keeps it busy, or fills its memory.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type HttpDouble, startHttpDouble } from '../../test/support/http-double.ts';
import { createAuthority, issueServerCertificate } from '../app/certificates.ts';
import { type EgressDeps, type EgressRules, post, retryAfterMs, urlFault } from './egress.ts';

const message = { headers: { 'content-type': 'application/json' }, body: '{"ä":1}' };
const never = new AbortController().signal;
const strict: EgressRules = { allowPrivate: false, insecure: false, ca: null };
const local: EgressRules = { allowPrivate: false, insecure: true, ca: null };
const deps = (change: Partial<EgressDeps> = {}): EgressDeps => ({
  resolve: async () => [{ address: '127.0.0.1', family: 4 }],
  deadlineMs: 10_000,
  ...change,
});
const send = (url: string, rules: EgressRules, change: Partial<EgressDeps> = {}, signal = never) =>
  post(new URL(url), message, rules, deps(change), signal);

describe('one POST', () => {
  let plain: HttpDouble;
  let tls: HttpDouble;
  let ca: string;
  before(async () => {
    plain = await startHttpDouble();
    const authority = await createAuthority({ name: 'test', nowMs: Date.now() });
    const server = await issueServerCertificate(authority, { hosts: ['localhost', 'hooks.example.com'], nowMs: Date.now() });
    ca = authority.certificate;
    tls = await startHttpDouble(server);
  });
  after(async () => {
    await plain.close();
    await tls.close();
  });

  it('arrives as it is, with its length', async () => {
    assert.deepEqual(await send(`${plain.url}/hook?a=b`, local), {
      fault: null,
      status: 200,
      retryAfterMs: null,
      body: 'ok',
      bytes: Buffer.from('ok'),
    });
    const [received] = plain.received;
    assert.deepEqual([received?.method, received?.path, received?.body], ['POST', '/hook?a=b', message.body]);
    assert.equal(received?.headers['content-length'], '8');
    assert.equal(received?.headers['content-type'], 'application/json');
  });

  it('goes over TLS to a private place only when that is allowed, and the certificate must fit the name', async () => {
    const url = `https://hooks.example.com:${tls.port}/`;
    assert.deepEqual(await send(url, { ...strict, ca }), { fault: 'address-refused' });
    assert.equal(tls.received.length, 0);
    const answered = await send(url, { ...strict, ca, allowPrivate: true });
    assert.equal(answered.fault, null);
    assert.equal(tls.received[0]?.headers.host, `hooks.example.com:${tls.port}`);
    assert.deepEqual(await send(url, { ...strict, allowPrivate: true }), { fault: 'tls-failed' });
    assert.deepEqual(await send(`https://other.example.com:${tls.port}/`, { ...strict, ca, allowPrivate: true }), { fault: 'tls-failed' });
    assert.equal(tls.received.length, 1);
  });

  for (const [what, address] of [
    ['the metadata service', '169.254.169.254'],
    ['the metadata service of AWS by IPv6', 'fd00:ec2::254'],
    ['an IPv4-mapped metadata service', '::ffff:a9fe:a9fe'],
    ['this host', '0.0.0.0'],
    ['multicast', '224.0.0.1'],
  ] as const) {
    it(`never goes to ${what}, whatever is configured`, async () => {
      const family = address.includes(':') ? 6 : 4;
      for (const rules of [strict, { ...strict, allowPrivate: true }]) {
        const literal = family === 6 ? `[${address}]` : address;
        assert.deepEqual(await send(`https://${literal}/`, rules), { fault: 'address-refused' });
        assert.deepEqual(await send('https://a.example.com/', rules, { resolve: async () => [{ address, family }] }), {
          fault: 'address-refused',
        });
      }
    });
  }

  it('does not go to private addresses that hide in a URL', async () => {
    for (const host of ['127.0.0.1', '0x7f.1', '2130706433', '10.1.2.3', '[::1]', '[::ffff:10.0.0.1]', '①②⑦.0.0.1']) {
      assert.deepEqual(await send(`https://${host}/`, strict), { fault: 'address-refused' }, host);
    }
  });

  it('refuses a name with one private address among public ones', async () => {
    const resolve = async () => [
      { address: '93.184.216.34', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ];
    assert.deepEqual(await send('https://a.example.com/', strict, { resolve }), { fault: 'address-refused' });
  });

  it('resolves a name once and connects to the address that was judged (DNS rebinding)', async () => {
    let lookups = 0;
    const resolve = async () => {
      lookups += 1;
      return lookups === 1 ? [{ address: '127.0.0.1', family: 4 }] : [{ address: '169.254.169.254', family: 4 }];
    };
    // Nobody but our resolver knows this name: had the connection looked it up again, it would have failed.
    const answered = await send(`https://hooks.example.com:${tls.port}/`, { ...strict, ca, allowPrivate: true }, { resolve });
    assert.equal(answered.fault, null);
    assert.equal(lookups, 1);
  });

  it('follows no redirect', async () => {
    const before = plain.received.length;
    plain.answer = (_received, response) => response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end();
    const answered = await send(plain.url, local);
    assert.equal(answered.fault === null && answered.status, 302);
    assert.equal(plain.received.length, before + 1);
  });

  it('uses plain HTTP to this machine only, and only when told', async () => {
    assert.deepEqual(await send(plain.url, strict), { fault: 'url-refused' });
    assert.deepEqual(await send('http://hooks.example.com/', local), { fault: 'url-refused' });
    // `localhost` that does not lead to this machine.
    const resolve = async () => [{ address: '93.184.216.34', family: 4 }];
    assert.deepEqual(await send('http://localhost/', local, { resolve }), { fault: 'address-refused' });
  });

  it('reads at most 64 KiB of an answer', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    plain.answer = (_received, response) => {
      closed = once(response, 'close');
      const write = (): void => {
        while (response.writable && response.write('x'.repeat(16_384)));
        response.once('drain', write);
      };
      write();
    };
    assert.deepEqual(await send(plain.url, local), { fault: 'answer-too-large' });
    await closed;
  });

  it('gives up on headers without end', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    assert.deepEqual(await send(`http://127.0.0.1:${port}/`, local), { fault: 'unreachable' });
    server.close();
  });

  it('waits no longer than its deadline for an answer that trickles in', async () => {
    const sockets: Socket[] = [];
    const trickle = (socket: Socket): void => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
      const timer = setInterval(() => socket.write('x'), 5);
      socket.on('close', () => clearInterval(timer));
    };
    const server = createServer(trickle).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    assert.deepEqual(await send(`http://127.0.0.1:${port}/`, local, { deadlineMs: 100 }), { fault: 'timeout' });
    server.close();
  });

  it('waits no longer than its deadline for a name, and for a server that says nothing', async () => {
    const resolve = () => new Promise<never>(() => undefined);
    assert.deepEqual(await send('https://a.example.com/', strict, { resolve, deadlineMs: 20 }), { fault: 'timeout' });
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    assert.deepEqual(await send(`http://127.0.0.1:${port}/`, local, { deadlineMs: 50 }), { fault: 'timeout' });
    server.close();
  });

  it('is cut when its caller says so', async () => {
    const cut = new AbortController();
    plain.answer = () => cut.abort();
    assert.deepEqual(await send(plain.url, local, {}, cut.signal), { fault: 'interrupted' });
  });

  it('tells faults in its own words', async () => {
    const resolve = () => Promise.reject(new Error('ENOTFOUND secret.example.com'));
    assert.deepEqual(await send('https://a.example.com/', strict, { resolve }), { fault: 'name-unknown' });
    const gone = await startHttpDouble();
    await gone.close();
    assert.deepEqual(await send(gone.url, local), { fault: 'unreachable' });
    const rude = createServer((socket) => socket.end('NOT HTTP\r\n\r\n')).listen(0, '127.0.0.1');
    await once(rude, 'listening');
    assert.deepEqual(await send(`http://127.0.0.1:${(rude.address() as AddressInfo).port}/`, local), { fault: 'unreachable' });
    rude.close();
  });

  it('takes no proxy from the environment', async () => {
    plain.answer = (_received, response) => void response.end('ok');
    const script = `
      import { post } from ${JSON.stringify(new URL('egress.ts', import.meta.url).href)};
      const rules = { allowPrivate: false, insecure: true, ca: null };
      const deps = { resolve: async () => [], deadlineMs: 5000 };
      const answered = await post(new URL(process.argv[1]), { headers: {}, body: '' }, rules, deps, new AbortController().signal);
      console.log(answered.fault ?? answered.status);`;
    const env = {
      ...process.env,
      NODE_USE_ENV_PROXY: '1',
      http_proxy: 'http://127.0.0.1:1',
      HTTP_PROXY: 'http://127.0.0.1:1',
      no_proxy: '',
    };
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, plain.url], { env });
    assert.equal(stdout.trim(), '200');
  });
});

describe('a URL', () => {
  it('is https without credentials and fragment', () => {
    const fault = (url: string, insecure = false) => urlFault(new URL(url), { insecure });
    assert.equal(fault('https://hooks.example.com/x?y=z'), null);
    assert.equal(fault('http://127.0.0.1:8080/', true), null);
    for (const url of [
      'https://u:p@a.example.com/',
      'https://a.example.com/#x',
      'http://a.example.com/',
      'ftp://a.example.com/',
      'file:///etc/passwd',
    ]) {
      assert.notEqual(fault(url), null, url);
    }
    for (const url of ['http://a.example.com/', 'http://127.0.0.1.example.com/', 'ftp://127.0.0.1/']) {
      assert.notEqual(fault(url, true), null, url);
    }
  });
});

describe('Retry-After', () => {
  it('is seconds or a date, at most an hour', () => {
    assert.equal(retryAfterMs('30', undefined), 30_000);
    assert.equal(retryAfterMs('999999', undefined), 3_600_000);
    assert.equal(retryAfterMs('Sat, 21 Nov 2026 09:01:00 GMT', 'Sat, 21 Nov 2026 09:00:00 GMT'), 60_000);
    assert.equal(retryAfterMs('Sat, 21 Nov 2026 08:00:00 GMT', 'Sat, 21 Nov 2026 09:00:00 GMT'), 0);
    for (const header of [undefined, '', 'soon', '-5', '1e9', 'NaN']) assert.equal(retryAfterMs(header, undefined), null);
  });
});
