// Why a token is not accepted: a closed vocabulary, safe in logs and audit entries. Never a part of the token.

import { SallyportError } from '../core/error.ts';

export const TOKEN_FAULTS = [
  'malformed',
  'unknown-issuer',
  'algorithm',
  'bad-signature',
  'expired',
  'not-yet-valid',
  'wrong-audience',
  'missing-claim',
] as const;
export type TokenFault = (typeof TOKEN_FAULTS)[number];

/** The fault is the whole message, so that it can go to `Gate.recordAuthFailure`. */
export function refuseToken(fault: TokenFault): SallyportError {
  return new SallyportError('SP_AUTH_INVALID_TOKEN', fault);
}
