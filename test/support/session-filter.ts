// What a filter of sessions means, without any index.

import type { SessionFilter, SessionRow } from '../../src/core/ports.ts';
import { ownersOf, ownersText } from '../../src/store/session-row.ts';

/** Whether the row is among those that the filter asks for, whatever the limit. */
export function matchesFilter(row: SessionRow, filter: Omit<SessionFilter, 'limit'>): boolean {
  const { target, live, owner, principal, class: className, decision, sinceMs, untilMs, before } = filter;
  const decided = { allowed: row.statements - row.denied, held: row.held, denied: row.denied };
  return (
    (target === undefined || row.target === target) &&
    (live === undefined || (row.closedAtMs === null) === live) &&
    (owner === undefined || ownersOf(row).includes(owner)) &&
    (principal === undefined || ownersText(row).includes(principal.toLowerCase())) &&
    (className === undefined || row.classes.includes(className)) &&
    (decision === undefined || decided[decision] > 0) &&
    (sinceMs === undefined || row.openedAtMs >= sinceMs) &&
    (untilMs === undefined || row.openedAtMs < untilMs) &&
    (before === undefined || row.openIndex < before)
  );
}
