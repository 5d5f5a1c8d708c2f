// Access on request, break-glass and locks through the real gateway: unmodified clients, the real command line, a real database.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import type { EntryHeader } from '../../src/core/event.ts';
import type { Grant } from '../../src/core/grant.ts';
import type { GrantId } from '../../src/core/ids.ts';
import { openStore } from '../../src/store/index.ts';
import { clinicTests, entriesOf, isWholeAndSigned, officerOf } from '../support/clinic-tests.ts';
import type { TestGateway, TestGatewayOptions } from '../support/gateway.ts';
import { apiEnvironment, callApi, connect, psql, sallyport, smallClinicPolicy, until } from '../support/small-clinic.ts';

const policy = smallClinicPolicy
  .replace(
    'roles:\n',
    'roles:\n  - { role: night-agent, members: [{ issuer: corp, group: night }] }\n  - { role: doctor, members: [{ issuer: corp, group: doctors }] }\n',
  )
  .replace(
    'access:\n',
    `access:
  - role: night-agent
    targets: [clinic]
    effects: [read, write]
    how: { on-request: { maxDuration: 2h, approvers: { role: officer, count: 1 } } }
  - role: doctor
    targets: [clinic]
    effects: [read]
    how: { break-glass: { maxDuration: 1h, reviewers: { role: officer } } }
`,
  )
  .replace('masks:\n', 'masks:\n  - { class: phi.*, roles: [doctor], mask: clear }\n');

const tests = clinicTests();
const gatewayOf = (options: Partial<TestGatewayOptions> = {}): Promise<TestGateway> => tests.gatewayOf({ policy, ...options });

interface Cast {
  readonly gateway: TestGateway;
  readonly agent: string;
  readonly officer: string;
}
async function castOf(gateway: TestGateway): Promise<Cast> {
  return { gateway, agent: await gateway.issuer.token('night-1', { groups: ['night'] }), officer: await officerOf(gateway) };
}

async function command({ gateway }: Pick<Cast, 'gateway'>, token: string, ...argv: string[]) {
  const child = sallyport(argv, apiEnvironment(gateway, gateway.running.api.port, token));
  child.end();
  return child.ended;
}
async function succeeds(cast: Cast, token: string, ...argv: string[]): Promise<string> {
  const { code, out, err } = await command(cast, token, ...argv);
  assert.equal(code, 0, `${argv.join(' ')}: ${err}`);
  return out;
}
const post = async ({ gateway }: Cast, token: string, path: string, body: object): Promise<Grant & { readonly code?: string }> =>
  JSON.parse((await callApi(gateway, gateway.running.api.port, token, path, body)).text) as Grant;

/** Quicker than the program, for steps that are not what a test is about. */
async function grantTo(cast: Cast, token: string, change: object = {}): Promise<GrantId> {
  const { id } = await post(cast, token, '/v1/grants', { target: 'clinic', durationMs: 3_600_000, reason: 'test', ...change });
  assert.equal((await post(cast, cast.officer, `/v1/grants/${id}/answer`, { verdict: 'approve' })).state, 'active');
  return id;
}

const clientOf = ({ gateway }: Pick<Cast, 'gateway'>, token: string): Promise<pg.Client> => connect(gateway, gateway.port, token);
const refusal = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (fault: pg.DatabaseError) => `${fault.code} ${fault.message}`,
  );

/** How the client hears of its end. */
function endOf(client: pg.Client): Promise<{ readonly code: string; readonly atMs: number }> {
  return new Promise((resolve) => {
    let code = 'closed';
    client.on('error', (fault) => {
      if (fault instanceof pg.DatabaseError) code = fault.code ?? code;
    });
    client.once('end', () => resolve({ code, atMs: performance.now() }));
  });
}
const idIn = (text: string): string => /grt_[a-z2-7]{26}/.exec(text)?.[0] ?? assert.fail(text);

