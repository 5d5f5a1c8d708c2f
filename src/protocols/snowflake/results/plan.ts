// Everything that a mask of one answer needs, and its form between threads.

import { type TokenKey, TokenSpace } from '../../../masking/index.ts';
import type { ColumnPlan } from './columns.ts';
import type { Jsonv2 } from './jsonv2.ts';

export interface ResultPlan {
  readonly columns: readonly ColumnPlan[];
  readonly tokens: TokenSpace;
  /** Years of `age-90` are counted back from here. */
  readonly nowMs: number;
  /** Of the SQL API; absent = as drivers have it. */
  readonly jsonv2?: Jsonv2;
}

/** Plain data. */
export interface SentPlan {
  readonly columns: readonly ColumnPlan[];
  readonly key: TokenKey;
  readonly nowMs: number;
  readonly jsonv2?: Jsonv2;
}

export const sentPlan = ({ columns, tokens, nowMs }: ResultPlan, jsonv2?: Jsonv2): SentPlan => ({
  columns,
  key: tokens.activeKey,
  nowMs,
  ...(jsonv2 === undefined ? {} : { jsonv2 }),
});

export const receivedPlan = ({ key, ...plan }: SentPlan): ResultPlan => ({ ...plan, tokens: new TokenSpace([key]) });
