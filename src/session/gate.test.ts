import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Decision, MaskSet } from '../core/decision.ts';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft, Payload } from '../core/event.ts';
import type { Facts } from '../core/facts.ts';
import type { ActorRef, Principal } from '../core/identity.ts';
import type { ApprovalId, SessionId, Sha256Hex, TargetName } from '../core/ids.ts';
import type {
  Approval,
  ApprovalBinding,
  ApprovalDesk,
  ApprovalOutcome,
  AuditLog,
  EntryTemplate,
  EntryVariables,
  TemplateDraft,
  Ticket,
} from '../core/ports.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { createGate, type Denied, type GatePolicy, type Held, type OpenGate, type Permitted } from './gate.ts';
import { Permit } from './permit.ts';

const target: Target = { name: 'clinic' as TargetName, protocol: 'postgres', address: '127.0.0.1:5432' };
const masks: MaskSet = { id: 'masks-1', byClass: { 'phi.ssn': 'redact' } };
const agent: Principal = {
  issuer: 'corp',
  subject: 'agent-1',
  kind: 'agent',
  name: 'Agent 1',
  groups: [],
  claims: {},
  onBehalfOf: null,
  expiresAtMs: 10_000,
};

function factsOf(change: Partial<Facts> = {}): Facts {
  return {
    verbs: ['SELECT'],
    statements: 1,
    effects: ['read'],
    relations: [{ name: 'public.patients', access: 'read' }],
    columns: [],
    classes: ['phi.ssn'],
    outputs: [],
    outputClasses: [],
    predicateClasses: [],
    unbounded: false,
    limit: null,
    unknowns: [],
    normalised: 'SELECT * FROM patients',
    fingerprint: null,
    ...change,
  };
}

function requestOf(change: Partial<Request> = {}): Request {
  return {
    target: target.name,
    action: 'query',
    facts: factsOf(),
    textSha256: 'aa' as Sha256Hex,
    parametersSha256: 'bb' as Sha256Hex,
    parameters: [],
    maskSetId: masks.id,
    catalogueVersion: 'c1',
    sealed: { statement: Buffer.from("SELECT * FROM patients WHERE ssn = '123-45-6789'"), parameters: null },
    ...change,
  };
}

interface StagedTemplate extends EntryTemplate {
  readonly draft: TemplateDraft;
  readonly payloads: readonly Payload[];
}

/** Audit log whose durability the test controls. */
class StagedLog implements AuditLog {
  readonly entries: EntryDraft[] = [];
  readonly payloads: Payload[] = [];
  writable = true;
  /** The next append fails although the log still claims to be writable: the first fault of a disk. */
  failing = false;
  stalled = false;
  templates = 0;
  readonly #release: (() => void)[] = [];

  append(entry: EntryDraft, payloads: readonly Payload[] = []): Promise<number> {
    if (!this.writable || this.failing) return Promise.reject(new SallyportError('SP_AUDIT_UNWRITABLE', 'disk is full'));
    this.entries.push(entry);
    this.payloads.push(...payloads);
    const index = this.entries.length - 1;
    return this.stalled ? new Promise((done) => this.#release.push(() => done(index))) : Promise.resolve(index);
  }

  template(draft: TemplateDraft, payloads: readonly Payload[] = []): EntryTemplate {
    this.templates += 1;
    return { type: draft.type, draft, payloads } as StagedTemplate;
  }

  release(): void {
    this.templates -= 1;
  }

  post(template: EntryTemplate, { n, intent, statement, result }: EntryVariables, payloads: readonly Payload[] = []): Ticket {
    if (!this.writable) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'disk is full');
    const { draft, payloads: shared } = template as StagedTemplate;
    this.payloads.push(...shared, ...payloads);
    return (this.entries.push({
      ...draft,
      n,
      ...(intent === undefined ? {} : { intent }),
      ...(statement === undefined ? {} : { statement: { ...draft.statement, ...statement } }),
      ...(result === undefined ? {} : { result: { ...draft.result, ...result } }),
    } as object as EntryDraft) - 1) as Ticket;
  }

  isRecorded(): boolean {
    return !this.stalled && !this.failing;
  }

