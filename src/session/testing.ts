// A gate with everything around it under the test's control: a log whose durability it stages, a desk that answers as told.

import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import type { Decision, MaskSet } from '../core/decision.ts';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft, Payload } from '../core/event.ts';
import type { Facts } from '../core/facts.ts';
import type { ApprovalId, GrantId, Sha256Hex } from '../core/ids.ts';
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
import type { Previewed } from '../core/preview.ts';
import type { Request } from '../core/request.ts';
import { Secret } from '../core/secret.ts';
import { clinic as target, factsOf as anyFacts, principalOf, requestOf as anyRequest } from '../core/testing.ts';
import type { AccessSnapshot, ActiveGrant, HeldGrant } from '../core/grant.ts';
import type { SessionFacts } from '../policy/index.ts';
import { AccessTable } from './access-table.ts';
import { createGate, type Denied, type GatePolicy, type Held, type OpenGate, type Permitted } from './gate.ts';
import type { Permit } from './permit.ts';
import { claimDigests } from './identity-facts.ts';
import { createSessionSlots } from './session-slots.ts';

export { target };
export const masks: MaskSet = { id: 'masks-1', byClass: { 'phi.ssn': 'redact' } };
export const agent = principalOf();

export const factsOf = (change: Partial<Facts> = {}): Facts =>
  anyFacts({ classes: ['phi.ssn'], normalised: 'SELECT * FROM patients', ...change });

export const requestOf = (change: Partial<Request> = {}): Request =>
  anyRequest({
    facts: factsOf(),
    maskSetId: masks.id,
    sealed: { statement: Buffer.from("SELECT * FROM patients WHERE ssn = '123-45-6789'"), parameters: null },
    ...change,
  });

export interface StagedTemplate extends EntryTemplate {
  readonly draft: TemplateDraft;
  readonly payloads: readonly Payload[];
}

/** Audit log whose durability the test controls. */
export class StagedLog implements AuditLog {
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

export class FakeDesk implements ApprovalDesk {
  outcome: ApprovalOutcome['outcome'] = 'approved';
  readonly opened: Parameters<ApprovalDesk['open']>[0][] = [];
  readonly used: ApprovalBinding[] = [];
  readonly previews: Previewed[] = [];
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
  async preview(_id: ApprovalId, found: Previewed): Promise<void> {
    this.previews.push(found);
  }
  async use(_id: ApprovalId, binding: ApprovalBinding): Promise<boolean> {
    this.used.push(binding);
    return this.usable;
  }
}

export interface Bench {
  readonly gate: OpenGate;
  readonly log: StagedLog;
  readonly desk: FakeDesk;
  nowMs: number;
  /** Null = steady time is the same as `nowMs`. */
  steadyMs: number | null;
  decide: (request: Request, grants: readonly ActiveGrant[], session: SessionFacts) => Decision;
  masksOf: (grants: readonly ActiveGrant[]) => MaskSet;
  access: boolean;
  /** Membership, for locks. */
  roles: readonly string[];
  readonly table: AccessTable;
  isTimeless: boolean;
  /** Makes another policy version. */
  reload(): void;
}

export const base = { rules: [], policySha256: 'p1' as Sha256Hex, masks, roles: ['reporting-agent'] };
export const allow: Decision = { ...base, outcome: 'allow', reasons: [] };
export const deny: Decision = { ...base, outcome: 'deny', reasons: ['rule'], rules: ['no-ddl'], say: 'no' };
export const hold: Decision = {
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

export function benchOf(decide: Bench['decide']): Bench {
  let drawn = 0;
  const log = new StagedLog();
  const desk = new FakeDesk();
  const clock = { nowMs: () => bench.nowMs, monotonicMs: () => bench.steadyMs ?? bench.nowMs };
  const table = new AccessTable({ clock });
  const start = { log, desk, table, nowMs: 0, steadyMs: null, decide, access: true, roles: [], isTimeless: true };
  const bench = start as object as Bench & { gate: OpenGate };
  const version = (): GatePolicy => ({
    isTimeless: bench.isTimeless,
    decide: (request, _principal, _target, _nowMs, grants, session) => bench.decide(request, grants, session),
    masksFor: (_principal, _target, grants) => bench.masksOf(grants),
    hasAccess: (_principal, _target, grants) => bench.access || grants.length > 0,
    rolesOf: () => bench.roles,
  });
  bench.masksOf = () => masks;
  let policy = version();
  bench.reload = () => {
    policy = version();
  };
  bench.gate = createGate({
    audit: log,
    approvals: desk,
    policy: () => policy,
    access: table,
    claims: claimDigests(new Secret('claims of the bench')),
    clock,
    random: { bytes: (length) => new Uint8Array(length).fill((drawn += 1) & 255) },
    metrics: { sessionOpened() {}, sessionClosed() {}, decided() {}, repeated() {}, settled() {} },
    slots: createSessionSlots(2),
    onSessionClosed: () => undefined,
  });
  open = bench.gate;
  return bench;
}

export const client = { address: '127.0.0.1', application: 'psql' };
export const never = new AbortController().signal;

export const openOn = ({ gate }: Bench): ReturnType<Bench['gate']['openSession']> => gate.openSession(agent, target, client);

/** Code that the session ended with; null = it goes on. */
export const endOf = ({ ended }: Awaited<ReturnType<typeof openOn>>): string | null =>
  ended.aborted ? (ended.reason as SallyportError).code : null;

/** A bench that allows everything and counts its decisions. */
export function countingBench(): { readonly bench: Bench; readonly decided: () => number } {
  let decided = 0;
  const bench = benchOf(() => {
    decided += 1;
    return allow;
  });
  return { bench, decided: () => decided };
}

export function asPermit(answer: Permitted | Held | Denied): Permit {
  assert.equal(answer.kind, 'permit');
  return (answer as Permitted).permit;
}

/** Of `agent`, on `clinic`; ends at 5 s. */
export const grantOf = (change: Partial<HeldGrant> = {}): HeldGrant => ({
  id: 'grt_1' as GrantId,
  role: 'reporting-agent',
  targets: ['clinic'],
  effects: ['read'],
  relations: null,
  rowsPerHour: null,
  expiresAtMs: 5_000,
  openedAtMs: 0,
  holder: 'corp/agent-1',
  ...change,
});

export const snapshotOf = (change: Partial<AccessSnapshot> = {}): AccessSnapshot => ({ isKnown: true, grants: [], locks: [], ...change });
