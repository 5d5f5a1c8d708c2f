// Several days of a small clinic in an audit log, for looking at reports: people and agents with habits, nights, grants, held requests, an
// emergency. The same numbers every time.

import type { EntryDraft } from '../../src/core/event.ts';
import type { ActorRef } from '../../src/core/identity.ts';
import { type EvidenceLog, policySha256 } from './evidence-log.ts';

const HOUR_MS = 3_600_000;
const policy = { sha256: policySha256 };
const person = (subject: string): ActorRef => ({ issuer: 'corp', subject, kind: 'person' });
const agentOf = (subject: string): ActorRef => ({ issuer: 'corp', subject, kind: 'agent' });
const [alice, bob, dana, olivia, nils] = ['alice', 'bob', 'dana', 'olivia', 'nils'].map(person) as [
  ActorRef,
  ActorRef,
  ActorRef,
  ActorRef,
  ActorRef,
];

interface Habit {
  readonly actor: ActorRef;
  readonly sponsor: ActorRef | null;
  readonly target: string;
  readonly statement: string;
  readonly columns: readonly { readonly name: string; readonly classes: readonly string[]; readonly mask: string }[];
  readonly rows: number;
  readonly sessionsPerDay: number;
}

const patientColumns = (mask: string) => [
  { name: 'id', classes: [], mask: 'clear' },
  { name: 'name', classes: ['phi.name'], mask },
  { name: 'ssn', classes: ['phi.ssn'], mask: mask === 'clear' ? 'last4' : 'redact' },
  { name: 'dob', classes: ['phi.birth-date'], mask: 'year' },
];
const HABITS: readonly Habit[] = [
  {
    actor: agentOf('claims-assistant'),
    sponsor: alice,
    target: 'clinic',
    statement: 'SELECT id, name, ssn, dob FROM public.patients WHERE clinic_id = $1 LIMIT 20',
    columns: patientColumns('pseudonym'),
    rows: 20,
    sessionsPerDay: 5,
  },
  {
    actor: agentOf('scheduling-bot'),
    sponsor: bob,
    target: 'clinic',
    statement: 'SELECT v.id, p.name, v.starts_at FROM public.visits v JOIN public.patients p ON p.id = v.patient_id WHERE v.starts_at > $1',
    columns: [{ name: 'name', classes: ['phi.name'], mask: 'initials' }],
    rows: 48,
    sessionsPerDay: 4,
  },
  {
    actor: dana,
    sponsor: null,
    target: 'clinic',
    statement: 'SELECT * FROM public.patients WHERE id = $1',
    columns: patientColumns('clear'),
    rows: 1,
    sessionsPerDay: 2,
  },
  {
    actor: { issuer: 'workload', subject: 'spiffe://clinic.example.org/ns/billing/sa/nightly-export', kind: 'service' },
    sponsor: null,
    target: 'billing-warehouse',
    statement: 'SELECT invoice_id, amount FROM billing.invoices WHERE issued_on = $1',
    columns: [{ name: 'amount', classes: [], mask: 'clear' }],
    rows: 1250,
    sessionsPerDay: 1,
  },
];

const factsOf = (effects: readonly string[], verbs: readonly string[]) => ({
  verbs,
  effects,
  relations: [{ name: 'public.patients', access: effects.includes('write') ? 'write' : 'read' }],
  classes: ['phi.name', 'phi.ssn'],
  outputClasses: ['phi.name'],
  predicateClasses: [],
  unbounded: false,
  unknowns: [],
});

