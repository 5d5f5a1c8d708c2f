// `sallyport evidence`: what is asked of the gateway, and how a verdict comes out.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cli, FakeApi } from './testing.ts';

let api: FakeApi;
before(async () => {
  api = await FakeApi.start();
});
after(() => api.stop());

const notGiven = async (): Promise<never> => assert.fail('not asked for');
const range = ['--from', '2026-10-01', '--to', '2026-11-01', '-o', 'out.zip'];

test('an export asks for the range and saves what comes', async () => {
  const saved: string[] = [];
  const save = async (output: string, archive: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of archive) saved.push(output, Buffer.from(chunk).toString());
  };
  const call = (...more: string[]) =>
    cli(['evidence', 'export', ...range, ...more], {
      env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 'auditor' },
      deps: { evidence: { exportOffline: notGiven, save, verify: notGiven } },
    });
  api.answer = () => ({ body: 'PK', type: 'application/zip' });
  const { code, out } = await call('--principal', 'corp/a%2Fb', '--target', 'clinic');
  assert.equal(code, 0);
  assert.match(out, /the bundle is in out\.zip/);
  assert.deepEqual(saved, ['out.zip', 'PK']);
  assert.equal(api.seen.at(-1)?.path, '/v1/evidence/export');
  assert.deepEqual(Object.fromEntries(api.seen.at(-1)!.query), {
    from: '2026-10-01T00:00:00.000Z',
    to: '2026-11-01T00:00:00.000Z',
    issuer: 'corp',
    subject: 'a/b',
    target: 'clinic',
  });

  const problem = { code: 'SP_API_FORBIDDEN', title: 'your roles do not allow this', remedy: 'Ask a colleague.', request: 'req-1' };
  api.answer = () => ({ status: 403, body: problem });
  const refused = await call();
  assert.equal(refused.code, 1);
  assert.match(refused.err, /your roles do not allow this/);
});

test('an export offline asks no gateway, and says which policy texts are missing', async () => {
  const exportOffline = async ({ config, output }: { config: string; output: string }) => {
    assert.deepEqual([config, output], ['s.yaml', 'out.zip']);
    return { entries: 7, files: 20, policiesMissing: 1 };
  };
  const deps = { evidence: { exportOffline, save: notGiven, verify: notGiven } };
  const { code, out, err } = await cli(['evidence', 'export', ...range, '--offline', '-c', 's.yaml'], { deps });
  assert.equal(code, 0);
  assert.match(out, /7 entries, 20 files in out\.zip/);
  assert.match(err, /text of 1 policy versions is not in the store/);
  const backwards = ['--from', '2026-11-01', '--to', '2026-10-01', '-o', 'x', '--offline'];
  assert.equal((await cli(['evidence', 'export', ...backwards], { deps })).code, 2);
});

test('a verdict is printed for people or as JSON, decides the exit code, and cannot control the terminal', async () => {
  const verify = async (path: string, { vkey, checkpoints }: { vkey: string | null; checkpoints: readonly string[] }) => ({
    ok: path === 'good' && vkey === 'name+id+key' && checkpoints[0] === 'kept\n',
    verdict: { ok: path === 'good' },
    lines: [{ tone: 'bad' as const, text: 'file \u001b[2J' }],
  });
  const setting = {
    files: { 'log.vkey': 'name+id+key', kept: 'kept\n' },
    deps: { evidence: { exportOffline: notGiven, save: notGiven, verify } },
  };
  const good = await cli(['evidence', 'verify', 'good', '--key', 'log.vkey', '--checkpoint', 'kept', '--json'], setting);
  assert.deepEqual([good.code, JSON.parse(good.out)], [0, { ok: true }]);
  const bad = await cli(['evidence', 'verify', 'bad'], { ...setting, isTTY: true });
  assert.equal(bad.code, 1);
  assert.match(bad.out, /\\u\{1b\}\[2J/);
  assert.doesNotMatch((await cli(['evidence', 'verify', 'bad'], { ...setting, isTTY: true, env: { NO_COLOR: '1' } })).out, /\u001b/);
  assert.equal((await cli(['evidence', 'verify', 'good', '--key', 'nowhere'], setting)).code, 2);
});
