// `sallyport policy diff|history|apply|rollback|replay` and `access report` against an API that a test plays.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { moment } from './arguments.ts';
import type { Answerer, Setting } from './testing.ts';
import { cli, FakeApi } from './testing.ts';

const sha = (digit: string): string => digit.repeat(64);
const noDiff = { isEqual: true, isCut: false, roles: [], access: [], classes: [], masks: [], rules: [] };
const someDiff = {
  isEqual: false,
  isCut: false,
  roles: [{ role: 'nurse', change: 'added', joins: ['issuer corp, group nurses'], leaves: [] }],
  access: [{ role: 'agent', targets: ['clinic', 'lab'], how: 'standing', gains: ['write'], loses: [] }],
  classes: [
    {
      class: 'phi.ssn',
      change: 'added',
      columnsAdded: ['clinic:public.p.ssn'],
      columnsRemoved: [],
      predicates: { from: 'any', to: 'none' },
      subjects: { from: '', to: 'clinic:public.p.id' },
    },
  ],
  masks: [
    { role: null, targets: ['clinic'], class: 'phi.name', from: 'redact', to: 'partial', change: 'reveals' },
    { role: 'agent', targets: ['clinic'], class: 'phi.mrn', from: 'clear', to: 'token', change: 'hides' },
  ],
  // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file; a text, never called
  rules: [{ rule: 'bulk', change: 'changed', then: 'hold', fields: [{ field: 'within', from: '15m', to: '1h' }] }],
};
const verdict = { outcome: 'allow', reasons: [], rules: [] };
const report = {
  policySha256: sha('a'),
  requests: 5,
  unchanged: 3,
  changes: { held: 0, denied: 2, allowed: 0, approvers: 0, masked: 0, revealed: 0 },
  unknown: [],
  groups: [
    {
      kind: 'denied',
      target: 'clinic',
      statement: 'SELECT \u001b[31m?',
      count: 2,
      principals: ['corp/agent-1'],
      principalCount: 3,
      example: 17,
      from: verdict,
      to: { outcome: 'deny', reasons: ['rule'], rules: ['no-bulk'] },
      masks: [],
    },
  ],
  ungrouped: 4,
};
const access = {
  policySha256: sha('a'),
  requests: 5,
  denied: 1,
  unknown: [{ reason: 'facts-not-recorded', count: 2 }],
  roles: [
    {
      role: 'agent',
      requests: 5,
      principalCount: 2,
      granted: [{ targets: ['*'], effects: ['read', 'write'], how: 'standing' }],
      used: [
        {
          target: 'clinic',
          requests: 5,
          effects: [{ effect: 'read', count: 5 }],
          relations: [{ name: 'public.patients', read: 5, written: 0 }],
          classes: [{ class: 'phi.name', count: 5, shownAs: 'redact' }],
        },
      ],
      unused: { targets: ['lab'], effects: [{ target: 'clinic', effects: ['write'] }], clearClasses: ['phi.ssn'] },
    },
  ],
  shrunk: { files: [{ name: 'policy.yaml', text: 'version: 1\n# small\n' }], sha256: sha('b'), proven: 5, notes: ['a note'] },
};