test('no access, a request, an approval, work within the scope only, a revocation that ends the live session within a second', async () => {
  const cast = await castOf(await gatewayOf());
  const { agent, officer } = cast;
  assert.match(await refusal(clientOf(cast, agent)), /^3D000/);
  assert.match(await succeeds(cast, agent, 'grants', 'offers'), /clinic\s+night-agent\s+on-request\s+read write\s+2h\s+1 of officer/);

  const asked = await succeeds(
    cast,
    agent,
    ...'request clinic --for 1h --tables public.patients --effects read --reason'.split(' '),
    'patient Zebedee',
  );
  const id = idIn(asked);
  assert.match(await refusal(clientOf(cast, agent)), /^3D000/);
  assert.equal((await command(cast, agent, 'grants', 'approve', id)).code, 1);
  const shown = await succeeds(cast, officer, 'grants', 'show', id);
  for (const pattern of [/state\s+requested/, /who\s+corp\/night-1/, /tables\s+public\.patients/, /may\s+read$/m])
    assert.match(shown, pattern);
  assert.doesNotMatch(shown, /Zebedee/);
  assert.match(await succeeds(cast, officer, 'grants', 'approve', id, '--reason', 'fine'), /is active/);

  // Both an ordinary driver and psql, whose own queries read the catalogue.
  const client = await clientOf(cast, agent);
  assert.deepEqual((await client.query('SELECT id, name, ssn FROM patients WHERE id = $1', [7])).rows, [
    { id: 7, name: '***', ssn: '***' },
  ]);
  const shell = psql(cast.gateway, cast.gateway.port, agent, ['-Atc', 'SELECT count(*) FROM patients WHERE id < 5', '-c', '\\d patients']);
  shell.end();
  const { out, err, code } = await shell.ended;
  assert.equal(code, 0, err);
  assert.match(out, /^4\n[\s\S]*ssn\|text/);
  for (const sql of [
    'SELECT * FROM visits LIMIT 1',
    'SELECT * FROM patients p JOIN visits v ON v.patient_id = p.id LIMIT 1',
    'UPDATE patients SET ward = 1 WHERE id = 1',
  ]) {
    assert.match(await refusal(client.query(sql)), /^42501 .*outside the scope of your grant/, sql);
  }
  await client.query('SELECT 1');

  const ended = endOf(client);
  const revoking = command(cast, officer, 'grants', 'revoke', id, '--reason', 'done');
  const { atMs } = await ended;
  assert.equal((await revoking).code, 0);
  // Told before the answer to the revocation was: the program's own end comes after both.
  assert.ok(atMs < performance.now());
  assert.match(await refusal(clientOf(cast, agent)), /^3D000/);

  const entries = await entriesOf(cast.gateway);
  assert.deepEqual(
    entries.filter(({ type }) => type.startsWith('grant.')).map(({ type }) => type),
    ['grant.requested', 'grant.answered', 'grant.opened', 'grant.ended'],
  );
  const session = entries.find(({ type, grant }) => type === 'session.open' && grant === id)?.session;
  assert.ok(session !== undefined);
  const intents = entries.filter((entry) => entry.type === 'request.intent' && entry.session === session);
  assert.ok(intents.some(({ statement }) => /patients/.test(statement?.normalised ?? '')));
  assert.ok(intents.every(({ grant }) => grant === id));
  assert.equal(entries.filter(({ type, reasons }) => type === 'request.denied' && reasons?.includes('outside-grant')).length, 3);
  assert.equal(entries.findLast((entry) => entry.type === 'session.close' && entry.session === session)?.detail?.['reason'], 'expired');
  // INVARIANT: reasons are sealed.
  assert.doesNotMatch(JSON.stringify(entries), /Zebedee/);
  await cast.gateway.running.stop();
  await isWholeAndSigned(cast.gateway);
});

test('a revocation ends sessions of every thread within a second of being given', async () => {
  const cast = await castOf(await gatewayOf({ limits: { workers: 3 } }));
  const id = await grantTo(cast, cast.agent);
  const clients = await Promise.all(Array.from({ length: 24 }, () => clientOf(cast, cast.agent)));
  const threads = await metric(cast, /^sallyport_thread_sessions\{thread="\d"\} ([1-9]\d*)$/gm);
  assert.ok(threads.length > 1, 'the sessions are on several threads');
  const ends = clients.map(endOf);
  const givenMs = performance.now();
  await post(cast, cast.officer, `/v1/grants/${id}/revoke`, {});
  for (const { code, atMs } of await Promise.all(ends)) {
    assert.equal(code, '28000');
    assert.ok(atMs - givenMs < 1_000, `${atMs - givenMs} ms`);
  }
});

async function metric({ gateway }: Cast, pattern: RegExp): Promise<string[]> {
  const { text } = await callApi(gateway, gateway.running.api.port, null, '/metrics');
  return [...text.matchAll(pattern)].map(([, value]) => value ?? '');
}

