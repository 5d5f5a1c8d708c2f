// What one log entry means for the index row of its session. Pure, so that every implementation of the index
// counts alike and `audit reindex` gives the same rows as live indexing.

import type { EntryOutline } from '../core/event.ts';
import { principalKey } from '../core/identity.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { SessionRow } from '../core/ports.ts';
import { shownBy } from './activity.ts';

/** @returns the row after `entry`; null when the entry is about no session that the log opened. */
export function rowAfter(row: SessionRow | null, entry: EntryOutline): SessionRow | null {
  if (entry.type === 'session.open') return row ?? opened(entry);
  if (row === null) return null;
  return { ...row, ...changeBy(row, entry), lastAtMs: Date.parse(entry.ts) };
}

function changeBy(row: SessionRow, entry: EntryOutline): Partial<SessionRow> {
  switch (entry.type) {
    case 'request.intent':
      return { statements: row.statements + 1, isWaiting: false };
    case 'request.denied':
      // A refused statement has no intent entry; it is a statement of the session all the same.
      return { statements: row.statements + 1, denied: row.denied + 1, isWaiting: false };
    case 'request.held':
      return { held: row.held + 1, isWaiting: true };
    case 'request.result': {
      const rows = entry.result?.rows ?? 0;
      if (rows === 0) return {};
      const shown = shownBy(entry);
      const isNew = shown.classes.some(({ name }) => !row.classes.includes(name));
      return {
        rows: row.rows + rows,
        maskedCells: row.maskedCells + rows * shown.maskedColumns,
        ...(isNew ? { classes: [...new Set([...row.classes, ...shown.classes.map(({ name }) => name)])].toSorted() } : {}),
      };
    }
    case 'session.close': {
      const reason = entry.detail?.['reason'];
      return { closedAtMs: Date.parse(entry.ts), closeReason: typeof reason === 'string' ? reason : null, isWaiting: false };
    }
    default:
      return {};
  }
}

/** A live session after the process that had it is gone: `entry` is the `log.opened` of the next one. */
export function rowLost(row: SessionRow, entry: EntryOutline): SessionRow {
  return { ...row, closedAtMs: Date.parse(entry.ts), closeReason: 'lost', isWaiting: false };
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
    maskedCells: 0,
    classes: [],
    lastAtMs: Date.parse(entry.ts),
    isWaiting: false,
  };
}

/** Intents and results are half of the log and more: whoever wants them reads the log. */
export function hasTypeIndex(type: string): boolean {
  return type !== 'request.intent' && type !== 'request.result';
}

/** Keys of whose session it is. */
export function ownersOf({ principal, onBehalfOf }: Pick<SessionRow, 'principal' | 'onBehalfOf'>): readonly string[] {
  const keys = [principalKey(principal)];
  return onBehalfOf === null || principalKey(onBehalfOf) === keys[0] ? keys : [...keys, principalKey(onBehalfOf)];
}

/** What a search for principals looks at. */
export function ownersText({ principal, onBehalfOf }: Pick<SessionRow, 'principal' | 'onBehalfOf'>): string {
  const textOf = ({ issuer, subject }: SessionRow['principal']): string => `${issuer}/${subject}`;
  return [principal, ...(onBehalfOf === null ? [] : [onBehalfOf])].map(textOf).join('\n').toLowerCase();
}
