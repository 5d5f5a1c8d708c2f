// Access on request: asked for, answered by other people, in force until an absolute time, taken back. And break-glass: in force
// at once, with a review owed. The store decides every race. What gives a right is recorded before it takes effect; what takes
// one away takes effect first. Reasons go to sealed payloads only.

import { authorityOf, refusalOf, verdictOf, type Answer, type AnswerWay, type Question } from '../core/answering.ts';
import { Deadline } from '../core/deadline.ts';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft } from '../core/event.ts';
import { type Grant, type GrantChange, type GrantEnd, type GrantState, type GrantWish, UNANSWERED } from '../core/grant.ts';
import { principalKey, type ActorRef, type Principal } from '../core/identity.ts';
import { grantId, type GrantId, type Sha256Hex, type TargetName } from '../core/ids.ts';
import type { Notifier } from '../core/notice.ts';
import type { AuditLog, Clock, GrantStore, Logger, Random } from '../core/ports.ts';
import { createTurns } from '../core/turns.ts';
import type { AccessOffer } from '../policy/index.ts';
import type { AccessWatch } from './access-watch.ts';
import { type AuthoritiesOf, isLocked } from './authority.ts';
import { actorOf, grantEntry, sealed, termsOf } from './entries.ts';
import { type Escalation, isEscalated } from './escalation.ts';
import { grantNotice } from './notices.ts';
import { termsFor } from './wish.ts';

/** Longest reason, in characters. */
export const MAX_REASON_LENGTH = 4_000;
/** Requests of one principal that wait at a time. */
const maxOpenOfOne = 10;
/** Requests that wait at a time, of everybody. */
const maxOpen = 2_000;

/** The policy in force, as far as grants go. */
export interface GrantPolicy {
  readonly sha256: Sha256Hex;
  rolesOf(principal: Principal): readonly string[];
  offersOf(principal: Principal, target: TargetName): readonly AccessOffer[];
  /** Whether it still offers these terms. @param asked the request waits: who answers and for how long must be the same too. */
  isOffered(grant: Grant, asked: boolean): boolean;
}

export interface GrantsDeps {
  readonly store: GrantStore;
  readonly watch: AccessWatch;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly notifier: Notifier;
  readonly policy: () => GrantPolicy;
  readonly authoritiesOf: AuthoritiesOf;
  readonly escalation: Escalation | null;
  /** How long a request waits for answers. */
  readonly answerMs: number;
}

export interface GrantsService {
  /** What the principal may ask for on a target. */
  offers(principal: Principal, target: TargetName): readonly AccessOffer[];
  /** Asks for access; `break-glass` has it on return. A request that waits already under the same terms is that one again.
   *  @param reason free text; stored sealed only.
   *  @throws SP_GRANT_REFUSED, SP_LOCKED, SP_AUTH_EXPIRED, SP_API_BAD_REQUEST, SP_API_RATE_LIMITED, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  request(principal: Principal, wish: GrantWish, reason: string): Promise<Grant>;
  /** Records the answer of a reviewer, then lets it take effect: on every thread, before this resolves.
   *  @param via `api` unless told
   *  @throws SP_GRANT_NOT_FOUND, SP_GRANT_CONFLICT (not waiting, answered before, no longer offered), SP_API_FORBIDDEN,
   *  SP_AUTH_EXPIRED, SP_API_BAD_REQUEST, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  answer(id: GrantId, principal: Principal, verdict: Answer['verdict'], reason?: string, via?: AnswerWay): Promise<Grant>;
  mayAnswer(grant: Grant, principal: Principal): boolean;
  /** Takes back what is asked for or in force. Its sessions have been told to end when this resolves.
   *  @param mayOperate an operator takes back what is anybody's.
   *  @throws as `answer` */
  revoke(id: GrantId, principal: Principal, mayOperate: boolean, reason?: string): Promise<Grant>;
  mayRevoke(grant: Grant, principal: Principal, mayOperate: boolean): boolean;
  /** Ends the review that break-glass owes. @throws as `answer` */
  review(id: GrantId, principal: Principal, finding: string): Promise<Grant>;
  mayReview(grant: Grant, principal: Principal): boolean;
  show(id: GrantId): Promise<Grant | null>;
  /** Newest first. */
  list(filter: Parameters<GrantStore['list']>[0]): Promise<Grant[]>;
  /** Ends what is over: by time, because nobody answered, or because the policy offers it no longer. Called again and again. */
  tick(): Promise<void>;
}

