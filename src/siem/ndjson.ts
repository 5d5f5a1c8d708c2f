// OCSF events, one a line.

import { type EventContext, type Leaf, ocsfEvent } from '../ocsf/index.ts';
import { inSteps } from './in-steps.ts';

export async function ndjson(batch: readonly Leaf[], context: EventContext): Promise<string> {
  return (await inSteps(batch, (leaf) => `${JSON.stringify(ocsfEvent(leaf, context))}\n`)).join('');
}
