// The approvals desk: holds requests until people have answered. The store decides every race; the log is written
// before an answer takes effect and before a used approval releases anything. Free text goes to sealed payloads only.
// Deadlines are wall-clock times in the store; timers only say when to look again.

import { type AnswerWay, type Authority, authorityOf, refusalOf, verdictOf } from '../core/answering.ts';
import { sameBinding } from '../core/binding.ts';
import { Deadline } from '../core/deadline.ts';
import { SallyportError } from '../core/error.ts';
import type { Payload } from '../core/event.ts';
import type { Principal } from '../core/identity.ts';
import { approvalId, type ApprovalId } from '../core/ids.ts';
import type {
  Approval,
  ApprovalAnswer,
  ApprovalDesk,
  ApprovalOutcome,
  ApprovalState,
  ApprovalStore,
  AuditLog,
  Clock,
  Logger,
  Random,
} from '../core/ports.ts';
import type { RowSample } from '../core/preview.ts';
import { createTurns } from '../core/turns.ts';
import { entryOf } from './entry.ts';
import { Orphans } from './orphans.ts';
import { Samples } from './samples.ts';

/** Longest justification, in characters. */
export const MAX_JUSTIFICATION_LENGTH = 4_000;
/** Longest time for which an approval may be given. */
export const MAX_REPEAT_MS = 8 * 3_600_000;
const MIN_REPEAT_MS = 60_000;
/** How often approvals that are waited for are looked at: all against the clock, so that a step of it is noticed, and some of them,
 *  each in its turn, in the store, so that another process is. A few at a time: everything else waits for these reads. */
const SWEEP_MS = 100;
const MAX_READ_IN_SWEEP = 5;
/** Ended at the same time when many are void, so that their entries share commits of the log. */
const MAX_ENDED_AT_ONCE = 100;
/** As many as can be open. */
const MAX_LISTED = 100_000;
/** Longest delay that `setTimeout` can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Why an approval ended without being used; `detail.reason` of the `approval.expired` entry. */
export type EndReason = 'time' | 'cancelled' | 'policy-changed' | 'locked' | 'shutting-down' | 'restart';

export interface ApprovalDeskDeps {
  readonly store: ApprovalStore;
  readonly audit: Pick<AuditLog, 'append' | 'writable'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** By which rights the principal answers for `role`, now, what was asked at `askedAtMs`. */
  readonly authoritiesOf: (principal: Principal, role: string, askedAtMs: number) => readonly Authority[];
  /** Hash of the policy in force. */
  readonly policySha: () => string;
}

export interface ApprovalsService extends ApprovalDesk {
  /** Newest first. */
  list(filter: { readonly state?: ApprovalState; readonly limit: number }): Promise<Approval[]>;
  show(id: ApprovalId): Promise<Approval | null>;
  /** Records the answer of a reviewer, then lets it take effect.
   *  @param justification free text, at most MAX_JUSTIFICATION_LENGTH characters; stored sealed only.
   *  @throws SP_APPROVAL_NOT_FOUND, SP_APPROVAL_CONFLICT (not pending, or answered before by this person),
   *  SP_APPROVAL_VOID (the policy has changed), SP_API_FORBIDDEN, SP_AUTH_EXPIRED, SP_API_BAD_REQUEST,
   *  SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  answer(
    id: ApprovalId,
    principal: Principal,
    verdict: 'approve' | 'deny',
    justification?: string,
    /** Approves every use of the same request within this time, from a minute to MAX_REPEAT_MS; of several answers the shortest
     *  counts, and one without it allows one use. */
    forMs?: number,
    /** `api` unless told. */
    via?: AnswerWay,
  ): Promise<Approval>;
  /** Of the rows that a pending one would change; null when there is none, and when it was taken before the process was restarted. */
  sampleOf(approval: Approval): RowSample | null;
  /** Whether `answer` would accept this reviewer now, for surfaces. */
  mayAnswer(approval: Approval, principal: Principal): boolean;
  /** Calls `listener` after every change of an approval. @returns a function that ends the subscription. */
  subscribe(listener: (approval: Approval) => void): () => void;
  /** Call once before the first client: ends what an earlier process left pending. Approved ones stay usable. */
  recover(): Promise<void>;
  /** Ends the open approvals that `concerns` names, all without it: a changed policy or a lock. Waiting requests get `void`. */
  voidAll(reason: 'policy-changed' | 'locked', concerns?: (approval: Approval) => boolean): Promise<void>;
  /** No new approvals; waiting requests get `shutting-down`, pending approvals are cancelled. */
  drain(): Promise<void>;
}

