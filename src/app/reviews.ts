// Reviews and the reports that rest on log and state, put together for the API.

import type { GrantsSurface, ReviewsSurface } from '../api/index.ts';
import { SallyportError } from '../core/error.ts';
import type { Delegation, Lock } from '../core/grant.ts';
import type { Approval, ApprovalState, AuditLog, AuditReader, Clock } from '../core/ports.ts';
import { type Anchor, coverageReport, leaverReports, listReviews, signReview } from '../reports/index.ts';
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
          grants: async () => {
            const open = await deps.grants.list({ states: ['requested', 'active'], limit: MAX_LISTED });
            const owed = await deps.grants.list({ review: 'owed', limit: MAX_LISTED });
            return [...new Map([...whole(open), ...whole(owed)].map((grant) => [grant.id, grant])).values()];
          },
          pendingApprovals: async () => whole(await deps.approvals.list({ state: 'pending', limit: MAX_LISTED })),
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

/** REFUSES: a list that is cut: somebody on the rest of it would seem to have nothing. */
function whole<T>(list: readonly T[]): readonly T[] {
  if (list.length >= MAX_LISTED)
    throw new SallyportError('SP_INTERNAL', `leavers cannot be looked for among ${MAX_LISTED} open grants or approvals, or more`);
  return list;
}

/** Destinations on another machine, not a file here, and what they have: not what came before they were begun or reset. */
function anchorsOf(destinations: readonly SiemStatus[]): Anchor[] {
  return destinations.flatMap(({ name, kind, next, since, fault }) =>
    kind === 'file' || kind === 'stdout' || since === null || fault === 'log-rolled-back'
      ? []
      : [{ name, kind: `siem:${kind}`, from: since, upTo: next }],
  );
}

/** A file may lie on the same disk as the log: it tells of a rollback, and not of the loss of the machine. */
function keptBy(anchors: readonly AnchorStatus[]): Anchor[] {
  return anchors.filter(({ kind }) => kind !== 'file').map(({ name, kind, size }) => ({ name, kind, from: 0, upTo: size }));
}