test('what another process does to the same store ends live sessions within a second', async () => {
  const cast = await castOf(await gatewayOf());
  const id = await grantTo(cast, cast.agent);
  const other = await openStore({ dir: join(cast.gateway.directory, 'data', 'state') });
  try {
    for (const change of [
      () => other.grants.change(id, 'active', { state: 'revoked', end: 'revoked' }),
      () => other.locks.set({ kind: 'principal', name: 'corp/night-1', by: { issuer: 'corp', subject: 'x', kind: 'person' }, atMs: 1 }),
    ]) {
      const client = await clientOf(cast, cast.agent);
      const ended = endOf(client);
      const changedMs = performance.now();
      await change();
      assert.ok((await ended).atMs - changedMs < 1_000);
      if (change.toString().includes('revoked')) await grantTo(cast, cast.agent);
    }
  } finally {
    await other.close();
  }
});

test('a grant ends at its absolute time, and the session with it', async () => {
  const cast = await castOf(await gatewayOf());
  const id = await grantTo(cast, cast.agent, { durationMs: 2_000 });
  const { expiresAt } = JSON.parse((await callApi(cast.gateway, cast.gateway.running.api.port, cast.agent, `/v1/grants/${id}`)).text) as {
    expiresAt: string;
  };
  const client = await clientOf(cast, cast.agent);
  assert.equal((await endOf(client)).code, '28000');
  const lateMs = Date.now() - Date.parse(expiresAt);
  assert.ok(lateMs >= 0 && lateMs < 1_000, `${lateMs} ms after its end`);
  const ended = await until('the end is recorded', async () => (await entriesOf(cast.gateway)).find(({ type }) => type === 'grant.ended'));
  assert.equal(ended.detail?.['reason'], 'time');
});

test('a running statement is cut at the end of its grant', async () => {
  const cast = await castOf(await gatewayOf());
  const id = await grantTo(cast, cast.agent);
  const client = await clientOf(cast, cast.agent);
  const running = refusal(
    client.query('SELECT count(*) FROM patients a, patients b, patients c, patients d WHERE a.ward + b.ward + c.ward + d.ward < 0'),
  );
  await until('it runs', async () => {
    const { rows } = await tests.clinic.direct.query(
      `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT count(%' AND state = 'active' AND pid <> pg_backend_pid()`,
    );
    return rows.length > 0;
  });
  await post(cast, cast.officer, `/v1/grants/${id}/revoke`, {});
  assert.match(await running, /28000|Connection terminated/);
  await until('the target has stopped', async () => {
    const { rows } = await tests.clinic.direct.query(
      `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT count(%' AND state = 'active' AND pid <> pg_backend_pid()`,
    );
    return rows.length === 0;
  });
});

test('rows per hour: not one more is released, in one statement or many, on this connection or the next', async () => {
  const cast = await castOf(await gatewayOf());
  await grantTo(cast, cast.agent, { rowsPerHour: 25 });
  const first = await clientOf(cast, cast.agent);
  assert.equal((await first.query('SELECT id FROM visits WHERE id <= 20')).rowCount, 20);
  const seen: unknown[] = [];
  const query = new pg.Query('SELECT id FROM visits ORDER BY id LIMIT 200');
  query.on('row', (row) => seen.push(row));
  const failed = once(query, 'error') as Promise<[pg.DatabaseError]>;
  first.query(query);
  const [fault] = await failed;
  assert.equal(fault.code, '53400');
  assert.match(fault.message, /rows per hour of your grant are used up/);
  assert.ok(seen.length <= 5, `${seen.length} rows`);
  const second = await clientOf(cast, cast.agent);
  const denied = await refusal(second.query('SELECT id FROM visits WHERE id = 1'));
  assert.match(denied, /^53400 .*rows per hour/);
  // What releases no row still works, and a statement of another principal is not counted.
  await second.query('BEGIN');
  await second.query('ROLLBACK');
  const released = (await entriesOf(cast.gateway))
    .filter(({ type }) => type === 'request.result')
    .reduce((sum, { result }) => sum + (result?.rows ?? 0), 0);
  assert.ok(released <= 25, `${released} rows`);
});

