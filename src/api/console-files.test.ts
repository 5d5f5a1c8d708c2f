import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { returnPathOf } from './return-path.ts';
import { createFakes } from './testing.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-console-'));
const folder = join(root, 'console');
const JS = 'assets/main-abc123XY.js';

describe('files of the console', () => {
  let app: ApiApp;
  before(async () => {
    mkdirSync(join(folder, 'assets', '.hidden'), { recursive: true });
    writeFileSync(join(root, 'secret.txt'), 'SECRET');
    writeFileSync(join(folder, 'index.html'), '<!doctype html>app');
    writeFileSync(join(folder, 'icon.svg'), '<svg/>');
    writeFileSync(join(folder, '.env'), 'SECRET');
    writeFileSync(join(folder, 'assets', '.hidden', 'x.js'), 'SECRET');
    writeFileSync(join(folder, JS), 'plain');
    writeFileSync(join(folder, `${JS}.br`), 'brotli');
    writeFileSync(join(folder, `${JS}.gz`), 'gzip');
    app = await buildApi({ ...createFakes().deps, consoleFolder: folder }, null);
  });
  after(async () => {
    await app.close();
    rmSync(root, { recursive: true, force: true });
  });
  const get = (url: string, headers: Readonly<Record<string, string>> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    app.inject({ method, url, headers });

  test('the root leads to the console, and every path without a dot is the app', async () => {
    for (const url of ['/', '/console']) {
      const answer = await get(url);
      assert.deepEqual([answer.statusCode, answer.headers.location], [302, '/console/']);
    }
    for (const url of ['/console/', '/console/sessions/ses_a', '/console/policy?x=1.2']) {
      const answer = await get(url);
      assert.deepEqual([answer.statusCode, answer.body], [200, '<!doctype html>app'], url);
      assert.match(String(answer.headers['content-type']), /^text\/html/);
    }
  });

  test('pages have the strict policy, the API keeps its own', async () => {
    const { headers } = await get('/console/');
    assert.equal(
      headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; worker-src 'self'; " +
        "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types sallyport",
    );
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(String(headers['permissions-policy']), /camera=\(\)/);
    assert.equal((await get('/healthz')).headers['content-security-policy'], "default-src 'none';frame-ancestors 'none'");
  });

  test('index.html is asked for again each time, what has a hash in its name is kept for ever', async () => {
    const page = await get('/console/');
    assert.equal(page.headers['cache-control'], 'no-cache');
    const again = await get('/console/', { 'if-none-match': String(page.headers.etag) });
    assert.deepEqual([again.statusCode, again.body], [304, '']);
    assert.equal(again.headers['cache-control'], 'no-cache');
    assert.equal((await get(`/console/${JS}`)).headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal((await get('/console/icon.svg')).headers['cache-control'], 'no-cache');
    assert.equal((await get('/v1/openapi.json')).headers['cache-control'], 'no-store');
  });

  test('what was compressed before is sent as the browser takes it', async () => {
    const br = await get(`/console/${JS}`, { 'accept-encoding': 'gzip, br' });
    assert.deepEqual([br.body, br.headers['content-encoding']], ['brotli', 'br']);
    assert.match(String(br.headers['content-type']), /javascript/);
    assert.match(String(br.headers.vary), /accept-encoding/i);
    const gz = await get(`/console/${JS}`, { 'accept-encoding': 'gzip' });
    assert.deepEqual([gz.body, gz.headers['content-encoding']], ['gzip', 'gzip']);
    assert.equal((await get(`/console/${JS}`)).body, 'plain');
    assert.equal((await get('/console/icon.svg', { 'accept-encoding': 'br' })).body, '<svg/>');
    assert.equal((await get(`/console/${JS}`, {}, 'HEAD')).body, '');
  });

  test('nothing outside, hidden or listed is served, in no spelling', async () => {
    const paths = [
      '../secret.txt',
      '..%2fsecret.txt',
      '%2e%2e/secret.txt',
      '%2e%2e%2fsecret.txt',
      '..%5csecret.txt',
      'assets/..%2f..%2fsecret.txt',
      'assets/%2e%2e/%2e%2e/secret.txt',
      '%252e%252e%252fsecret',
      '.env',
      '%2eenv',
      'assets/.hidden/x.js',
      '/secret.txt',
      'secret.txt%00.js',
      `${JS}.br`,
      `${JS}.gz`,
      'missing.js',
      'assets/..',
    ];
    await app.listen({ host: '127.0.0.1', port: 0 });
    for (const path of paths) {
      const { status, body } = await raw(app, `/console/${path}`);
      assert.doesNotMatch(body, /SECRET/, path);
      if (path.includes('%25')) assert.equal(body, '<!doctype html>app', path);
      else assert.ok([400, 404].includes(status), `${path} ${status}`);
    }
    for (const path of ['assets/', 'assets']) assert.equal((await get(`/console/${path}`)).body, '<!doctype html>app');
  });

  test('only GET and HEAD are answered', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const)
      assert.equal((await app.inject({ method, url: '/console/' })).statusCode, 404, method);
  });

  test('a console that is not built says how, and the rest works', async () => {
    for (const consoleFolder of [null, join(root, 'nowhere')]) {
      const bare = await buildApi({ ...createFakes().deps, consoleFolder }, null);
      const answer = await bare.inject({ url: '/console/' });
      assert.equal(answer.statusCode, 503);
      assert.match(answer.body, /<code>npm run build:console<\/code>/);
      assert.equal((await bare.inject({ url: `/console/${JS}` })).statusCode, 404);
      assert.deepEqual((await bare.inject({ url: '/console/login/options' })).json(), { providers: [], personas: [] });
      assert.equal((await bare.inject({ url: '/console/login' })).statusCode, 503);
      await bare.close();
    }
  });
});

/** Over a socket: clients that parse addresses resolve dots themselves. */
async function raw(app: ApiApp, path: string): Promise<{ readonly status: number; readonly body: string }> {
  const { port } = app.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

test('the way back after a log-in is a page of the console', () => {
  for (const path of ['/console/', '/console/sessions/ses_a?x=%2F..%2F&y=//a#z', '/console/policy']) assert.equal(returnPathOf(path), path);
  assert.equal(returnPathOf(undefined), '/console/');
  const refused = [
    '/console',
    '//console/',
    '/console/../x',
    '/console/./x',
    '/console/%2E%2E/x',
    '/console/a//b',
    '/console/a\tb',
    '/console/é',
  ];
  for (const path of [
    ...refused,
    '/console/login',
    '/console/callback/corp?code=1',
    `/console/${'a'.repeat(2_000)}`,
    '/CONSOLE/',
    ' /console/',
  ])
    assert.throws(() => returnPathOf(path), { code: 'SP_API_BAD_REQUEST' }, path);
});