describe('policy tools of the command line', () => {
  let api: FakeApi;
  before(async () => {
    api = await FakeApi.start();
  });
  after(() => api.stop());

  const run = (argv: readonly string[], answer: Answerer, setting: Setting = {}) => {
    api.answer = answer;
    api.seen.length = 0;
    const files = { 'policy.yaml': 'version: 1\n', 'more.yaml': 'version: 1\n# more\n' };
    return cli(argv, { env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 't' }, files, ...setting });
  };
  const lines = (...all: object[]): ReturnType<Answerer> => ({
    type: 'application/x-ndjson',
    body: `${all.map((line) => JSON.stringify(line)).join('\n')}\n`,
  });

  it('diff names versions by hash, files by path, and the running one by default', async () => {
    const same = await run(['policy', 'diff', 'abcdef12'], () => ({
      body: { ok: true, from: sha('a'), to: sha('b'), diff: noDiff, faults: [] },
    }));
    assert.deepEqual([same.code, same.out], [0, 'nothing changes\n']);
    assert.deepEqual(api.last?.body, { from: { kind: 'version', sha256: 'abcdef12' }, to: { kind: 'running' } });
    const other = await run(['policy', 'diff', 'running', 'policy.yaml,more.yaml'], () => ({
      body: { ok: true, from: sha('a'), to: sha('b'), diff: someDiff, faults: [] },
    }));
    assert.equal(other.code, 1);
    assert.deepEqual(
      (api.last!.body as any).to.files.map(({ path }: { path: string }) => path),
      ['policy.yaml', 'more.yaml'],
    );
    assert.deepEqual(other.out.trim().split('\n'), [
      '+ role nurse added',
      '+ role nurse: issuer corp, group nurses',
      '+ role agent gains write on clinic, lab, standing',
      '- class phi.ssn added',
      '- class phi.ssn protects clinic:public.p.ssn',
      '~ class phi.ssn: predicates any -> none',
      '~ class phi.ssn: subject (none) -> clinic:public.p.id',
      '+ everybody without a mask by role on clinic: phi.name redact -> partial',
      '- role agent on clinic: phi.mrn clear -> token',
      '~ rule bulk: within 15m -> 1h',
    ]);
    const faulty = { severity: 'error', file: 'policy.yaml', line: 1, column: 1, path: 'version', what: 'must be 1', suggestion: null };
    const refused = await run(['policy', 'diff', 'running', 'policy.yaml'], () => ({
      body: { ok: false, from: null, to: null, diff: null, faults: [faulty] },
    }));
    assert.deepEqual([refused.code, refused.out], [1, 'policy.yaml:1:1 error version: must be 1\n']);
  });

  it('history shows versions, who brought them, and how much changed', async () => {
    const row = {
      sha256: sha('a'),
      at: '2026-11-21T10:00:00.000Z',
      how: 'apply',
      by: { issuer: 'corp', subject: 'otto' },
      previous: sha('b'),
      isInstead: true,
      diff: someDiff,
    };
    const { code, out, err } = await run(['policy', 'history'], () => ({
      body: { inForce: sha('a'), applications: [row, { ...row, how: 'start', by: null, isInstead: false, diff: null }] },
    }));
    assert.equal(code, 0);
    assert.match(out, /aaaaaaaaaaaa\t2026-11-21T10:00:00\.000Z\tapply, instead of the files\tcorp\/otto\t10 things/);
    assert.match(out, /start\tthe files\t-/);
    assert.match(err, new RegExp(`in force: ${sha('a')}`));
  });

  it('apply sends files, or none for those of the configuration, and fails when tests fail', async () => {
    const good = { ok: true, sha256: sha('a'), previous: sha('b'), isChanged: true, diff: noDiff, faults: [], tests: [] };
    const applied = await run(['policy', 'apply'], () => ({ body: good }));
    assert.deepEqual([applied.code, api.last?.body], [0, { skipTests: false }]);
    assert.match(applied.out, /is in force/);
    await run(['policy', 'apply', 'policy.yaml', '--expect', sha('b'), '--skip-tests'], () => ({ body: good }));
    assert.deepEqual(api.last?.body, { files: [{ path: 'policy.yaml', source: 'version: 1\n' }], skipTests: true, expected: sha('b') });
    const tests = [{ name: 'agents wait', passed: false, differences: ['decision: expected hold, got allow'] }];
    const failed = await run(['policy', 'apply', 'policy.yaml'], () => ({ body: { ...good, ok: false, isChanged: false, tests } }));
    assert.deepEqual(
      [failed.code, failed.out],
      [1, 'FAIL  agents wait\n      decision: expected hold, got allow\nnothing changes\nnot applied\n'],
    );
  });

  it('rollback takes the beginning of a hash and nothing else', async () => {
    const good = { ok: true, sha256: sha('a'), previous: sha('b'), isChanged: true, diff: noDiff, faults: [], tests: [] };
    await run(['policy', 'rollback', 'abcdef'], () => ({ body: good }));
    assert.deepEqual([api.last?.path, api.last?.body], ['/v1/policy/rollback', { sha256: 'abcdef', skipTests: false }]);
    const wrong = await run(['policy', 'rollback', 'policy.yaml'], () => ({ body: good }));
    assert.deepEqual([wrong.code, api.seen.length], [2, 0]);
  });

  it('replay reports progress on standard error and what would change on standard output', async () => {
    const answer = (): ReturnType<Answerer> =>
      lines({ progress: { done: 10, total: 100 } }, { progress: { done: 55, total: 100 } }, { result: { ok: true, report, faults: [] } });
    const { code, out, err } = await run(
      ['policy', 'replay', 'policy.yaml', '--since', '2026-11-01', '--target', 'clinic', '--principal', 'corp/agent-1'],
      answer,
    );
    assert.equal(code, 1);
    const { policy, ...period } = api.last!.body as { policy: { kind: string } };
    assert.deepEqual(
      [policy.kind, period],
      ['files', { since: '2026-11-01T00:00:00.000Z', target: 'clinic', principal: { issuer: 'corp', subject: 'agent-1' } }],
    );
    assert.equal(api.last?.query.get('progress'), 'true');
    assert.match(err, /10 % of 100 entries\n.*50 % of 100 entries\n/);
    assert.match(out, /denied +2/);
    assert.match(out, /denied\t2\tSELECT \\u\{1b\}\[31m\?\tcorp\/agent-1 and 2 more\tallow -> deny \(no-bulk\)\t17/);
    assert.match(err, /4 further changes/);
    const json = await run(['policy', 'replay', '--under', 'abcdef', '--json'], answer);
    assert.deepEqual([(JSON.parse(json.out) as { report: { unchanged: number } }).report.unchanged, json.err], [3, '']);
    assert.deepEqual((api.last!.body as { policy: object }).policy, { kind: 'version', sha256: 'abcdef' });
  });

  it('replay exits with 0 only when nothing would change and nothing is unknown', async () => {
    const same = { ...report, unchanged: 5, groups: [], ungrouped: 0 };
    const run1 = await run(['policy', 'replay', 'policy.yaml'], () => lines({ result: { ok: true, report: same, faults: [] } }));
    assert.equal(run1.code, 0);
    const unknown = { ...same, unchanged: 4, unknown: [{ reason: 'facts-not-recorded', count: 1 }] };
    const run2 = await run(['policy', 'replay', 'policy.yaml'], () => lines({ result: { ok: true, report: unknown, faults: [] } }));
    assert.deepEqual([run2.code, /cannot be replayed +1 \(facts-not-recorded\)/.test(run2.out)], [1, true]);
    for (const argv of [
      ['policy', 'replay'],
      ['policy', 'replay', 'policy.yaml', '--under', 'abcdef'],
      ['policy', 'replay', 'policy.yaml', '--since', 'yesterday'],
    ])
      assert.equal((await run(argv, () => lines())).code, 2, argv.join(' '));
  });

  it('a fault that comes after the work began is a failure of the command, and so is an answer that breaks off', async () => {
    const problem = {
      status: 503,
      code: 'SP_STORE_UNAVAILABLE',
      title: 'the state store cannot be used',
      remedy: 'Ask the operator.',
      request: 'req-1',
    };
    const late = await run(['policy', 'replay', 'policy.yaml'], () => lines({ progress: { done: 1, total: 2 } }, { problem }));
    assert.deepEqual([late.code, /the state store cannot be used/.test(late.err)], [1, true]);
    const broken = await run(['policy', 'replay', 'policy.yaml'], () => lines({ progress: { done: 1, total: 2 } }));
    assert.deepEqual([broken.code, /ended without a result/.test(broken.err)], [1, true]);
    const early = await run(['policy', 'replay', 'policy.yaml'], () => ({
      status: 403,
      body: { ...problem, status: 403, code: 'SP_API_FORBIDDEN' },
    }));
    assert.equal(early.code, 1);
    const odd = await run(['policy', 'replay', 'policy.yaml'], () => lines({ result: { ok: true, report: {}, faults: [] } }));
    assert.deepEqual([odd.code, /another shape/.test(odd.err)], [1, true]);
  });

  it('access report shows granted and used, and prints the smaller policy alone', async () => {
    const answer = (): ReturnType<Answerer> => lines({ result: access });
    const shown = await run(['access', 'report', '--role', 'agent,other'], answer);
    assert.equal(shown.code, 0);
    assert.deepEqual((api.last!.body as { roles: string[] }).roles, ['agent', 'other']);
    for (const pattern of [
      /agent: 5 requests of 2 principals/,
      /granted +read write on \* \(standing\)/,
      /unused targets +lab/,
      /unused effects +write on clinic/,
      /clear, untouched +phi\.ssn/,
      /table\tpublic\.patients\tread 5, written 0/,
      /class\tphi\.name as redact\t5/,
      /a note/,
    ])
      assert.match(shown.out, pattern);
    assert.match(shown.err, /2 requests are not counted: facts-not-recorded/);
    const policy = await run(['access', 'report', '--policy'], answer);
    assert.deepEqual([policy.code, policy.out], [0, 'version: 1\n# small\n']);
    const none = await run(['access', 'report', '--policy'], () =>
      lines({ result: { ...access, shrunk: { ...access.shrunk, files: null, sha256: null } } }),
    );
    assert.deepEqual([none.code, none.out], [1, '']);
  });

  it('times are relative to now, or absolute', () => {
    const now = Date.UTC(2026, 10, 21);
    assert.equal(moment('7d', now), '2026-11-14T00:00:00.000Z');
    assert.equal(moment('90m', now), '2026-11-20T22:30:00.000Z');
    assert.equal(moment('2026-11-01T08:00:00+02:00', now), '2026-11-01T06:00:00.000Z');
    for (const text of ['', '7', '-7d', 'd', '2026-13-01', '2026', '7d7']) assert.throws(() => moment(text, now), text);
  });
});
