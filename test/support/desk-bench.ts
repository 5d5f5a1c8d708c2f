// A desk with everything around it under the test's control.

import { approvalOf } from '../conformance/approval-store.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';
import type { Authority } from '../../src/core/answering.ts';
import { SallyportError, type ErrorCode } from '../../src/core/error.ts';
import type { EntryDraft, Payload } from '../../src/core/event.ts';
import type { Principal } from '../../src/core/identity.ts';
import type { Approval } from '../../src/core/ports.ts';
import { createApprovalDesk, type ApprovalsService } from '../../src/approvals/desk.ts';

export const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;
export const policySha256 = '3'.repeat(64);
export const never = new AbortController().signal;

export function person(subject: string, changes: Partial<Principal> = {}): Principal {
  return {
    issuer: 'corp',
    subject,
    kind: 'person',
    name: subject,
    groups: ['privacy'],
    claims: {},
    onBehalfOf: null,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
    ...changes,
  };
}

export interface Bench {
  readonly memory: MemoryStore;
  readonly log: { entry: EntryDraft; payloads: readonly Payload[] }[];
  readonly seen: Approval[];
  desk: ApprovalsService;
  nowMs: number;
  /** The wall clock was set back by so much. */
  setBackMs: number;
  policy: string;
  auditFails: boolean;
  /** An entry is durable when this resolves. */
  beforeAppend: () => Promise<void>;
  /** Rights of a person who does not have the role. */
  lent: (groups: readonly string[]) => readonly Authority[];
  /** A desk of a new process on the same store. */
  restart(): ApprovalsService;
  types(): string[];
}

export function createBench(): Bench {
  const memory = createMemoryStore();
  let counter = 0;
  const bench: Omit<Bench, 'desk'> & { desk: ApprovalsService | null } = {
    memory,
    log: [],
    seen: [],
    desk: null,
    nowMs: 1_000_000,
    setBackMs: 0,
    policy: policySha256,
    auditFails: false,
    beforeAppend: async () => {},
    lent: () => [],
    types: () => bench.log.map(({ entry }) => entry.type),
    restart: () =>
      createApprovalDesk({
        store: memory.approvals,
        audit: {
          writable: true,
          async append(entry, payloads = []) {
            if (bench.auditFails) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'test: disk full');
            await bench.beforeAppend();
            return bench.log.push({ entry, payloads }) - 1;
          },
        },
        clock: { nowMs: () => bench.nowMs - bench.setBackMs, monotonicMs: () => bench.nowMs },
        random: { bytes: (length) => new Uint8Array(length).fill((counter += 1)) },
        logger: { info() {}, warn() {}, error() {} },
        authoritiesOf: ({ groups }, role) =>
          groups.includes('privacy') && role === 'privacy-officer' ? [{ kind: 'role', role }] : bench.lent(groups),
        policySha: () => bench.policy,
      }),
  };
  const desk = bench.restart();
  desk.subscribe((approval) => bench.seen.push(approval));
  return Object.assign(bench, { desk });
}

export function draft(changes: Partial<Approval> & { withinMs?: number } = {}): Parameters<ApprovalsService['open']>[0] {
  const {
    id: _id,
    state: _state,
    answers: _answers,
    createdAtMs: _created,
    expiresAtMs: _expires,
    ...rest
  } = approvalOf({ approvers: { role: 'privacy-officer', count: 1 }, ...changes });
  return { withinMs: 900_000, ...rest };
}
