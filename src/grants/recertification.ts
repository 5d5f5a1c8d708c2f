// Recertification: everything that gives access, with when it was last used, for somebody to say keep or revoke. What they say is
// recorded as `review.signed` with the hash of the list it was said about, and the list itself sealed with it.
// Grants are taken back at once; standing access is the policy's, and is taken out of it by its authors.

import { createHash } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import type { Effect } from '../core/facts.ts';
import type { Grant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { GrantId, Sha256Hex } from '../core/ids.ts';
import type { AuditLog, Clock } from '../core/ports.ts';
import { actorOf } from './entries.ts';
import type { GrantsService } from './grants.ts';

/** One access entry of the policy and one member entry of its role. */
export interface StandingAccess {
  readonly role: string;
  readonly targets: readonly string[];
  readonly effects: readonly Effect[];
  /** Standing, or how it is opened. */
  readonly how: 'standing' | 'on-request' | 'break-glass';
  /** `issuer corp, group ai-agents`. */
  readonly member: string;
}

/** When a principal was let in last, and by what. */
export interface LastUse {
  /** `issuer/subject`, with `for issuer/subject` when it acted for somebody. */
  readonly principal: string;
  readonly target: string;
  readonly lastUsedAtMs: number;
}

export interface StandingUse {
  readonly access: StandingAccess;
  /** Of principals whom the member entry names, newest first. */
  readonly uses: readonly LastUse[];
}

export interface AccessUses {
  readonly standing: readonly StandingUse[];
  /** Grant -> when a session was last opened under it. */
  readonly grants: ReadonlyMap<string, number>;
}

export interface RecertificationItem {
  /** Names it in this list. */
  readonly item: string;
  readonly kind: 'standing' | 'on-request' | 'break-glass' | 'grant';
  readonly role: string;
  readonly targets: readonly string[];
  readonly effects: readonly string[];
  /** Whom it gives access. */
  readonly who: string;
  /** RFC 3339; null = never, as far back as the index of sessions goes. */
  readonly lastUsedAt: string | null;
  /** Principals that used it, newest first; at most 50. */
  readonly usedBy: readonly string[];
  /** Of a grant. */
  readonly expiresAt: string | null;
}

export interface RecertificationList {
  /** Of the items, as JSON. */
  readonly sha256: Sha256Hex;
  readonly asOf: string;
  readonly items: readonly RecertificationItem[];
}

export type RecertificationDecision = 'keep' | 'revoke';

export interface RecertificationDeps {
  readonly grants: Pick<GrantsService, 'list' | 'revoke'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly policySha256: () => Sha256Hex;
  readonly uses: () => Promise<AccessUses>;
}

export interface RecertificationService {
  list(): Promise<RecertificationList>;
  /** Records what was decided about every item of a list, then takes back the grants that are to go.
   *  @param sha256 of a list that this process gave out in the last day
   *  @throws SP_GRANT_CONFLICT for another list; SP_API_BAD_REQUEST when an item is missing or unknown; SP_AUDIT_UNWRITABLE,
   *  SP_STORE_UNAVAILABLE */
  sign(
    by: Principal,
    sha256: Sha256Hex,
    decisions: ReadonlyMap<string, RecertificationDecision>,
    note?: string,
  ): Promise<{ readonly kept: number; readonly revoked: number; readonly grantsEnded: readonly GrantId[] }>;
}

const maxGrants = 10_000;
const maxUsedBy = 50;
const maxLists = 100;
const listLifeMs = 86_400_000;

export function createRecertification(deps: RecertificationDeps): RecertificationService {
  const { grants, audit, clock } = deps;
  const given = new Map<Sha256Hex, RecertificationList & { readonly givenAtMs: number }>();

  return {
    async list() {
      const active = await grants.list({ states: ['active'], limit: maxGrants });
      const uses = await deps.uses();
      const items = [...uses.standing.map(standingItem), ...active.map((grant) => grantItem(grant, uses.grants.get(grant.id) ?? null))];
      const sha256 = createHash('sha256').update(JSON.stringify(items)).digest('hex') as Sha256Hex;
      const nowMs = clock.nowMs();
      const list: RecertificationList = { sha256, asOf: new Date(nowMs).toISOString(), items };
      given.delete(sha256);
      given.set(sha256, { ...list, givenAtMs: nowMs });
      for (const [oldest, { givenAtMs }] of given) {
        if (given.size <= maxLists && nowMs - givenAtMs < listLifeMs) break;
        given.delete(oldest);
      }
      return list;
    },

    async sign(by, sha256, decisions, note) {
      const list = given.get(sha256);
      if (list === undefined || clock.nowMs() - list.givenAtMs >= listLifeMs) {
        throw new SallyportError('SP_GRANT_CONFLICT', 'this list was not given out, or too long ago: list again');
      }
      const names = new Set(list.items.map(({ item }) => item));
      if (list.items.some(({ item }) => !decisions.has(item)) || [...decisions.keys()].some((item) => !names.has(item))) {
        throw new SallyportError('SP_API_BAD_REQUEST', 'every item of the list needs a decision, and nothing else has one');
      }
      const revoked = list.items.filter(({ item }) => decisions.get(item) === 'revoke');
      const record = { list, decisions: Object.fromEntries(decisions), note: note ?? null };
      await audit.append(
        {
          type: 'review.signed',
          principal: actorOf(by),
          policy: { sha256: deps.policySha256() },
          detail: {
            review: 'access',
            listSha256: sha256,
            items: list.items.length,
            kept: list.items.length - revoked.length,
            revoked: revoked.length,
          },
        },
        [{ kind: 'justification', bytes: new TextEncoder().encode(JSON.stringify(record)) }],
      );
      const ended: GrantId[] = [];
      for (const { kind, item } of revoked) {
        if (kind !== 'grant') continue;
        const id = item as GrantId;
        try {
          await grants.revoke(id, by, true, 'recertification');
          ended.push(id);
        } catch (fault) {
          // It ended by itself meanwhile.
          if (!(fault instanceof SallyportError) || fault.code !== 'SP_GRANT_CONFLICT') throw fault;
        }
      }
      return { kept: list.items.length - revoked.length, revoked: revoked.length, grantsEnded: ended };
    },
  };
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function standingItem({ access, uses }: StandingUse, index: number): RecertificationItem {
  const { role, targets, effects, how, member } = access;
  return {
    item: `access-${index + 1}`,
    kind: how,
    role,
    targets,
    effects,
    who: member,
    lastUsedAt: timeOf(uses[0]?.lastUsedAtMs ?? null),
    usedBy: [...new Set(uses.map(({ principal }) => principal))].slice(0, maxUsedBy),
    expiresAt: null,
  };
}

function grantItem({ id, role, target, effects, requester, onBehalfOf, expiresAtMs }: Grant, usedAtMs: number | null): RecertificationItem {
  const who = `${requester.issuer}/${requester.subject}`;
  return {
    item: id,
    kind: 'grant',
    role,
    targets: [target],
    effects,
    who: onBehalfOf === null ? who : `${who} for ${onBehalfOf.issuer}/${onBehalfOf.subject}`,
    lastUsedAt: timeOf(usedAtMs),
    usedBy: usedAtMs === null ? [] : [who],
    expiresAt: timeOf(expiresAtMs),
  };
}
