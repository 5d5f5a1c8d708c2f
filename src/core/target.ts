// A protected system. Credentials are not part of it: they stay with the adapter's upstream half.

import type { TargetName } from './ids.ts';

export type Protocol = 'postgres' | 'snowflake';

export interface Target {
  readonly name: TargetName;
  readonly protocol: Protocol;
  /** Display form of the address, without credentials. */
  readonly address: string;
}
