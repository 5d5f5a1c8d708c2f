// Tokens for tests: one active key.

import { deriveTokenKey, TokenSpace } from '../../src/masking/index.ts';
import { tokensOf } from '../../src/protocols/postgres/token-columns.ts';
import type { Tokens } from '../../src/sql/token-values.ts';

const secret = '00112233445566778899aabbccddeeff';

export const testTokens = new TokenSpace([deriveTokenKey('1', 'active', secret, 'clinic')]);

/** The same after a rotation: tokens of `testTokens` are still taken. */
export const rotatedTokens = new TokenSpace([
  deriveTokenKey('2', 'active', 'another secret of the tests', 'clinic'),
  deriveTokenKey('1', 'decrypt-only', secret, 'clinic'),
  { id: '0', state: 'expired', mac: '', stream: '' },
]);

/** As the SQL engine asks for them, when these classes are shown by tokens. */
export function tokensFor(classes: readonly string[], space = testTokens): Tokens {
  const tokens = tokensOf(space, { id: 'tokens', byClass: Object.fromEntries(classes.map((name) => [name, 'token' as const])) });
  if (tokens === null) throw new Error('no class is shown by tokens');
  return tokens;
}
