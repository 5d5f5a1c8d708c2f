// Versions of the policy on a running gateway: what another would change of what real clients did, bringing one into force under live
// sessions, and the policy that would have sufficed. The real program against the real API.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import { clerkOf, clinicTests, officerOf } from '../support/clinic-tests.ts';
import type { TestGateway } from '../support/gateway.ts';
import {
  apiEnvironment,
  auditEntries,
  callApi,
  connect,
  type Ended,
  sallyport,
  smallClinicPolicy,
  until,
} from '../support/small-clinic.ts';

const tests = clinicTests();
const agentOf = ({ issuer }: TestGateway): Promise<string> => issuer.token('agent-1', { groups: ['ai-agents'] });

async function run(gateway: TestGateway, token: string, ...args: readonly string[]): Promise<Ended> {
  const running = sallyport(args, apiEnvironment(gateway, gateway.running.api.port, token));
  running.end();
  return running.ended;
}

function fileOf(gateway: TestGateway, name: string, text: string): string {
  const path = join(gateway.directory, name);
  writeFileSync(path, text);
  return path;
}

interface Json {
  readonly [key: string]: any;
}

async function asked(gateway: TestGateway, token: string, ...args: readonly string[]): Promise<Json> {
  const { out, err } = await run(gateway, token, ...args, '--json');
  assert.doesNotMatch(err, /"error"/, `${args.join(' ')}: ${err}`);
  return JSON.parse(out) as Json;
}

async function inForce(gateway: TestGateway, officer: string): Promise<string> {
  return (await asked(gateway, officer, 'policy', 'history'))['inForce'] as string;
}

const codeOf = async (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'rows',
    (fault: pg.DatabaseError) => fault.code ?? fault.message,
  );

/** What an agent and a clerk do on a day. */
async function day(gateway: TestGateway): Promise<void> {
  const agent = await connect(gateway, gateway.port, await agentOf(gateway));
  await agent.query('SELECT id, ssn, dob FROM patients WHERE id = 7');
  await agent.query('SELECT name FROM patients WHERE id = $1', [3]);
  await agent.query('SELECT name FROM patients WHERE id = $1', [4]);
  await agent.query('SELECT ward, patients FROM ward_list LIMIT 3');
  assert.equal(await codeOf(agent.query("INSERT INTO scratch (body) VALUES ('x')")), '42501');
  await agent.query('BEGIN');
  await agent.query('SELECT kind, tags FROM visits LIMIT 2');
  await agent.query('COMMIT');
  await agent.end();
  const clerk = await connect(gateway, gateway.port, await clerkOf(gateway));
  await clerk.query("INSERT INTO scratch (body) VALUES ('x')");
  await clerk.query('SELECT id FROM patients ORDER BY name LIMIT 3');
  await clerk.end();
}

