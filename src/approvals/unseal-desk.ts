// Requests to open sealed payloads and the two-person rule for them. They live in memory: a restart voids them, and they are asked anew.
// INVARIANT: nobody approves what they asked for, or what was asked on their behalf; an answer is durable before it counts; a clock that is
// set back makes no request live longer.

import { type Authority, authorityOf, refusalOf, verdictOf } from '../core/answering.ts';
import { SallyportError } from '../core/error.ts';
import type { Payload } from '../core/event.ts';
import { type ActorRef, boundPrincipal, type Principal } from '../core/identity.ts';
import { unsealId, type UnsealId } from '../core/ids.ts';
import type { AuditLog, Clock, Random } from '../core/ports.ts';
import { createTurns } from '../core/turns.ts';
import type { UnsealDesk, UnsealRequest } from '../core/unseal.ts';

const ANSWER_MS = 24 * 3_600_000;
/** For how long an approved request opens. */
const USE_MS = 3_600_000;
/** Ended ones are shown as long. */
const KEEP_MS = 7 * 24 * 3_600_000;
const MAX_REQUESTS = 1000;

export interface UnsealDeskDeps {
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly random: Random;
  /** null = whoever may ask needs nobody else. */
  readonly approvers: { readonly role: string; readonly count: number } | null;
  /** By which rights the principal answers for `role`, now, what was asked at `askedAtMs`. */
  readonly authoritiesOf: (principal: Principal, role: string, askedAtMs: number) => readonly Authority[];
}

interface Kept {
  readonly request: UnsealRequest;
  /** Monotonic. */
  readonly endsAtMs: number;
}

export function createUnsealDesk({ audit, clock, random, approvers, authoritiesOf }: UnsealDeskDeps): UnsealDesk {
  const requests = new Map<UnsealId, Kept>();
  const turns = createTurns();

  const now = ({ request, endsAtMs }: Kept): UnsealRequest =>
    (clock.nowMs() >= request.expiresAtMs || clock.monotonicMs() >= endsAtMs) &&
    (request.state === 'pending' || request.state === 'approved')
      ? { ...request, state: 'expired' }
      : request;
  const get = (id: UnsealId): UnsealRequest | null => {
    const found = requests.get(id);
    return found === undefined ? null : now(found);
  };
  const forgetOld = (): void => {
    for (const [id, { endsAtMs }] of requests) if (clock.monotonicMs() - endsAtMs > KEEP_MS) requests.delete(id);
    // Those that are over give way: who asks a lot must not keep others from asking.
    for (const [id, kept] of requests) {
      if (requests.size < MAX_REQUESTS) break;
      if (['denied', 'expired'].includes(now(kept).state)) requests.delete(id);
    }
    if (requests.size >= MAX_REQUESTS) throw new SallyportError('SP_API_RATE_LIMITED', 'too many requests to open are kept');
  };

  return {
    needsApproval: approvers !== null,
    get,
    list: () => [...requests.values()].map(now).toReversed(),

    async request(principal, { scope, target, purpose, reason }) {
      forgetOld();
      const id = unsealId(random.bytes(16));
      const nowMs = clock.nowMs();
      const request: UnsealRequest = {
        id,
        requester: actorOf(principal),
        onBehalfOf: principal.onBehalfOf,
        scope,
        target,
        purpose,
        state: approvers === null ? 'approved' : 'pending',
        approvers: approvers ?? { role: '', count: 0 },
        answers: [],
        createdAtMs: nowMs,
        expiresAtMs: nowMs + (approvers === null ? USE_MS : ANSWER_MS),
      };
      await audit.append(
        { type: 'unseal.requested', ...who(request), ...whatOf(request), detail: { unseal: id, purpose, state: request.state } },
        justification(reason),
      );
      requests.set(id, { request, endsAtMs: clock.monotonicMs() + request.expiresAtMs - nowMs });
      return request;
    },

    answer: (id, principal, verdict, reason) =>
      turns.take(id, async () => {
        const request = get(id);
        if (request === null) throw new SallyportError('SP_API_NOT_FOUND', 'no such request to open');
        if (request.state !== 'pending') throw new SallyportError('SP_UNSEAL_NOT_APPROVED', `the request is ${request.state}`);
        const authorities = authoritiesOf(principal, request.approvers.role, request.createdAtMs);
        const refusal = refusalOf(request, principal, authorities, clock.nowMs());
        if (refusal !== null) throw refusal;
        const authority = authorityOf(request, principal, authorities);
        if (authority === null) throw new SallyportError('SP_API_FORBIDDEN', 'this person has answered already');
        const by = actorOf(principal);
        const lentBy = authority.kind === 'delegation' ? { lentBy: authority.from } : {};
        const answers = [...request.answers, { by, verdict, atMs: clock.nowMs(), ...lentBy }];
        const state = verdictOf(request, answers);
        const { role, count } = request.approvers;
        const detail = {
          unseal: id,
          state,
          role,
          count,
          ...(authority.kind === 'role' && authority.role !== role ? { as: authority.role } : {}),
          ...(authority.kind === 'delegation' ? { delegation: authority.id } : {}),
        };
        await audit.append(
          { type: 'unseal.answered', ...who(request), ...whatOf(request), answer: { by, verdict }, detail },
          justification(reason),
        );
        const isOpening = state === 'approved';
        const answered = { ...request, answers, state, ...(isOpening ? { expiresAtMs: clock.nowMs() + USE_MS } : {}) };
        const endsAtMs = isOpening ? clock.monotonicMs() + USE_MS : requests.get(id)?.endsAtMs;
        requests.set(id, { request: answered, endsAtMs: endsAtMs ?? 0 });
        return answered;
      }),

    authorised(id, principal) {
      const request = get(id);
      // An agent for Alice is not the same agent for Bob.
      const isTheirs =
        request !== null && boundPrincipal({ ...request.requester, onBehalfOf: request.onBehalfOf }) === boundPrincipal(principal);
      if (request === null || !isTheirs || request.state !== 'approved')
        throw new SallyportError('SP_UNSEAL_NOT_APPROVED', 'no approved request of this principal to open this');
      return request;
    },
  };
}

function actorOf({ issuer, subject, kind }: ActorRef): ActorRef {
  return { issuer, subject, kind };
}

function who({ requester, onBehalfOf }: UnsealRequest) {
  return { principal: requester, ...(onBehalfOf === null ? {} : { onBehalfOf: actorOf(onBehalfOf) }) };
}

function whatOf({ scope, target }: UnsealRequest) {
  const resource = { target };
  return 'session' in scope ? { session: scope.session, resource } : { resource: { ...resource, objects: [`entry/${scope.entry}`] } };
}

function justification(reason: string): Payload[] {
  return reason === '' ? [] : [{ kind: 'justification', bytes: new TextEncoder().encode(reason) }];
}
