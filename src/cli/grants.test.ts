// `request`, `grants`, `lock` against a server that plays the API.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { duration, namedPrincipal, textList } from './arguments.ts';
import { type Captured, cli, FakeApi, type Setting } from './testing.ts';

const actor = { issuer: 'corp', subject: 'agent-1', kind: 'agent' };
const officer = { issuer: 'corp', subject: 'olga', kind: 'person' };
const grant = {
  id: 'grt_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  kind: 'on-request',
  state: 'requested',
  requester: { ...actor, name: 'Agent \u001b[31m' },
  onBehalfOf: null,
  role: 'reader',
  target: 'clinic',
  effects: ['read', 'write'],
  relations: ['public.patients'],
  rowsPerHour: 500,
  durationMs: 5_400_000,
  approvers: { role: 'officer', count: 2 },
  answers: [{ by: officer, verdict: 'approve', at: '2026-11-21T09:01:00.000Z', lentBy: { ...officer, subject: 'omar' } }],
  requestedAt: '2026-11-21T09:00:00.000Z',
  answerBy: '2026-11-22T09:00:00.000Z',
  openedAt: null,
  expiresAt: null,
  endedAt: null,
  end: null,
  endedBy: null,
  review: 'none',
  reviewedBy: null,
  reviewedAt: null,
};
const active = { ...grant, state: 'active', openedAt: '2026-11-21T09:02:00.000Z', expiresAt: '2026-11-21T10:32:00.000Z' };

