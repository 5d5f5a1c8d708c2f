import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clinic, people, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import { recordedLog, startMs, type RecordedLog } from '../../test/support/recorded-log.ts';
import type { Effect, Facts } from '../core/facts.ts';
import type { TargetName } from '../core/ids.ts';
import type { Target } from '../core/target.ts';
import { diffPolicies, loadPolicy, type LoadedPolicy, type Policy, type PolicyText, splitSource } from '../policy/index.ts';
import { accessReport, type AccessReport, replay } from './index.ts';

const lab: Target = { ...clinic, name: 'lab' as TargetName };
const base = `${people}  - role: privacy-officer
    targets: ["*"]
    effects: [read]
classes:
  - { class: phi.ssn, columns: ["*:public.patients.ssn"] }
  - { class: phi.name, columns: ["*:public.patients.name"], predicates: none }
  - { class: phi.mrn, columns: ["*:public.patients.mrn"] }
masks:
  - { class: phi.*, mask: redact }
  - { class: phi.*, roles: [treating-clinician, privacy-officer], mask: clear } # they treat
rules:
  - { name: bulk, when: "request.unbounded && !('privacy-officer' in principal.roles)", then: hold, approvers: { role: privacy-officer }, within: 15m }
`;
const forever = { sinceMs: startMs - 1, untilMs: startMs * 2 };
const never = new AbortController().signal;
const load = (files: readonly PolicyText[]): LoadedPolicy =>
  loadPolicy({ files, packs: () => undefined, targets: ['clinic', 'lab'], issuers: ['corp'] });
const filesOf = (policy: Policy): readonly PolicyText[] => splitSource(policy.source)?.files ?? assert.fail('no source');

const patients = (change: Partial<Facts> = {}): Partial<Facts> => ({
  columns: ['public.patients.name'],
  classes: ['phi.name'],
  outputClasses: ['phi.name'],
  lineage: { shown: ['public.patients.name'], tested: [], open: [] },
  normalised: 'SELECT name FROM patients WHERE id = ?',
  ...change,
});
const visits = (effects: readonly Effect[]): Partial<Facts> => ({
  effects,
  relations: [{ name: 'public.visits', access: effects.includes('write') ? 'write' : 'read' }],
  lineage: { shown: [], tested: [], open: [] },
  normalised: `${effects.join('+')} visits`,
});

async function report(log: RecordedLog, policy: Policy, roles: readonly string[] | null = null): Promise<AccessReport> {
  return accessReport({ policy, files: filesOf(policy), roles, filter: forever, load }, log.deps, () => {}, never);
}

/** INVARIANT of the report: the narrowed policy loads, and replaying the period under it changes nothing. */
async function narrowed(log: RecordedLog, policy: Policy, found: AccessReport): Promise<Policy> {
  assert.deepEqual(found.shrunk.notes, []);
  const loaded = load(found.shrunk.files ?? assert.fail('no files'));
  if (!loaded.ok) assert.fail(loaded.faults.map(({ what }) => what).join());
  assert.equal(loaded.policy.sha256, found.shrunk.sha256);
  const again = await replay(loaded.policy, forever, log.deps, () => {}, never);
  assert.deepEqual([again.unchanged, again.unknown, again.groups], [again.requests, [], []]);
  const { access, masks } = diffPolicies(policy, loaded.policy, ['clinic', 'lab']);
  assert.deepEqual(
    access.flatMap(({ gains }) => gains),
    [],
  );
  assert.deepEqual(
    masks.filter(({ change }) => change === 'reveals'),
    [],
  );
  return loaded.policy;
}

function month(policy: Policy): RecordedLog {
  const log = recordedLog(policy, ['public.patients.name', 'public.patients.ssn', 'public.patients.mrn'], [clinic, lab]);
  const agent = log.open(principalOf());
  const clinician = log.open(principalOf({ subject: 'dr-1', kind: 'person', groups: ['clinicians'] }));
  log.ask(agent, requestOf(patients()));
  log.ask(agent, requestOf(patients({ unbounded: true, normalised: 'SELECT name FROM patients' })));
  log.ask(agent, requestOf(visits(['write'])));
  log.ask(clinician, requestOf(patients()));
  log.ask(clinician, requestOf(visits(['read', 'write'])));
  log.ask(clinician, requestOf({ effects: [], relations: [], verbs: ['BEGIN'], lineage: { shown: [], tested: [], open: [] } }));
  return log;
}

