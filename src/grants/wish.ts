// From what somebody asks for to a grant that the policy offers. Pure. REFUSES: more than the offer, and wishes that more than
// one role could fulfil.

import { SallyportError } from '../core/error.ts';
import type { Grant, GrantWish } from '../core/grant.ts';
import type { AccessOffer } from '../policy/index.ts';

export const MAX_RELATIONS = 200;
export const MAX_ROWS_PER_HOUR = 1_000_000_000;
/** A name holds no dot, quote or white space; patterns of the policy have the same form. */
export const RELATION_PATTERN = /^(?:[^.:\s"]{1,128}\.){1,2}[^.:\s"]{1,128}$/;

export type GrantTerms = Pick<Grant, 'kind' | 'role' | 'target' | 'effects' | 'relations' | 'rowsPerHour' | 'durationMs' | 'approvers'>;

/** @throws SP_GRANT_REFUSED when no offer fits, SP_API_BAD_REQUEST for a wish that means nothing */
export function termsFor(wish: GrantWish, offers: readonly AccessOffer[]): GrantTerms {
  requireMeaning(wish);
  const { target, kind, role, effects, relations, rowsPerHour, durationMs } = wish;
  const ofKind = offers.filter((offer) => offer.kind === kind && (role === null || offer.role === role));
  if (ofKind.length === 0) throw new SallyportError('SP_GRANT_REFUSED', 'no role of the principal offers this on the target');
  const fitting = ofKind.filter(
    (offer) => durationMs <= offer.maxDurationMs && (effects === null || effects.every((effect) => offer.effects.includes(effect))),
  );
  const [offer] = fitting;
  if (offer === undefined) throw new SallyportError('SP_GRANT_REFUSED', 'longer, or more effects, than the policy offers');
  if (fitting.some((other) => other.role !== offer.role)) {
    throw new SallyportError('SP_GRANT_REFUSED', 'several roles offer this: name one');
  }
  return {
    kind,
    role: offer.role,
    target,
    effects: effects === null ? [...offer.effects] : [...new Set(effects)],
    relations: relations === null ? null : [...new Set(relations)],
    rowsPerHour,
    durationMs,
    approvers: offer.approvers,
  };
}

function requireMeaning({ effects, relations, rowsPerHour, durationMs }: GrantWish): void {
  const isCount = (value: number, most: number): boolean => Number.isSafeInteger(value) && value >= 1 && value <= most;
  const fault =
    effects?.length === 0
      ? 'without any effect'
      : relations !== null && (relations.length === 0 || relations.length > MAX_RELATIONS)
        ? `tables: 1 to ${MAX_RELATIONS}`
        : relations?.every((pattern) => RELATION_PATTERN.test(pattern)) === false
          ? 'a table must be schema.name, or DATABASE.SCHEMA.NAME on Snowflake'
          : rowsPerHour !== null && !isCount(rowsPerHour, MAX_ROWS_PER_HOUR)
            ? 'rows per hour: a whole number from 1'
            : !isCount(durationMs, Number.MAX_SAFE_INTEGER)
              ? 'for how long: a whole number of ms from 1'
              : null;
  if (fault !== null) throw new SallyportError('SP_API_BAD_REQUEST', fault);
}