  recorded(): Promise<void> {
    if (this.failing) return Promise.reject(new SallyportError('SP_AUDIT_UNWRITABLE', 'disk is full'));
    return this.stalled ? new Promise((done) => this.#release.push(done)) : Promise.resolve();
  }

  sync(): void {
    this.stalled = false;
    for (const release of this.#release.splice(0)) release();
  }

  types(): string[] {
    return this.entries.map((entry) => entry.type);
  }
}

class FakeDesk implements ApprovalDesk {
  outcome: ApprovalOutcome['outcome'] = 'approved';
  readonly opened: Parameters<ApprovalDesk['open']>[0][] = [];
  readonly used: ApprovalBinding[] = [];
  usable = true;
  found: ApprovalId | null = null;

  async open(draft: Parameters<ApprovalDesk['open']>[0]): Promise<Approval> {
    this.opened.push(draft);
    return { ...draft, id: 'apr_1' as ApprovalId, state: 'pending', answers: [], createdAtMs: 0, expiresAtMs: draft.withinMs };
  }
  async find(): Promise<ApprovalId | null> {
    return this.found;
  }
  async wait(id: ApprovalId, signal: AbortSignal): Promise<ApprovalOutcome> {
    return { outcome: signal.aborted ? 'cancelled' : this.outcome, approval: id };
  }
  async use(_id: ApprovalId, binding: ApprovalBinding): Promise<boolean> {
    this.used.push(binding);
    return this.usable;
  }
}

interface Bench {
  readonly gate: OpenGate;
  readonly log: StagedLog;
  readonly desk: FakeDesk;
  nowMs: number;
  decide: (request: Request) => Decision;
  access: boolean;
  isTimeless: boolean;
  /** Makes another policy version. */
  reload(): void;
}

const base = { rules: [], policySha256: 'p1' as Sha256Hex, masks, roles: ['reporting-agent'] };
const allow: Decision = { ...base, outcome: 'allow', reasons: [] };
const deny: Decision = { ...base, outcome: 'deny', reasons: ['rule'], rules: ['no-ddl'], say: 'no' };
const hold: Decision = {
  ...base,
  outcome: 'hold',
  reasons: ['rule'],
  rules: ['bulk'],
  approvers: { role: 'officer', count: 1 },
  withinMs: 60_000,
  say: null,
};

let open: OpenGate | null = null;
afterEach(() => open?.close());

function benchOf(decide: (request: Request) => Decision): Bench {
  const log = new StagedLog();
  const desk = new FakeDesk();
  const bench = { log, desk, nowMs: 0, decide, access: true, isTimeless: true } as Bench & { gate: OpenGate };
  const version = (): GatePolicy => ({
    isTimeless: bench.isTimeless,
    decide: (request) => bench.decide(request),
    masksFor: () => masks,
    hasAccess: () => bench.access,
  });
  let policy = version();
  bench.reload = () => {
    policy = version();
  };
  bench.gate = createGate({
    audit: log,
    approvals: desk,
    policy: () => policy,
    clock: { nowMs: () => bench.nowMs, monotonicMs: () => bench.nowMs },
    random: { bytes: (length) => new Uint8Array(length).fill(7) },
    metrics: { sessionOpened() {}, sessionClosed() {}, decided() {}, repeated() {}, settled() {} },
    maxSessions: 2,
    onSessionClosed: () => undefined,
  });
  open = bench.gate;
  return bench;
}

const client = { address: '127.0.0.1', application: 'psql' };
const never = new AbortController().signal;

function asPermit(answer: Permitted | Held | Denied): Permit {
  assert.equal(answer.kind, 'permit');
  return (answer as Permitted).permit;
}

test('a session is opened only for a principal with access, and the refusal is recorded', async () => {
  const bench = benchOf(() => allow);
  bench.access = false;
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_TARGET_UNKNOWN' });
  assert.deepEqual(bench.log.types(), ['auth.fail']);
});

test('a session cannot be opened while the audit log is not writable', async () => {
  const bench = benchOf(() => allow);
  bench.log.writable = false;
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_AUDIT_UNWRITABLE' });
  assert.equal(bench.gate.liveSessions, 0);
});

test('an allowed request is recorded before the permit exists, with the statement sealed and not in the header', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const permit = asPermit(await session.ask(requestOf(), never));
  assert.ok(Permit.isGenuine(permit));
  assert.deepEqual(bench.log.types(), ['auth.ok', 'session.open', 'request.intent']);
  assert.ok(!JSON.stringify(bench.log.entries).includes('123-45-6789'));
  assert.equal(bench.log.payloads[0]?.kind, 'statement');
});

test('a read gets its permit while its intent is still syncing; a write waits until it is durable', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.log.stalled = true;
  asPermit(await session.ask(requestOf(), never));
  let settled = false;
  const asked = session.ask(requestOf({ facts: factsOf({ effects: ['write'] }) }), never);
  assert.ok(asked instanceof Promise);
  const write = asked.then((answer) => {
    settled = true;
    return answer;
  });
  await new Promise((done) => setImmediate(done));
  assert.equal(settled, false);
  bench.log.sync();
  asPermit(await write);
});

