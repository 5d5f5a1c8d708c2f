// Headers read only as far as an index of sessions needs: the two entries of every statement are searched, not parsed.
// WHY that is sound: the log wrote them (entry.ts), and inside of a JSON string a quote never stands without a backslash, so
// `,"session":"` is a member and no value. Members keep the order of the schema: the first of a name is the header's own.

import type { EntryOutline, EntryType } from '../core/event.ts';
import { decodeHeader } from './entry.ts';

/** They come once for every statement, all others once for a session or on a person's action. */
const SEARCHED: ReadonlySet<string> = new Set<EntryType>(['request.intent', 'request.result']);
const SESSION = ',"session":"';
const ROWS = '"rows":';
const COLUMNS = '"columns":';
/** Length of `,"result":{`. */
const RESULT_CHARS = 11;

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
  const from = text.indexOf(',"result":{');
  const columns = from < 0 ? undefined : columnsAfter(bytes, text, from);
  const at = text.indexOf(ROWS, columns?.isFirst === true ? columns.end : from);
  const rows = from < 0 || at < 0 ? Number.NaN : Number.parseInt(text.slice(at + ROWS.length, at + ROWS.length + 17), 10);
  if (!Number.isSafeInteger(rows)) return decodeHeader(bytes, seq);
  return { seq, ts, type: 'request.result', session, result: columns === undefined ? { rows } : { rows, columns: columns.value } };
}

type Columns = NonNullable<NonNullable<EntryOutline['result']>['columns']>;

/** Columns of answers by their JSON: the answers of one statement have the same. */
const known = new Map<string, Columns>();
const MAX_KNOWN = 500;
const MAX_KNOWN_CHARS = 4096;

/** `columns` of the result that begins at `from`: as its first member, as posted entries have it, or before `code`.
 *  No string of JSON holds a bare quote, so what ends the list is nothing that stands in it. */
function columnsAfter(bytes: Buffer, text: string, from: number): { isFirst: boolean; end: number; value: Columns } | undefined {
  const isFirst = text.startsWith(COLUMNS, from + RESULT_CHARS);
  const start = isFirst ? from + RESULT_CHARS : text.indexOf(`,${COLUMNS}[`, from) + 1;
  if (start === 0) return undefined;
  const close = text.indexOf(isFirst ? '],"rows":' : '],"code":', start);
  if (close < 0) return undefined;
  const key = text.slice(start + COLUMNS.length, close + 1);
  let value = known.get(key);
  if (value === undefined) {
    value = JSON.parse(bytes.toString('utf8', start + COLUMNS.length, close + 1)) as Columns;
    if (known.size >= MAX_KNOWN) known.clear();
    if (key.length <= MAX_KNOWN_CHARS) known.set(key, value);
  }
  return { isFirst, end: close, value };
}

/** What stands between `opening` and the next quote; both ends are codes, in which nothing is escaped. */
function textAfter(text: string, opening: string, from: number): string | null {
  const at = text.indexOf(opening, from);
  if (at < 0) return null;
  const start = at + opening.length;
  const end = text.indexOf('"', start);
  return end < 0 ? null : text.slice(start, end);
}
