// Sessions behind the SQL API, whose clients have none: one for all statements of one identity in one context, and one for each request
// that may leave its session changed. Each is a session of the gate and of the account like a driver's, and ends with the token that began
// it, or when nobody has used it for a while.
// INVARIANT: a session is used for exactly the verified identity that it was opened for: same subject, delegation, groups and claims.

import { createHash } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import { boundPrincipal, type Principal } from '../../core/identity.ts';
import type { Clock } from '../../core/ports.ts';
import type { SnowflakeSession } from './session.ts';
import type { ApiContext } from './sql-api-request.ts';

export interface ApiSession {
  readonly session: SnowflakeSession;
  readonly identity: string;
  /** Identity and target. */
  readonly place: string;
  readonly target: string;
  readonly expiresAtMs: number;
  /** Handles whose NULLs are written as text, in lower case; oldest first. */
  readonly textNulls: Set<string>;
  /** Chunks behind the partitions of results that were told, by handle in lower case; oldest first. */
  readonly partitions: Map<string, readonly string[]>;
  /** Requests that are being answered from it. */
  uses: number;
  /** Monotonic. */
  usedMs: number;
}

export interface Wanted {
  readonly principal: Principal;
  readonly target: string;
  readonly context: ApiContext;
  readonly isAlone: boolean;
  readonly requestId: string;
  /** Logs in. @throws as a log-in does */
  readonly open: () => Promise<SnowflakeSession>;
}

/** Of one identity at one target. */
const maxSessions = 16;
/** Of one identity at one target, for repetitions. */
const maxRequests = 2_000;
/** A session that ends sooner is not begun with by a token that lasts longer. */
const fewMs = 10 * 60_000;
/** Claims that differ between tokens of one identity. */
const ofOneToken = new Set(['exp', 'iat', 'nbf', 'jti', 'uti', 'aio', 'rh']);