type Draft = Parameters<ApprovalDesk['open']>[0];
type WaitEnd = ApprovalOutcome['outcome'];

export function createApprovalDesk(deps: ApprovalDeskDeps): ApprovalsService {
  const { store, audit, clock, random, logger } = deps;
  const turns = createTurns();
  const listeners = new Set<(approval: Approval) => void>();
  const samples = new Samples();
  /** Waiting requests by approval; calling one looks at the approval again, or ends the wait. */
  const waiting = new Map<ApprovalId, Set<(end?: WaitEnd) => void>>();
  /** Looked for here: in the store there may be thousands of the same. */
  const orphans = new Orphans();
  /** Open approvals; ends them in time. */
  const deadlines = new Map<
    ApprovalId,
    { readonly timer: NodeJS.Timeout; readonly end: Deadline; readonly of: Pick<Approval, 'binding' | 'approvers'> }
  >();
  let sweeping: NodeJS.Timeout | null = null;
  let draining = false;

  /** Something about it has changed. */
  function notify(approval: Approval): void {
    if (approval.state !== 'pending') samples.drop(approval.id);
    for (const listener of listeners) {
      try {
        listener(approval);
      } catch (cause) {
        logger.error({ fault: cause instanceof Error ? cause.name : 'unknown' }, 'a listener of approvals failed');
      }
    }
  }

  function wake(id: ApprovalId, end?: WaitEnd): void {
    for (const look of waiting.get(id) ?? []) look(end);
  }

  function forget(id: ApprovalId): void {
    orphans.delete(id);
    clearTimeout(deadlines.get(id)?.timer);
    deadlines.delete(id);
  }

  /** Its time is over by either clock: setting the wall clock back wins none. */
  const isOver = (approval: Approval): boolean =>
    clock.nowMs() >= approval.expiresAtMs || deadlines.get(approval.id)?.end.isOver() === true;

  function sweep(): void {
    let left = MAX_READ_IN_SWEEP;
    const due: ApprovalId[] = [];
    for (const id of waiting.keys()) if (deadlines.get(id)?.end.isOver() === true || left-- > 0) due.push(id);
    for (const id of due) {
      const lookers = waiting.get(id);
      if (lookers === undefined) continue;
      // To the end of the line: the next sweep begins with others.
      waiting.delete(id);
      waiting.set(id, lookers);
      wake(id);
    }
  }

  function watchDeadline(approval: Approval): void {
    const timer = setTimeout(
      () => {
        current(approval.id).then(
          (now) => {
            if (now !== null && isOpen(now)) return watchDeadline(now);
            forget(approval.id);
            wake(approval.id);
          },
          (cause: unknown) => {
            // Nothing is released by this: whoever looks at the approval next meets the same time limit.
            logger.error(
              { approval: approval.id, fault: cause instanceof SallyportError ? cause.code : 'unknown' },
              'an approval could not be expired',
            );
            forget(approval.id);
          },
        );
      },
      Math.min(MAX_TIMER_MS, Math.max(1, approval.expiresAtMs - clock.nowMs())),
    );
    timer.unref();
    clearTimeout(deadlines.get(approval.id)?.timer);
    // The same deadline as long as the approval ends at the same time: a new one would believe a clock that was set back.
    const before = deadlines.get(approval.id)?.end;
    const end = before?.endMs === approval.expiresAtMs ? before : new Deadline(approval.expiresAtMs, clock);
    const { binding, approvers } = approval;
    deadlines.set(approval.id, { timer, end, of: { binding, approvers } });
  }

  /** Ends an open approval without use. @returns false when something else happened to it first. */
  async function end(approval: Approval, reason: EndReason): Promise<boolean> {
    const to: ApprovalState = reason === 'time' ? 'expired' : 'cancelled';
    if (!(await store.transition(approval.id, approval.state, to))) return false;
    forget(approval.id);
    // The transition withdraws a right, so it comes first: if this entry fails, nothing was released.
    await audit.append(entryOf('approval.expired', approval, { detail: { reason } }));
    notify({ ...approval, state: to });
    return true;
  }

  const rightsOf = (principal: Principal, { approvers, createdAtMs }: Approval): readonly Authority[] =>
    deps.authoritiesOf(principal, approvers.role, createdAtMs);

  const isOpen = (approval: Approval): boolean => approval.state === 'pending' || approval.state === 'approved';

  /** The approval as it is now: ends it first if its time is over. */
  async function current(id: ApprovalId): Promise<Approval | null> {
    const approval = await store.get(id);
    if (approval === null || !isOpen(approval) || !isOver(approval)) return approval;
    await end(approval, 'time');
    return store.get(id);
  }

  async function openOnes(): Promise<Approval[]> {
    const pending = await store.list({ state: 'pending', limit: MAX_LISTED });
    return [...pending, ...(await store.list({ state: 'approved', limit: MAX_LISTED }))];
  }

  function outcomeOf(approval: Approval | null): WaitEnd | null {
    if (approval === null) return 'void';
    switch (approval.state) {
      case 'pending':
        return null;
      case 'approved':
      case 'denied':
      case 'expired':
        return approval.state;
      case 'cancelled':
      case 'used':
        return 'void';
    }
  }

  /** A pending approval for the same thing that nobody waits for: its client was lost and asks again. */
  async function abandoned(draft: Draft): Promise<Approval | null> {
    for (;;) {
      const id = orphans.take(draft);
      if (id === null) return null;
      const approval = await current(id);
      if (approval?.state === 'pending' && sameBinding(approval.binding, draft.binding)) return approval;
    }
  }

  return {
    async open(draft) {
      if (draining) throw new SallyportError('SP_SHUTTING_DOWN', 'no new approvals while shutting down');
      const { role, count } = draft.approvers;
      if (role === '' || !Number.isInteger(count) || count < 1 || !(draft.withinMs > 0)) {
        throw new SallyportError('SP_INTERNAL', 'an approval needs a role, at least one answer and some time');
      }
      const again = await abandoned(draft);
      if (again !== null) return again;
      const { withinMs, ...rest } = draft;
      const nowMs = clock.nowMs();
      const approval: Approval = {
        ...rest,
        id: approvalId(random.bytes(16)),
        state: 'pending',
        answers: [],
        createdAtMs: nowMs,
        expiresAtMs: nowMs + withinMs,
      };
      await audit.append(entryOf('approval.requested', approval, { detail: { role, count, withinMs } }));
      await store.create(approval);
      watchDeadline(approval);
      notify(approval);
      return approval;
    },

    preview(id, { preview, sample }) {
      // In turn with answers: no sample is kept of what was answered meanwhile.
      return turns.take(id, async () => {
        const row = await store.preview(id, preview);
        if (row?.state !== 'pending') return;
        if (sample !== null) samples.keep(id, sample);
        notify(row);
      });
    },

    sampleOf: ({ id, state }) => (state === 'pending' ? samples.of(id) : null),

    async find(binding) {
      for (const approval of await store.find(binding, 'approved')) {
        if ((await current(approval.id))?.state === 'approved') return approval.id;
      }
      return null;
    },

    wait(id, signal) {
      return new Promise<ApprovalOutcome>((resolve, reject) => {
        let settled = false;

        const finish = (settle: () => void): void => {
          if (settled) return;
          settled = true;
          signal.removeEventListener('abort', abort);
          const others = waiting.get(id);
          others?.delete(look);
          if (others?.size === 0) waiting.delete(id);
          if (waiting.size === 0 && sweeping !== null) {
            clearInterval(sweeping);
            sweeping = null;
          }
          settle();
        };
        const finishWith = (outcome: WaitEnd): void => finish(() => resolve({ outcome, approval: id }));

        const fail = (fault: unknown): void => finish(() => reject(fault as Error));

        const check = async (): Promise<void> => {
          const approval = await current(id);
          if (settled) return;
          const outcome = outcomeOf(approval);
          if (outcome !== null) finishWith(outcome);
        };

        const look = (ended?: WaitEnd): void => {
          if (ended !== undefined) return finishWith(ended);
          check().catch(fail);
        };

        const cancel = async (): Promise<void> => {
          await turns.take(id, async () => {
            // An approval that came in the same moment stays valid: it was given, and a retry may use it.
            const approval = await store.get(id);
            if (approval?.state === 'pending') await end(approval, 'cancelled');
          });
          finishWith('cancelled');
        };

        const abort = (): void => {
          const lost = signal.reason instanceof SallyportError && signal.reason.code === 'SP_CLIENT_LOST';
          if (lost) {
            finishWith('cancelled');
            const open = deadlines.get(id);
            if (!waiting.has(id) && open !== undefined) orphans.add(id, open.of);
          } else cancel().catch(fail);
        };

        if (draining) return finishWith('shutting-down');
        const others = waiting.get(id) ?? new Set();
        waiting.set(id, others.add(look));
        sweeping ??= setInterval(sweep, SWEEP_MS);
        orphans.delete(id);
        signal.addEventListener('abort', abort, { once: true });
        if (signal.aborted) abort();
        else look();
      });
    },

    async use(id, binding) {
      const approval = await current(id);
      if (approval?.state !== 'approved' || !sameBinding(approval.binding, binding)) return false;
      if (verdictOf(approval, approval.answers) !== 'approved') return false;
      if (approval.repeated !== undefined) {
        const row = await store.useAgain(id);
        if (row?.repeated === undefined) return false;
        await audit.append(entryOf('approval.used', approval, { detail: { use: row.repeated.uses } }));
        notify(row);
        return true;
      }
      // INVARIANT: durable transition first, so it is used at most once even if the entry or the process fails now.
      if (!(await store.transition(id, 'approved', 'used'))) return false;
      forget(id);
      await audit.append(entryOf('approval.used', approval));
      notify({ ...approval, state: 'used' });
      return true;
    },

    async list(filter) {
      const overdue = (await store.list(filter)).filter((approval) => isOpen(approval) && isOver(approval));
      for (const approval of overdue) await end(approval, 'time');
      return store.list(filter);
    },
    show: (id) => current(id),

    answer(id, principal, verdict, justification, forMs, via = 'api') {
      // One at a time per approval, so that what the log says about an answer is what happened to it.
      return turns.take(id, async () => {
        if (justification !== undefined && justification.length > MAX_JUSTIFICATION_LENGTH) {
          throw new SallyportError('SP_API_BAD_REQUEST', `a justification has at most ${MAX_JUSTIFICATION_LENGTH} characters`);
        }
        if (forMs !== undefined && (verdict !== 'approve' || !Number.isInteger(forMs) || forMs < MIN_REPEAT_MS || forMs > MAX_REPEAT_MS)) {
          throw new SallyportError('SP_API_BAD_REQUEST', 'an approval is given once, or for 1 minute to 8 hours');
        }
        const approval = await current(id);
        if (approval === null) throw new SallyportError('SP_APPROVAL_NOT_FOUND', 'no such approval');
        const nowMs = clock.nowMs();
        const authorities = rightsOf(principal, approval);
        const refusal = refusalOf(approval, principal, authorities, nowMs);
        if (refusal !== null) throw refusal;
        if (approval.state !== 'pending') throw new SallyportError('SP_APPROVAL_CONFLICT', `it is ${approval.state} already`);
        const authority = authorityOf(approval, principal, authorities);
        if (authority === null)
          throw new SallyportError('SP_APPROVAL_CONFLICT', 'this person, or whose right they have, has answered already');
        if (approval.binding.policySha256 !== deps.policySha()) {
          await end(approval, 'policy-changed');
          wake(id);
          throw new SallyportError('SP_APPROVAL_VOID', 'the policy has changed since it was requested');
        }
        const by = { issuer: principal.issuer, subject: principal.subject, kind: principal.kind };
        const lent = authority.kind === 'delegation' ? authority : null;
        const answer: ApprovalAnswer = {
          by,
          verdict,
          atMs: nowMs,
          ...(lent === null ? {} : { lentBy: lent.from }),
          ...(forMs === undefined ? {} : { forMs }),
        };
        const answers = [...approval.answers, answer];
        const state = verdictOf(approval, answers);
        const repeatMs = state === 'approved' ? repeatMsOf(answers) : null;
        const payloads: Payload[] = justification ? [{ kind: 'justification', bytes: new TextEncoder().encode(justification) }] : [];
        await audit.append(
          entryOf('approval.answered', approval, {
            answer: { by, verdict },
            detail: {
              role: approval.approvers.role,
              count: approval.approvers.count,
              state,
              via,
              ...(authority.kind === 'role' && authority.role !== approval.approvers.role ? { as: authority.role } : {}),
              ...(lent === null ? {} : { delegation: lent.id }),
              ...(forMs === undefined ? {} : { forMs }),
            },
          }),
          payloads,
        );
        let row = await (repeatMs === null ? store.answer(id, answer, state) : store.answer(id, answer, state, nowMs + repeatMs));
        if (row === null) throw new SallyportError('SP_APPROVAL_CONFLICT', 'it was answered or ended at the same moment');
        // Another gateway's answer may have come between: the answers in the row decide.
        const settled = verdictOf(row, row.answers);
        if (row.state === 'pending' && settled !== 'pending' && (await store.transition(id, 'pending', settled))) {
          row = { ...row, state: settled };
        }
        if (row.repeated !== undefined) watchDeadline(row);
        notify(row);
        wake(id);
        return row;
      });
    },

    mayAnswer(approval, principal) {
      const nowMs = clock.nowMs();
      const authorities = rightsOf(principal, approval);
      return (
        approval.state === 'pending' &&
        !isOver(approval) &&
        authorityOf(approval, principal, authorities) !== null &&
        refusalOf(approval, principal, authorities, nowMs) === null
      );
    },

    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },

    async recover() {
      const nowMs = clock.nowMs();
      for (const approval of await openOnes()) {
        if (approval.expiresAtMs <= nowMs) await end(approval, 'time');
        else if (approval.state === 'pending') await end(approval, 'restart');
        else watchDeadline(approval);
      }
    },

    async voidAll(reason, concerns = () => true) {
      const left = (await openOnes()).filter(concerns);
      const endSome = async (): Promise<void> => {
        for (let approval = left.pop(); approval !== undefined; approval = left.pop()) {
          const { id } = approval;
          const ended = await turns.take(id, async () => {
            const now = await store.get(id);
            return now !== null && isOpen(now) && end(now, reason);
          });
          if (ended) wake(id, 'void');
        }
      };
      await Promise.all(Array.from({ length: MAX_ENDED_AT_ONCE }, endSome));
    },

    async drain() {
      draining = true;
      for (const { timer } of deadlines.values()) clearTimeout(timer);
      deadlines.clear();
      for (const id of waiting.keys()) wake(id, 'shutting-down');
      for (const approval of await store.list({ state: 'pending', limit: MAX_LISTED })) await end(approval, 'shutting-down');
    },
  };
}

/** For how long all of them approve; null = for one use. */
function repeatMsOf(answers: readonly ApprovalAnswer[]): number | null {
  let shortest = Number.POSITIVE_INFINITY;
  for (const { forMs } of answers) {
    if (forMs === undefined) return null;
    shortest = Math.min(shortest, forMs);
  }
  return shortest;
}
