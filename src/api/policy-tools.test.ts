// Routes of the policy tools over fakes: who may call what, what is asked of the services, and work that is answered in lines.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { createFakes, type Fakes, POLICY } from './testing.ts';

const since = '2026-11-01T00:00:00.000Z';
const files = [{ path: 'policy.yaml', source: 'version: 1\n' }];

describe('policy tools', () => {
  let app: ApiApp;
  let fakes: Fakes;
  beforeEach(async () => {
    fakes = createFakes();
    app = await buildApi(fakes.deps, null);
  });
  afterEach(() => app.close());

  const headers = (who: string) => ({ authorization: `Bearer ${who}` });
  const get = async (url: string, who: string) => app.inject({ method: 'GET', url, headers: headers(who) });
  const post = async (url: string, who: string, payload: object) => app.inject({ method: 'POST', url, headers: headers(who), payload });

  test('reading is for auditors and operators, applying for operators only', async () => {
    const reading: [string, object][] = [
      ['/v1/policy/diff', { to: { kind: 'running' } }],
      ['/v1/policy/replay', { policy: { kind: 'running' }, since }],
      ['/v1/access/report', { since }],
    ];
    for (const who of ['agent', 'officer', 'stranger', 'auditor', 'operator']) {
      const isOverseer = who === 'auditor' || who === 'operator';
      for (const [url, body] of reading) assert.equal((await post(url, who, body)).statusCode, isOverseer ? 200 : 403, `${who} ${url}`);
      assert.equal((await get('/v1/policy/history', who)).statusCode, isOverseer ? 200 : 403);
      for (const [url, body] of [
        ['/v1/policy/apply', {}],
        ['/v1/policy/rollback', { sha256: 'abcdef' }],
      ] as const)
        assert.equal((await post(url, who, body)).statusCode, who === 'operator' ? 200 : 403, `${who} ${url}`);
    }
    assert.deepEqual(
      new Set(
        fakes.tools.asked.filter(({ what }) => what === 'apply' || what === 'rollback').map((each) => (each.with as { by: string }).by),
      ),
      new Set(['otto']),
    );
  });

  test('policies that are longer than other bodies are taken, of those only who may bring them, and not without end', async () => {
    const long = Array.from({ length: 5 }, (_, n) => ({ path: `classes-${n}.yaml`, source: `version: 1\n#${'x'.repeat(450_000)}\n` }));
    const routes: [string, object][] = [
      ['/v1/policy/check', { files: long }],
      ['/v1/policy/test', { files: long }],
      ['/v1/policy/apply', { files: long }],
      ['/v1/policy/diff', { to: { kind: 'files', files: long } }],
      ['/v1/policy/replay', { policy: { kind: 'files', files: long }, since }],
    ];
    for (const [url, body] of routes) {
      assert.equal((await post(url, 'operator', body)).statusCode, 200, url);
      assert.equal((await post(url, 'agent', body)).statusCode, 403, url);
    }
    assert.equal((await post('/v1/access/report', 'operator', { since, x: long })).statusCode, 413);
    const small = await buildApi({ ...fakes.deps, limits: { maxPolicyBytes: 2 * 1024 * 1024 } }, null);
    for (const [url, payload] of routes) {
      const inject = (who: string) => small.inject({ method: 'POST', url, headers: headers(who), payload });
      assert.equal((await inject('operator')).statusCode, 413, url);
      assert.equal((await inject('agent')).statusCode, 403, `${url}: before the body is read`);
    }
    await small.close();
  });

  test('a diff is from the running policy unless told; faults of files are no error of the request', async () => {
    const same = (await post('/v1/policy/diff', 'auditor', { to: { kind: 'version', sha256: 'abcdef' } })).json();
    assert.deepEqual([same.ok, same.from, same.diff.isEqual], [true, POLICY, true]);
    assert.deepEqual(fakes.tools.asked.at(-1)?.with, { from: { kind: 'running' }, to: { kind: 'version', sha256: 'abcdef' } });
    const faulty = (await post('/v1/policy/diff', 'auditor', { from: { kind: 'configured' }, to: { kind: 'files', files } })).json();
    assert.deepEqual([faulty.ok, faulty.diff, faulty.faults[0].what], [false, null, 'must be 1']);
  });

  test('history tells who, and whether a version is in force instead of the files', async () => {
    const { inForce, applications } = (await get('/v1/policy/history?limit=5', 'auditor')).json();
    assert.deepEqual([inForce, fakes.tools.asked.at(-1)?.with], [POLICY, 5]);
    assert.deepEqual(
      applications.map((row: { by: { subject: string } | null; isInstead: boolean; at: string }) => [
        row.by?.subject,
        row.isInstead,
        row.at,
      ]),
      [
        ['otto', false, '1970-01-01T00:00:01.000Z'],
        [undefined, false, '1970-01-01T00:00:01.000Z'],
      ],
    );
  });

  test('apply hands over who, the files and what is expected', async () => {
    const expected = 'ef'.repeat(32);
    await post('/v1/policy/apply', 'operator', { files, expected, skipTests: true });
    assert.deepEqual(fakes.tools.asked.at(-1)?.with, { files, by: 'otto', expected, skipTests: true });
    await post('/v1/policy/apply', 'operator', {});
    assert.deepEqual(fakes.tools.asked.at(-1)?.with, { files: null, by: 'otto', expected: null, skipTests: false });
    assert.equal((await post('/v1/policy/rollback', 'operator', { sha256: 'deadbeef' })).json().code, 'SP_POLICY_VERSION_UNKNOWN');
  });

  test('bad inputs are refused before anything is asked', async () => {
    for (const [url, body] of [
      ['/v1/policy/diff', {}],
      ['/v1/policy/diff', { to: { kind: 'version', sha256: 'abc' } }],
      ['/v1/policy/diff', { to: { kind: 'version', sha256: '../../..' } }],
      ['/v1/policy/diff', { to: { kind: 'files', files: [] } }],
      ['/v1/policy/diff', { to: { kind: 'running', more: 1 } }],
      ['/v1/policy/apply', { expected: 'abcdef' }],
      ['/v1/policy/rollback', {}],
      ['/v1/policy/replay', { policy: { kind: 'running' } }],
      ['/v1/policy/replay', { policy: { kind: 'running' }, since: '7d' }],
      ['/v1/policy/replay', { policy: { kind: 'running' }, since, principal: 'corp/agent-1' }],
      ['/v1/access/report', { since, roles: [] }],
    ] as const)
      assert.equal((await post(url, 'operator', body)).statusCode, 400, `${url} ${JSON.stringify(body)}`);
    assert.deepEqual(fakes.tools.asked, []);
  });

  test('a replay is asked for a period, a target and a principal', async () => {
    const principal = { issuer: 'corp', subject: 'agent-1' };
    const body = { policy: { kind: 'files', files }, since, until: '2026-11-02T00:00:00Z', target: 'clinic', principal };
    const answer = (await post('/v1/policy/replay', 'auditor', body)).json();
    assert.deepEqual([answer.ok, answer.report.changes.denied], [true, 1]);
    const period = { sinceMs: Date.parse(since), untilMs: Date.UTC(2026, 10, 2), target: 'clinic', principal };
    assert.deepEqual(fakes.tools.asked.at(-1)?.with, { policy: { kind: 'files', files }, period });
    await post('/v1/access/report', 'auditor', { since, roles: ['reporting-agent'] });
    assert.deepEqual(fakes.tools.asked.at(-1)?.with, {
      roles: ['reporting-agent'],
      sinceMs: Date.parse(since),
      untilMs: null,
      target: undefined,
      principal: undefined,
    });
  });

  test('long work can be answered in lines: progress, then the result or the problem', async () => {
    const lines = async (url: string, body: object): Promise<Record<string, any>[]> => {
      const answer = await post(`${url}?progress=true`, 'auditor', body);
      assert.match(String(answer.headers['content-type']), /^application\/x-ndjson/);
      return answer.body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, any>);
    };
    const replayed = await lines('/v1/policy/replay', { policy: { kind: 'running' }, since });
    assert.deepEqual(replayed[0], { progress: { done: 1, total: 2 } });
    assert.equal(replayed.at(-1)?.['result'].report.changes.denied, 1);
    const failed = await lines('/v1/policy/replay', { policy: { kind: 'version', sha256: 'deadbeef' }, since });
    assert.equal(failed.at(-1)?.['problem'].code, 'SP_POLICY_VERSION_UNKNOWN');
    assert.equal((await lines('/v1/access/report', { since })).at(-1)?.['result'].shrunk.proven, 1);
  });

  test('one replay or report at a time: they read much of the log', async () => {
    fakes.tools.isHeld = true;
    const first = post('/v1/policy/replay', 'auditor', { policy: { kind: 'running' }, since });
    while (!fakes.tools.asked.some(({ what }) => what === 'replay')) await new Promise((done) => setImmediate(done));
    assert.equal((await post('/v1/access/report', 'operator', { since })).statusCode, 429);
    fakes.tools.isHeld = false;
    fakes.tools.release();
    assert.equal((await first).statusCode, 200);
    assert.equal((await post('/v1/access/report', 'operator', { since })).statusCode, 200);
  });
});
