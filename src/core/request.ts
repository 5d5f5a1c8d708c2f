// One operation asked for, as the adapter understood it.

import type { Facts } from './facts.ts';
import type { Sha256Hex, TargetName } from './ids.ts';
import type { EffectPreviewer } from './preview.ts';

/** How the operation arrived. `prepare` plans without reading data; it is recorded but never held. */
export type RequestAction = 'query' | 'prepare' | 'execute' | 'session';

export interface ParameterShape {
  /** Type name or OID as text; never the value. */
  readonly type: string;
  readonly bytes: number;
}

export interface Request {
  readonly target: TargetName;
  readonly action: RequestAction;
  readonly facts: Facts;
  /** SHA-256 of the statement with all its constants, whatever its blanks and comments. Of a statement that depends on the session
   *  (a prepared one, a cursor, a temporary table): like no other. */
  readonly statementSha256: Sha256Hex;
  /** SHA-256 over the exact parameter values and formats; of nothing when there are none. */
  readonly parametersSha256: Sha256Hex;
  readonly parameters: readonly ParameterShape[];
  /** Rows that the target's planner expects; absent = it was not asked. */
  readonly estimatedRows?: number;
  /** `MaskSet.id` the forwarded text was rewritten with; a decision under other masks refuses the request. */
  readonly maskSetId: string;
  /** Identifies the catalogue the facts were derived from. */
  readonly catalogueVersion: string;
  /** Finds out what it would do; absent = it cannot be asked. */
  readonly previewer?: EffectPreviewer | undefined;
  /** Exact client text and parameters; goes to sealed storage only. */
  readonly sealed: { readonly statement: Uint8Array; readonly parameters: Uint8Array | null };
}
