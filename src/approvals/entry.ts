// What the log says about an approval, whatever happens to it.

import type { EntryDraft } from '../core/event.ts';
import type { Approval } from '../core/ports.ts';

/** Relations named in an audit header; the sealed statement has them all. */
const MAX_HEADER_OBJECTS = 200;

export function entryOf(type: EntryDraft['type'], approval: Approval, more: Partial<EntryDraft> = {}): EntryDraft {
  const { issuer, subject, kind } = approval.requester;
  const objects = approval.relations.slice(0, MAX_HEADER_OBJECTS).map((relation) => relation.name);
  return {
    type,
    principal: { issuer, subject, kind },
    ...(approval.onBehalfOf ? { onBehalfOf: approval.onBehalfOf } : {}),
    session: approval.session,
    approval: approval.id,
    resource: { target: approval.binding.target, objects },
    action: approval.action,
    rules: approval.rules,
    policy: { sha256: approval.binding.policySha256 },
    ...more,
  };
}