describe('access report', () => {
  it('shows for each role what is granted, what was used, and what was not', async () => {
    const policy = policyOf(base);
    const found = await report(month(policy), policy);
    assert.deepEqual([found.requests, found.denied, found.unknown], [6, 1, []]);
    const clinician = found.roles.find(({ role }) => role === 'treating-clinician')!;
    assert.deepEqual(
      [clinician.requests, clinician.principals, clinician.granted],
      [3, ['corp/dr-1'], [{ targets: ['*'], effects: ['read', 'write'], how: 'standing' }]],
    );
    assert.deepEqual(clinician.used, [
      {
        target: 'clinic',
        requests: 3,
        effects: [
          { effect: 'read', count: 2 },
          { effect: 'write', count: 1 },
        ],
        relations: [
          { name: 'public.patients', read: 1, written: 0 },
          { name: 'public.visits', read: 0, written: 1 },
        ],
        classes: [{ class: 'phi.name', count: 1, shownAs: 'clear' }],
      },
    ]);
    assert.deepEqual(clinician.unused, { targets: ['lab'], effects: [], clearClasses: ['phi.mrn', 'phi.ssn'] });
    const officer = found.roles.find(({ role }) => role === 'privacy-officer')!;
    assert.deepEqual([officer.requests, officer.unused.targets], [0, ['clinic', 'lab']]);
  });

  it('hands out the policy that would have sufficed: it loads, gives less, and replaying the period under it changes nothing', async () => {
    const policy = policyOf(base);
    const log = month(policy);
    const small = await narrowed(log, policy, await report(log, policy));
    const { access, masks } = diffPolicies(policy, small, ['clinic', 'lab']);
    assert.deepEqual(
      access.map(({ role, targets, loses }) => [role, targets, loses]),
      [
        ['treating-clinician', ['lab'], ['read', 'write']],
        ['privacy-officer', ['clinic', 'lab'], ['read']],
      ],
    );
    assert.deepEqual(
      masks.map(({ role, class: name, from, to }) => [role, name, from, to]),
      [
        ['treating-clinician', 'phi.mrn', 'clear', 'redact'],
        ['privacy-officer', 'phi.mrn', 'clear', 'redact'],
        ['privacy-officer', 'phi.name', 'clear', 'redact'],
        ['treating-clinician', 'phi.ssn', 'clear', 'redact'],
        ['privacy-officer', 'phi.ssn', 'clear', 'redact'],
      ],
    );
    // What nobody did is not possible any more: another table, a class in clear.
    log.apply(small);
    const session = log.open(principalOf({ subject: 'dr-1', kind: 'person', groups: ['clinicians'] }));
    const index = log.ask(
      session,
      requestOf({ relations: [{ name: 'public.payroll', access: 'read' }], lineage: { shown: [], tested: [], open: [] } }),
    );
    assert.deepEqual([log.entries[index]?.type, log.entries[index]?.rules], ['request.denied', ['tables-of-treating-clinician-on-clinic']]);
    const free = log.ask(
      session,
      requestOf({ relations: [{ name: 'pg_catalog.pg_class', access: 'read' }], lineage: { shown: [], tested: [], open: [] } }),
    );
    assert.equal(log.entries[free]?.type, 'request.intent');
  });

  it('keeps comments and whatever it does not narrow', async () => {
    const policy = policyOf(base.replace('roles:', '# who is who\nroles:'));
    const { shrunk } = await report(month(policy), policy);
    assert.match(shrunk.files?.[0]?.text ?? '', /# who is who/);
    assert.match(shrunk.files?.[0]?.text ?? '', /name: bulk, when: "request\.unbounded/);
  });

  it('narrows the roles that are asked for, and leaves the others as they are', async () => {
    const policy = policyOf(base);
    const log = month(policy);
    const found = await report(log, policy, ['reporting-agent']);
    assert.deepEqual(
      found.roles.map(({ role }) => role),
      ['reporting-agent'],
    );
    const small = await narrowed(log, policy, found);
    const { access, masks, rules } = diffPolicies(policy, small, ['clinic', 'lab']);
    assert.deepEqual([access, masks, rules.map(({ rule }) => rule)], [[], [], ['tables-of-reporting-agent-on-clinic']]);
  });

  it('keeps the access of a role that only began transactions', async () => {
    const policy = policyOf(base);
    const log = recordedLog(policy, [], [clinic, lab]);
    const session = log.open(principalOf({ groups: ['clinicians'] }));
    log.ask(session, requestOf({ effects: [], relations: [], lineage: { shown: [], tested: [], open: [] } }));
    const small = await narrowed(log, policy, await report(log, policy));
    assert.deepEqual(
      small.access.map(({ role, targets, effects }) => [role, targets, effects]),
      [['treating-clinician', ['clinic'], ['read']]],
    );
  });

  it('leaves a role alone that has access on request as well: what it counts for would change', async () => {
    const more = base
      .replace('masks:', 'masks: # x')
      .replace(
        'classes:',
        '  - role: treating-clinician\n    targets: [lab]\n    effects: [admin]\n    how: { on-request: { maxDuration: 1h, approvers: { role: privacy-officer } } }\nclasses:',
      );
    const policy = policyOf(more);
    const log = month(policy);
    const small = await narrowed(log, policy, await report(log, policy));
    assert.deepEqual(
      small.access.filter(({ role }) => role === 'treating-clinician').map(({ targets }) => targets),
      [['*'], ['lab']],
    );
  });

  it('shows in clear what a predicate needs: a class that is only tested counts as used', async () => {
    const policy = policyOf(base);
    const log = recordedLog(policy, ['public.patients.name'], [clinic, lab]);
    const session = log.open(principalOf({ groups: ['clinicians'] }));
    log.ask(
      session,
      requestOf(
        patients({ outputClasses: [], predicateClasses: ['phi.name'], lineage: { shown: [], tested: ['public.patients.name'], open: [] } }),
      ),
    );
    await narrowed(log, policy, await report(log, policy));
  });

  it('a mask between two others is kept where it counts', async () => {
    const more = base.replace(
      '- { class: phi.*, mask: redact }',
      '- { class: phi.*, mask: redact }\n  - { class: phi.ssn, roles: [treating-clinician], mask: partial }',
    );
    const policy = policyOf(more);
    const log = month(policy);
    const session = log.open(principalOf({ groups: ['clinicians'] }));
    log.ask(session, requestOf(patients({ outputClasses: ['phi.ssn'], classes: ['phi.ssn'] })));
    const small = await narrowed(log, policy, await report(log, policy));
    assert.deepEqual(
      small.masks.map(({ class: name, roles, mask }) => [name, roles, mask]),
      [
        ['phi.*', undefined, 'redact'],
        ['phi.ssn', ['treating-clinician'], 'partial'],
        ['phi.name', ['treating-clinician'], 'clear'],
      ],
    );
  });

  it('many principals with several roles at random: always loads, gives less, changes nothing', async () => {
    let seed = 42;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const groups = ['ai-agents', 'clinicians', 'privacy'];
    const tables = ['public.patients', 'public.visits', 'public.o\'dd "x"', 'pg_catalog.pg_class'];
    const classes = ['phi.ssn', 'phi.name', 'phi.mrn'];
    for (let round = 0; round < 25; round += 1) {
      const policy = policyOf(base);
      const log = recordedLog(policy, [], [clinic, lab]);
      for (let person = 0; person < 6; person += 1) {
        const session = log.open(principalOf({ subject: `p${person}`, groups: groups.filter(() => random(2) === 0) }));
        for (let n = 0; n < 6; n += 1) {
          const shown = classes.filter(() => random(4) === 0);
          log.ask(
            session,
            requestOf(
              {
                effects: (['read', 'write'] as const).filter(() => random(2) === 0),
                relations: tables.filter(() => random(3) === 0).map((name) => ({ name, access: random(2) === 0 ? 'read' : 'write' })),
                classes: shown,
                outputClasses: shown,
                predicateClasses: classes.filter(() => random(6) === 0),
                unbounded: random(4) === 0,
                lineage: { shown: [], tested: [], open: [] },
              },
              { target: random(3) === 0 ? lab.name : clinic.name },
            ),
          );
        }
      }
      await narrowed(log, policy, await report(log, policy));
    }
  });
});

describe('access report, where it cannot be sure', () => {
  it('says how many requests it could not look at', async () => {
    const policy = policyOf(base);
    const log = month(policy);
    delete (log.entries.find(({ type }) => type === 'request.intent') as { facts?: unknown }).facts;
    const found = await report(log, policy);
    assert.deepEqual(found.unknown, [{ reason: 'facts-not-recorded', count: 1 }]);
    assert.equal(found.shrunk.proven, 5);
  });

  it('INVARIANT: hands out no policy that was not proven', async () => {
    const policy = policyOf(base);
    const log = month(policy);
    const run = (broken: (files: readonly PolicyText[]) => readonly PolicyText[]): Promise<AccessReport> =>
      accessReport(
        { policy, files: filesOf(policy), roles: null, filter: forever, load: (files) => load(broken(files)) },
        log.deps,
        () => {},
        never,
      );
    const strict = await run((files) =>
      files.map(({ name, text }) => ({ name, text: `${text}  - { name: no, when: "true", then: deny }\n` })),
    );
    assert.equal(strict.shrunk.files, null);
    assert.match(strict.shrunk.notes.join(), /request 2 would be decided otherwise under the narrowed policy \(denied\)/);
    const unloadable = await run((files) => files.map(({ name }) => ({ name, text: 'version: 2\n' })));
    assert.equal(unloadable.shrunk.files, null);
    assert.match(unloadable.shrunk.notes.join(), /does not load/);
  });

  it('says which tables it could not narrow', async () => {
    const policy = policyOf(base);
    const log = recordedLog(policy, [], [clinic, lab]);
    const session = log.open(principalOf());
    for (let n = 0; n < 301; n += 1) {
      log.ask(session, requestOf({ relations: [{ name: `public.t${n}`, access: 'read' }], lineage: { shown: [], tested: [], open: [] } }));
    }
    const found = await report(log, policy);
    assert.match(found.shrunk.notes.join(), /role reporting-agent used 301 tables of clinic/);
    assert.notEqual(found.shrunk.files, null);
    const fewer = recordedLog(policy, [], [clinic, lab]);
    const again = fewer.open(principalOf());
    for (let n = 0; n < 200; n += 1) {
      fewer.ask(again, requestOf({ relations: [{ name: `public.t${n}`, access: 'read' }], lineage: { shown: [], tested: [], open: [] } }));
    }
    await narrowed(fewer, policy, await report(fewer, policy));
  });
});