describe('access on request', () => {
  let api: FakeApi;
  before(async () => void (api = await FakeApi.start()));
  after(() => api.stop());
  beforeEach(() => {
    api.seen.length = 0;
    api.answer = () => ({ body: grant });
  });

  const call = (argv: string[], setting: Setting = {}): Promise<Captured> =>
    cli(argv, { ...setting, env: { SALLYPORT_API: api.url, SALLYPORT_TOKEN: 't0ken' } });

  test('every command has help with examples', async () => {
    const commands =
      'request, grants offers, grants list, grants show, grants approve, grants deny, grants revoke, grants review, grants delegate, grants delegations, grants undelegate, grants recertify, lock, unlock, locks';
    for (const command of commands.split(', ')) {
      const { code, out } = await cli([...command.split(' '), '--help']);
      assert.equal(code, 0, command);
      assert.match(out, /Examples:\n {2}\$ sallyport/, command);
    }
  });

  test('a request sends exactly what was asked for, and says who must answer', async () => {
    const { code, out, err } = await call(
      'request clinic --for 1h30m --effects read,write --tables public.patients --rows-per-hour 500 --role reader --reason why'.split(' '),
    );
    assert.equal(code, 0);
    assert.deepEqual(
      [api.last?.method, api.last?.path, api.last?.body],
      [
        'POST',
        '/v1/grants',
        {
          target: 'clinic',
          durationMs: 5_400_000,
          reason: 'why',
          role: 'reader',
          effects: ['read', 'write'],
          relations: ['public.patients'],
          rowsPerHour: 500,
        },
      ],
    );
    assert.match(out, /grt_a+ is requested/);
    assert.match(err, /2 of role officer must approve/);
    await call(['request', 'clinic', '--for', '30m', '--reason', 'arrest', '--break-glass']);
    assert.deepEqual(api.last?.body, { target: 'clinic', durationMs: 1_800_000, reason: 'arrest', kind: 'break-glass' });
  });

  test('a request without a time or a reason, or with nonsense, is wrong usage and asks nobody', async () => {
    for (const options of [
      '--for 1h',
      '--reason x',
      '--for 1 --reason x',
      '--for 0s --reason x',
      '--for 1h --reason x --rows-per-hour 0',
      '--for 1h --reason x --tables a,,b',
    ]) {
      assert.equal((await call(['request', 'clinic', ...options.split(' ')])).code, 2, options);
    }
    assert.equal(api.seen.length, 0);
  });

  test('--wait waits for the answer, and exits 1 when it is no', async () => {
    for (const [last, exit] of [
      [active, 0],
      [{ ...grant, state: 'denied', end: 'denied' }, 1],
    ] as const) {
      let asked = 0;
      api.answer = () => ({ body: (asked += 1) < 3 ? grant : last });
      const { code, out } = await call(['request', 'clinic', '--for', '1h', '--reason', 'x', '--wait']);
      assert.equal(code, exit);
      assert.match(out, new RegExp(`is ${last.state}`));
      assert.deepEqual(api.last?.path, `/v1/grants/${grant.id}`);
    }
    api.answer = () => ({ body: grant });
    assert.equal(
      (await call(['request', 'clinic', '--for', '1h', '--reason', 'x', '--wait'], { onSleep: (_ms, interrupt) => interrupt() })).code,
      130,
    );
  });

  test('list and show are printable, and pass JSON through untouched', async () => {
    api.answer = () => ({ body: { grants: [active] } });
    const listed = await call(['grants', 'list', '--state', 'active', '--review-owed']);
    assert.match(listed.out, /grt_a+\tactive\tcorp\/agent-1\treader\tclinic\tread write\t1h30m\t2026-11-21T10:32:00.000Z\t-/);
    assert.deepEqual([api.last?.query.get('state'), api.last?.query.get('review')], ['active', 'owed']);
    api.answer = () => ({ body: grant });
    const { out } = await call(['grants', 'show', grant.id]);
    for (const pattern of [
      /tables\s+public\.patients/,
      /rows\s+500 an hour/,
      /needs\s+2 of role officer/,
      /approve by corp\/olga for corp\/omar/,
    ])
      assert.match(out, pattern);
    assert.doesNotMatch(out, /\u001b\[31m/);
    const json = await call(['grants', 'show', grant.id, '--json']);
    assert.deepEqual(JSON.parse(json.out), grant);
    api.answer = () => ({ body: { grants: [] } });
    assert.match((await call(['grants', 'ls'])).err, /no grant/);
  });

  test('offers say how each is opened', async () => {
    const approvers = { role: 'officer', count: 1 };
    const offer = { target: 'clinic', kind: 'on-request', role: 'reader', effects: ['read'], maxDurationMs: 7_200_000, approvers };
    api.answer = () => ({ body: { offers: [offer, { ...offer, kind: 'break-glass', role: 'rescue' }] } });
    const { out } = await call(['grants', 'offers', 'clinic']);
    assert.match(out, /clinic\treader\ton-request\tread\t2h\t1 of officer/);
    assert.match(out, /clinic\trescue\tbreak-glass\tread\t2h\tnobody; reviewed by officer/);
    assert.equal(api.last?.query.get('target'), 'clinic');
  });

  test('answers, revocation and review send what was said', async () => {
    const approved = await call(['grants', 'approve', grant.id, '--reason', 'ok']);
    assert.deepEqual([api.last?.path, api.last?.body], [`/v1/grants/${grant.id}/answer`, { verdict: 'approve', justification: 'ok' }]);
    assert.match(approved.err, /1 more of role officer must approve/);
    await call(['grants', 'deny', grant.id]);
    assert.deepEqual(api.last?.body, { verdict: 'deny' });
    await call(['grants', 'revoke', grant.id, '--reason', 'left']);
    assert.deepEqual([api.last?.path, api.last?.body], [`/v1/grants/${grant.id}/revoke`, { reason: 'left' }]);
    await call(['grants', 'review', grant.id, '--finding', 'fine']);
    assert.deepEqual([api.last?.path, api.last?.body], [`/v1/grants/${grant.id}/review`, { finding: 'fine' }]);
    assert.equal((await call(['grants', 'review', grant.id])).code, 2);
    // An id is one path segment, whatever it holds.
    await call(['grants', 'show', '../locks']);
    assert.equal(api.last?.path, '/v1/grants/..%2Flocks');
  });

  test('a role is lent to a person by name, listed and taken back', async () => {
    const delegation = {
      id: `dlg_${'a'.repeat(26)}`,
      role: 'officer',
      from: officer,
      to: { issuer: 'corp', subject: 'dave' },
      expiresAt: '2026-11-21T21:00:00.000Z',
    };
    api.answer = () => ({ body: delegation });
    const { out } = await call(['grants', 'delegate', 'officer', 'corp/dave', '--for', '12h']);
    assert.match(out, /dlg_a+ until 2026-11-21T21/);
    assert.deepEqual(api.last?.body, { role: 'officer', to: { issuer: 'corp', subject: 'dave' }, durationMs: 43_200_000 });
    api.answer = () => ({ body: { delegations: [delegation] } });
    assert.match((await call(['grants', 'delegations'])).out, /officer\tcorp\/olga\tcorp\/dave/);
    api.answer = () => ({ body: { ended: true } });
    assert.match((await call(['grants', 'undelegate', delegation.id])).out, /has ended/);
    assert.equal((await call(['grants', 'delegate', 'officer', 'dave', '--for', '12h'])).code, 2);
  });

  test('locks are named so that the gateway knows them', async () => {
    api.answer = () => ({ body: { kind: 'principal', name: 'corp/a%20b%2Fc', by: officer, at: '2026-11-21T09:00:00.000Z' } });
    const { out } = await call(['lock', 'principal', 'corp/a b/c', '--reason', 'leaked']);
    assert.match(out, /principal corp\/a b\/c is locked/);
    assert.deepEqual([api.last?.path, api.last?.body], ['/v1/locks', { kind: 'principal', name: 'corp/a%20b%2Fc', reason: 'leaked' }]);
    api.answer = () => ({ body: { locks: [{ kind: 'principal', name: 'corp/a%20b%2Fc', by: officer, at: 't' }] } });
    assert.match((await call(['locks'])).out, /principal\tcorp\/a b\/c\tcorp\/olga/);
    api.answer = () => ({ body: { lifted: true } });
    assert.match((await call(['unlock', 'target', 'clinic'])).out, /target clinic is unlocked/);
    assert.deepEqual([api.last?.path, api.last?.body], ['/v1/locks/lift', { kind: 'target', name: 'clinic' }]);
    for (const argv of [['lock', 'planet', 'x'], ['lock', 'principal', 'agent-1'], ['unlock']]) assert.equal((await call(argv)).code, 2);
  });

  test('a session is ended by its id', async () => {
    const id = `ses_${'a'.repeat(26)}`;
    api.answer = () => ({ body: { ended: true } });
    assert.match((await call(['session', 'end', id, '--reason', 'wild'])).out, /ses_a+ has been told to end/);
    assert.deepEqual([api.last?.path, api.last?.body], [`/v1/sessions/${id}/end`, { reason: 'wild' }]);
    api.answer = () => ({ body: { ended: false } });
    assert.match((await call(['session', 'end', id])).out, /was over already/);
    assert.equal((await call(['session', 'end'])).code, 2);
  });

  test('recertify lists, and signs the list that was saved', async () => {
    const item = {
      item: 'access-1',
      kind: 'standing',
      role: 'reader',
      targets: ['clinic'],
      effects: ['read'],
      who: 'issuer corp, group agents',
      lastUsedAt: null,
      usedBy: [],
      expiresAt: null,
    };
    const list = {
      sha256: 'a'.repeat(64),
      asOf: 't',
      items: [item, { ...item, item: 'access-2', lastUsedAt: '2026-01-01', usedBy: ['corp/a'] }],
    };
    api.answer = () => ({ body: list });
    const shown = await call(['grants', 'recertify']);
    assert.match(shown.out, /access-1\tstanding\treader\tclinic\tread\tissuer corp, group agents\tnever\t-/);
    assert.match(shown.err, /list a{64}/);
    const files = { 'access.json': (await call(['grants', 'recertify', '--json'])).out, 'bad.json': '{}' };
    api.answer = () => ({ body: { kept: 1, revoked: 1, grantsEnded: [] } });
    const signed = await call(['grants', 'recertify', '--sign', 'access.json', '--revoke', 'access-2', '--note', 'Q4'], { files });
    assert.match(signed.out, /1 kept, 1 to go, 0 grants ended/);
    assert.deepEqual(api.last?.body, { sha256: list.sha256, decisions: { 'access-1': 'keep', 'access-2': 'revoke' }, note: 'Q4' });
    for (const argv of [
      ['--sign', 'bad.json'],
      ['--sign', 'access.json', '--revoke', 'access-3'],
      ['--revoke', 'access-1'],
      ['--note', 'x'],
    ]) {
      assert.equal((await call(['grants', 'recertify', ...argv], { files })).code, 2, argv.join(' '));
    }
  });

  test('times, names and lists are read strictly', () => {
    assert.deepEqual(['90s', '15m', '1h30m', '2d'].map(duration), [90_000, 900_000, 5_400_000, 172_800_000]);
    for (const text of ['', '1', 'h', '1h 30m', '-1h', '1.5h', '1hm', '0m']) assert.throws(() => duration(text), text);
    assert.deepEqual(namedPrincipal('corp/x%2Fy'), { issuer: 'corp', subject: 'x/y' });
    for (const text of ['corp', '/x', 'corp/', 'corp/%zz']) assert.throws(() => namedPrincipal(text), text);
    assert.deepEqual(textList('a, b'), ['a', 'b']);
  });
});
