// `sallyport audit new-key` and `audit reindex`.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseSigningKey } from '../audit/index.ts';
import { Secret } from '../core/secret.ts';
import { cli, FakeApi } from './testing.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-audit-cli-'));
after(() => rmSync(root, { recursive: true, force: true }));
const origin = 'sallyport.example.com/main';

describe('audit new-key', () => {
  test('writes a key for its owner alone, its public half beside it, and prints no secret', async () => {
    const file = join(root, 'new.key');
    const { code, out, err } = await cli(['audit', 'new-key', file, '--origin', origin]);
    assert.equal(code, 0, err);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const vkey = readFileSync(`${file}.vkey`, 'utf8').trim();
    assert.equal(parseSigningKey(new Secret(readFileSync(file, 'utf8')), origin).vkey, vkey);
    assert.ok(out.includes(vkey));
    assert.match(out + err, /audit\.signingKey, the old one audit\.retiringKey/);
    assert.doesNotMatch(out + err, /PRIVATE/);
    const json = await cli(['audit', 'new-key', join(root, 'json.key'), '--origin', origin, '--json']);
    const { file: path, verifierKey } = JSON.parse(json.out);
    assert.deepEqual([path, verifierKey], [join(root, 'json.key'), readFileSync(join(root, 'json.key.vkey'), 'utf8').trim()]);
    assert.notEqual(verifierKey, vkey);
    assert.doesNotMatch(json.out, /PRIVATE/);
  });

  test('overwrites nothing, leaves no half of a key, and refuses an origin that is none', async () => {
    const file = join(root, 'mine');
    writeFileSync(file, 'mine');
    const refused = await cli(['audit', 'new-key', file, '--origin', origin]);
    assert.deepEqual([refused.code, readFileSync(file, 'utf8'), existsSync(`${file}.vkey`)], [2, 'mine', false]);
    assert.match(refused.err, /EEXIST/);
    const half = join(root, 'half');
    writeFileSync(`${half}.vkey`, 'mine');
    assert.equal((await cli(['audit', 'new-key', half, '--origin', origin])).code, 2);
    assert.deepEqual([existsSync(half), readFileSync(`${half}.vkey`, 'utf8')], [false, 'mine']);
    for (const none of ['a b', 'a+b', '']) {
      assert.equal((await cli(['audit', 'new-key', join(root, 'none'), '--origin', none])).code, 2, none);
      assert.equal(existsSync(join(root, 'none')), false);
    }
    assert.equal((await cli(['audit', 'new-key', join(root, 'none')])).code, 2);
  });
});

describe('audit reindex', () => {
  test('asks the gateway and says how many entries the index has; what goes wrong on the way is an error', async () => {
    const api = await FakeApi.start();
    const lines = (...all: object[]): string => all.map((line) => `${JSON.stringify(line)}\n`).join('');
    const reindex = (...more: string[]) =>
      cli(['audit', 'reindex', ...more], { env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 't0ken' } });
    try {
      const result = { result: { entries: 9001 } };
      api.answer = () => ({ type: 'application/x-ndjson', body: lines({ progress: { done: 4096, total: 9001 } }, result) });
      const done = await reindex();
      assert.deepEqual([done.code, api.last?.method, api.last?.path], [0, 'POST', '/v1/audit/reindex']);
      assert.match(done.out, /built from 9001 entries/);
      assert.deepEqual(JSON.parse((await reindex('--json')).out), { entries: 9001 });
      const problem = {
        type: 'urn:sallyport:error:SP_STORE_UNAVAILABLE',
        title: 'the disk is full',
        status: 503,
        code: 'SP_STORE_UNAVAILABLE',
        remedy: 'Make room.',
        retriable: true,
        request: 'req-1',
      };
      for (const [status, body, wanted] of [
        [200, lines({ progress: { done: 1, total: 2 } }), /ended without a result/],
        [200, lines({ result: { entries: 'many' } }), /another shape/],
        [200, lines({ problem }), /SP_STORE_UNAVAILABLE/],
        [403, JSON.stringify({ ...problem, status: 403, code: 'SP_API_FORBIDDEN', title: 'operators only' }), /operators only/],
      ] as const) {
        api.answer = () => ({ status, type: 'application/x-ndjson', body });
        const { code, err, out } = await reindex();
        assert.notEqual(code, 0, body);
        assert.match(err + out, wanted);
      }
    } finally {
      await api.stop();
    }
  });
});