test('rows per hour: many connections on several threads at once release exactly the limit together', async () => {
  const cast = await castOf(await gatewayOf({ limits: { workers: 3 } }));
  const limit = 700;
  await grantTo(cast, cast.agent, { rowsPerHour: limit });
  const clients = await Promise.all(Array.from({ length: 12 }, () => clientOf(cast, cast.agent)));
  let seen = 0;
  await Promise.all(
    clients.map(async (client) => {
      const ended = once(client, 'end');
      client.on('error', () => undefined);
      for (let code = ''; code === '';) {
        const query = new pg.Query('SELECT id FROM visits ORDER BY id LIMIT 100');
        query.on('row', () => (seen += 1));
        const end = new Promise<string>((resolve) => {
          query.once('end', () => resolve(''));
          query.once('error', (fault) => resolve((fault as pg.DatabaseError).code ?? fault.message));
        });
        client.query(query);
        code = await end;
        if (code !== '') assert.equal(code, '53400');
      }
      // Denied before a row, the session goes on; cut off within a result, it does not.
      await client.end().catch(() => undefined);
      await ended;
    }),
  );
  assert.ok(seen <= limit, `${seen} rows`);
  await until('all is recorded', async () => {
    const entries = await entriesOf(cast.gateway);
    return entries.filter(({ type }) => type === 'session.close').length === clients.length;
  });
  const released = (await entriesOf(cast.gateway))
    .filter(({ type }) => type === 'request.result')
    .reduce((sum, { result }) => sum + (result?.rows ?? 0), 0);
  assert.equal(released, limit);
});

test('break-glass opens at once under the masks of its role, and owes a review until an officer signs it', async () => {
  const cast = await castOf(await gatewayOf());
  const doctor = await cast.gateway.issuer.token('dana', { groups: ['doctors'], kind: 'person' });
  const bot = await cast.gateway.issuer.token('bot', { groups: ['doctors'], kind: 'agent' });
  assert.match(await refusal(clientOf(cast, doctor)), /^3D000/);
  assert.equal((await command(cast, bot, 'request', 'clinic', '--for', '10m', '--break-glass', '--reason', 'x')).code, 1);
  const id = idIn(await succeeds(cast, doctor, 'request', 'clinic', '--for', '10m', '--break-glass', '--reason', 'cardiac arrest'));
  const client = await clientOf(cast, doctor);
  assert.deepEqual((await client.query('SELECT name FROM patients WHERE id = 7')).rows, [{ name: 'Nathalie No7' }]);
  assert.match(await succeeds(cast, cast.officer, 'grants', 'list', '--review-owed'), new RegExp(`${id}.*owed`));
  assert.equal((await command(cast, doctor, 'grants', 'review', id, '--finding', 'fine')).code, 1);
  assert.match(await succeeds(cast, cast.officer, 'grants', 'review', id, '--finding', 'justified'), /is reviewed/);
  const types = (await entriesOf(cast.gateway)).map(({ type }) => type).filter((type) => type.startsWith('breakglass'));
  assert.deepEqual(types, ['breakglass.opened', 'breakglass.reviewed']);
  await client.end();
});

test('a lock ends live sessions and held statements at once, outlives a restart, and is lifted', async () => {
  const cast = await castOf(await gatewayOf());
  const clerk = await cast.gateway.issuer.token('clerk-1', { groups: ['clerks'] });
  for (const [kind, name] of [
    ['principal', 'corp/clerk-1'],
    ['role', 'clerk-agent'],
    ['target', 'clinic'],
  ] as const) {
    const client = await clientOf(cast, clerk);
    const held = await clientOf(cast, clerk);
    const notice = once(held, 'notice');
    const waiting = refusal(held.query('SELECT * FROM patients'));
    await notice;
    const ends = [client, held].map(endOf);
    const started = performance.now();
    await succeeds(cast, cast.officer, 'lock', kind, name, '--reason', 'stolen laptop of Zebedee');
    for (const { code } of await Promise.all(ends)) assert.match(code, /42501|closed/);
    assert.ok(performance.now() - started < 30_000);
    assert.match(await waiting, /42501|terminated/);
    assert.match(await refusal(clientOf(cast, clerk)), /^42501 .*locked/, kind);
    assert.deepEqual(
      JSON.parse((await callApi(cast.gateway, cast.gateway.running.api.port, cast.officer, '/v1/approvals?state=pending')).text),
      { approvals: [] },
    );
    await cast.gateway.running.stop();
    await cast.gateway.restart();
    assert.match(await refusal(clientOf(cast, clerk)), /^42501 .*locked/, kind);
    assert.match(await succeeds(cast, cast.officer, 'locks'), new RegExp(`${kind}\\s+${name}`));
    await succeeds(cast, cast.officer, 'unlock', kind, name);
    await (await clientOf(cast, clerk)).end();
  }
  const api = async (): Promise<number> => (await callApi(cast.gateway, cast.gateway.running.api.port, clerk, '/v1/whoami')).status;
  await succeeds(cast, cast.officer, 'lock', 'principal', 'corp/clerk-1');
  assert.equal(await api(), 403);
  await succeeds(cast, cast.officer, 'unlock', 'principal', 'corp/clerk-1');
  assert.equal(await api(), 200);
  assert.equal((await command(cast, cast.officer, 'lock', 'principal', 'corp/olivia')).code, 1);
  const entries = await entriesOf(cast.gateway);
  assert.ok(entries.some(({ type, detail }) => type === 'auth.fail' && detail?.['fault'] === 'locked'));
  assert.doesNotMatch(JSON.stringify(entries), /Zebedee/);
});

