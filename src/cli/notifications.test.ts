import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Captured, cli, FakeApi, type Setting } from './testing.ts';

const row = {
  id: 'ntf_a',
  channel: 'reviewers',
  kind: 'approval.requested',
  about: 'apr_a',
  state: 'failed',
  attempts: 3,
  fault: 'status-500\u001b[31m',
  createdAt: '2026-11-21T09:00:00.000Z',
  nextAttemptAt: null,
  settledAt: '2026-11-21T09:00:00.000Z',
};
const body = { channels: [{ name: 'reviewers', kind: 'slack', queued: 4 }], notifications: [row] };

describe('sallyport notifications', () => {
  let api: FakeApi;
  before(async () => (api = await FakeApi.start()));
  after(() => api.stop());
  const call = (argv: string[], setting: Setting = {}): Promise<Captured> =>
    cli(['notifications', ...argv], { ...setting, env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 't0ken' } });

  test('ls shows channels and notifications, and filters', async () => {
    api.answer = () => ({ body });
    const { code, out, err } = await call(['ls', '--channel', 'reviewers', '--state', 'failed', '--limit', '7']);
    assert.equal(code, 0);
    assert.match(err, /reviewers \(slack\): 4 queued/);
    assert.deepEqual(out.split('\n')[1]?.split('\t'), [
      'ntf_a',
      'reviewers',
      'approval.requested',
      'apr_a',
      'failed',
      '3',
      'status-500\\u{1b}[31m',
      '2026-11-21T09:00:00.000Z',
      '-',
    ]);
    assert.equal(api.last?.path, '/v1/notifications');
    assert.deepEqual(Object.fromEntries(api.last?.query ?? []), { channel: 'reviewers', state: 'failed', limit: '7' });
    assert.equal((await call(['list'])).out, (await call(['ls'])).out);
    assert.deepEqual(JSON.parse((await call(['ls', '--json'])).out), body);
    assert.equal((await call(['ls', '--state', 'odd'])).code, 2);
  });

  test('ls says when there is nothing', async () => {
    api.answer = () => ({ body: { channels: [], notifications: [] } });
    assert.match((await call(['ls'])).err, /no channel is configured/);
    api.answer = () => ({ body: { ...body, notifications: [] } });
    assert.match((await call(['ls'])).err, /nothing was sent lately/);
  });

  test('test tells what came of it, with the exit code too', async () => {
    api.answer = () => ({ body: { channel: 'reviewers', sent: true, fault: null } });
    const good = await call(['test', 'reviewers']);
    assert.deepEqual([good.code, good.out], [0, 'reviewers: delivered\n']);
    assert.deepEqual([api.last?.method, api.last?.path], ['POST', '/v1/notifications/channels/reviewers/test']);
    api.answer = () => ({ body: { channel: 'reviewers', sent: false, fault: 'address-refused' } });
    const bad = await call(['test', 'reviewers']);
    assert.deepEqual([bad.code, bad.out], [1, 'reviewers: not delivered: address-refused\n']);
    assert.equal((await call(['test', 'reviewers', '--json'])).code, 1);
    await call(['test', '../x']);
    assert.equal(api.last?.path, '/v1/notifications/channels/..%2Fx/test');
  });
});