/** @param days to write, from the day of the log's clock on */
export async function fillWeek(log: EvidenceLog, days: number): Promise<void> {
  const dayStartMs = Math.floor(log.nowMs / (24 * HOUR_MS)) * 24 * HOUR_MS;
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  let sessions = 0;

  const session = async (habit: Habit, requests: number, grant?: string): Promise<void> => {
    const { actor, sponsor, target, statement, columns, rows } = habit;
    const id = `ses_${String((sessions += 1)).padStart(4, '0')}`;
    const common = {
      principal: actor,
      ...(sponsor === null ? {} : { onBehalfOf: sponsor }),
      session: id,
      resource: { target, objects: ['public.patients'] },
    };
    let n = 0;
    const add = (entry: EntryDraft): Promise<number> => log.add({ ...common, n: n++, ...entry });
    await add({ type: 'auth.ok', detail: { address: `10.20.0.${10 + random(40)}` } });
    await add({ type: 'session.open', ...(grant === undefined ? {} : { grant }) });
    for (let at = 0; at < requests; at += 1) {
      log.nowMs += random(20_000);
      if (random(14) === 0) {
        const reasons = [(['no-access', 'effect-not-granted', 'not-understood', 'predicate'] as const)[random(4)]!];
        const refused = 'COPY public.patients TO STDOUT';
        await add({
          type: 'request.denied',
          action: 'query',
          decision: 'deny',
          reasons,
          rules: ['agents-read'],
          policy,
          statement: { normalised: refused, bytes: refused.length, parameters: [] },
        });
        continue;
      }
      const intent = await add({
        type: 'request.intent',
        action: 'query',
        decision: 'allow',
        rules: ['agents-read'],
        policy,
        statement: { normalised: statement, fingerprint: 'a1b2c3', bytes: statement.length, parameters: [] },
        facts: factsOf(['read'], ['SELECT']),
      });
      await add({ type: 'request.result', intent, result: { rows: 1 + random(rows), bytes: 900, columns, code: 'ok', ms: 3 } });
    }
    await add({ type: 'session.close', detail: { reason: random(4) === 0 ? 'idle' : 'client', requests } });
  };

  const grant = async (id: string, role: string, verdict: 'approve' | 'deny', hours: number): Promise<void> => {
    const habit = HABITS[0]!;
    const about = {
      principal: habit.actor,
      onBehalfOf: alice,
      grant: id,
      resource: { target: 'clinic', objects: ['public.patients', 'public.visits'] },
      policy,
    };
    const terms = { role, effects: 'read', durationMs: hours * HOUR_MS, approvers: 'privacy-officers', count: 1 };
    await log.add({ type: 'grant.requested', ...about, detail: terms });
    log.nowMs += 60_000 * (3 + random(30));
    const state = verdict === 'approve' ? 'active' : 'denied';
    await log.add({
      type: 'grant.answered',
      ...about,
      answer: { by: olivia, verdict },
      detail: { role, effects: 'read', state, via: 'slack' },
    });
    if (verdict === 'deny') return;
    const expiresAt = new Date(log.nowMs + hours * HOUR_MS).toISOString();
    await log.add({ type: 'grant.opened', ...about, detail: { ...terms, expiresAt } });
    await session(habit, 6, id);
    await session(habit, 3, id);
    log.nowMs += hours * HOUR_MS;
    await log.add({ type: 'grant.ended', ...about, detail: { role, effects: 'read', reason: 'time' } });
  };

  const held = async (id: string, verdict: 'approve' | 'deny' | null, statement: string): Promise<void> => {
    const about = {
      principal: agentOf('scheduling-bot'),
      onBehalfOf: bob,
      approval: id,
      session: `ses_h${id.slice(4)}`,
      resource: { target: 'clinic', objects: ['public.visits'] },
      rules: ['writes-need-approval'],
      policy,
    };
    let n = 0;
    await log.add({ ...about, type: 'session.open', n: n++ });
    await log.add({ ...about, type: 'approval.requested', action: 'query', detail: { role: 'clinic-leads', count: 1, withinMs: 900_000 } });
    const text = { normalised: statement, fingerprint: 'b7', bytes: statement.length, parameters: [] };
    await log.add({ ...about, type: 'request.held', n: n++, action: 'query', decision: 'hold', statement: text });
    await log.add({ ...about, type: 'approval.preview' });
    if (verdict === null) {
      log.nowMs += 900_000;
      await log.add({ ...about, type: 'approval.expired', detail: { reason: 'time' } });
    } else {
      log.nowMs += 60_000 * (1 + random(8));
      const detail = { role: 'clinic-leads', count: 1, state: verdict === 'approve' ? 'approved' : 'denied', via: 'api' };
      await log.add({ ...about, type: 'approval.answered', answer: { by: nils, verdict }, detail });
    }
    if (verdict === 'approve') {
      await log.add({ ...about, type: 'approval.used' });
      const facts = factsOf(['write'], ['UPDATE']);
      const intent = await log.add({
        ...about,
        type: 'request.intent',
        n: n++,
        action: 'query',
        decision: 'allow',
        statement: text,
        facts,
      });
      await log.add({ ...about, type: 'request.result', n: n++, intent, result: { rows: 12, bytes: 0, code: 'ok', ms: 9 } });
    } else {
      const reasons = [verdict === null ? ('approval-expired' as const) : ('approval-denied' as const)];
      await log.add({ ...about, type: 'request.denied', n: n++, action: 'query', decision: 'deny', reasons, statement: text });
    }
    await log.add({ ...about, type: 'session.close', n: n++, detail: { reason: 'client', requests: 1 } });
  };

  for (let day = 0; day < days; day += 1) {
    const startMs = dayStartMs + day * 24 * HOUR_MS;
    log.nowMs = Math.max(log.nowMs, startMs + 2 * HOUR_MS);
    await session(HABITS[3]!, 3);
    log.nowMs = Math.max(log.nowMs, startMs + 7 * HOUR_MS);
    if (day === 0) await log.add({ type: 'policy.applied', principal: olivia, policy, detail: { how: 'apply', tests: 'passed' } });
    const busy = day % 7 < 5 ? 1 : 0.3;
    for (const habit of HABITS.slice(0, 3)) {
      for (let count = 0; count < Math.round(habit.sessionsPerDay * busy); count += 1) {
        await session(habit, 4 + random(8));
        log.nowMs += random(40) * 60_000;
      }
    }
    for (let count = 0; count < random(4); count += 1) {
      await log.add({
        type: 'auth.fail',
        resource: { target: 'clinic' },
        detail: { fault: (['expired', 'wrong-audience', 'bad-signature'] as const)[random(3)]!, address: '203.0.113.9' },
      });
    }
    if (busy === 1) {
      await grant(`gra_${day}a`, 'claims-reviewer', day === 3 ? 'deny' : 'approve', 2);
      await held(`apr_${day}a`, day === 2 ? 'deny' : 'approve', 'UPDATE public.visits SET starts_at = starts_at + $1 WHERE clinic_id = $2');
      if (day === 1) await held(`apr_${day}b`, null, 'DELETE FROM public.visits WHERE starts_at < $1');
    }
    if (day === 4) {
      const emergency = { principal: dana, grant: 'gra_emergency', resource: { target: 'clinic', objects: ['public.patients'] }, policy };
      const terms = { role: 'physician-on-call', effects: 'read', durationMs: HOUR_MS, approvers: 'privacy-officers', count: 1 };
      const expiresAt = new Date(log.nowMs + HOUR_MS).toISOString();
      await log.add({ type: 'breakglass.opened', ...emergency, detail: { ...terms, expiresAt } });
      await session(HABITS[2]!, 4, 'gra_emergency');
      log.nowMs += HOUR_MS;
      await log.add({ type: 'breakglass.ended', ...emergency, detail: { role: 'physician-on-call', effects: 'read', reason: 'time' } });
      log.nowMs += HOUR_MS;
      const answer = { by: olivia, verdict: 'approve' as const };
      await log.add({
        type: 'breakglass.reviewed',
        ...emergency,
        answer,
        detail: { role: 'physician-on-call', effects: 'read', state: 'ended' },
      });
    }
  }
  await log.add({ type: 'review.signed', principal: olivia, detail: { review: 'records', from: 0, to: 100 } });
}
