// The approvals desk for sessions of other threads. The desk itself, its store and its timers are the main thread's; a
// worker asks it through calls and sees the same outcomes and the same faults.

import type { ApprovalId } from '../core/ids.ts';
import type { Approval, ApprovalBinding, ApprovalDesk, ApprovalOutcome } from '../core/ports.ts';
import type { Previewed } from '../core/preview.ts';
import type { CallTable, Handlers, ThreadCalls } from './thread-calls.ts';

export type DeskCalls = {
  readonly openApproval: { readonly argument: Parameters<ApprovalDesk['open']>[0]; readonly value: Approval };
  readonly findApproval: { readonly argument: ApprovalBinding; readonly value: ApprovalId | null };
  readonly waitForApproval: { readonly argument: ApprovalId; readonly value: ApprovalOutcome };
  readonly previewApproval: { readonly argument: { readonly id: ApprovalId; readonly found: Previewed }; readonly value: undefined };
  readonly useApproval: { readonly argument: { readonly id: ApprovalId; readonly binding: ApprovalBinding }; readonly value: boolean };
};

/** The worker's end. */
export function remoteDesk(calls: Pick<ThreadCalls<DeskCalls, CallTable>, 'call'>): ApprovalDesk {
  return {
    open: (draft) => calls.call('openApproval', draft),
    find: (binding) => calls.call('findApproval', binding),
    wait: (id, signal) => calls.call('waitForApproval', id, signal),
    preview: (id, found) => calls.call('previewApproval', { id, found }),
    use: (id, binding) => calls.call('useApproval', { id, binding }),
  };
}

/** The main thread's end. */
export function deskHandlers(desk: ApprovalDesk): Handlers<DeskCalls> {
  return {
    openApproval: (draft) => desk.open(draft),
    findApproval: (binding) => desk.find(binding),
    waitForApproval: (id, signal) => desk.wait(id, signal),
    previewApproval: ({ id, found }) => desk.preview(id, found).then(() => undefined),
    useApproval: ({ id, binding }) => desk.use(id, binding),
  };
}