test('INVARIANT: a write is not permitted when its intent cannot be recorded', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.log.writable = false;
  await assert.rejects(async () => session.ask(requestOf({ facts: factsOf({ effects: ['write'] }) }), never), {
    code: 'SP_AUDIT_UNWRITABLE',
  });
  bench.log.writable = true;
  bench.log.failing = true;
  await assert.rejects(async () => session.ask(requestOf({ facts: factsOf({ effects: ['write'] }) }), never), {
    code: 'SP_AUDIT_UNWRITABLE',
  });
});

test('a read whose intent cannot be recorded carries a rejecting intent, so that no result byte is released', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.log.failing = true;
  const permit = asPermit(await session.ask(requestOf(), never));
  assert.equal(permit.facts.intent.isDone, false);
  await assert.rejects(permit.facts.intent.wait(), { code: 'SP_AUDIT_UNWRITABLE' });
  bench.log.writable = false;
  const result = session.settle(permit, { rows: 1, bytes: 1, code: 'ok' });
  assert.equal(result.isDone, false);
  await assert.rejects(result.wait(), { code: 'SP_AUDIT_UNWRITABLE' });
});

test('INVARIANT: once the log has failed, a live session sends nothing more, not even a read', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  await session.ask(requestOf(), never);
  bench.log.writable = false;
  await assert.rejects(async () => session.ask(requestOf(), never), { code: 'SP_AUDIT_UNWRITABLE' });
});

test('a repeated request is decided once, and anew when anything the decision rests on has changed', async () => {
  let decided = 0;
  const bench = benchOf(() => {
    decided += 1;
    return allow;
  });
  const session = await bench.gate.openSession(agent, target, client);
  const facts = factsOf();
  const ask = async (change: Partial<Request> = {}): Promise<number> => {
    await session.ask(requestOf({ facts, ...change }), never);
    return decided;
  };
  assert.equal(await ask(), 1);
  assert.equal(await ask({ sealed: { statement: Buffer.from('another text of the same shape'), parameters: null } }), 1);
  assert.equal(await ask({ parameters: [{ type: '23', bytes: 4 }] }), 2);
  assert.equal(await ask({ parameters: [{ type: '23', bytes: 2 }] }), 2);
  assert.equal(await ask({ parameters: [{ type: '25', bytes: 4 }] }), 3);
  assert.equal(await ask({ facts: factsOf() }), 4);
  bench.reload();
  assert.equal(await ask(), 5);
  bench.nowMs = agent.expiresAtMs;
  assert.equal(await ask(), 6);
  const intents = bench.log.entries.filter(({ type }) => type === 'request.intent');
  assert.equal(intents.length, 8);
  assert.deepEqual(intents[1]?.statement?.bytes, 30);
  assert.deepEqual(intents[2]?.statement?.parameters, [{ type: '23', bytes: 4 }]);
});

