// What people are told about grants, locks and owed reviews. Names, effects and times; never a reason, which is sealed.

import { durationText } from '../core/duration.ts';
import type { Grant, Lock } from '../core/grant.ts';
import { type ActorRef, principalKey } from '../core/identity.ts';
import type { Notice, NoticeFact, NoticeKind } from '../core/notice.ts';

const time = (ms: number): string => new Date(ms).toISOString();
const who = (actor: ActorRef): string => `${actor.issuer}/${actor.subject}`;

function factsOf(grant: Grant): NoticeFact[] {
  const { requester, onBehalfOf, role, target, effects, relations, rowsPerHour, durationMs, approvers, answers, expiresAtMs } = grant;
  return [
    { name: 'who', value: `${requester.name} (${who(requester)}, ${requester.kind})` },
    ...(onBehalfOf === null ? [] : [{ name: 'on behalf of', value: who(onBehalfOf) }]),
    { name: 'role', value: role },
    { name: 'target', value: target },
    { name: 'may', value: effects.join(', ') },
    { name: 'tables', value: relations === null ? 'all' : relations.join(', ') },
    ...(rowsPerHour === null ? [] : [{ name: 'rows per hour', value: String(rowsPerHour) }]),
    { name: 'for', value: durationText(durationMs) },
    ...(expiresAtMs === null ? [] : [{ name: 'until', value: time(expiresAtMs) }]),
    { name: grant.kind === 'break-glass' ? 'reviewed by' : 'needs', value: `${approvers.count} of ${approvers.role}` },
    ...answers.map(({ by, verdict }) => ({ name: verdict === 'approve' ? 'approved by' : 'denied by', value: who(by) })),
  ];
}

const titles = {
  'grant.requested': 'Access is asked for',
  'grant.answered': 'A request for access was answered',
  'grant.opened': 'Access was opened',
  'grant.ended': 'Access has ended',
  'breakglass.opened': 'BREAK-GLASS: access was opened without approval',
  'breakglass.ended': 'Break-glass access has ended',
  'breakglass.review-due': 'A review of break-glass access is owed',
  'breakglass.reviewed': 'Break-glass access was reviewed',
} as const satisfies Partial<Record<NoticeKind, string>>;

/** @param to the role it concerns; null = everyone. @param event tells events of one kind apart. */
export function grantNotice(kind: keyof typeof titles, grant: Grant, to: string | null, event: string = kind): Notice {
  return {
    kind,
    id: grant.id,
    event,
    title: `${titles[kind]}: ${grant.role} on ${grant.target}`,
    facts: [...factsOf(grant), ...(grant.end === null ? [] : [{ name: 'ended', value: grant.end }])],
    link: `/v1/grants/${grant.id}`,
    actions: grant.state === 'requested' ? ['approve', 'deny'] : [],
    who: to,
  };
}

export function lockNotice(kind: 'lock.set' | 'lock.lifted', lock: Pick<Lock, 'kind' | 'name'>, by: ActorRef, atMs: number): Notice {
  return {
    kind,
    id: `lock ${lock.kind} ${lock.name}`,
    event: `${kind} ${atMs}`,
    title: `${kind === 'lock.set' ? 'Locked' : 'Unlocked'}: ${lock.kind} ${lock.name}`,
    facts: [
      { name: lock.kind, value: lock.name },
      { name: 'by', value: principalKey(by) },
      { name: 'at', value: time(atMs) },
    ],
    link: '/v1/locks',
    actions: [],
    who: null,
  };
}
