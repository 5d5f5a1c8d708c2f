// Headers read only as far as an index of sessions needs: the two entries of every statement are searched, not parsed.
// WHY that is sound: the log wrote them (entry.ts), and inside of a JSON string a quote never stands without a backslash, so
// `,"session":"` is a member and no value. Members keep the order of the schema: the first of a name is the header's own.

import type { EntryOutline, EntryType } from '../core/event.ts';
import { decodeHeader } from './entry.ts';

/** They come once for every statement, all others once for a session or on a person's action. */
const SEARCHED: ReadonlySet<string> = new Set<EntryType>(['request.intent', 'request.result']);
const SESSION = ',"session":"';
const ROWS = '"rows":';

/** @throws SP_AUDIT_CORRUPT when the bytes are no header with this index. */
export function decodeOutline(bytes: Buffer, seq: number): EntryOutline {
  const frame = `{"v":1,"seq":${seq},"ts":"`;
  // What is searched for is ASCII; other characters only move along.
  const text = bytes.toString('latin1');
  const type = textAfter(text, ',"type":"', 0);
  if (!text.startsWith(frame) || type === null || !SEARCHED.has(type)) return decodeHeader(bytes, seq);
  const session = textAfter(text, SESSION, 0);
  const ts = textAfter(text, '"ts":"', 0);
  if (session === null || ts === null) return decodeHeader(bytes, seq);
  if (type === 'request.intent') return { seq, ts, type, session };
  const at = text.indexOf(ROWS, text.indexOf(',"result":{'));
  const rows = at < 0 ? Number.NaN : Number.parseInt(text.slice(at + ROWS.length, at + ROWS.length + 17), 10);
  return Number.isSafeInteger(rows) ? { seq, ts, type: 'request.result', session, result: { rows } } : decodeHeader(bytes, seq);
}

/** What stands between `opening` and the next quote; both ends are codes, in which nothing is escaped. */
function textAfter(text: string, opening: string, from: number): string | null {
  const at = text.indexOf(opening, from);
  if (at < 0) return null;
  const start = at + opening.length;
  const end = text.indexOf('"', start);
  return end < 0 ? null : text.slice(start, end);
}
