// What every PolicyVersions store does: a version never changes and never disappears.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SallyportError } from '../../src/core/error.ts';
import type { Sha256Hex } from '../../src/core/ids.ts';
import type { PolicyVersions } from '../../src/core/ports.ts';
import type { Made } from './approval-store.ts';

const sha = (digit: string) => digit.repeat(64) as Sha256Hex;

export function describePolicyVersions(name: string, make: () => Promise<Made<PolicyVersions>>): void {
  describe(`policy versions: ${name}`, () => {
    let made: Made<PolicyVersions>;
    let versions: PolicyVersions;

    beforeEach(async () => {
      made = await make();
      versions = made.port;
    });
    afterEach(() => made.close());

    it('gives back the exact source of a version', async () => {
      const source = 'version: 1\n# zoë\n';
      await versions.put({ sha256: sha('a'), source, appliedAtMs: 5 });
      assert.deepEqual(await versions.get(sha('a')), { source, appliedAtMs: 5 });
      assert.equal(await versions.get(sha('b')), null);
    });

    it('lists the newest application first', async () => {
      await versions.put({ sha256: sha('a'), source: 'a', appliedAtMs: 5 });
      await versions.put({ sha256: sha('b'), source: 'b', appliedAtMs: 9 });
      assert.deepEqual(await versions.list(), [
        { sha256: sha('b'), appliedAtMs: 9 },
        { sha256: sha('a'), appliedAtMs: 5 },
      ]);
    });

    it('keeps the first application when a version is put again', async () => {
      await versions.put({ sha256: sha('a'), source: 'a', appliedAtMs: 5 });
      await versions.put({ sha256: sha('a'), source: 'a', appliedAtMs: 50 });
      assert.equal((await versions.get(sha('a')))?.appliedAtMs, 5);
    });

    it('tells applications newest first, with who and how', async () => {
      for (const digit of ['a', 'b']) await versions.put({ sha256: sha(digit), source: digit, appliedAtMs: 5 });
      const by = { issuer: 'corp', subject: 'otto', kind: 'person' } as const;
      const first = { sha256: sha('a'), atMs: 5, how: 'start', by: null, previous: null, insteadOf: null } as const;
      const second = { sha256: sha('b'), atMs: 7, how: 'apply', by, previous: sha('a'), insteadOf: sha('e') } as const;
      // Back at the same millisecond: the order of arrival counts.
      const third = { ...second, sha256: sha('a'), how: 'rollback', previous: sha('b') } as const;
      for (const application of [first, second, third]) await versions.applied(application);
      assert.deepEqual(await versions.applications(10), [third, second, first]);
      assert.deepEqual(await versions.applications(1), [third]);
    });

    it('refuses the application of a version that was not put', async () => {
      const none = { sha256: sha('c'), atMs: 5, how: 'apply', by: null, previous: null, insteadOf: null } as const;
      await assert.rejects(versions.applied(none), { code: 'SP_STORE_UNAVAILABLE' });
      assert.deepEqual(await versions.applications(10), []);
    });

    it('refuses another source under a known hash', async () => {
      await versions.put({ sha256: sha('a'), source: 'a', appliedAtMs: 5 });
      await assert.rejects(versions.put({ sha256: sha('a'), source: 'evil', appliedAtMs: 6 }), SallyportError);
      assert.equal((await versions.get(sha('a')))?.source, 'a');
    });
  });
}
