// What every Authenticator does with tokens of any sort. `make` gives one that accepts `good` and nothing else.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SallyportError } from '../../src/core/error.ts';
import type { Principal } from '../../src/core/identity.ts';
import type { Authenticator } from '../../src/core/ports.ts';

export interface MadeAuthenticator {
  readonly authenticator: Authenticator;
  readonly good: string;
  /** Who `good` identifies. */
  readonly expected: Pick<Principal, 'issuer' | 'subject' | 'kind'>;
  /** Messages that a refusal may have. */
  readonly vocabulary: readonly string[];
  close(): Promise<void>;
}

export function describeAuthenticator(name: string, make: () => Promise<MadeAuthenticator>): void {
  describe(`authenticator: ${name}`, () => {
    const withMade = async (body: (made: MadeAuthenticator) => Promise<void>) => {
      const made = await make();
      try {
        await body(made);
      } finally {
        await made.close();
      }
    };

    const refused = (made: MadeAuthenticator, token: string) =>
      assert.rejects(made.authenticator.authenticate(token), (fault) => {
        assert.ok(fault instanceof SallyportError);
        assert.equal(fault.code, 'SP_AUTH_INVALID_TOKEN');
        assert.ok(made.vocabulary.includes(fault.message), `not in the vocabulary: ${fault.message}`);
        return true;
      });

    it('turns a good token into its principal, again and again', () =>
      withMade(async (made) => {
        for (let round = 0; round < 3; round += 1) {
          const { issuer, subject, kind } = await made.authenticator.authenticate(made.good);
          assert.deepEqual({ issuer, subject, kind }, made.expected);
        }
      }));

    it('refuses what is no token, in words that hold nothing of it', () =>
      withMade(async (made) => {
        const odd = ['', ' ', '.', '..', '...', 'password', 'a.b.c', 'null', '{}', '\u0000', 'é'.repeat(50), 'x'.repeat(1_000_000)];
        for (const token of odd) await refused(made, token);
      }));

    it('refuses a good token that was changed anywhere', () =>
      withMade(async (made) => {
        // The last character of each part has bits that do not count; it is left alone.
        for (let at = 0; at < made.good.length; at += 37) {
          const before = made.good[at];
          if (before === '.' || made.good[at + 1] === '.' || at + 1 >= made.good.length) continue;
          await refused(made, `${made.good.slice(0, at)}${before === 'A' ? 'B' : 'A'}${made.good.slice(at + 1)}`);
        }
      }));

    it('refuses every truncation of a good token', () =>
      withMade(async (made) => {
        for (let length = 0; length < made.good.length; length += 41) await refused(made, made.good.slice(0, length));
        await refused(made, made.good.slice(0, -1));
      }));

    it('refuses a good token with something around it', () =>
      withMade(async (made) => {
        for (const token of [` ${made.good}`, `${made.good}.`, `${made.good}\n`, `${made.good}.${made.good}`]) await refused(made, token);
      }));

    it('stops at an abort', () =>
      withMade(async (made) => {
        const reason = new SallyportError('SP_CLIENT_LOST', 'test');
        await assert.rejects(made.authenticator.authenticate(made.good, AbortSignal.abort(reason)), reason);
      }));
  });
}