test('replay decides what real clients asked for again: exactly as it was under the same policy, and says what another would change', async () => {
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  await day(gateway);
  const same = await run(
    gateway,
    officer,
    'policy',
    'replay',
    fileOf(gateway, 'same.yaml', `${smallClinicPolicy}# a comment\n`),
    '--since',
    '1h',
  );
  assert.equal(same.code, 0, same.out + same.err);
  assert.match(same.out, /requests +12\nunchanged +12\n/);

  const strict = smallClinicPolicy
    .replace(
      'rules:\n',
      `rules:\n  - { name: no-names, when: "'phi.name' in request.outputClasses && principal.kind == 'agent'", then: deny }\n`,
    )
    .replace('class: phi.dob, mask: year', 'class: phi.dob, mask: "null"');
  const { report } = await asked(gateway, officer, 'policy', 'replay', fileOf(gateway, 'strict.yaml', strict), '--since', '1h');
  assert.deepEqual([report.changes.denied, report.changes.masked, report.unchanged, report.unknown], [4, 1, 7, []]);
  const denied = report.groups.find(({ kind }: Json) => kind === 'denied');
  assert.deepEqual([denied.statement, denied.count, denied.to.rules], ['SELECT name FROM patients WHERE id = $1', 4, ['no-names']]);
  const entries = await auditEntries(gateway, gateway.running.api.port, officer);
  assert.equal(entries[denied.example]?.statement?.normalised, denied.statement);

  // Other columns protected: through a view too, which only the live catalogue tells.
  const wider = smallClinicPolicy.replace(
    'patients.dob"] }',
    'patients.dob"] }\n  - { class: phi.ward, columns: ["clinic:public.patients.ward"] }',
  );
  const other = (await asked(gateway, officer, 'policy', 'replay', fileOf(gateway, 'wider.yaml', wider), '--since', '1h'))['report'];
  assert.deepEqual([other.changes.masked, other.unknown], [1, []], JSON.stringify(other));
  assert.match(other.groups[0].statement, /FROM ward_list/);
  assert.deepEqual(other.groups[0].masks, [{ of: 'public.ward_list.ward', from: 'clear', to: 'redact' }]);

  // A sessions' claims and groups decide under roles that were not there.
  const byKind = smallClinicPolicy
    .replace('access:\n', '  - { role: robots, members: [{ issuer: corp, claim: robot, is: r2 }] }\naccess:\n')
    .replace('class: phi.dob, mask: year }', 'class: phi.dob, mask: year }\n  - { class: phi.*, roles: [robots], mask: clear }');
  const robot = await connect(gateway, gateway.port, await gateway.issuer.token('r-2', { groups: ['ai-agents'], robot: 'r2' }));
  await robot.query('SELECT ssn FROM patients WHERE id = 9');
  await robot.end();
  const revealed = (await asked(gateway, officer, 'policy', 'replay', fileOf(gateway, 'robots.yaml', byKind), '--since', '1h'))['report'];
  assert.deepEqual([revealed.changes.revealed, revealed.groups[0].principals, revealed.unknown], [1, ['corp/r-2'], []]);
  const text = JSON.stringify(await auditEntries(gateway, gateway.running.api.port, officer));
  assert.doesNotMatch(text, /"r2"/);
});

test('the policy that would have sufficed loads, gives less, and replaying the period under it changes nothing', async () => {
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  await day(gateway);
  const report = await asked(gateway, officer, 'access', 'report', '--since', '1h');
  assert.deepEqual([report['unknown'], report['shrunk'].notes], [[], []]);
  const clerk = report['roles'].find(({ role }: Json) => role === 'clerk-agent');
  assert.deepEqual(clerk.unused.effects, [{ target: 'clinic', effects: ['ddl', 'call', 'copy-in', 'copy-out'] }]);
  const { code, out } = await run(gateway, officer, 'access', 'report', '--since', '1h', '--policy');
  assert.equal(code, 0);
  const path = fileOf(gateway, 'smaller.yaml', out);
  const checked = await run(gateway, officer, 'policy', 'check', path);
  assert.equal(checked.code, 0, checked.out);
  const replayed = await run(gateway, officer, 'policy', 'replay', path, '--since', '1h');
  assert.equal(replayed.code, 0, replayed.out + replayed.err);
  const { diff } = await asked(gateway, officer, 'policy', 'diff', 'running', path);
  assert.deepEqual(
    diff.access.flatMap(({ gains }: Json) => gains),
    [],
  );
  assert.deepEqual(
    diff.access.map(({ role, loses }: Json) => [role, loses]),
    [
      ['clerk-agent', ['ddl', 'copy-in', 'copy-out', 'call']],
      ['officer', ['read']],
    ],
  );
  // And it is in force a moment later, without anything that nobody did.
  const applied = await run(gateway, officer, 'policy', 'apply', path);
  assert.equal(applied.code, 0, applied.out + applied.err);
  await day(gateway);
  const client = await connect(gateway, gateway.port, await clerkOf(gateway));
  assert.equal(await codeOf(client.query('CREATE TABLE more (id int)')), '42501');
  assert.equal(await codeOf(client.query('SELECT id FROM ledger')), '42501');
  await client.end();
});