test('a policy that reads the time decides every request anew', async () => {
  let decided = 0;
  const bench = benchOf(() => {
    decided += 1;
    return decided === 1 ? allow : deny;
  });
  bench.isTimeless = false;
  bench.reload();
  const session = await bench.gate.openSession(agent, target, client);
  const request = requestOf();
  asPermit(await session.ask(request, never));
  assert.equal((await session.ask(request, never)).kind, 'denied');
});

test('what a session keeps ready for repetitions is bounded, and released only when no result is outstanding', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const first = asPermit(await session.ask(requestOf(), never));
  for (let each = 0; each < 300; each += 1) {
    session.settle(asPermit(await session.ask(requestOf({ facts: factsOf() }), never)), { rows: 0, bytes: 0, code: 'ok' });
  }
  assert.equal(bench.log.templates, 2 * (256 + 1));
  session.settle(first, { rows: 1, bytes: 1, code: 'ok' });
  assert.equal(bench.log.templates, 2 * 256);
});

test('the text of a prepared statement is handed over for sealing once, that of a simple query every time', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const request = requestOf({ action: 'execute', sealed: { statement: Buffer.from('prepared'), parameters: Buffer.from('p1') } });
  const kinds = (): string =>
    bench.log.payloads
      .splice(0)
      .map(({ kind }) => kind)
      .join(' ');
  asPermit(await session.ask(request, never));
  // Shared payloads come with the template.
  assert.equal(kinds(), 'statement parameters');
  const simple = requestOf();
  asPermit(await session.ask(simple, never));
  asPermit(await session.ask(simple, never));
  assert.equal(kinds(), 'statement statement');
});

test('a denial is recorded with its rules and gives no permit', async () => {
  const bench = benchOf(() => deny);
  const session = await bench.gate.openSession(agent, target, client);
  const answer = await session.ask(requestOf(), never);
  assert.equal(answer.kind, 'denied');
  const entry = bench.log.entries.at(-1);
  assert.equal(entry?.type, 'request.denied');
  assert.deepEqual(entry?.rules, ['no-ddl']);
});

test('a statement rewritten under other masks than the decision demands is refused', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  const answer = await session.ask(requestOf({ maskSetId: 'masks-0' }), never);
  assert.equal(answer.kind, 'denied');
  assert.deepEqual((answer as Denied).decision.reasons, ['approval-void']);
});

test('a held request waits, is decided again at release, and uses its approval once', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  assert.equal(held.kind, 'held');
  assert.deepEqual(bench.log.types().slice(2), ['request.held']);
  const permit = asPermit(await held.wait(never));
  assert.equal(bench.desk.used.length, 1);
  assert.equal(bench.log.entries.at(-1)?.approval, 'apr_1');
  assert.equal(permit.facts.request.textSha256, 'aa');
});

test('an approval is void when the policy denies at release', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  bench.decide = () => deny;
  assert.equal((await held.wait(never)).kind, 'denied');
  assert.equal(bench.desk.used.length, 0);
});

test('INVARIANT: an approval that was used or is bound to something else gives no permit', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  bench.desk.usable = false;
  const answer = await held.wait(never);
  assert.deepEqual((answer as Denied).decision.reasons, ['approval-void']);
});

test('INVARIANT: what is approved for an agent on behalf of one person is bound to that person', async () => {
  const bench = benchOf(() => hold);
  const person = (subject: string): ActorRef => ({ issuer: 'corp', subject, kind: 'person' });
  const bindings = new Set<string>();
  for (const onBehalfOf of [null, person('alice'), person('bob')]) {
    const session = await bench.gate.openSession({ ...agent, onBehalfOf }, target, client);
    const held = (await session.ask(requestOf(), never)) as Held;
    asPermit(await held.wait(never));
    bindings.add(bench.desk.opened.at(-1)?.binding.principal ?? '');
    assert.equal(bench.desk.used.at(-1)?.maskSetId, masks.id);
    assert.equal(bench.desk.used.at(-1)?.principal, bench.desk.opened.at(-1)?.binding.principal);
    await session.close('client');
  }
  assert.equal(bindings.size, 3);
});

test('a policy change while held voids the approval even if it still says hold', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  const held = (await session.ask(requestOf(), never)) as Held;
  bench.decide = () => ({ ...hold, policySha256: 'p2' as Sha256Hex }) as Decision;
  assert.equal((await held.wait(never)).kind, 'denied');
});

