import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Captured, cli, FakeApi, type Setting } from './testing.ts';

const leaver = {
  issuer: 'corp',
  subject: 'ana\u001b[31m',
  isClear: false,
  isLocked: false,
  used: { sessions: 2, requests: 3, targets: ['clinic'], lastAt: null },
  open: {
    sessions: [{ id: 'ses_a', target: 'clinic' }],
    grants: [{ id: 'grt_a', role: 'r', target: 'clinic', state: 'active' }],
    approvals: ['apr_a'],
    delegations: [{ id: 'dlg_a', role: 'r', isLender: true }],
  },
  reviewsOwed: [],
};
const coverage = {
  entries: { from: 0, to: 9 },
  anchors: [],
  notAnchored: 9,
  notReviewed: [{ from: 0, to: 9 }],
  reviews: { records: 0, access: 0, breakGlass: 0 },
  breakGlass: 0,
  alarms: 0,
  targets: [{ name: 'clinic', requests: 1, denied: 0, notAnchored: 1, notReviewed: 1 }],
  principals: [],
  failedLogIns: { count: 2, byFault: { expired: 2 } },
  silences: [],
};

describe('reviews on the command line', () => {
  let api: FakeApi;
  before(async () => (api = await FakeApi.start()));
  after(() => api.stop());
  const call = (argv: string[], setting: Setting = {}): Promise<Captured> =>
    cli(argv, { ...setting, env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 't0ken' } });

  test('review sign sends the period and the finding, which it can read from standard input', async () => {
    const range = { from: 0, to: 5, denied: 1, failedLogIns: 2, alarms: 0, breakGlass: 0 };
    api.answer = () => ({ body: { seq: 9, range } });
    const { code, out, err } = await call(['review', 'sign', '--from', '2026-11-01', '--to', '2026-11-02', '--finding', 'nothing']);
    assert.deepEqual([code, out], [0, 'signed as entry 9: entries 0 to 4\n']);
    assert.match(err, /1 denied, 2 failed log-ins/);
    assert.deepEqual(api.last?.body, { since: '2026-11-01T00:00:00.000Z', until: '2026-11-02T00:00:00.000Z', finding: 'nothing' });
    await call(['review', 'sign', '--from', '7d', '--finding', '-'], { stdin: 'from a file\n' });
    assert.match(JSON.stringify(api.last?.body), /"finding":"from a file"/);
    assert.equal((await call(['review', 'sign', '--from', '7d', '--finding', ' '])).code, 2);
    assert.equal((await call(['review', 'sign', '--finding', 'x'])).code, 2);
    assert.deepEqual(JSON.parse((await call(['review', 'sign', '--from', '7d', '--finding', 'x', '--json'])).out), { seq: 9, range });
  });

  test('review ls prints what was reviewed', async () => {
    const row = { seq: 9, at: '2026-11-21T09:00:00.000Z', by: { issuer: 'corp', subject: 'ada', kind: 'person' }, subject: null };
    api.answer = () => ({ body: { reviews: [{ ...row, kind: 'records', range: { from: 0, to: 5 } }] } });
    const { out } = await call(['review', 'ls', '--from', '30d']);
    assert.deepEqual(out.split('\n')[1]?.split('\t'), ['9', row.at, 'corp/ada', 'records', 'entries 0 to 4']);
  });

  test('access leavers reads a list, tells what is open, and fails while something is', async () => {
    api.answer = () => ({ body: { leavers: [leaver] } });
    const gone = { files: { gone: '# left in May\ncorp/ana\n\ncorp/bo%2Fb # contractor\n' } };
    const { code, out } = await call(['access', 'leavers', '--gone', 'gone'], gone);
    assert.equal(code, 1);
    assert.deepEqual(api.last?.body, {
      principals: [
        { issuer: 'corp', subject: 'ana' },
        { issuer: 'corp', subject: 'bo/b' },
      ],
    });
    assert.match(
      out,
      /corp\/ana\\u\{1b\}\[31m\tnever\t2\t3\tclinic\tsession ses_a, grant grt_a active, approval apr_a, delegation dlg_a lent/,
    );
    api.answer = () => ({ body: { leavers: [{ ...leaver, isClear: true, isLocked: true }] } });
    assert.equal((await call(['access', 'leavers', '--principal', 'corp/ana'])).code, 0);
    api.answer = () => ({ body: { leavers: [{ ...leaver, isClear: true, reviewsOwed: ['grt_b'] }] } });
    assert.equal((await call(['access', 'leavers', '--principal', 'corp/ana', '--json'])).code, 1);
    assert.equal((await call(['access', 'leavers'])).code, 2);
    assert.equal((await call(['access', 'leavers', '--gone', 'gone'], { files: { gone: 'ana\n' } })).code, 2);
  });

  test('audit coverage fails while something has no copy, no review, or a silence is unexplained', async () => {
    api.answer = () => ({ body: coverage });
    const { code, out } = await call(['audit', 'coverage', '--from', '30d']);
    assert.equal(code, 1);
    assert.match(out, /copies elsewhere {2}none/);
    assert.match(out, /failed log-ins {4}2 \(expired 2\)/);
    const good = { ...coverage, notAnchored: 0, notReviewed: [] };
    api.answer = () => ({ body: good });
    assert.equal((await call(['audit', 'coverage'])).code, 0);
    const silence = { seq: 1, from: '2026-11-21T09:00:00.000Z', to: '2026-11-21T10:00:00.000Z', seconds: 3600, kind: 'stopped' };
    api.answer = () => ({ body: { ...good, silences: [silence] } });
    assert.equal((await call(['audit', 'coverage'])).code, 0);
    api.answer = () => ({ body: { ...good, silences: [{ ...silence, kind: 'silent' }] } });
    assert.equal((await call(['audit', 'coverage'])).code, 1);
  });

  test('siem fails while a destination does not take entries', async () => {
    const destination = { name: 'soc', kind: 'syslog', next: 5, lag: 2, sent: 5, fault: 'unreachable' };
    api.answer = () => ({ body: { destinations: [destination] } });
    const { code, out } = await call(['siem']);
    assert.equal(code, 1);
    assert.deepEqual(out.split('\n')[1]?.split('\t'), ['soc', 'syslog', '5', '2', '5', 'unreachable']);
    api.answer = () => ({ body: { destinations: [{ ...destination, fault: null }] } });
    assert.equal((await call(['siem'])).code, 0);
  });

  test('siem reset says where a destination is to go on, and takes no other word for it', async () => {
    const destination = { name: 'so c', kind: 'syslog', next: 12, lag: 2, sent: 5, fault: null };
    api.answer = () => ({ body: destination });
    const { code, out } = await call(['siem', 'reset', 'so c', '--from', '12']);
    assert.deepEqual([code, out], [0, 'so c goes on from entry 12\n']);
    assert.deepEqual([api.last?.path, api.last?.body], ['/v1/siem/so%20c/reset', { from: 12 }]);
    await call(['siem', 'reset', 'soc', '--from', 'beginning']);
    assert.deepEqual(api.last?.body, { from: 'beginning' });
    assert.deepEqual(JSON.parse((await call(['siem', 'reset', 'soc', '--from', 'now', '--json'])).out), destination);
    for (const argv of [['soc'], ['soc', '--from', 'then'], ['soc', '--from', '-1'], ['--from', '1']])
      assert.equal((await call(['siem', 'reset', ...argv])).code, 2, argv.join(' '));
  });
});
