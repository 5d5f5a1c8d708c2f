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

    it('refuses another source under a known hash', async () => {
      await versions.put({ sha256: sha('a'), source: 'a', appliedAtMs: 5 });
      await assert.rejects(versions.put({ sha256: sha('a'), source: 'evil', appliedAtMs: 6 }), SallyportError);
      assert.equal((await versions.get(sha('a')))?.source, 'a');
    });
  });
}