for (const [outcome, reason] of [
  ['denied', 'approval-denied'],
  ['expired', 'approval-expired'],
  ['cancelled', 'cancelled'],
  ['shutting-down', 'shutting-down'],
] as const) {
  test(`a held request whose approval is ${outcome} is denied for that reason and recorded`, async () => {
    const bench = benchOf(() => hold);
    const session = await bench.gate.openSession(agent, target, client);
    const held = (await session.ask(requestOf(), never)) as Held;
    bench.desk.outcome = outcome;
    assert.deepEqual(((await held.wait(never)) as Denied).decision.reasons, [reason]);
    assert.equal(bench.log.entries.at(-1)?.type, 'request.denied');
  });
}

for (const when of ['find', 'open', 'wait', 'use'] as const) {
  test(`a store that fails at \`${when}\` refuses the held request, is recorded, and does not end the session`, async () => {
    const bench = benchOf(() => hold);
    const session = await bench.gate.openSession(agent, target, client);
    Object.assign(bench.desk, { [when]: () => Promise.reject(new SallyportError('SP_STORE_UNAVAILABLE', 'locked')) });
    const asked = await session.ask(requestOf(), never);
    const answer = asked.kind === 'held' ? await asked.wait(never) : asked;
    assert.deepEqual((answer as Denied).decision.reasons, ['unavailable']);
    assert.equal(bench.log.entries.at(-1)?.type, 'request.denied');
    assert.equal(session.ended.aborted, false);
  });
}

test('a retry finds its unused approval and goes through without a second one', async () => {
  const bench = benchOf(() => hold);
  bench.desk.found = 'apr_9' as ApprovalId;
  const session = await bench.gate.openSession(agent, target, client);
  asPermit(await session.ask(requestOf(), never));
  assert.equal(bench.desk.opened.length, 0);
  assert.equal(bench.log.entries.at(-1)?.approval, 'apr_9');
});

test('preparing a held statement is planned and recorded, not held', async () => {
  const bench = benchOf(() => hold);
  const session = await bench.gate.openSession(agent, target, client);
  asPermit(await session.ask(requestOf({ action: 'prepare' }), never));
  assert.equal(bench.log.entries.at(-1)?.decision, 'hold');
});

test('entries of a session are numbered densely from zero', async () => {
  const bench = benchOf((request) => (request.facts.effects.includes('ddl') ? deny : allow));
  const session = await bench.gate.openSession(agent, target, client);
  const permit = asPermit(await session.ask(requestOf(), never));
  await session.settle(permit, { rows: 3, bytes: 30, code: 'ok' }).wait();
  await session.ask(requestOf({ facts: factsOf({ effects: ['ddl'] }) }), never);
  await session.close('client');
  await session.close('client');
  assert.deepEqual(
    bench.log.entries.map((entry) => entry.n),
    [0, 1, 2, 3, 4, 5],
  );
  assert.deepEqual(bench.log.types().slice(3), ['request.result', 'request.denied', 'session.close']);
});

test('no session is opened beyond the limit, after draining, or for an expired identity', async () => {
  const bench = benchOf(() => allow);
  await bench.gate.openSession(agent, target, client);
  await bench.gate.openSession(agent, target, client);
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_SESSION_LIMIT' });
  bench.nowMs = 10_000;
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_AUTH_EXPIRED' });
  bench.gate.drain();
  await assert.rejects(bench.gate.openSession(agent, target, client), { code: 'SP_SHUTTING_DOWN' });
});

test('an ended session asks for nothing more', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  bench.gate.endAll(new SallyportError('SP_SHUTTING_DOWN', 'stop'));
  assert.ok(session.ended.aborted);
  await assert.rejects(async () => session.ask(requestOf(), never), { code: 'SP_SHUTTING_DOWN' });
});

test('session ids are unguessable strings of the documented form', async () => {
  const bench = benchOf(() => allow);
  const session = await bench.gate.openSession(agent, target, client);
  assert.match(session.id satisfies SessionId, /^ses_[a-z2-7]{26}$/);
});
