// Verified claims -> principal. RFC 8693: in a delegated token `sub` is the person and `act` is who acts for them, so
// the principal is the actor and the person is `onBehalfOf`. An actor is always an agent: with a delegated token
// nobody gets to be a person.

import type { JWTPayload } from 'jose';
import type { ActorRef, Principal, PrincipalKind } from '../core/identity.ts';
import type { Provider } from './options.ts';
import { refuseToken } from './refusal.ts';

const MAX_SUBJECT_LENGTH = 255;
const MAX_ACTORS = 8;
const MAX_GROUPS = 1_000;
const MAX_CLAIMS = 100;

type Claims = Principal['claims'];

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function subjectOf(value: unknown): string {
  // Control characters would let one subject look like another in a terminal or a log line.
  if (!isText(value) || value === '') throw refuseToken('missing-claim');
  if (value.length > MAX_SUBJECT_LENGTH || /\p{Cc}/u.test(value)) throw refuseToken('malformed');
  return value;
}

/** Subjects of the `act` chain, the current actor first. */
function actorsOf(act: unknown, issuer: string): string[] {
  const actors: string[] = [];
  for (let next = act; next !== undefined;) {
    if (actors.length >= MAX_ACTORS || typeof next !== 'object' || next === null) throw refuseToken('malformed');
    const actor = next as Readonly<Record<string, unknown>>;
    // A provider vouches for its own subjects only.
    if (actor['iss'] !== undefined && actor['iss'] !== issuer) throw refuseToken('unknown-issuer');
    actors.push(subjectOf(actor['sub']));
    next = actor['act'];
  }
  return actors;
}

function kindOf(provider: Provider, payload: JWTPayload): PrincipalKind {
  const rule = provider.kind;
  if ('fixed' in rule) return rule.fixed;
  const value = payload[rule.claim];
  const kind = isText(value) && Object.hasOwn(rule.values, value) ? rule.values[value] : rule.otherwise;
  if (kind === undefined) throw refuseToken('missing-claim');
  return kind;
}

function groupsOf(provider: Provider, payload: JWTPayload): string[] {
  if (provider.groupsClaim === null) return [];
  const value = payload[provider.groupsClaim];
  if (value === undefined) return [];
  const groups = isText(value) ? value.split(' ').filter((group) => group !== '') : value;
  // A claim that is not understood is not "no groups": rules that deny by group would not see it.
  if (!Array.isArray(groups) || groups.length > MAX_GROUPS || !groups.every(isText)) throw refuseToken('malformed');
  return [...new Set(groups)];
}

/** Scalars and arrays of strings; anything nested is left out. */
function claimsOf(payload: JWTPayload, actors: readonly string[]): Claims {
  const claims: [string, Claims[string]][] = [];
  for (const [name, value] of Object.entries(payload)) {
    if (claims.length >= MAX_CLAIMS) throw refuseToken('malformed');
    if (isText(value) || typeof value === 'number' || typeof value === 'boolean') claims.push([name, value]);
    else if (Array.isArray(value) && value.every(isText)) claims.push([name, value]);
  }
  if (actors.length > 0) claims.push(['act', actors]);
  return Object.freeze(Object.fromEntries(claims));
}

/** @param expiresAtMs absolute end of the identity. @throws SP_AUTH_INVALID_TOKEN */
export function principalOf(provider: Provider, payload: JWTPayload, expiresAtMs: number): Principal {
  const subject = subjectOf(payload.sub);
  const actors = actorsOf(payload['act'], provider.issuer);
  const kind = kindOf(provider, payload);
  const named: ActorRef = { issuer: provider.name, subject, kind };
  const [actor] = actors;
  const principal: ActorRef = actor === undefined ? named : { issuer: provider.name, subject: actor, kind: 'agent' };
  const claimed = provider.nameClaim === null || actor !== undefined ? undefined : payload[provider.nameClaim];
  const name = isText(claimed) ? claimed.replaceAll(/\p{Cc}/gu, '').slice(0, MAX_SUBJECT_LENGTH) : '';
  return {
    ...principal,
    name: name === '' ? principal.subject : name,
    groups: groupsOf(provider, payload),
    claims: claimsOf(payload, actors),
    onBehalfOf: actor === undefined ? null : named,
    expiresAtMs,
  };
}
