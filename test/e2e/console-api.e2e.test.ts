// What the console shows, from a real gateway before a real database: counts over time that are those of the log, over a restart in the
// middle of a bucket and built anew; where masked columns come from; columns of a target, with views.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryHeader } from '../../src/core/event.ts';
import { clerkOf, clinicTests, entriesOf, isWholeAndSigned, officerOf } from '../support/clinic-tests.ts';
import type { TestGateway } from '../support/gateway.ts';
import { callApi, connect, until } from '../support/small-clinic.ts';

const tests = clinicTests();

async function get<T>(gateway: TestGateway, path: string, token: string, body?: object): Promise<T> {
  const { status, text } = await callApi(gateway, gateway.running.api.port, token, path, body);
  assert.equal(status, 200, text);
  return JSON.parse(text) as T;
}

interface Overview {
  readonly totals: Readonly<Record<string, number>>;
  readonly classes: readonly { readonly class: string; readonly masked: number; readonly clear: number }[];
  readonly principals: readonly { readonly principal: { readonly subject: string }; readonly statements: number }[];
  readonly live: readonly object[];
}

function countOf(entries: readonly EntryHeader[]): Overview['totals'] {
  const count = (...types: string[]): number => entries.filter(({ type }) => types.includes(type)).length;
  const results = entries.flatMap(({ result }) => result ?? []);
  return {
    statements: count('request.intent', 'request.denied'),
    held: count('request.held'),
    denied: count('request.denied'),
    rows: results.reduce((sum, { rows }) => sum + rows, 0),
    maskedCells: results.reduce((sum, { rows, columns }) => sum + rows * (columns ?? []).filter(({ mask }) => mask !== 'clear').length, 0),
  };
}

async function work(gateway: TestGateway): Promise<void> {
  const clerk = await connect(gateway, gateway.port, await clerkOf(gateway));
  await clerk.query('SELECT id, ssn AS x, dob FROM patients WHERE id < $1 LIMIT 5', [4]);
  await clerk.query("SELECT lower(name) || 'secret-constant' AS y FROM patients LIMIT 2");
  await clerk.query('SELECT count(*) FROM visits');
  await assert.rejects(clerk.query('SELECT body FROM brief'));
  await clerk.end();
  const agent = await connect(gateway, gateway.port, await gateway.issuer.token('agent-7', { groups: ['ai-agents'] }));
  await assert.rejects(agent.query("INSERT INTO scratch (body) VALUES ('x')"));
  await agent.end();
}

test('the overview counts what the log has, over a restart in the middle of a bucket, and after the index was built anew', async () => {
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  const agrees = async (): Promise<Overview> =>
    until('the overview is up with the log', async () => {
      const expected = countOf(await entriesOf(gateway));
      const overview = await get<Overview>(gateway, '/v1/overview', officer);
      return JSON.stringify(overview.totals) === JSON.stringify(expected) ? overview : null;
    });
  await work(gateway);
  const first = await agrees();
  assert.ok((first.totals['maskedCells'] ?? 0) >= 8 && first.totals['held'] === 1 && first.totals['denied'] === 2);
  await gateway.running.stop();
  await gateway.restart();
  await work(gateway);
  const second = await agrees();
  for (const [name, count] of Object.entries(first.totals)) assert.equal(second.totals[name], 2 * count, name);
  assert.deepEqual(second.live, []);
  await callApi(gateway, gateway.running.api.port, officer, '/v1/audit/reindex', {});
  const third = await agrees();
  assert.deepEqual([third.classes, third.principals], [second.classes, second.principals]);
  const own = await get<Overview>(gateway, '/v1/overview', await gateway.issuer.token('agent-7', { groups: ['ai-agents'] }));
  assert.deepEqual([own.totals['statements'], own.totals['denied']], [2, 2]);
  await gateway.running.stop();
  await isWholeAndSigned(gateway);
});

