// Who may see an approval or a grant: for lists, single ones and events alike.

import type { Grant } from '../core/grant.ts';
import type { Approval } from '../core/ports.ts';
import type { ApiDeps } from './ports.ts';
import type { Viewer } from './viewer.ts';

/** Who has the right to answer lent or by escalation sees what there is to answer. */
export function maySeeApproval(approval: Approval, viewer: Viewer, { approvals }: Pick<ApiDeps, 'approvals'>): boolean {
  return viewer.maySeeApproval(approval) || approvals.mayAnswer(approval, viewer.principal);
}

export function maySeeGrant(grant: Grant, viewer: Viewer, { grants }: Pick<ApiDeps, 'grants'>): boolean {
  return viewer.maySeeGrant(grant) || grants.mayAnswer(grant, viewer.principal) || grants.mayReview(grant, viewer.principal);
}
