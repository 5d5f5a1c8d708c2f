// Everything that a mask of one answer needs, and its form between threads.

import { type TokenKey, TokenSpace } from '../../../masking/index.ts';
import type { ColumnPlan } from './columns.ts';

export interface ResultPlan {
  readonly columns: readonly ColumnPlan[];
  readonly tokens: TokenSpace;
  /** Years of `age-90` are counted back from here. */
  readonly nowMs: number;
}

/** Plain data. */
export interface SentPlan {
  readonly columns: readonly ColumnPlan[];
  readonly key: TokenKey;
  readonly nowMs: number;
}

export const sentPlan = ({ columns, tokens, nowMs }: ResultPlan): SentPlan => ({ columns, key: tokens.activeKey, nowMs });
export const receivedPlan = ({ columns, key, nowMs }: SentPlan): ResultPlan => ({ columns, tokens: new TokenSpace([key]), nowMs });