test('a restart keeps grants that are in force; one that the new policy no longer offers has ended, and says so', async () => {
  const cast = await castOf(await gatewayOf());
  const id = await grantTo(cast, cast.agent);
  await cast.gateway.running.stop();
  await cast.gateway.restart();
  const client = await clientOf(cast, cast.agent);
  assert.equal((await client.query('SELECT id FROM visits WHERE id = 1')).rowCount, 1);
  await cast.gateway.running.stop();
  writeFileSync(join(cast.gateway.directory, 'policy.yaml'), policy.replace('effects: [read, write]\n    how', 'effects: [read]\n    how'));
  await cast.gateway.restart();
  assert.match(await refusal(clientOf(cast, cast.agent)), /^3D000/);
  assert.match(await succeeds(cast, cast.agent, 'grants', 'show', id), /state\s+ended[\s\S]*policy-changed/);
  assert.equal(
    (await entriesOf(cast.gateway)).findLast(({ type }: EntryHeader) => type === 'grant.ended')?.detail?.['reason'],
    'policy-changed',
  );
});

test('recertification lists what gives access and when it was used; a grant that is not kept ends', async () => {
  const cast = await castOf(await gatewayOf());
  const id = await grantTo(cast, cast.agent);
  const client = await clientOf(cast, cast.agent);
  const listed = async (): Promise<string> => succeeds(cast, cast.officer, 'grants', 'recertify', '--json');
  interface Listed {
    readonly items: {
      readonly item: string;
      readonly kind: string;
      readonly role: string;
      readonly lastUsedAt: string | null;
      readonly usedBy: string[];
    }[];
  }
  const text = await until('the session is in the index', async () => {
    const json = await listed();
    return (JSON.parse(json) as Listed).items.some(({ item, lastUsedAt }) => item === id && lastUsedAt !== null) && json;
  });
  const { items } = JSON.parse(text) as Listed;
  assert.deepEqual(items.find(({ role }) => role === 'night-agent')?.usedBy, ['corp/night-1']);
  assert.equal(items.find(({ role }) => role === 'reporting-agent')?.lastUsedAt, null);
  const file = join(cast.gateway.directory, 'access.json');
  writeFileSync(file, text);
  const ended = endOf(client);
  assert.match(await succeeds(cast, cast.officer, 'grants', 'recertify', '--sign', file, '--revoke', id), /1 to go, 1 grants ended/);
  assert.equal((await ended).code, '28000');
  const signed = (await entriesOf(cast.gateway)).find(({ type }) => type === 'review.signed');
  assert.equal(signed?.detail?.['listSha256'], (JSON.parse(text) as { sha256: string }).sha256);
});

test('a lent role answers; never what the lender asked', async () => {
  const cast = await castOf(await gatewayOf());
  const dave = await cast.gateway.issuer.token('dave', { groups: [], kind: 'person' });
  const { id } = await post(cast, cast.agent, '/v1/grants', { target: 'clinic', durationMs: 60_000, reason: 'x' });
  assert.equal((await command(cast, dave, 'grants', 'approve', id)).code, 1);
  await succeeds(cast, cast.officer, 'grants', 'delegate', 'officer', 'corp/dave', '--for', '1h');
  assert.match(await succeeds(cast, dave, 'grants', 'approve', id), /is active/);
  assert.match(await succeeds(cast, cast.officer, 'grants', 'show', id), /approve by corp\/dave for corp\/olivia/);
  // Held statements too.
  const clerk = await clientOf(cast, await cast.gateway.issuer.token('clerk-1', { groups: ['clerks'] }));
  const notice = once(clerk, 'notice');
  const answer = clerk.query('SELECT * FROM patients');
  const [{ message }] = (await notice) as [{ message: string }];
  const approval = /apr_[a-z2-7]{26}/.exec(message)?.[0] ?? '';
  assert.match(await succeeds(cast, dave, 'approvals', 'approve', approval), /approved/);
  assert.equal((await answer).rowCount, 200);
  await clerk.end();
});
