// OCSF events, one a line.

import { type EventContext, type Leaf, ocsfEvent } from './ocsf.ts';

export function ndjson(batch: readonly Leaf[], context: EventContext): string {
  return batch.map((leaf) => `${JSON.stringify(ocsfEvent(leaf, context))}\n`).join('');
}
