// What one log entry means for the index row of its session. Pure, so that every implementation of the index
// counts alike and `audit reindex` gives the same rows as live indexing.

import type { EntryOutline } from '../core/event.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { SessionRow } from '../core/ports.ts';

/** @returns the row after `entry`; null when the entry is about no session that the log opened. */
export function rowAfter(row: SessionRow | null, entry: EntryOutline): SessionRow | null {
  if (entry.type === 'session.open') return row ?? opened(entry);
  if (row === null) return null;
  switch (entry.type) {
    case 'request.intent':
      return { ...row, statements: row.statements + 1 };
    case 'request.denied':
      // A refused statement has no intent entry; it is a statement of the session all the same.
      return { ...row, statements: row.statements + 1, denied: row.denied + 1 };
    case 'request.held':
      return { ...row, held: row.held + 1 };
    case 'request.result':
      return { ...row, rows: row.rows + (entry.result?.rows ?? 0) };
    case 'session.close': {
      const reason = entry.detail?.['reason'];
      return { ...row, closedAtMs: Date.parse(entry.ts), closeReason: typeof reason === 'string' ? reason : null };
    }
    default:
      return row;
  }
}

function opened(entry: EntryOutline): SessionRow | null {
  if (entry.session === undefined || entry.principal === undefined || entry.resource === undefined) return null;
  return {
    id: entry.session as SessionId,
    target: entry.resource.target as TargetName,
    principal: entry.principal,
    onBehalfOf: entry.onBehalfOf ?? null,
    openedAtMs: Date.parse(entry.ts),
    closedAtMs: null,
    closeReason: null,
    statements: 0,
    denied: 0,
    held: 0,
    rows: 0,
    openIndex: entry.seq,
  };
}
