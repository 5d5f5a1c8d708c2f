import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { people, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import { digests, recordedLog, startMs, type RecordedLog } from '../../test/support/recorded-log.ts';
import type { Facts } from '../core/facts.ts';
import type { GrantId } from '../core/ids.ts';
import { Secret } from '../core/secret.ts';
import type { Policy } from '../policy/index.ts';
import { claimDigests } from '../session/identity-facts.ts';
import { replay, type ReplayReport } from './index.ts';

const base = `${people}
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"] }
  - { class: phi.name, columns: ["clinic:public.patients.name"] }
masks:
  - { class: phi.*, mask: redact }
rules:
  - { name: bulk, when: "request.unbounded", then: hold, approvers: { role: privacy-officer }, within: 15m }
`;
const columns = ['public.patients.id', 'public.patients.name', 'public.patients.ssn', 'public.patients.mrn', 'public.visits.id'];
const policy = policyOf(base);
const forever = { sinceMs: startMs - 1, untilMs: startMs * 2 };
const never = new AbortController().signal;

/** `SELECT name, ssn FROM patients WHERE id = ?` */
const read = (change: Partial<Facts> = {}): Partial<Facts> => ({
  columns: ['public.patients.id', 'public.patients.name', 'public.patients.ssn'],
  classes: ['phi.name', 'phi.ssn'],
  outputClasses: ['phi.name', 'phi.ssn'],
  lineage: { shown: ['public.patients.name', 'public.patients.ssn'], tested: ['public.patients.id'], open: [] },
  normalised: 'SELECT name, ssn FROM patients WHERE id = ?',
  ...change,
});
/** `SELECT name FROM patients` */
const all = read({
  columns: ['public.patients.name'],
  classes: ['phi.name'],
  outputClasses: ['phi.name'],
  lineage: { shown: ['public.patients.name'], tested: [], open: ['public.patients'] },
  unbounded: true,
  normalised: 'SELECT name FROM patients',
});

async function under(
  log: RecordedLog,
  candidate: Policy,
  filter: Partial<typeof forever> & { target?: string; principal?: { issuer: string; subject: string } } = {},
): Promise<ReplayReport> {
  return replay(candidate, { ...forever, ...filter }, log.deps, () => {}, never);
}

const counts = ({ changes }: ReplayReport): object => Object.fromEntries(Object.entries(changes).filter(([, count]) => count > 0));
const reasons = ({ unknown }: ReplayReport): object => Object.fromEntries(unknown.map(({ reason, count }) => [reason, count]));

function smallLog(): { readonly log: RecordedLog; readonly agent: string; readonly clinician: string } {
  const log = recordedLog(policy, columns);
  const agent = log.open(principalOf());
  const clinician = log.open(principalOf({ subject: 'dr-1', kind: 'person', groups: ['clinicians'] }));
  log.ask(agent, requestOf(read()));
  log.ask(agent, requestOf(read()));
  log.ask(agent, requestOf(all));
  log.ask(
    clinician,
    requestOf(read({ normalised: 'INSERT', effects: ['write'], relations: [{ name: 'public.visits', access: 'write' }] })),
  );
  return { log, agent, clinician };
}

describe('replay', () => {
  it('finds nothing to change under the policy that decided', async () => {
    const { log } = smallLog();
    const report = await under(log, policy);
    assert.deepEqual([report.requests, report.unchanged, counts(report), report.unknown, report.groups], [4, 4, {}, [], []]);
  });

  it('lists newly held, denied and allowed requests by statement, with count and example', async () => {
    const { log } = smallLog();
    const held = await under(
      log,
      policyOf(base.replace('"request.unbounded"', `"request.unbounded || 'phi.ssn' in request.outputClasses"`)),
    );
    assert.deepEqual(counts(held), { held: 3 });
    const [first] = held.groups;
    assert.deepEqual(
      [first?.kind, first?.statement, first?.count, first?.example, first?.principals, first?.from.outcome, first?.to.rules],
      ['held', 'SELECT name, ssn FROM patients WHERE id = ?', 2, 2, ['corp/agent-1'], 'allow', ['bulk']],
    );
    const denied = await under(log, policyOf(base.replace('effects: [read]\n', 'effects: [write]\n')));
    assert.deepEqual(counts(denied), { denied: 3 });
    const allowed = await under(log, policyOf(base.replace(/rules:[\s\S]*$/, '')));
    assert.deepEqual([counts(allowed), allowed.groups[0]?.from.outcome, allowed.groups[0]?.to.outcome], [{ allowed: 1 }, 'hold', 'allow']);
    const others = await under(log, policyOf(base.replace('privacy-officer }, within', 'privacy-officer, count: 2 }, within')));
    assert.deepEqual(counts(others), { approvers: 1 });
  });

  it('tells what is newly masked and revealed, but not of what is denied before or after', async () => {
    const { log } = smallLog();
    const revealed = await under(log, policyOf(base.replace('mask: redact }', 'mask: redact }\n  - { class: phi.ssn, mask: partial }')));
    assert.deepEqual([counts(revealed), revealed.groups[0]?.masks], [{ revealed: 3 }, [{ of: 'phi.ssn', from: 'redact', to: 'partial' }]]);
    const masked = await under(log, policyOf(base.replace('mask: redact', 'mask: "null"')));
    assert.deepEqual(counts(masked), { masked: 4 });
    const both = await under(log, policyOf(`${base.replace('mask: redact', 'mask: clear')}  - { name: no, when: "true", then: deny }\n`));
    assert.deepEqual(counts(both), { denied: 4 });
  });

  it('decides with the groups and claims of the time, also for roles that did not exist', async () => {
    const log = recordedLog(policy, columns);
    const session = log.open(principalOf({ claims: { repository: 'clinic/etl', team: ['a', 'b'], level: 3 } }));
    log.ask(session, requestOf(read()));
    const withRole = (member: string): Policy =>
      policyOf(
        base
          .replace('access:', `  - { role: etl, members: [${member}] }\naccess:`)
          .replace('mask: redact }', 'mask: redact }\n  - { class: phi.*, roles: [etl], mask: clear }'),
      );
    for (const member of [
      '{ issuer: corp, claim: repository, is: clinic/etl }',
      '{ issuer: corp, claim: team, is: b }',
      '{ issuer: corp, claim: level, is: 3 }',
      '{ issuer: corp, group: ai-agents, kind: agent }',
    ])
      assert.deepEqual(counts(await under(log, withRole(member))), { revealed: 1 }, member);
    for (const member of [
      '{ issuer: corp, claim: repository, is: other/etl }',
      '{ issuer: corp, claim: level, is: "3" }',
      '{ issuer: other, claim: repository, is: clinic/etl }',
      '{ issuer: corp, group: clinicians }',
    ])
      assert.deepEqual(counts(await under(log, withRole(member))), {}, member);
  });

  it('decides with the grants that the session had', async () => {
    const onRequest = policyOf(
      base.replace(
        'targets: [clinic]\n    effects: [read]',
        'targets: [clinic]\n    effects: [read]\n    how: { on-request: { maxDuration: 2h, approvers: { role: privacy-officer } } }',
      ),
    );
    const log = recordedLog(onRequest, columns);
    const grant = {
      id: 'grt_1' as GrantId,
      role: 'reporting-agent',
      targets: ['clinic'],
      effects: ['read'] as const,
      relations: ['public.patients'],
      rowsPerHour: null,
      expiresAtMs: 0,
    };
    log.ask(log.open(principalOf(), [grant]), requestOf(read()));
    log.ask(log.open(principalOf()), requestOf(read()));
    const same = await under(log, onRequest);
    assert.deepEqual([same.unchanged, same.unknown], [2, []]);
    // Standing access instead: who had no grant is allowed, who had one is not changed.
    const standing = await under(log, policy);
    assert.deepEqual([counts(standing), standing.groups[0]?.from.reasons], [{ allowed: 1 }, ['no-access']]);
  });

  it('follows the version that was in force for each request', async () => {
    const log = recordedLog(policy, columns);
    const session = log.open(principalOf());
    log.ask(session, requestOf(read()));
    const strict = policyOf(`${base}  - { name: no, when: "true", then: deny }\n`);
    log.apply(strict);
    log.ask(session, requestOf(read()));
    assert.deepEqual(counts(await under(log, strict)), { denied: 1 });
    assert.deepEqual(counts(await under(log, policy)), { allowed: 1 });
  });

  it('counts a request once, whatever came of it', async () => {
    const { log, agent } = smallLog();
    const held = log.entries.find(({ type }) => type === 'request.held')!;
    const { type: _type, seq: _seq, ts: _ts, v: _v, replica: _replica, ...rest } = held;
    log.add({ ...rest, type: 'request.held', session: agent, approval: 'apr_1' });
    log.add({ ...rest, type: 'request.intent', decision: 'allow', session: agent, approval: 'apr_1' });
    log.add({ ...rest, type: 'request.denied', decision: 'deny', session: agent, reasons: ['approval-expired'] });
    log.add({ ...rest, type: 'request.result', session: agent, intent: 3 });
    // A retry that found an approval has no entry of its own that it was held.
    log.add({ ...rest, type: 'request.intent', decision: 'allow', session: agent, approval: 'apr_0' });
    const report = await under(log, policy);
    assert.deepEqual([report.requests, report.unchanged], [6, 6]);
    assert.deepEqual(counts(await under(log, policyOf(base.replace(/rules:[\s\S]*$/, '')))), { allowed: 3 });
  });

  it('looks at the period, the target and the principal that are asked for', async () => {
    const { log } = smallLog();
    assert.equal((await under(log, policy, { untilMs: startMs + 3000 })).requests, 1);
    assert.equal((await under(log, policy, { sinceMs: startMs + 3000 })).requests, 3);
    assert.equal((await under(log, policy, { target: 'lab' })).requests, 0);
    assert.equal((await under(log, policy, { principal: { issuer: 'corp', subject: 'dr-1' } })).requests, 1);
    assert.equal((await under(log, policy, { principal: { issuer: 'other', subject: 'dr-1' } })).requests, 0);
  });

  it('finds sessions that were opened long before the period', async () => {
    const log = recordedLog(policy, columns);
    const session = log.open(principalOf());
    log.stepMs = 1;
    for (let n = 0; n < 10; n += 1) log.add({ type: 'heartbeat' });
    log.stepMs = 86_400_000;
    log.add({ type: 'heartbeat' });
    log.ask(session, requestOf(read()));
    const report = await under(log, policy, { sinceMs: startMs + 3_600_000 });
    assert.deepEqual([report.requests, report.unchanged], [1, 1]);
  });
});

describe('replay under other classes', () => {
  const wider = policyOf(
    base
      .replace('masks:', '  - { class: phi.mrn, columns: ["clinic:*.*.mrn", "clinic:*.patients.id"] }\nmasks:')
      .replace('when: "request.unbounded"', `when: "request.unbounded || 'phi.mrn' in request.predicateClasses"`),
  );

  it('makes the classes anew from the recorded columns', async () => {
    const { log, agent } = smallLog();
    log.ask(
      agent,
      requestOf(
        read({
          columns: ['public.patients.mrn'],
          classes: [],
          outputClasses: [],
          lineage: { shown: ['public.patients.mrn'], tested: [], open: [] },
        }),
      ),
    );
    const report = await under(log, wider);
    // Two test the id, one shows the MRN; the write touches what becomes protected.
    assert.deepEqual([counts(report), reasons(report)], [{ held: 2, masked: 1 }, { 'rewriting-not-known': 1 }]);
    assert.deepEqual(report.groups.find(({ kind }) => kind === 'masked')?.masks, [
      { of: 'public.patients.mrn', from: 'clear', to: 'redact' },
    ]);
  });

  it('finds what becomes unbounded, and what is revealed where a class goes', async () => {
    const log = recordedLog(policy, columns);
    const session = log.open(principalOf());
    log.ask(
      session,
      requestOf(
        read({
          columns: ['public.visits.id'],
          classes: [],
          outputClasses: [],
          lineage: { shown: ['public.visits.id'], tested: [], open: ['public.visits'] },
        }),
      ),
    );
    log.ask(session, requestOf(read()));
    const report = await under(
      log,
      policyOf(base.replace('columns: ["clinic:public.patients.ssn"]', 'columns: ["clinic:public.visits.id"]')),
    );
    assert.deepEqual(counts(report), { held: 1, masked: 1, revealed: 1 });
  });

  it('does not guess when the columns are not recorded, or the catalogue does not explain the recorded classes', async () => {
    const log = recordedLog(policy, columns);
    const session = log.open(principalOf());
    log.ask(session, requestOf({ ...read(), lineage: undefined } as object));
    log.ask(session, requestOf(read({ classes: ['phi.ssn'] })));
    assert.deepEqual(reasons(await under(log, wider)), { 'facts-cut': 1, 'catalogue-changed': 1 });
    assert.deepEqual(reasons(await under(log, policy)), {});
  });
});

describe('replay never guesses', () => {
  const asking = (when: string): Policy => policyOf(`${base}  - { name: more, when: "${when}", then: deny }\n`);

  it('counts entries of versions that recorded less', async () => {
    const { log } = smallLog();
    for (const entry of log.entries) {
      const { facts } = entry;
      if (facts !== undefined) {
        const { statements: _statements, columns: _columns, ...old } = facts;
        (entry as { facts: object }).facts = old;
      }
    }
    assert.deepEqual(reasons(await under(log, policy)), { 'facts-not-recorded': 4 });
    const other = smallLog().log;
    for (const entry of other.entries) delete (entry as { identity?: unknown }).identity;
    assert.deepEqual(reasons(await under(other, policy)), { 'identity-not-recorded': 4 });
  });

  it('counts what a condition asks for and the header has no room for', async () => {
    const log = recordedLog(policy, columns);
    const session = log.open(principalOf());
    log.ask(session, requestOf(read({ limit: 123_456 })));
    assert.deepEqual(reasons(await under(log, policy)), {});
    assert.deepEqual(reasons(await under(log, asking('has(request.limit) && request.limit > 5'))), { 'facts-cut': 1 });
    log.ask(session, requestOf(read({ limit: 100 }), { parameters: Array.from({ length: 300 }, () => ({ type: 'text', bytes: 1 })) }));
    assert.deepEqual(reasons(await under(log, asking(`request.parameters.exists(p, p == 'bytea')`))), { 'facts-cut': 1 });
    assert.deepEqual(counts(await under(log, asking('has(request.limit) && request.limit >= 100'))), { denied: 1 });
  });

  it('counts claims that were recorded under another key, only where policy asks for claims', async () => {
    const { log } = smallLog();
    const deps = { ...log.deps, claims: claimDigests(new Secret('another')) };
    const byClaim = policyOf(base.replace('access:', '  - { role: etl, members: [{ issuer: corp, claim: a, is: b }] }\naccess:'));
    const run = (candidate: Policy): Promise<ReplayReport> => replay(candidate, forever, deps, () => {}, never);
    assert.deepEqual(reasons(await run(policy)), {});
    assert.deepEqual(reasons(await run(byClaim)), { 'identity-cut': 4 });
    assert.equal(digests.keyId === deps.claims.keyId, false);
  });

  it('counts requests whose policy version or target is not known', async () => {
    const { log } = smallLog();
    const run = (change: object): Promise<ReplayReport> => replay(policy, forever, { ...log.deps, ...change }, () => {}, never);
    assert.deepEqual(reasons(await run({ versions: { get: async () => null } })), { 'version-not-known': 4 });
    assert.deepEqual(reasons(await run({ versions: { get: async () => ({ source: 'damaged', appliedAtMs: 0 }) } })), {
      'version-not-known': 4,
    });
    // Another version under this hash: what is kept is not believed.
    const other = policyOf(`${base}\n# other`);
    assert.deepEqual(reasons(await run({ versions: { get: async () => ({ source: other.source, appliedAtMs: 0 }) } })), {
      'version-not-known': 4,
    });
    assert.deepEqual(reasons(await run({ targets: new Map() })), { 'target-not-known': 4 });
  });

  it('does not count on a record that the version itself does not reproduce', async () => {
    const { log } = smallLog();
    const entry = log.entries.find(({ type }) => type === 'request.intent')!;
    (entry as { type: string }).type = 'request.denied';
    assert.deepEqual(reasons(await under(log, policy)), { 'not-reproduced': 1 });
  });

  it('counts sessions it knows nothing of when policy asks for them', async () => {
    const { log } = smallLog();
    assert.deepEqual(reasons(await under(log, asking('session.statements > 3'))), { 'session-not-recorded': 4 });
    for (const entry of log.entries)
      if (entry.facts !== undefined) (entry.facts as { session?: object }).session = { ageSeconds: 1, statements: 4 };
    assert.deepEqual(counts(await under(log, asking('session.statements > 3'))), { denied: 4 });
  });

  it('stops when nobody waits any more, and tells how far it is', async () => {
    const { log, agent } = smallLog();
    for (let n = 0; n < 5000; n += 1) log.ask(agent, requestOf(read()));
    const told: number[] = [];
    await replay(policy, forever, log.deps, ({ done, total }) => told.push(done / total), never);
    assert.deepEqual([told.at(-1), told.length], [1, 3]);
  });
});
