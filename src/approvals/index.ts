// The approvals service, as the root composes it.

export { createApprovalDesk, type ApprovalDeskDeps, type ApprovalsService, type EndReason } from './desk.ts';
export { createUnsealDesk } from './unseal-desk.ts';
