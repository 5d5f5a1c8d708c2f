// When standing access and grants were last used: the newest session of each principal on each target, from the index of sessions,
// and what the log says about who opened it. As far back as the newest sessions that are looked at.

import type { EntryHeader, RecordedIdentity } from '../core/event.ts';
import { boundPrincipal, type Principal } from '../core/identity.ts';
import type { AuditReader, SessionIndex, SessionRow } from '../core/ports.ts';
import type { AccessUses, LastUse, StandingUse } from '../grants/index.ts';
import { isMember, type Policy, targetMatches } from '../policy/index.ts';
import type { ClaimDigests } from '../session/identity-facts.ts';

export interface LastUsesDeps {
  readonly sessions: Pick<SessionIndex, 'list'>;
  readonly reader: Pick<AuditReader, 'entries'>;
  readonly claims: ClaimDigests;
}

/** Sessions looked at, newest first. */
const maxSessions = 10_000;

interface Opened {
  readonly row: SessionRow;
  readonly principal: Principal;
  readonly grants: readonly string[];
}

export async function lastUses(policy: Policy, deps: LastUsesDeps): Promise<AccessUses> {
  const opened = await newestSessions(policy, deps);
  const grants = new Map<string, number>();
  for (const { row, grants: ids } of opened) {
    for (const id of ids) grants.set(id, Math.max(grants.get(id) ?? 0, row.openedAtMs));
  }
  return { standing: standingUses(policy, opened), grants };
}

/** Every access entry of the policy, member entry by member entry, with those who used it. */
function standingUses(policy: Policy, opened: readonly Opened[]): StandingUse[] {
  return policy.access.flatMap(({ role, targets, effects, how }) =>
    policy.roles
      .filter((each) => each.role === role)
      .flatMap(({ members }) =>
        members.map((member): StandingUse => {
          const uses = opened
            .filter(({ row, principal, grants }) => {
              if (!targetMatches(targets, row.target) || !isMember(member, principal)) return false;
              // What a grant opened is the grant's use, and the entry's that offered it.
              return how.kind === 'standing' ? grants.length === 0 : grants.length > 0;
            })
            .map(({ row, principal }): LastUse => ({
              principal: decodeURIComponent(boundPrincipal(principal)),
              target: row.target,
              lastUsedAtMs: row.openedAtMs,
            }))
            .toSorted((a, b) => b.lastUsedAtMs - a.lastUsedAtMs);
          return { access: { role, targets, effects, how: how.kind, member: memberText(member) }, uses };
        }),
      ),
  );
}

/** The newest session of each principal on each target, standing and under each grant. */
async function newestSessions(policy: Policy, { sessions, reader, claims }: LastUsesDeps): Promise<Opened[]> {
  const found = new Map<string, Opened>();
  for (const row of await sessions.list({ limit: maxSessions })) {
    const bound = boundPrincipal({ ...row.principal, onBehalfOf: row.onBehalfOf });
    const key = JSON.stringify([bound, row.target]);
    const entry = await entryAt(reader, row.openIndex);
    const identity = entry?.type === 'session.open' && entry.session === row.id ? (entry.identity ?? null) : null;
    const grants = identity?.grants.map(({ id }) => id) ?? [];
    const kind = `${key} ${grants.toSorted().join(' ')}`;
    if (!found.has(kind)) found.set(kind, { row, principal: principalOf(row, identity, policy, claims), grants });
  }
  return [...found.values()];
}

async function entryAt(reader: LastUsesDeps['reader'], index: number): Promise<EntryHeader | null> {
  for await (const entry of reader.entries(index, index + 1)) return entry;
  return null;
}

/** As far as member entries ask. What was not recorded is not had. */
function principalOf(row: SessionRow, identity: RecordedIdentity | null, policy: Policy, digests: ClaimDigests): Principal {
  const values = new Map<string, string[]>();
  if (identity !== null && identity.claims.key === digests.keyId) {
    for (const { claim, is } of policy.roles.flatMap(({ members }) => members)) {
      if (claim === undefined || is === undefined || identity.claims.values[claim]?.includes(digests.of(claim, is)) !== true) continue;
      values.set(claim, [...(values.get(claim) ?? []), is as string]);
    }
  }
  return {
    ...row.principal,
    name: row.principal.subject,
    groups: identity?.groups ?? [],
    claims: Object.fromEntries(values),
    onBehalfOf: row.onBehalfOf,
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
}

function memberText({ issuer, subject, kind, group, claim, is }: Policy['roles'][number]['members'][number]): string {
  return [
    `issuer ${issuer}`,
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(claim === undefined ? [] : [`${claim} = ${String(is)}`]),
    ...(subject === undefined ? [] : [`subject ${subject}`]),
    ...(kind === undefined ? [] : [`kind ${kind}`]),
  ].join(', ');
}
