// A gateway's grants, locks and delegations over a memory store, with everything around them under the test's control. Tests only.

import assert from 'node:assert/strict';
import { createMemoryAccess } from './memory-access.ts';
import { type ErrorCode, SallyportError } from '../../src/core/error.ts';
import type { EntryDraft, Payload } from '../../src/core/event.ts';
import type { AccessSnapshot, Grant, GrantWish, Lock } from '../../src/core/grant.ts';
import type { Principal } from '../../src/core/identity.ts';
import type { Sha256Hex, TargetName } from '../../src/core/ids.ts';
import type { Notice } from '../../src/core/notice.ts';
import type { AccessOffer } from '../../src/policy/index.ts';
import {
  AccessWatch,
  type AuthoritiesOf,
  createAuthorities,
  createDelegations,
  createGrants,
  createLocks,
  type DelegationsService,
  type Escalation,
  type GrantsService,
  type LocksService,
} from '../../src/grants/index.ts';

export const hour = 3_600_000;
export const clinic = 'clinic' as TargetName;
export const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;

export function person(subject: string, groups: readonly string[], change: Partial<Principal> = {}): Principal {
  return {
    issuer: 'corp',
    subject,
    kind: 'person',
    name: subject,
    groups,
    claims: {},
    onBehalfOf: null,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
    ...change,
  };
}
export const agent = person('agent-1', ['agents'], { kind: 'agent' });
export const olga = person('olga', ['officers']);
export const omar = person('omar', ['officers']);

const roleOfGroup: Readonly<Record<string, string>> = {
  agents: 'reader',
  clinicians: 'rescue',
  officers: 'officer',
  nights: 'night-officer',
};
export const rolesOf = ({ groups }: Principal): string[] => groups.flatMap((group) => roleOfGroup[group] ?? []);

export const offer: AccessOffer = {
  kind: 'on-request',
  role: 'reader',
  effects: ['read', 'write'],
  maxDurationMs: 2 * hour,
  approvers: { role: 'officer', count: 1 },
};
export const rescue: AccessOffer = { ...offer, kind: 'break-glass', role: 'rescue', effects: ['read'], maxDurationMs: hour };

export const wish = (change: Partial<GrantWish> = {}): GrantWish => ({
  target: clinic,
  kind: 'on-request',
  role: null,
  effects: null,
  relations: null,
  rowsPerHour: null,
  durationMs: hour,
  ...change,
});

export interface Gateway {
  readonly watch: AccessWatch;
  readonly authoritiesOf: AuthoritiesOf;
  readonly grants: GrantsService;
  readonly locks: LocksService;
  readonly delegations: DelegationsService;
  /** What its threads were told, oldest first. */
  readonly told: AccessSnapshot[];
  ids(): readonly string[];
}

export interface Bench extends Gateway {
  nowMs: number;
  steadyMs: number;
  offers: readonly AccessOffer[];
  policySha256: Sha256Hex;
  auditFails: boolean;
  /** Every call of the store fails. */
  storeFails: boolean;
  /** The next write of the store happens, and its answer is lost. */
  loseNextAnswer: boolean;
  readonly log: { readonly entry: EntryDraft; readonly payloads: readonly Payload[] }[];
  readonly notices: Notice[];
  readonly voided: Pick<Lock, 'kind' | 'name'>[];
  /** Another process on the same store, or the same one after a restart. */
  another(): Gateway;
  types(): string[];
}

export function benchOf({ escalation = null }: { readonly escalation?: Escalation | null } = {}): Bench {
  let counter = 0;
  const down = (): void => {
    if (bench.storeFails) throw new SallyportError('SP_STORE_UNAVAILABLE', 'test: the store is down');
  };
  const stores = createMemoryAccess(
    async (change) => {
      down();
      const result = change();
      if (!bench.loseNextAnswer) return result;
      bench.loseNextAnswer = false;
      throw new SallyportError('SP_STORE_UNAVAILABLE', 'test: the answer was lost');
    },
    async (look) => {
      down();
      return look();
    },
  );
  const state = {
    nowMs: 1_000_000,
    steadyMs: 0,
    offers: [offer, rescue],
    policySha256: '3'.repeat(64) as Sha256Hex,
    auditFails: false,
    storeFails: false,
    loseNextAnswer: false,
    log: [],
    notices: [],
    voided: [],
  };
  const clock = { nowMs: () => bench.nowMs, monotonicMs: () => bench.steadyMs };
  const logger = { info() {}, warn() {}, error() {} };
  const audit = {
    async append(entry: EntryDraft, payloads: readonly Payload[] = []) {
      if (bench.auditFails) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'test: disk full');
      return bench.log.push({ entry, payloads }) - 1;
    },
  };
  const random = { bytes: (length: number) => new Uint8Array(length).fill((counter += 1)) };
  const notifier = { notify: (notice: Notice) => void bench.notices.push(notice) };
  const another = (): Gateway => {
    const told: AccessSnapshot[] = [];
    const watch = new AccessWatch({ ...stores, clock, logger, publish: async (snapshot) => void told.push(snapshot) });
    const authoritiesOf = createAuthorities({ known: () => watch.known, rolesOf, escalation, clock });
    const common = { watch, audit, clock, random, logger, notifier, rolesOf };
    const policy = () => ({
      sha256: bench.policySha256,
      rolesOf,
      offersOf: (principal: Principal) => bench.offers.filter(({ role }) => rolesOf(principal).includes(role)),
      isOffered: ({ kind, role, effects, approvers }: Grant, asked: boolean) =>
        bench.offers.some(
          (each) =>
            each.kind === kind &&
            each.role === role &&
            effects.every((effect) => each.effects.includes(effect)) &&
            (!asked || each.approvers.count === approvers.count),
        ),
    });
    return {
      told,
      watch,
      authoritiesOf,
      ids: () => told.at(-1)?.grants.map(({ id }) => id) ?? [],
      grants: createGrants({ ...common, store: stores.grants, policy, authoritiesOf, escalation, answerMs: 24 * hour }),
      locks: createLocks({
        ...common,
        store: stores.locks,
        exists: (_kind, name) => name !== 'nobody',
        voidApprovals: async (lock) => void bench.voided.push(lock),
      }),
      delegations: createDelegations({
        ...common,
        store: stores.delegations,
        isApproverRole: (role) => role === 'officer',
        isIssuer: (issuer) => issuer === 'corp',
      }),
    };
  };
  const bench: Bench = Object.assign(state, another(), { another, types: () => bench.log.map(({ entry }) => entry.type) });
  return bench;
}

/** Time passes on both clocks. */
export function pass(bench: Bench, ms: number): void {
  bench.nowMs += ms;
  bench.steadyMs += ms;
}

export async function openGrant(bench: Bench, change: Partial<GrantWish> = {}): Promise<Grant> {
  const { id } = await bench.grants.request(agent, wish(change), 'ticket 4711');
  const grant = await bench.grants.answer(id, olga, 'approve');
  assert.equal(grant.state, 'active');
  return grant;
}
