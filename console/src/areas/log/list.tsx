// Entries newest first. Only what is in sight is read and drawn.

import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef } from 'react';
import { Link } from 'wouter';
import { count, counted } from '../../ui/numbers.ts';
import { Fault, Loading } from '../../ui/states.tsx';
import { MAX_ROWS, pagesOf } from './pages.ts';
import type { Entry } from './queries.ts';
import { useEntries, useFound } from './queries.ts';

const ROW_PX = 52;
/** Found entries that are enough until somebody asks for more. */
const ENOUGH = 60;
/** Steps of a search without being asked again. */
const STEPS = 20;

interface EntryListProps {
  readonly written: number;
  /** The first row. */
  readonly top: number;
  readonly open: number | null;
  /** Back to the newest; null = there already. */
  readonly newest: (() => void) | null;
}

export function EntryList({ written, top, open, newest }: EntryListProps) {
  const rows = Math.min(top + 1, MAX_ROWS);
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows, getScrollElement: () => scroll.current, estimateSize: () => ROW_PX, overscan: 8 });
  const items = virtual.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  const entries = useEntries(pagesOf(top, first, last), written);
  const row = open === null ? -1 : top - open;
  useEffect(() => {
    if (row >= 0 && row < rows) virtual.scrollToIndex(row, { align: 'auto' });
    // Only when another entry is opened: not when the log grows.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [open]);
  return (
    <>
      {newest !== null && (
        <button type="button" className="button log-newest" onClick={newest}>
          Back to the newest
        </button>
      )}
      <div ref={scroll} className="log-scroll" tabIndex={0} role="group" aria-label="Entries, newest first">
        <ol className="plain log-rows" style={{ height: virtual.getTotalSize() }}>
          {items.map(({ index: at, start }) => (
            <Row key={at} start={start} index={top - at} entry={entries.get(top - at)} isOpen={top - at === open} />
          ))}
        </ol>
      </div>
      {top + 1 > rows && <p className="quiet small">Older ones: by “Go to entry”.</p>}
    </>
  );
}

export function FoundList({ type, written, open }: { readonly type: string; readonly written: number; readonly open: number | null }) {
  const found = useFound(type, written);
  const { data, hasNextPage, isFetching, fetchNextPage } = found;
  const list = useMemo(() => data?.pages.flatMap((page) => page.found) ?? [], [data]);
  const steps = data?.pages.length ?? 0;
  const isEnough = list.length >= ENOUGH || steps % STEPS === 0;
  useEffect(() => {
    if (steps > 0 && hasNextPage && !isFetching && !isEnough) void fetchNextPage();
  }, [steps, hasNextPage, isFetching, isEnough, fetchNextPage]);
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: list.length, getScrollElement: () => scroll.current, estimateSize: () => ROW_PX, overscan: 8 });
  const from = data?.pages.at(-1)?.from ?? written;
  return (
    <>
      <p className="quiet small" role="status">
        {steps > 0 && `${counted(list.length, 'entry', 'entries')} of this type from entry ${count(from)} on.`}
      </p>
      {found.error !== null && <Fault fault={found.error} again={() => void found.refetch()} />}
      <div ref={scroll} className="log-scroll" tabIndex={0} role="group" aria-label="Entries of this type, newest first">
        <ol className="plain log-rows" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index: at, start }) => {
            const entry = list[at];
            return entry === undefined ? null : (
              <Row key={entry.seq} start={start} index={entry.seq} entry={entry} isOpen={entry.seq === open} />
            );
          })}
        </ol>
      </div>
      {isFetching && <Loading what="older entries" />}
      {hasNextPage && !isFetching && (
        <button type="button" className="button" onClick={() => void fetchNextPage()}>
          Look further back
        </button>
      )}
    </>
  );
}

interface RowProps {
  readonly start: number;
  readonly index: number;
  readonly entry: Entry | undefined;
  readonly isOpen: boolean;
}

const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'short' });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

function Row({ start, index, entry, isOpen }: RowProps) {
  return (
    <li className="log-row" style={{ transform: `translateY(${start}px)` }}>
      <Link href={`/log/${index}`} className="log-link" aria-current={isOpen ? 'true' : undefined}>
        <span className="number log-index">{count(index)}</span>
        <span className="log-what">
          <code>{entry?.type ?? '…'}</code>
          <span className="quiet small">{entry === undefined ? '' : about(entry)}</span>
        </span>
        {entry !== undefined && (
          <time className="quiet small number" dateTime={entry.ts}>
            <span className="log-date">{date.format(Date.parse(entry.ts))}</span> {time.format(Date.parse(entry.ts))}
          </time>
        )}
      </Link>
    </li>
  );
}

/** Who, and where. */
function about(entry: Entry): string {
  const text = (name: 'principal' | 'resource', member: string): string => {
    const value = (entry[name] as Readonly<Record<string, unknown>> | null | undefined)?.[member];
    return typeof value === 'string' ? value : '';
  };
  return [text('principal', 'subject'), text('resource', 'target')].filter((part) => part !== '').join(' · ');
}
