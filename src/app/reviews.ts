// Reviews and the reports that rest on log and state, put together for the API.

import type { GrantsSurface, ReviewsSurface } from '../api/index.ts';
import type { Delegation, Lock } from '../core/grant.ts';
import type { Approval, ApprovalState, AuditLog, AuditReader, Clock } from '../core/ports.ts';
import { coverageReport, leaverReports, listReviews, signReview } from '../reports/index.ts';
import type { AnchorStatus } from '../anchors/index.ts';
import type { GatewaySiem, SiemStatus } from './siem.ts';

/** Leavers are looked for among so many of each. */
const MAX_LISTED = 10_000;

export function createReviews(deps: {
  readonly audit: Pick<AuditLog, 'append'>;
  readonly reader: AuditReader;
  readonly grants: Pick<GrantsSurface, 'list'>;
  readonly approvals: { list(filter: { readonly state?: ApprovalState; readonly limit: number }): Promise<Approval[]> };
  readonly delegations: { list(): Promise<Delegation[]> };
  readonly locks: { list(): Promise<Lock[]> };
  readonly siem: Pick<GatewaySiem, 'status' | 'reset'>;
  readonly anchors: () => readonly AnchorStatus[];
  readonly targets: readonly string[];
  readonly clock: Clock;
}): ReviewsSurface {
  const { audit, reader, clock } = deps;
  const until = (untilMs: number | null): number => untilMs ?? clock.nowMs();
  return {
    sign: (by, { sinceMs, untilMs }, finding, signal) =>
      signReview(by, { sinceMs, untilMs: until(untilMs) }, finding, { audit, reader }, signal),
    list: ({ sinceMs, untilMs }, limit, signal) => listReviews({ sinceMs, untilMs: until(untilMs) }, limit, reader, signal),
    leavers: (gone, signal) =>
      leaverReports(
        gone,
        {
          reader,
          grants: () => deps.grants.list({ limit: MAX_LISTED }),
          pendingApprovals: () => deps.approvals.list({ state: 'pending', limit: MAX_LISTED }),
          delegations: () => deps.delegations.list(),
          locks: () => deps.locks.list(),
          nowMs: clock.nowMs(),
        },
        signal,
      ),
    coverage: ({ sinceMs, untilMs }, signal) =>
      coverageReport(
        { sinceMs, untilMs: until(untilMs) },
        { reader, targets: deps.targets, anchors: [...anchorsOf(deps.siem.status()), ...keptBy(deps.anchors())] },
        signal,
      ),
    destinations: () => deps.siem.status(),
    reset: (by, destination, to) => deps.siem.reset(by, destination, to),
  };
}

/** Destinations that have all of the log up to their cursor, on another machine: not a file here, and not what was begun later. */
function anchorsOf(destinations: readonly SiemStatus[]): { name: string; kind: string; upTo: number }[] {
  return destinations
    .filter(({ kind, startAt }) => kind !== 'file' && kind !== 'stdout' && startAt === 'beginning')
    .map(({ name, kind, next }) => ({ name, kind: `siem:${kind}`, upTo: next }));
}

/** A file may lie on the same disk as the log: it tells of a rollback, and not of the loss of the machine. */
function keptBy(anchors: readonly AnchorStatus[]): { name: string; kind: string; upTo: number }[] {
  return anchors.filter(({ kind }) => kind !== 'file').map(({ name, kind, size }) => ({ name, kind, upTo: size }));
}
