import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDraft } from '../audit/entry.ts';
import { principalOf } from '../core/testing.ts';
import { Secret } from '../core/secret.ts';
import { claimDigests, recordedIdentity } from './identity-facts.ts';
import { grantOf } from './testing.ts';

const digests = claimDigests(new Secret('key one'));
const encoded = (identity: ReturnType<typeof recordedIdentity>): string => encodeDraft({ type: 'session.open', identity }, 0).members;

test('INVARIANT: claims are recorded as digests that can be compared and not read', () => {
  const principal = principalOf({ groups: ['ai-agents'], claims: { repository: 'clinic/etl', level: 3, scopes: ['read', 'write'] } });
  const identity = recordedIdentity(principal, [], digests);
  assert.deepEqual(identity.groups, ['ai-agents']);
  assert.deepEqual(identity.claims.values['repository'], [digests.of('repository', 'clinic/etl')]);
  assert.deepEqual(identity.claims.values['scopes'], [digests.of('scopes', 'read'), digests.of('scopes', 'write')]);
  assert.notDeepEqual(digests.of('level', 3), digests.of('level', '3'));
  assert.notDeepEqual(digests.of('a', 'x'), digests.of('b', 'x'));
  assert.doesNotMatch(encoded(identity), /clinic\/etl|"write"/);
});

test('another key gives other digests under another name', () => {
  const other = claimDigests(new Secret('key two'));
  assert.notEqual(other.keyId, digests.keyId);
  assert.notEqual(other.of('repository', 'clinic/etl'), digests.of('repository', 'clinic/etl'));
});

test('the grants of the session are recorded with what they cover', () => {
  const narrow = grantOf({ relations: ['public.visits'] });
  const { grants } = recordedIdentity(principalOf(), [narrow, grantOf({ relations: null })], digests);
  assert.deepEqual(grants[0], { id: narrow.id, role: narrow.role, effects: narrow.effects, relations: ['public.visits'] });
  assert.equal(grants[1] !== undefined && 'relations' in grants[1], false);
});

test('what headers refuse or cannot hold is cut and never keeps anybody from logging in', () => {
  const odd = recordedIdentity(principalOf({ groups: ['good', 'bad\u0000', ''], claims: { 'a\nb': 'x', good: 'y' } }), [], digests);
  assert.deepEqual([odd.groups, Object.keys(odd.claims.values), odd.cut], [['good'], ['good'], ['groups', 'claims']]);
  const many = recordedIdentity(principalOf({ groups: Array.from({ length: 2000 }, (_, n) => `group-${n}`) }), [], digests);
  assert.deepEqual([many.groups.length, many.cut], [500, ['groups']]);
  const large = recordedIdentity(principalOf({ groups: Array.from({ length: 400 }, (_, n) => `${'g'.repeat(400)}${n}`) }), [], digests);
  assert.deepEqual([large.groups, large.cut], [[], ['groups', 'claims', 'grants']]);
  for (const identity of [odd, many, large]) encoded(identity);
});
