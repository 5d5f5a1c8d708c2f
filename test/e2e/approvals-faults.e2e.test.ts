// Held statements when people and policy change under them: the real gateway, its API and unmodified clients.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { clerkOf, clinicTests, entriesOf, officerOf } from '../support/clinic-tests.ts';
import type { TestGateway } from '../support/gateway.ts';
import { type Held, hold as holdStatement } from '../support/held.ts';
import { callApi, connect, smallClinicPolicy } from '../support/small-clinic.ts';

const tests = clinicTests();

const hold = (client: pg.Client): Promise<Held> => holdStatement(client, 'SELECT name FROM patients');

/** `rows`, or the SQLSTATE and message of the refusal. */
async function told({ outcome }: Held): Promise<string> {
  const answered = await outcome;
  return answered instanceof Error ? `${answered.code} ${answered.message}` : 'rows';
}

async function answer(gateway: TestGateway, token: string, id: string, verdict: string): Promise<readonly [number, string]> {
  const { status, text } = await callApi(gateway, gateway.running.api.port, token, `/v1/approvals/${id}/answer`, { verdict });
  return [status, (JSON.parse(text) as { code?: string }).code ?? 'answered'];
}

const personOf = ({ issuer }: TestGateway, subject: string, groups: readonly string[]): Promise<string> =>
  issuer.token(subject, { groups, kind: 'person' });
const clerkClient = async (gateway: TestGateway): Promise<pg.Client> => connect(gateway, gateway.port, await clerkOf(gateway));

test('an approver who lost the role, or was locked, between request and answer does not answer; the statement waits for others', async () => {
  const gateway = await tests.gatewayOf();
  const client = await clerkClient(gateway);
  const before = await personOf(gateway, 'olga', ['privacy']);
  const held = await hold(client);
  const { id } = held;
  const seen = await callApi(gateway, gateway.running.api.port, before, `/v1/approvals/${id}`);
  assert.equal((JSON.parse(seen.text) as { mayAnswer?: boolean }).mayAnswer ?? true, true);
  // The identity provider took her out of the group: her next token says so.
  const after = await personOf(gateway, 'olga', []);
  assert.equal((await answer(gateway, after, id, 'approve'))[0], 404, 'not even to be seen');
  // Another approver is locked while her token still has the group.
  const otto = await personOf(gateway, 'otto', ['privacy']);
  const officer = await officerOf(gateway);
  const locked = await callApi(gateway, gateway.running.api.port, officer, '/v1/locks', {
    kind: 'principal',
    name: 'corp/otto',
    reason: 'x',
  });
  assert.equal(locked.status, 200, locked.text);
  assert.equal((await answer(gateway, otto, id, 'approve'))[0], 403);
  const entries = await entriesOf(gateway);
  assert.equal(entries.filter(({ type }) => type === 'approval.answered').length, 0);
  assert.deepEqual(await answer(gateway, officer, id, 'approve'), [200, 'answered']);
  assert.equal(await told(held), 'rows');
  await client.end();
});

test('two approvers who answer at once: one of them decides, the other is told, and it is recorded once', async () => {
  const gateway = await tests.gatewayOf({ limits: { workers: 2 } });
  const client = await clerkClient(gateway);
  const [olga, otto] = [await personOf(gateway, 'olga', ['privacy']), await personOf(gateway, 'otto', ['privacy'])];
  const rounds = 8;
  for (let round = 0; round < rounds; round += 1) {
    const held = await hold(client);
    const { id } = held;
    const asked = [
      [olga, 'approve'],
      [otto, 'deny'],
    ] as const;
    const ordered = round % 2 === 0 ? asked : asked.toReversed();
    const answers = await Promise.all(
      ordered.map(async ([token, verdict]) => ({ verdict, answered: await answer(gateway, token, id, verdict) })),
    );
    const [counted, ...others] = answers.filter(({ answered: [status] }) => status === 200);
    assert.deepEqual(others, [], `${id} was answered twice`);
    const refused = answers.filter((each) => each !== counted).map(({ answered }) => answered);
    assert.deepEqual(refused, [[409, 'SP_APPROVAL_CONFLICT']]);
    if (counted?.verdict === 'approve') assert.equal(await told(held), 'rows');
    else assert.match(await told(held), /^42501 /);
  }
  const entries = await entriesOf(gateway);
  assert.equal(entries.filter(({ type }) => type === 'approval.answered').length, rounds);
  await client.end();
});

test('a policy that is applied while many statements are held on all threads voids every one, says so, and releases none', async () => {
  const gateway = await tests.gatewayOf({ limits: { workers: 3, maxSessions: 80 } });
  const officer = await officerOf(gateway);
  const clients = await Promise.all(Array.from({ length: 40 }, () => clerkClient(gateway)));
  const held = await Promise.all(clients.map((client) => hold(client)));
  const source = smallClinicPolicy.replace(
    'rules:\n',
    `rules:\n  - { name: no-ledger, when: "request.relations.exists(r, r == 'public.ledger')", then: deny }\n`,
  );
  const body = { files: [{ path: 'policy.yaml', source }], skipTests: true };
  const applied = await callApi(gateway, gateway.running.api.port, officer, '/v1/policy/apply', body);
  assert.equal(applied.status, 200, applied.text);
  for (const each of held) assert.match(await told(each), /approval no longer applies/);
  const [first] = held;
  assert.equal((await answer(gateway, officer, first?.id ?? '', 'approve'))[0], 409);
  const entries = await entriesOf(gateway);
  assert.equal(
    entries.filter(({ type, detail }) => type === 'approval.expired' && detail?.['reason'] === 'policy-changed').length,
    held.length,
  );
  assert.equal(entries.filter(({ type }) => type === 'approval.used').length, 0);
  // The sessions live on under the new version.
  const client = clients[0] ?? assert.fail();
  await assert.rejects(client.query('SELECT id FROM ledger LIMIT 1'), { code: '42501' });
  const again = await hold(client);
  assert.deepEqual(await answer(gateway, officer, again.id, 'approve'), [200, 'answered']);
  assert.equal(await told(again), 'rows');
  await Promise.all(clients.map((each) => each.end()));
});

test('a clock that jumps ahead ends a held statement at once; one that is set back gives it no more time', async () => {
  let skewMs = 0;
  const ports = { clock: { nowMs: () => Date.now() + skewMs, monotonicMs: () => performance.now() } };
  const policy = smallClinicPolicy.replace(/within: \w+/, 'within: 3s');
  assert.notEqual(policy, smallClinicPolicy);
  const patient = await tests.gatewayOf({ ports });
  // An identity that outlives the jump: else either of two reasons may be told.
  const ahead = await connect(patient, patient.port, await patient.issuer.token('clerk-1', { groups: ['clerks'] }, { expiresInS: 7200 }));
  const long = await hold(ahead);
  skewMs = 30 * 60_000;
  assert.match(await told(long), /^57014 /);
  await ahead.end();
  skewMs = 0;
  const gateway = await tests.gatewayOf({ ports, policy });
  const back = await clerkClient(gateway);
  const short = await hold(back);
  skewMs = -12 * 3_600_000;
  assert.match(await told(short), /^57014 /);
  assert.equal((await answer(gateway, await officerOf(gateway), short.id, 'approve'))[0], 409);
  await back.end();
});