for (const workers of [1, 3]) {
  test(`apply on a running gateway with ${workers} threads: sessions whose masks change end, held statements are void, all threads follow`, async () => {
    const gateway = await tests.gatewayOf({ limits: { workers } });
    const officer = await officerOf(gateway);
    const before = await inForce(gateway, officer);
    const clients: pg.Client[] = [];
    for (let n = 0; n < 6; n += 1) {
      const client = await connect(gateway, gateway.port, await clerkOf(gateway));
      assert.deepEqual(
        (await client.query('SELECT dob FROM patients WHERE id = 1')).rows,
        [{ dob: '1950-01-01' }].map(() => ({ dob: new Date(1950, 0, 1) })),
      );
      clients.push(client);
    }
    // Rules only: sessions live on, what is held is void.
    const held = clients[0]!.query('SELECT name FROM patients').then(
      () => null,
      (fault: pg.DatabaseError) => fault,
    );
    await until(
      'a statement is held',
      async () => (await asked(gateway, officer, 'approvals', 'ls', '--state', 'pending'))['approvals'].length === 1,
    );
    const noLedger = smallClinicPolicy.replace(
      'rules:\n',
      `rules:\n  - { name: no-ledger, when: "request.relations.exists(r, r == 'public.ledger')", then: deny }\n`,
    );
    const applied = await run(gateway, officer, 'policy', 'apply', fileOf(gateway, 'no-ledger.yaml', noLedger), '--expect', before);
    assert.equal(applied.code, 0, applied.out + applied.err);
    assert.match(applied.out, /- rule no-ledger added \(deny\)/);
    const fault = await held;
    assert.match(fault?.message ?? '', /approval no longer applies/);
    for (const client of clients) {
      assert.equal(await codeOf(client.query('SELECT id FROM ledger LIMIT 1')), '42501');
      assert.equal((await client.query('SELECT dob FROM patients WHERE id = 1')).rowCount, 1);
    }
    // Another mask: they end, and what comes after sees the other mask.
    const ends = clients.map(
      (client) =>
        new Promise<string>((resolve) =>
          client.once('error', (error: Error) => resolve((error as pg.DatabaseError).code ?? error.message)),
        ),
    );
    const masked = await run(
      gateway,
      officer,
      'policy',
      'apply',
      fileOf(gateway, 'masked.yaml', noLedger.replace('class: phi.dob, mask: year', 'class: phi.dob, mask: "null"')),
      '--skip-tests',
    );
    assert.equal(masked.code, 0, masked.out + masked.err);
    assert.deepEqual(new Set(await Promise.all(ends)), new Set(['57P01']));
    for (let n = 0; n < 6; n += 1) {
      const client = await connect(gateway, gateway.port, await clerkOf(gateway));
      assert.deepEqual((await client.query('SELECT dob FROM patients WHERE id = 1')).rows, [{ dob: null }]);
      await client.end();
    }
    const entries = await auditEntries(gateway, gateway.running.api.port, officer);
    const versions = entries.filter(({ type }) => type === 'policy.applied');
    assert.deepEqual(
      versions.map(({ principal, detail }) => [principal?.subject, detail?.['how'], detail?.['tests']]),
      [
        [undefined, 'start', undefined],
        ['olivia', 'apply', 'passed'],
        ['olivia', 'apply', 'skipped'],
      ],
    );
    // No decision under a version before it is recorded that it is in force.
    const known = new Set<string>();
    for (const { type, policy } of entries) {
      if (type === 'policy.applied' && policy !== undefined) known.add(policy.sha256);
      else if (policy !== undefined) assert.ok(known.has(policy.sha256), `${type} under an unknown version`);
    }
  });
}

