// A target by itself, its columns, and the matrix of the policy.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import type { Fakes } from './testing.ts';
import { createFakes, NOW_MS, principalOf, sessionOf } from './testing.ts';

const bearer = (who: string) => ({ authorization: `Bearer ${who}` });
interface Columns {
  total: number;
  protected: number;
  schemas: object[];
  columns: { relation: string; column: string; classes: object[]; shown: string }[];
  next: string | null;
}

describe('API: targets and matrix', () => {
  let app: ApiApp;
  let fakes: Fakes;
  before(async () => {
    fakes = createFakes();
    fakes.sessions.push(sessionOf('a', principalOf('agent-2', [], 'agent'), 0));
    const change = (seq: number, target: string, state: 'up' | 'down') =>
      fakes.entries.push({
        v: 1,
        seq,
        ts: new Date(NOW_MS + seq * 1000).toISOString(),
        replica: 'r1',
        type: `connector.${state}`,
        resource: { target },
      });
    change(0, 'clinic', 'up');
    change(1, 'clinic', 'down');
    change(2, 'clinic', 'up');
    change(3, 'lab', 'down');
    app = await buildApi(fakes.deps, null);
  });
  after(() => app.close());

  const get = async (url: string, who: string) => app.inject({ method: 'GET', url, headers: bearer(who) });
  const columns = async (query: string, who = 'operator'): Promise<Columns> => {
    const answer = await get(`/v1/targets/clinic/columns?${query}`, who);
    assert.equal(answer.statusCode, 200, answer.body);
    return answer.json();
  };

  test('a target tells how it is, when it was used, and how to connect', async () => {
    const body = (await get('/v1/targets/clinic', 'operator')).json();
    assert.deepEqual([body.liveSessions, body.lastUsedAt, body.address], [1, new Date(NOW_MS).toISOString(), 'db.internal:5432']);
    assert.deepEqual(body.reachable, { state: 'up', since: new Date(NOW_MS + 2000).toISOString() });
    assert.deepEqual(body.connect, {
      database: 'clinic',
      user: 'otto',
      password: 'token',
      listeners: [{ protocol: 'postgres', host: '127.0.0.1', port: 6432, isTls: true }],
    });
    const own = (await get('/v1/targets/clinic', 'agent')).json();
    assert.deepEqual([own.lastUsedAt, own.address], [null, null]);
    assert.equal((await get('/v1/targets/clinic', 'stranger')).statusCode, 404);
    assert.equal((await get('/v1/targets/nowhere', 'operator')).statusCode, 404);
    assert.equal((await get('/v1/targets/No', 'operator')).statusCode, 400);
  });

  test('columns come with classes, where those come from, and how they are shown', async () => {
    const body = await columns('', 'operator');
    assert.deepEqual([body.total, body.protected, body.next], [4, 2, null]);
    assert.deepEqual(body.schemas, [
      { schema: 'public', columns: 3, protected: 2 },
      { schema: 'stats', columns: 1, protected: 0 },
    ]);
    const ssn = body.columns.find(({ column }) => column === 'ssn');
    assert.deepEqual(ssn?.classes, [{ class: 'phi.ssn', origin: 'rule', pattern: 'public.patients.ssn' }]);
    // An operator has no access of their own.
    assert.equal(ssn?.shown, 'denied');
    const own = await columns('protected=true', 'agent');
    assert.deepEqual(
      own.columns.map(({ column, shown, classes }) => [column, shown, classes]),
      [
        ['ssn', 'partial', [{ class: 'phi.ssn', origin: 'rule', pattern: null }]],
        ['x', 'partial', [{ class: 'phi.ssn', origin: 'rule', pattern: null }]],
      ],
    );
    const asRole = await columns('role=reporting-agent');
    assert.deepEqual(
      asRole.columns.map(({ shown }) => shown),
      ['clear', 'null', 'null', 'clear'],
    );
    assert.equal((await columns('role=nobody')).columns[0]?.shown, 'denied');
    assert.equal((await get('/v1/targets/clinic/columns?role=reporting-agent', 'agent')).statusCode, 403);
    assert.equal((await get('/v1/targets/clinic/columns', 'stranger')).statusCode, 404);
  });

  test('a class that no rule names for the column comes from the closure', async () => {
    const unnamed = await buildApi({ ...fakes.deps, policy: { ...fakes.deps.policy, patternsOf: () => new Map() } }, null);
    const answer = await unnamed.inject({ url: '/v1/targets/clinic/columns?search=SSN', headers: bearer('operator') });
    await unnamed.close();
    const { columns: found } = answer.json() as Columns;
    assert.deepEqual(found[0]?.classes, [{ class: 'phi.ssn', origin: 'closure', pattern: null }]);
  });

  test('columns are searched and paged, also when the last one seen is gone', async () => {
    const names = async (query: string): Promise<string[]> => (await columns(query)).columns.map(({ column }) => column);
    assert.deepEqual(await names('search=patients'), ['id', 'ssn', 'x']);
    assert.deepEqual(await names('schema=stats'), ['n']);
    assert.deepEqual(await names('relation=patients&protected=false'), ['id']);
    const seen: string[] = [];
    for (let after: string | null = ''; after !== null;) {
      const page: Columns = await columns(`limit=1${after === '' ? '' : `&after=${after}`}`);
      seen.push(...page.columns.map(({ column }) => column));
      after = page.next;
    }
    assert.deepEqual(seen, ['id', 'ssn', 'x', 'n']);
    const gone = Buffer.from(JSON.stringify(['public', 'patients', 'dropped'])).toString('base64url');
    assert.deepEqual(await names(`after=${gone}`), ['x', 'n']);
    for (const query of [
      'after=x',
      'limit=0',
      'limit=501',
      'protected=maybe',
      'values=1',
      `after=${Buffer.from('[1,2,3]').toString('base64url')}`,
    ])
      assert.equal((await get(`/v1/targets/clinic/columns?${query}`, 'operator')).statusCode, 400, query);
  });

  test('the matrix of roles, targets and classes is for overseers', async () => {
    const body = (await get('/v1/policy/matrix', 'auditor')).json();
    assert.deepEqual(body.cells, [
      {
        role: 'reporting-agent',
        target: 'clinic',
        effects: [{ effect: 'read', outcome: 'allow', by: 'standing', rules: [] }],
        masks: { 'phi.ssn': 'redact' },
      },
    ]);
    assert.deepEqual([body.targets, body.classes, body.isCut], [['clinic'], ['phi.ssn'], false]);
    assert.equal((await get('/v1/policy/matrix', 'agent')).statusCode, 403);
  });
});
