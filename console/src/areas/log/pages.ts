// Which parts of the log are read for what is looked at.

/** Entries of one page; the pages are aligned, so that they are the same whatever is looked at. */
export const PAGE = 200;
/** Entries of one step of a search. */
export const SCAN = 1000;
/** Rows of one list: browsers cannot scroll over millions. Older ones are reached by their index. */
export const MAX_ROWS = 100_000;

/** The pages that rows [first, last] of a list from entry `top` downwards need. */
export function pagesOf(top: number, first: number, last: number): number[] {
  const newest = Math.floor(Math.max(0, top - first) / PAGE);
  const oldest = Math.floor(Math.max(0, top - last) / PAGE);
  return Array.from({ length: newest - oldest + 1 }, (_, at) => newest - at);
}

/** The step of a search that ends before an entry. */
export function scanBefore(before: number): { readonly from: number; readonly limit: number } {
  const from = Math.max(0, before - SCAN);
  return { from, limit: Math.max(1, before - from) };
}

/** `request` finds `request.intent`; `denied` finds `request.denied`. */
export function matches(type: string, wanted: string): boolean {
  return type.toLowerCase().includes(wanted.trim().toLowerCase());
}

/** An index as a person types it: `12,345`, `#12345`. Null = none that the log has. */
export function indexIn(text: string, written: number): number | null {
  const digits = text.replaceAll(/[\s,.#]/g, '');
  const index = Number(digits);
  return /^\d{1,15}$/.test(digits) && index < written ? index : null;
}

/** The JSON of an entry with line breaks; as it is when it is not JSON. */
export function pretty(entry: string): string {
  try {
    return JSON.stringify(JSON.parse(entry), null, 2);
  } catch {
    return entry;
  }
}

/** Entries [from, to). */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What each hash on the way from an entry to the root is of, from the first that is made of two. */
export function spansOf(index: number, steps: readonly Span[]): Span[] {
  let span: Span = { from: index, to: index + 1 };
  return steps.map(({ from, to }) => (span = { from: Math.min(span.from, from), to: Math.max(span.to, to) }));
}
