// Tells the channels what happens to approvals.

import type { Notifier } from '../core/notice.ts';
import type { ApprovalId } from '../core/ids.ts';
import type { Approval } from '../core/ports.ts';
import { noticeOfApproval } from './notice.ts';
import type { NotificationsService } from './notifier.ts';

/** Of the approvals service. */
export interface ApprovalChanges {
  show(id: ApprovalId): Promise<Approval | null>;
  subscribe(listener: (approval: Approval) => void): () => void;
}

/** From now on, every change becomes a notice. @returns a function that ends it. */
export function tellApprovals(approvals: Pick<ApprovalChanges, 'subscribe'>, notifier: Notifier): () => void {
  return approvals.subscribe((approval) => notifier.notify(noticeOfApproval(approval)));
}

/** After a crash: what became of approvals that people were told of, if they were not told. Telling twice is impossible, because
 *  the queue takes each event of an approval once. */
export async function catchUpApprovals(
  approvals: Pick<ApprovalChanges, 'show'>,
  notifications: Pick<NotificationsService, 'notify' | 'recentThings'>,
): Promise<void> {
  for (const thing of await notifications.recentThings()) {
    if (!thing.startsWith('apr_')) continue;
    const approval = await approvals.show(thing as ApprovalId);
    if (approval !== null) notifications.notify(noticeOfApproval(approval));
  }
}