export function createGrants(deps: GrantsDeps): GrantsService {
  const { store, watch, audit, clock, random, logger, notifier, escalation } = deps;
  const turns = createTurns();
  /** Of what waits or is active; a clock that is set back gives it no more time. */
  const deadlines = new Map<GrantId, Deadline>();
  const escalated = new Set<GrantId>();
  /** Policy that was seen to offer it. */
  const offered = new WeakMap<Grant, Sha256Hex>();

  function entryTypes({ kind }: Grant): {
    readonly opened: EntryDraft['type'] & `${string}.opened`;
    readonly ended: 'grant.ended' | 'breakglass.ended';
  } {
    return kind === 'break-glass'
      ? { opened: 'breakglass.opened', ended: 'breakglass.ended' }
      : { opened: 'grant.opened', ended: 'grant.ended' };
  }

  /** Ends a requested or active grant. @returns null when something else happened to it first. */
  async function end(grant: Grant, state: GrantState, why: GrantEnd, by: ActorRef | null = null, reason?: string): Promise<Grant | null> {
    const change: GrantChange = { state, end: why, endedAtMs: clock.nowMs(), endedBy: by };
    const row = await store.change(grant.id, grant.state, change);
    if (row === null) return null;
    deadlines.delete(grant.id);
    const detail = { reason: why };
    const answer = by === null ? {} : { answer: { by: actorOf(by), verdict: 'deny' as const } };
    const type = entryTypes(grant).ended;
    // The right is gone already: neither of these releases anything, and neither is left out because the other fails.
    await bothOf(watch.refresh(), append(type, row, { ...answer, detail }, reason));
    notifier.notify(grantNotice(type, row, row.approvers.role));
    if (row.review === 'owed') notifier.notify(grantNotice('breakglass.review-due', row, row.approvers.role));
    return row;
  }

  /** Why it is over although nothing says so yet; null while it is not. */
  function overdue(grant: Grant): { readonly state: GrantState; readonly end: GrantEnd } | null {
    const isAsked = grant.state === 'requested';
    const endMs = isAsked ? grant.answerByMs : grant.expiresAtMs;
    if ((!isAsked && grant.state !== 'active') || endMs === null) return null;
    let deadline = deadlines.get(grant.id);
    if (deadline?.endMs !== endMs) deadlines.set(grant.id, (deadline = new Deadline(endMs, clock)));
    if (deadline.isOver()) return isAsked ? { state: 'expired', end: 'unanswered' } : { state: 'ended', end: 'time' };
    return isOffered(grant) ? null : { state: 'ended', end: 'policy-changed' };
  }

  function isOffered(grant: Grant): boolean {
    const policy = deps.policy();
    if (offered.get(grant) === policy.sha256) return true;
    if (!policy.isOffered(grant, grant.state === 'requested')) return false;
    offered.set(grant, policy.sha256);
    return true;
  }

  /** The grant as it is now: ends it first if it is over. */
  async function current(id: GrantId): Promise<Grant> {
    const grant = await store.get(id);
    if (grant === null) throw new SallyportError('SP_GRANT_NOT_FOUND', 'no such grant');
    const over = overdue(grant);
    if (over === null) return grant;
    await end(grant, over.state, over.end);
    return (await store.get(id)) ?? grant;
  }

  const append = (type: EntryDraft['type'], grant: Grant, more: Partial<EntryDraft>, reason?: string): Promise<number> =>
    audit.append(grantEntry(type, grant, { policy: { sha256: deps.policy().sha256 }, ...more }), sealed(reason));

  const questionOf = ({ requester, onBehalfOf, approvers, answers }: Grant): Question => ({ requester, onBehalfOf, approvers, answers });
  const authorities = (grant: Grant, principal: Principal, askedAtMs = grant.requestedAtMs) =>
    deps.authoritiesOf(principal, grant.approvers.role, askedAtMs);

  /** @throws SP_API_FORBIDDEN, SP_AUTH_EXPIRED */
  function requireReviewer(grant: Grant, principal: Principal): void {
    const refusal = refusalOf(questionOf(grant), principal, authorities(grant, principal), clock.nowMs());
    if (refusal !== null) throw refusal;
  }

  function requireReason(reason: string | undefined, isNeeded: boolean): void {
    if (reason !== undefined && reason.length > MAX_REASON_LENGTH) {
      throw new SallyportError('SP_API_BAD_REQUEST', `a reason has at most ${MAX_REASON_LENGTH} characters`);
    }
    if (isNeeded && (reason ?? '').trim() === '') throw new SallyportError('SP_API_BAD_REQUEST', 'a reason is needed');
  }

  const isOwn = (grant: Grant, principal: Principal): boolean => {
    const key = principalKey(principal);
    return principalKey(grant.requester) === key || (grant.onBehalfOf !== null && principalKey(grant.onBehalfOf) === key);
  };

  const mayRevoke = (grant: Grant, principal: Principal, mayOperate: boolean): boolean =>
    (grant.state === 'requested' || grant.state === 'active') &&
    (mayOperate || isOwn(grant, principal) || authorities(grant, principal).length > 0);

  /** From now on somebody has access. It is recorded before any thread knows. */
  async function opened(row: Grant): Promise<void> {
    await append(entryTypes(row).opened, row, { detail: termsOf(row) });
    await watch.refresh();
    notifier.notify(grantNotice('grant.opened', row, row.approvers.role));
  }

  const opening = (grant: Pick<Grant, 'durationMs'>, nowMs: number): GrantChange => ({
    state: 'active',
    openedAtMs: nowMs,
    expiresAtMs: nowMs + grant.durationMs,
  });

  return {
    offers: (principal, target) => deps.policy().offersOf(principal, target),

    async request(principal, wish, reason) {
      requireReason(reason, true);
      const nowMs = clock.nowMs();
      const policy = deps.policy();
      if (principal.expiresAtMs <= nowMs) throw new SallyportError('SP_AUTH_EXPIRED', 'the identity of the requester has expired');
      const { known } = watch;
      const locks = [
        isLocked(known, 'principal', principalKey(principal)),
        principal.onBehalfOf !== null && isLocked(known, 'principal', principalKey(principal.onBehalfOf)),
        isLocked(known, 'target', wish.target),
        ...policy.rolesOf(principal).map((role) => isLocked(known, 'role', role)),
      ];
      if (locks.includes(true)) throw new SallyportError('SP_LOCKED', 'requester, one of their roles or the target is locked');
      const terms = termsFor(wish, policy.offersOf(principal, wish.target));
      const isBreakGlass = terms.kind === 'break-glass';
      if (isBreakGlass && (principal.kind !== 'person' || principal.onBehalfOf !== null)) {
        throw new SallyportError('SP_GRANT_REFUSED', 'only a person, acting for themselves, breaks the glass');
      }
      const requester = { ...actorOf(principal), name: principal.name };
      const onBehalfOf = principal.onBehalfOf === null ? null : actorOf(principal.onBehalfOf);
      return turns.take(`requests of ${principalKey(principal)}`, async () => {
        const waiting = await store.list({ states: ['requested'], limit: maxOpen });
        const own = waiting.filter((grant) => principalKey(grant.requester) === principalKey(requester));
        const again = own.find((grant) => isSame(grant, { ...terms, onBehalfOf }) && overdue(grant) === null);
        if (again !== undefined) return again;
        if (own.length >= maxOpenOfOne || waiting.length >= maxOpen) {
          throw new SallyportError('SP_API_RATE_LIMITED', 'too many requests for access wait already');
        }
        const grant: Grant = {
          ...terms,
          id: grantId(random.bytes(16)),
          requester,
          onBehalfOf,
          policySha256: policy.sha256,
          requestedAtMs: nowMs,
          answerByMs: nowMs + deps.answerMs,
          ...UNANSWERED,
          review: isBreakGlass ? 'owed' : 'none',
        };
        if (isBreakGlass) {
          const open: Grant = { ...grant, ...opening(grant, nowMs) };
          await append('breakglass.opened', open, { detail: termsOf(open) }, reason);
          await store.create(open);
          await watch.refresh();
          notifier.notify(grantNotice('breakglass.opened', open, null));
          notifier.notify(grantNotice('breakglass.review-due', open, open.approvers.role, 'owed'));
          return open;
        }
        await append('grant.requested', grant, { detail: termsOf(grant) }, reason);
        await store.create(grant);
        await watch.refresh();
        notifier.notify(grantNotice('grant.requested', grant, grant.approvers.role));
        return grant;
      });
    },

    answer(id, principal, verdict, reason, via = 'api') {
      // One at a time per grant, so that what the log says about an answer is what happened to it.
      return turns.take(id, async () => {
        requireReason(reason, false);
        const grant = await current(id);
        requireReviewer(grant, principal);
        if (grant.state !== 'requested') throw new SallyportError('SP_GRANT_CONFLICT', `it is ${grant.state} already`);
        const authority = authorityOf(questionOf(grant), principal, authorities(grant, principal));
        if (authority === null)
          throw new SallyportError('SP_GRANT_CONFLICT', 'this person, or whose right they have, has answered already');
        const nowMs = clock.nowMs();
        const by = actorOf(principal);
        const lent = authority.kind === 'delegation' ? authority : null;
        const answer: Answer = { by, verdict, atMs: nowMs, ...(lent === null ? {} : { lentBy: actorOf(lent.from) }) };
        const changeAfter = (answers: readonly Answer[]): GrantChange => {
          const verdictNow = verdictOf(questionOf(grant), answers);
          if (verdictNow === 'approved') return opening(grant, nowMs);
          return verdictNow === 'denied' ? { state: 'denied', end: 'denied', endedAtMs: nowMs, endedBy: by } : {};
        };
        const change = changeAfter([...grant.answers, answer]);
        const detail = {
          state: change.state ?? 'requested',
          via,
          ...(authority.kind === 'role' && authority.role !== grant.approvers.role ? { as: authority.role } : {}),
          ...(lent === null ? {} : { delegation: lent.id }),
        };
        await append('grant.answered', grant, { answer: { by, verdict }, detail }, reason);
        let row = await store.answer(id, answer, change);
        if (row === null) throw new SallyportError('SP_GRANT_CONFLICT', 'it was answered or ended at the same moment');
        // Another gateway's answer may have come between: the answers in the row decide.
        const settled = changeAfter(row.answers);
        if (row.state === 'requested' && settled.state !== undefined) row = (await store.change(id, 'requested', settled)) ?? row;
        if (row.state === 'active') await opened(row);
        else {
          if (row.state === 'denied') deadlines.delete(id);
          await watch.refresh();
          notifier.notify(grantNotice('grant.answered', row, row.approvers.role, `${principalKey(by)} ${nowMs}`));
        }
        return row;
      });
    },

    mayAnswer(grant, principal) {
      const rights = authorities(grant, principal);
      const question = questionOf(grant);
      return (
        grant.state === 'requested' &&
        overdue(grant) === null &&
        authorityOf(question, principal, rights) !== null &&
        refusalOf(question, principal, rights, clock.nowMs()) === null
      );
    },

    revoke(id, principal, mayOperate, reason) {
      return turns.take(id, async () => {
        requireReason(reason, false);
        const grant = await current(id);
        if (!isOwn(grant, principal) && !mayOperate && authorities(grant, principal).length === 0) {
          throw new SallyportError('SP_API_FORBIDDEN', 'neither theirs, nor of their role, nor an operator');
        }
        if (!mayRevoke(grant, principal, mayOperate)) throw new SallyportError('SP_GRANT_CONFLICT', `it is ${grant.state} already`);
        const row = await end(grant, 'revoked', isOwn(grant, principal) ? 'withdrawn' : 'revoked', actorOf(principal), reason);
        if (row === null) throw new SallyportError('SP_GRANT_CONFLICT', 'it was answered or ended at the same moment');
        return row;
      });
    },
    mayRevoke,

    review(id, principal, finding) {
      return turns.take(id, async () => {
        requireReason(finding, true);
        const grant = await current(id);
        requireReviewer(grant, principal);
        if (grant.review !== 'owed') throw new SallyportError('SP_GRANT_CONFLICT', 'no review is owed');
        const by = actorOf(principal);
        await append('breakglass.reviewed', grant, { answer: { by, verdict: 'approve' }, detail: { state: grant.state } }, finding);
        const row = await store.reviewed(id, by, clock.nowMs());
        if (row === null) throw new SallyportError('SP_GRANT_CONFLICT', 'it was reviewed at the same moment');
        notifier.notify(grantNotice('breakglass.reviewed', row, row.approvers.role));
        return row;
      });
    },
    mayReview: (grant, principal) =>
      grant.review === 'owed' && refusalOf(questionOf(grant), principal, authorities(grant, principal), clock.nowMs()) === null,

    async show(id) {
      try {
        return await current(id);
      } catch (fault) {
        if (fault instanceof SallyportError && fault.code === 'SP_GRANT_NOT_FOUND') return null;
        throw fault;
      }
    },

    async list(filter) {
      for (const grant of await store.list(filter)) {
        const over = overdue(grant);
        if (over !== null) await end(grant, over.state, over.end);
      }
      return store.list(filter);
    },

    async tick() {
      for (const grant of watch.known.grants) {
        const over = overdue(grant);
        try {
          if (over !== null) await end(grant, over.state, over.end);
          else if (isDueForSecondRole(grant)) tellSecondRole(grant);
        } catch (fault) {
          // Nobody has access by it: every thread minds the time itself. What is left is to say so in store and log.
          const code = fault instanceof SallyportError ? fault.code : 'unknown';
          logger.error({ grant: grant.id, fault: code }, 'a grant could not be ended');
        }
      }
    },
  };

  function isDueForSecondRole({ state, id, requestedAtMs }: Grant): boolean {
    return state === 'requested' && escalation !== null && !escalated.has(id) && isEscalated(escalation, requestedAtMs, clock.nowMs());
  }

  function tellSecondRole(grant: Grant): void {
    if (escalation === null) return;
    escalated.add(grant.id);
    notifier.notify(grantNotice('grant.requested', grant, escalation.role, 'escalated'));
  }
}

function isSame(
  grant: Grant,
  terms: Pick<Grant, 'kind' | 'role' | 'target' | 'effects' | 'relations' | 'rowsPerHour' | 'durationMs' | 'onBehalfOf'>,
): boolean {
  const textOf = ({ kind, role, target, effects, relations, rowsPerHour, durationMs, onBehalfOf }: typeof terms): string =>
    JSON.stringify([
      kind,
      role,
      target,
      effects.toSorted(),
      relations?.toSorted() ?? null,
      rowsPerHour,
      durationMs,
      onBehalfOf === null ? null : principalKey(onBehalfOf),
    ]);
  return textOf(grant) === textOf(terms);
}

/** Waits for both. @throws the first fault */
export async function bothOf(one: Promise<unknown>, other: Promise<unknown>): Promise<void> {
  const failed = (await Promise.allSettled([one, other])).find((each) => each.status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