test('a session says where each masked column comes from, by names of the catalogue and without constants', async () => {
  const gateway = await tests.gatewayOf();
  await work(gateway);
  const officer = await officerOf(gateway);
  const { sessions } = await until('the session is in the index', async () => {
    const found = await get<{ sessions: { id: string }[] }>(gateway, '/v1/sessions?class=phi.ssn&live=false', officer);
    return found.sessions.length === 1 && found;
  });
  const { entries } = await get<{ entries: EntryHeader[] }>(gateway, `/v1/sessions/${sessions[0]?.id ?? ''}`, officer);
  const columns = entries.flatMap(({ result }) => result?.columns ?? []);
  assert.deepEqual(
    columns.find(({ name }) => name === 'x'),
    { name: 'x', classes: ['phi.ssn'], mask: 'redact', sources: ['public.patients.ssn'] },
  );
  assert.deepEqual(columns.find(({ name }) => name === 'y')?.sources, ['public.patients.name']);
  assert.deepEqual(
    columns.find(({ name }) => name === 'id'),
    { name: 'id', classes: [], mask: 'clear' },
  );
  assert.doesNotMatch(JSON.stringify(entries), /secret-constant/);
  const log = await get<{ entries: EntryHeader[]; isLast: boolean }>(
    gateway,
    '/v1/audit/entries?type=request.denied&principal=AGENT-7',
    officer,
  );
  assert.deepEqual([log.entries.length, log.isLast], [1, true]);
  const status = await get<{ size: number; anchors: { keptAt: string | null }[] }>(gateway, '/v1/audit/status', officer);
  assert.ok(status.size > 10 && status.anchors.length === 1);
});

test('columns of a target tell what protects them, also behind a view, and hold no value', async () => {
  const gateway = await tests.gatewayOf();
  await tests.clinic.direct.query('CREATE VIEW shown AS SELECT id, ssn AS number FROM patients');
  const officer = await officerOf(gateway);
  interface Page {
    readonly columns: readonly {
      readonly column: string;
      readonly relationKind: string;
      readonly shown: string;
      readonly classes: readonly object[];
    }[];
  }
  const page = await until('the catalogue has the view', async () => {
    const found = await get<Page>(gateway, '/v1/targets/clinic/columns?relation=shown', officer);
    return found.columns.length === 2 && found;
  });
  assert.deepEqual(
    page.columns.map(({ column, relationKind, shown, classes }) => [column, relationKind, shown, classes]),
    [
      ['id', 'view', 'clear', []],
      ['number', 'view', 'redact', [{ class: 'phi.ssn', origin: 'closure', pattern: null }]],
    ],
  );
  const dob = await get<Page>(gateway, '/v1/targets/clinic/columns?search=patients.dob&role=reporting-agent', officer);
  assert.deepEqual(dob.columns, [
    {
      schema: 'public',
      relation: 'patients',
      relationKind: 'table',
      column: 'dob',
      type: 'date',
      classes: [{ class: 'phi.dob', origin: 'rule', pattern: 'public.patients.dob' }],
      shown: 'year',
    },
  ]);
  const target = await get<{ reachable: { state: string } | null; connect: { listeners: { port: number }[] } }>(
    gateway,
    '/v1/targets/clinic',
    officer,
  );
  assert.equal(target.connect.listeners[0]?.port, gateway.port);
  const matrix = await get<{ cells: { role: string; effects: { effect: string; outcome: string }[] }[] }>(
    gateway,
    '/v1/policy/matrix',
    officer,
  );
  assert.deepEqual(
    matrix.cells.map(({ role, effects }) => [role, effects.filter(({ outcome }) => outcome === 'allow').map(({ effect }) => effect)]),
    [
      ['reporting-agent', ['read']],
      ['clerk-agent', ['read', 'write', 'ddl', 'copy-in', 'copy-out', 'call']],
      ['officer', ['read']],
    ],
  );
});
