// Reports over the record: what another policy would change, and what of a policy was used.

export { accessReport, type AccessReport, type AccessReportOptions, type RoleReport } from './access.ts';
export type { ProtectedColumns } from './decide-again.ts';
export { type ChangeKind, replay, type ReplayDeps, type ReplayGroup, type ReplayReport } from './replay.ts';
export { firstIndexAt, type Progress, type RequestFilter, type UnknownReason } from './requests.ts';
export { findSubjectRequests } from './subject-search.ts';
export { type Anchor, coverageReport } from './coverage.ts';
export { leaverReports } from './leavers.ts';
export { listReviews, signReview } from './reviews.ts';
