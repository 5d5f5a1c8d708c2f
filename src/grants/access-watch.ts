// Grants, locks and delegations as the store has them now, told to every thread that serves traffic. Changes of this process are
// told when they happen; those of others are noticed by asking for the version of the store four times a second.
// REFUSES: going on with what may be out of date. When the store has not answered for a second, nobody has access by grant.

import { Deadline } from '../core/deadline.ts';
import { SallyportError } from '../core/error.ts';
import type { AccessSnapshot, Delegation, Grant, HeldGrant, Lock } from '../core/grant.ts';
import { boundPrincipal } from '../core/identity.ts';
import type { DelegationId } from '../core/ids.ts';
import type { Clock, DelegationStore, GrantStore, LockStore, Logger } from '../core/ports.ts';

export interface AccessStores {
  readonly grants: GrantStore;
  readonly locks: LockStore;
  readonly delegations: DelegationStore;
}

export interface AccessWatchDeps extends AccessStores {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Resolves when all threads have taken it over. Never rejects. */
  readonly publish: (snapshot: AccessSnapshot) => Promise<void>;
}

/** How often the store is asked whether somebody else has changed something. */
export const POLL_MS = 250;
/** So long it may fail to answer before grants are nobody's. */
const maxSilenceMs = 1_000;
/** More than this are not in force: a bound on memory, not a limit for people. */
const maxGrants = 10_000;

export interface KnownAccess {
  readonly isKnown: boolean;
  /** Requested and active. */
  readonly grants: readonly Grant[];
  readonly locks: readonly Lock[];
  readonly delegations: readonly LentRight[];
}

export interface LentRight extends Delegation {
  readonly deadline: Deadline;
}

export class AccessWatch {
  readonly #deps: AccessWatchDeps;
  #known: KnownAccess = { isKnown: false, grants: [], locks: [], delegations: [] };
  #version = -1;
  #answeredMs = Number.NEGATIVE_INFINITY;
  /** Of every delegation seen since the start: one that is over stays so, whatever the wall clock says later. */
  readonly #deadlines = new Map<DelegationId, Deadline>();
  /** One look at a time. */
  #looking: Promise<void> = Promise.resolve();

  constructor(deps: AccessWatchDeps) {
    this.#deps = deps;
  }

  get known(): KnownAccess {
    return this.#known;
  }

  /** Reads what has changed and tells the threads. Resolves when they have it.
   *  @throws SP_STORE_UNAVAILABLE; what this process knew counts for a moment longer */
  refresh(): Promise<void> {
    const looked = this.#looking.then(() => this.#look());
    this.#looking = looked.catch(() => undefined);
    return looked;
  }

  /** `refresh` that bears a store which does not answer: after a while nobody has access by grant. */
  async poll(): Promise<void> {
    try {
      await this.refresh();
    } catch (fault) {
      const { clock, logger, publish } = this.#deps;
      if (!this.#known.isKnown || clock.monotonicMs() - this.#answeredMs < maxSilenceMs) return;
      logger.error({ fault: fault instanceof SallyportError ? fault.code : 'unknown' }, 'the store does not answer: grants are suspended');
      this.#known = { ...this.#known, isKnown: false };
      this.#version = -1;
      await publish(snapshotOf(this.#known));
    }
  }

  async #look(): Promise<void> {
    const { grants, locks, delegations, clock, publish } = this.#deps;
    // Asked for first: a change that comes in between is seen at the next look.
    const version = await grants.version();
    if (version === this.#version && this.#known.isKnown) {
      this.#answeredMs = clock.monotonicMs();
      return;
    }
    const known: KnownAccess = {
      isKnown: true,
      grants: await grants.list({ states: ['requested', 'active'], limit: maxGrants }),
      locks: await locks.list(),
      delegations: (await delegations.list(clock.nowMs())).map((each) => ({ ...each, deadline: this.#deadlineOf(each) })),
    };
    this.#answeredMs = clock.monotonicMs();
    this.#known = known;
    this.#version = version;
    await publish(snapshotOf(known));
  }

  #deadlineOf({ id, expiresAtMs }: Delegation): Deadline {
    let deadline = this.#deadlines.get(id);
    if (deadline === undefined) this.#deadlines.set(id, (deadline = new Deadline(expiresAtMs, this.#deps.clock)));
    return deadline;
  }
}

function snapshotOf({ isKnown, grants, locks }: KnownAccess): AccessSnapshot {
  return { isKnown, grants: isKnown ? grants.flatMap(heldOf) : [], locks: locks.map(({ kind, name }) => ({ kind, name })) };
}

function heldOf(grant: Grant): HeldGrant[] {
  const { state, openedAtMs, expiresAtMs, id, role, target, effects, relations, rowsPerHour } = grant;
  if (state !== 'active' || openedAtMs === null || expiresAtMs === null) return [];
  const holder = boundPrincipal({ ...grant.requester, onBehalfOf: grant.onBehalfOf });
  return [{ id, role, targets: [target], effects, relations, rowsPerHour, expiresAtMs, openedAtMs, holder }];
}