test('what cannot be used is not applied, and nothing changes: faults, failing tests, a role the configuration needs, another version in force', async () => {
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  const before = await inForce(gateway, officer);
  const refuses = async (text: string, pattern: RegExp, ...more: readonly string[]): Promise<void> => {
    const { code, out, err } = await run(gateway, officer, 'policy', 'apply', fileOf(gateway, 'bad.yaml', text), ...more);
    assert.deepEqual([code, pattern.test(out + err)], [1, true], out + err);
    assert.equal(await inForce(gateway, officer), before);
  };
  await refuses(
    smallClinicPolicy.replace('targets: [clinic]', 'targets: [clinc]'),
    /bad\.yaml:\d+:\d+ error access\[0\]\.targets\[0\].*did you mean "clinic"/,
  );
  await refuses(smallClinicPolicy.replace('mask: redact', 'mask: clear'), /FAIL {2}agents see no social security number[\s\S]*not applied/);
  await refuses(smallClinicPolicy.replaceAll('officer', 'officers'), /the configuration names the role officer/);
  await refuses(`${smallClinicPolicy}# new\n`, /the policy in force is not the one that was expected/, '--expect', 'ab'.repeat(32));
  // A class of the candidate counts in its own tests, before it is in force.
  const own = smallClinicPolicy
    .replace('masks:', '  - { class: phi.ward, columns: ["clinic:public.patients.ward"] }\nmasks:')
    .replace(
      'tests:',
      'tests:\n  - { name: wards, as: { issuer: corp, subject: a, groups: [ai-agents] }, target: clinic, sql: "SELECT ward FROM patients WHERE id = 1", expect: { decision: allow, masks: { ward: redact } } }',
    );
  const applied = await run(gateway, officer, 'policy', 'apply', fileOf(gateway, 'own.yaml', own));
  assert.equal(applied.code, 0, applied.out + applied.err);
  const clerk = await clerkOf(gateway);
  assert.equal((await callApi(gateway, gateway.running.api.port, clerk, '/v1/policy/apply', {})).status, 403);
});

test('rollback: an earlier version is in force again, over a restart too, until the files change', async () => {
  const gateway = await tests.gatewayOf();
  let officer = await officerOf(gateway);
  const first = await inForce(gateway, officer);
  const path = join(gateway.directory, 'policy.yaml');
  writeFileSync(path, smallClinicPolicy.replace('mask: year', 'mask: "null"').replace('dob: year', 'dob: "null"'));
  // Without files: those of the configuration, read anew.
  assert.equal((await run(gateway, officer, 'policy', 'apply')).code, 0);
  const second = await inForce(gateway, officer);
  assert.notEqual(second, first);
  const back = await run(gateway, officer, 'policy', 'rollback', first.slice(0, 12));
  assert.equal(back.code, 0, back.out + back.err);
  assert.equal(await inForce(gateway, officer), first);
  const unknown = await run(gateway, officer, 'policy', 'rollback', 'abcdef');
  assert.deepEqual([unknown.code, /no such policy version/.test(unknown.err)], [1, true]);

  await gateway.running.stop();
  await gateway.restart();
  officer = await officerOf(gateway);
  assert.equal(await inForce(gateway, officer), first, 'the bad files do not come back with a restart');
  const history = await asked(gateway, officer, 'policy', 'history');
  assert.deepEqual(
    history['applications'].map(({ sha256, how, by, isInstead }: Json) => [sha256 === first, how, by?.subject, isInstead]),
    [
      [true, 'rollback', 'olivia', true],
      [false, 'apply', 'olivia', false],
      [true, 'start', undefined, false],
    ],
  );
  const { code, out } = await run(gateway, officer, 'policy', 'diff', 'running', 'configured');
  assert.deepEqual([code, out], [1, '- everybody without a mask by role on clinic: phi.dob year -> null\n']);

  await gateway.running.stop();
  writeFileSync(path, `${readFileSync(path, 'utf8')}# deployed anew\n`);
  await gateway.restart();
  officer = await officerOf(gateway);
  assert.notEqual(await inForce(gateway, officer), first, 'files that were changed since are meant');
});