export class ApiSessions {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #all = new Set<ApiSession>();
  readonly #ever = new WeakSet<SnowflakeSession>();
  /** By identity, target and context. */
  readonly #shared = new Map<string, Promise<ApiSession>>();
  /** By identity, target and request id, oldest first. */
  readonly #byRequest = new Map<string, Map<string, Promise<ApiSession>>>();
  readonly #opening = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(deps: { readonly clock: Clock; readonly idleMs: number }) {
    this.#clock = deps.clock;
    this.#idleMs = deps.idleMs;
    this.#timer = setInterval(() => this.#endIdle(), Math.min(10_000, deps.idleMs));
    this.#timer.unref();
  }

  has(session: SnowflakeSession): boolean {
    return this.#ever.has(session);
  }

  /** The one that a request came to before, else one to run it in. @throws SP_SESSION_LIMIT, what `open` throws */
  async take(wanted: Wanted): Promise<ApiSession> {
    const place = `${identityOf(wanted.principal)} ${wanted.target}`;
    const requests = this.#byRequest.get(place) ?? new Map<string, Promise<ApiSession>>();
    this.#byRequest.set(place, requests);
    const earlier = requests.get(wanted.requestId);
    if (earlier !== undefined) return earlier;
    const taken = wanted.isAlone ? this.#open(place, wanted) : this.#share(place, wanted);
    requests.set(wanted.requestId, taken);
    bounded(requests, maxRequests);
    try {
      return await taken;
    } catch (fault) {
      // Nothing has come of it: the same request may be sent again.
      requests.delete(wanted.requestId);
      this.#forgetPlace(place);
      throw fault;
    }
  }

  /** Whose statement it is; of somebody else's nothing is known here. @param target null = any */
  find(principal: Principal, target: string | null, handle: string): ApiSession | null {
    const identity = identityOf(principal);
    for (const each of this.#all) {
      if (each.identity === identity && (target === null || each.target === target) && !each.session.isOver && each.session.owns(handle))
        return each;
    }
    return null;
  }

  /** It does not end as idle while `act` runs. */
  async use<T>(each: ApiSession, act: () => Promise<T>): Promise<T> {
    each.uses += 1;
    try {
      return await act();
    } finally {
      each.uses -= 1;
      each.usedMs = this.#clock.monotonicMs();
    }
  }

  /** The session is over: it is not found any more, and its requests may come again. */
  ended(session: SnowflakeSession): void {
    const each = [...this.#all].find((one) => one.session === session);
    if (each === undefined) return;
    this.#all.delete(each);
    const requests = this.#byRequest.get(each.place);
    if (requests !== undefined) void forget(requests, each).then(() => this.#forgetPlace(each.place));
    void forget(this.#shared, each);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #share(place: string, wanted: Wanted): Promise<ApiSession> {
    const key = JSON.stringify([place, wanted.context]);
    const shared = this.#shared.get(key);
    const opened = (async () => {
      const each = await shared?.catch(() => null);
      if (each !== undefined && each !== null && !each.session.isOver && this.#lasts(each, wanted.principal)) return each;
      return this.#open(place, wanted);
    })();
    this.#shared.set(key, opened);
    opened.catch(() => this.#shared.get(key) === opened && this.#shared.delete(key));
    return opened;
  }

  #lasts({ expiresAtMs }: ApiSession, principal: Principal): boolean {
    return expiresAtMs >= principal.expiresAtMs || expiresAtMs - this.#clock.nowMs() > fewMs;
  }

  async #open(place: string, wanted: Wanted): Promise<ApiSession> {
    const { principal, target } = wanted;
    const opening = this.#opening.get(place) ?? 0;
    this.#opening.set(place, opening + 1);
    try {
      const own = [...this.#all].filter((each) => each.place === place);
      if (own.length + opening >= maxSessions && !(await this.#endIdlest(place))) {
        throw new SallyportError('SP_SESSION_LIMIT', 'too many sessions of one identity');
      }
      const session = await this.#opened(place, wanted);
      const each: ApiSession = {
        session,
        identity: identityOf(principal),
        place,
        target,
        expiresAtMs: principal.expiresAtMs,
        textNulls: new Set(),
        partitions: new Map(),
        uses: 0,
        usedMs: this.#clock.monotonicMs(),
      };
      this.#ever.add(session);
      this.#all.add(each);
      return each;
    } finally {
      const left = (this.#opening.get(place) ?? 1) - 1;
      if (left === 0) this.#opening.delete(place);
      else this.#opening.set(place, left);
    }
  }

  /** Where the gateway has no session left, an idle one of the same identity makes room. */
  async #opened(place: string, { open }: Wanted): Promise<SnowflakeSession> {
    try {
      return await open();
    } catch (fault) {
      const isFull = fault instanceof SallyportError && fault.code === 'SP_SESSION_LIMIT';
      if (!isFull || !(await this.#endIdlest(place))) throw fault;
      return open();
    }
  }

  async #endIdlest(place: string): Promise<boolean> {
    const idle = [...this.#all].filter((each) => each.place === place && isIdle(each));
    const [idlest] = idle.toSorted((a, b) => a.usedMs - b.usedMs);
    if (idlest === undefined) return false;
    await this.#end(idlest);
    return true;
  }

  #endIdle(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const each of this.#all) {
      // What is held or runs is going to be asked for.
      if (!isIdle(each)) each.usedMs = nowMs;
      else if (nowMs - each.usedMs >= this.#idleMs || each.session.isOver) void this.#end(each);
    }
  }

  #forgetPlace(place: string): void {
    if (this.#byRequest.get(place)?.size === 0) this.#byRequest.delete(place);
  }

  #end(each: ApiSession): Promise<void> {
    this.ended(each.session);
    return each.session.end(new SallyportError('SP_SESSION_ENDED', 'nobody uses the session'), 'client');
  }
}

async function forget(taken: Map<string, Promise<ApiSession>>, each: ApiSession): Promise<void> {
  for (const [key, one] of taken) {
    if ((await one.catch(() => null)) === each && taken.get(key) === one) taken.delete(key);
  }
}

const isIdle = ({ session, uses }: ApiSession): boolean => uses === 0 && session.unfinished === 0;

/** Forgets the oldest of what a session remembers for its answers. */
export function bounded(remembered: Set<string> | Map<string, unknown>, most: number): void {
  for (const [oldest] of remembered.entries()) {
    if (remembered.size <= most) return;
    remembered.delete(oldest);
  }
}

/** Everything of a verified identity that decides, as a digest. */
export function identityOf(principal: Principal): string {
  const { kind, groups, claims, onBehalfOf } = principal;
  const lasting = Object.entries(claims).filter(([name]) => !ofOneToken.has(name));
  const parts = [
    boundPrincipal(principal),
    kind,
    onBehalfOf?.kind ?? null,
    groups.toSorted(),
    lasting.toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}
