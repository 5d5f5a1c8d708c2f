// What grants, delegations and locks leave in the audit log. Free text goes to sealed payloads only.

import type { EntryDraft, Payload } from '../core/event.ts';
import type { Delegation, Grant, Lock } from '../core/grant.ts';
import { type ActorRef, principalKey } from '../core/identity.ts';

type Detail = NonNullable<EntryDraft['detail']>;

/** Relations named in an audit header. */
const maxHeaderObjects = 200;
/** Characters of one text in `detail`. */
const maxTextLength = 128;

export function actorOf({ issuer, subject, kind }: ActorRef): ActorRef {
  return { issuer, subject, kind };
}

export function sealed(text: string | undefined): Payload[] {
  return text === undefined || text === '' ? [] : [{ kind: 'justification', bytes: new TextEncoder().encode(text) }];
}

export function grantEntry(type: EntryDraft['type'], grant: Grant, more: Partial<EntryDraft> = {}): EntryDraft {
  const { detail, ...rest } = more;
  return {
    type,
    principal: actorOf(grant.requester),
    ...(grant.onBehalfOf === null ? {} : { onBehalfOf: actorOf(grant.onBehalfOf) }),
    grant: grant.id,
    resource: {
      target: grant.target,
      ...(grant.relations === null ? {} : { objects: grant.relations.slice(0, maxHeaderObjects) }),
    },
    policy: { sha256: grant.policySha256 },
    detail: { role: grant.role, effects: grant.effects.join(','), ...detail },
    ...rest,
  };
}

/** What was asked for, or opened. */
export function termsOf({ durationMs, rowsPerHour, approvers, expiresAtMs }: Grant): Detail {
  return {
    durationMs,
    approvers: approvers.role,
    count: approvers.count,
    ...(rowsPerHour === null ? {} : { rowsPerHour }),
    ...(expiresAtMs === null ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
  };
}

export function delegationEntry(type: EntryDraft['type'], delegation: Delegation, by: ActorRef): EntryDraft {
  const { id, role, from, to, expiresAtMs } = delegation;
  return {
    type,
    principal: actorOf(by),
    detail: {
      delegation: id,
      role,
      expiresAt: new Date(expiresAtMs).toISOString(),
      ...named('from', principalKey(from)),
      ...named('to', principalKey({ ...to, kind: 'person' })),
    },
  };
}

export function lockEntry(type: EntryDraft['type'], lock: Pick<Lock, 'kind' | 'name'>, by: ActorRef): EntryDraft {
  return { type, principal: actorOf(by), detail: { kind: lock.kind, ...named('name', lock.name) } };
}

/** A percent-encoded name as `detail` takes it: without the few marks that it refuses, in pieces when it is long. */
function named(key: string, text: string): Detail {
  const safe = text.replace(/[!~']/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  const pieces = safe.match(new RegExp(`.{1,${maxTextLength}}`, 'g')) ?? [''];
  return Object.fromEntries(pieces.map((piece, index) => [index === 0 ? key : `${key}${index + 1}`, piece]));
}
