// What `session.open` says about the identity, so that requests of the session can be decided again under a policy that asks
// for other groups or claims. Claims are personal: the record has digests under a key that only the gateway has.

import { createHmac } from 'node:crypto';
import type { RecordedIdentity } from '../core/event.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { Secret } from '../core/secret.ts';

type ClaimValue = string | number | boolean;

/** Digests claims for the record. */
export interface ClaimDigests {
  /** Identifies the key: digests of another key tell nothing. */
  readonly keyId: string;
  of(claim: string, value: ClaimValue): string;
}

const maxGroups = 500;
const maxClaims = 100;
const maxValues = 200;
const maxGrants = 100;
const maxRelations = 200;
/** Of the whole record of an identity, as JSON. */
const maxBytes = 24_000;
// oxlint-disable-next-line no-control-regex -- the audit log refuses such names
const recordable = /^[^\u0000-\u001f\u007f-\u009f]{1,512}$/u;

/** @param key of the gateway; the digests of one key are the same for ever. */
export function claimDigests(key: Secret): ClaimDigests {
  const digest = (text: string): string => createHmac('sha256', key.reveal()).update(text).digest('hex').slice(0, 16);
  return { keyId: digest('sallyport-claims-v1'), of: (claim, value) => digest(JSON.stringify(['claim', claim, value])) };
}

export function recordedIdentity(principal: Principal, grants: readonly ActiveGrant[], digests: ClaimDigests): RecordedIdentity {
  const cut = new Set<string>();
  const bounded = <T>(name: string, list: readonly T[], most: number, isGood: (each: T) => boolean): T[] => {
    const good = list.filter(isGood).slice(0, most);
    if (good.length < list.length) cut.add(name);
    return good;
  };
  const isName = (text: string): boolean => recordable.test(text);
  const groups = bounded('groups', principal.groups, maxGroups, isName);
  const claims = bounded('claims', Object.entries(principal.claims), maxClaims, ([name]) => isName(name));
  const values = Object.fromEntries(
    claims.map(([name, value]) => {
      const list: readonly ClaimValue[] = Array.isArray(value) ? value : [value as ClaimValue];
      return [name, bounded('claims', list, maxValues, () => true).map((each) => digests.of(name, each))];
    }),
  );
  const inForce = bounded('grants', grants, maxGrants, ({ relations }) => relations === null || relations.every(isName)).map(
    ({ id, role, effects, relations }) => ({
      id,
      role,
      effects,
      ...(relations === null ? {} : { relations: bounded('grants', relations, maxRelations, () => true) }),
    }),
  );
  const whole = { groups, claims: { key: digests.keyId, values }, grants: inForce };
  if (Buffer.byteLength(JSON.stringify(whole)) > maxBytes) {
    return { groups: [], claims: { key: digests.keyId, values: {} }, grants: [], cut: ['groups', 'claims', 'grants'] };
  }
  return cut.size === 0 ? whole : { ...whole, cut: [...cut] };
}