test('check proposes classes by name, and by a recorded sample of which only counts are told', async () => {
  const gateway = await tests.gatewayOf();
  const officer = await officerOf(gateway);
  const { direct } = tests.clinic;
  await direct.query(`
    CREATE SCHEMA odd;
    CREATE TABLE odd."Weird ""Table""" (a text, "pt_SSN_nbr" varchar(40), code text, n bigint, at date);
    INSERT INTO odd."Weird ""Table""" SELECT (100 + i % 500) || '-' || (10 + i % 80) || '-' || (1000 + i % 9000), 'see other system', 'x' || i, i, now() FROM generate_series(1, 30000) i;
    ANALYZE odd."Weird ""Table""";
    CREATE TABLE odd.secured (email text);
    INSERT INTO odd.secured SELECT 'person' || i || '@example.org' FROM generate_series(1, 20) i;
    ALTER TABLE odd.secured ENABLE ROW LEVEL SECURITY;
    CREATE VIEW odd.seen AS SELECT a AS ssn FROM odd."Weird ""Table""";
  `);
  try {
    await until('the catalogue is read', async () => {
      const { proposals } = await asked(gateway, officer, 'policy', 'check', '--propose');
      return proposals.some(({ column }: Json) => column === 'clinic:odd.secured.email');
    });
    const named = await asked(gateway, officer, 'policy', 'check', '--propose');
    const columnsOf = (found: Json): string[] =>
      found['proposals'].map(({ column }: Json) => column).filter((name: string) => name.includes('odd.'));
    assert.deepEqual(columnsOf(named), ['clinic:odd.Weird*Table*.pt_SSN_nbr', 'clinic:odd.secured.email']);
    assert.equal(
      (await auditEntries(gateway, gateway.running.api.port, officer)).some(({ type }) => type === 'policy.sampled'),
      false,
    );

    const { code, out } = await run(gateway, officer, 'policy', 'check', '--sample');
    assert.equal(code, 0);
    // What is in the column speaks against its name, and for another one; rows behind row security are not looked at.
    assert.match(out, /clinic:odd\.Weird\*Table\*\.a\tphi\.ssn\t200 of 200 sampled values look like ssn/);
    assert.doesNotMatch(out, /pt_SSN_nbr|odd\.seen|\d{3}-\d{2}-\d{4}|@example/);
    assert.match(out, /clinic:odd\.secured\.email\tphi\.email\tits name says "email"\n/);
    const sampled = (await auditEntries(gateway, gateway.running.api.port, officer)).filter(({ type }) => type === 'policy.sampled');
    assert.deepEqual(
      sampled.map(({ principal, resource }) => [principal?.subject, resource?.target]),
      [['olivia', 'clinic']],
    );
    assert.doesNotMatch(JSON.stringify(sampled), /example\.org|Weird/);
    // What the policy protects by now is not proposed.
    const covered = smallClinicPolicy.replace('patients.ssn"] }', 'patients.ssn", "clinic:odd.*.a", "clinic:odd.*.email"] }');
    const fewer = await asked(gateway, officer, 'policy', 'check', fileOf(gateway, 'covered.yaml', covered), '--sample');
    assert.deepEqual(columnsOf(fewer), []);
    // A locked table is not waited for.
    await direct.query('BEGIN; LOCK TABLE visits IN ACCESS EXCLUSIVE MODE');
    const start = performance.now();
    const busy = await run(gateway, officer, 'policy', 'check', '--sample');
    assert.ok(performance.now() - start < 20_000);
    assert.match(busy.err, /2 relations of clinic were not sampled/);
  } finally {
    await direct.query('ROLLBACK');
    await direct.query('DROP SCHEMA odd CASCADE');
  }
});
