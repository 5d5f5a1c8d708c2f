// OCSF events, one a line.

import { inSteps } from './in-steps.ts';
import { type EventContext, type Leaf, ocsfEvent } from './ocsf.ts';

export async function ndjson(batch: readonly Leaf[], context: EventContext): Promise<string> {
  return (await inSteps(batch, (leaf) => `${JSON.stringify(ocsfEvent(leaf, context))}\n`)).join('');
}
