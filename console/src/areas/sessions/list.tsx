// Sessions, newest first. Only the rows in sight are in the page, so that a hundred thousand scroll like ten.

import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { Actor, Badge, ClassBadge, State } from '../../ui/badge.tsx';
import { useKeys } from '../../ui/keys.ts';
import { compact, counted } from '../../ui/numbers.ts';
import { readable } from '../../ui/readable.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { Ago } from '../../ui/time.tsx';
import type { Session, SessionFilter } from './queries.ts';
import { useSessions } from './queries.ts';

const rowHeight = { wide: 68, narrow: 128 } as const;
const narrow = '(max-width: 800px)';

export function SessionList() {
  const [search, setSearch] = useSearchParams();
  const of = (name: keyof SessionFilter): string => search.get(name) ?? '';
  const filter: SessionFilter = {
    principal: of('principal'),
    target: of('target'),
    class: of('class'),
    decision: of('decision'),
    live: of('live'),
    since: of('since'),
  };
  const sessions = useSessions(filter);
  const rows = sessions.data?.pages.flatMap((page) => page.sessions) ?? [];
  const change = (name: keyof SessionFilter, value: string): void =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value === '') next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  const isFiltered = Object.values(filter).some((value) => value !== '');
  return (
    <>
      <div className="page-head">
        <h1>Sessions</h1>
        {sessions.data !== undefined && (
          <span className="quiet" role="status">
            {counted(rows.length, 'session')}
            {sessions.hasNextPage ? ' so far' : ''}
          </span>
        )}
      </div>
      <Filters filter={filter} change={change} />
      {sessions.isPending && <Loading what="sessions" />}
      {sessions.error !== null && <Fault fault={sessions.error} again={() => void sessions.refetch()} />}
      {sessions.data !== undefined && rows.length === 0 && (
        <Empty
          title={isFiltered ? 'No session is like that' : 'No sessions yet'}
          text={isFiltered ? 'Loosen the filters.' : 'Connect a client to a target: Targets has the address to paste.'}
        />
      )}
      {rows.length > 0 && (
        <Rows rows={rows} more={sessions.hasNextPage && !sessions.isFetchingNextPage ? () => void sessions.fetchNextPage() : null} />
      )}
    </>
  );
}

interface FiltersProps {
  readonly filter: SessionFilter;
  readonly change: (name: keyof SessionFilter, value: string) => void;
}

function Filters({ filter, change }: FiltersProps) {
  const first = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => first.current?.focus() });
  const text = (name: 'principal' | 'target' | 'class', label: string, placeholder: string) => (
    <label className="field">
      <span>{label}</span>
      <Later
        ref={name === 'principal' ? first : undefined}
        value={filter[name]}
        placeholder={placeholder}
        change={(value) => change(name, value)}
      />
    </label>
  );
  const choice = (name: 'decision' | 'live' | 'since', label: string, options: readonly (readonly [string, string])[]) => (
    <label className="field">
      <span>{label}</span>
      <select className="input" value={filter[name]} onChange={(event) => change(name, event.target.value)}>
        {options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      {text('principal', 'Who', 'agent or person')}
      {text('target', 'Target', 'clinic')}
      {text('class', 'Class that came out', 'phi.ssn')}
      {choice('decision', 'Decision', [
        ['', 'any'],
        ['allowed', 'allowed'],
        ['held', 'held'],
        ['denied', 'denied'],
      ])}
      {choice('live', 'State', [
        ['', 'any'],
        ['true', 'live'],
        ['false', 'ended'],
      ])}
      {choice('since', 'Opened', [
        ['', 'any time'],
        ['1', 'last hour'],
        ['24', 'last day'],
        ['168', 'last week'],
        ['720', 'last 30 days'],
      ])}
    </form>
  );
}

interface LaterProps {
  readonly ref: React.Ref<HTMLInputElement> | undefined;
  readonly value: string;
  readonly placeholder: string;
  readonly change: (value: string) => void;
}

/** A text field that speaks when the typing stops. */
function Later({ ref, value, placeholder, change }: LaterProps) {
  const [text, setText] = useState(value);
  const latest = useRef(change);
  useEffect(() => {
    latest.current = change;
  });
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => latest.current(text.trim()), 300);
    return () => clearTimeout(timer);
  }, [text, value]);
  return (
    <input
      ref={ref}
      className="input"
      type="search"
      autoComplete="off"
      spellCheck={false}
      placeholder={placeholder}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}

function Rows({ rows, more }: { readonly rows: readonly Session[]; readonly more: (() => void) | null }) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [isNarrow, setNarrow] = useState(() => matchMedia(narrow).matches);
  const [at, setAt] = useState(-1);
  const [, navigate] = useLocation();
  useLayoutEffect(() => {
    setTop(list.current?.offsetTop ?? 0);
    const media = matchMedia(narrow);
    const changed = (): void => setNarrow(media.matches);
    media.addEventListener('change', changed);
    return () => media.removeEventListener('change', changed);
  }, []);
  const size = isNarrow ? rowHeight.narrow : rowHeight.wide;
  const virtual = useWindowVirtualizer({ count: rows.length, estimateSize: () => size, overscan: 12, scrollMargin: top });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => virtual.measure(), [virtual, size]);
  useEffect(() => {
    if (more !== null && last >= rows.length - 40) more();
  }, [last, more, rows.length]);
  const go = (step: number): void => {
    const next = Math.min(rows.length - 1, Math.max(0, at + step));
    setAt(next);
    virtual.scrollToIndex(next, { align: 'auto' });
  };
  const chosen = rows[at];
  useKeys({
    j: () => go(1),
    k: () => go(-1),
    ...(chosen === undefined ? {} : { Enter: () => navigate(`/sessions/${chosen.id}`) }),
  });
  return (
    <div ref={list} role="list" aria-label="Sessions" className="session-rows" style={{ height: virtual.getTotalSize() }}>
      {items.map(({ index, key, start }) => {
        const session = rows[index];
        return session === undefined ? null : (
          <div key={key} role="listitem" className="session-place" style={{ height: size, transform: `translateY(${start - top}px)` }}>
            <Row session={session} isChosen={index === at} />
          </div>
        );
      })}
    </div>
  );
}

function Row({ session, isChosen }: { readonly session: Session; readonly isChosen: boolean }) {
  const { statements, held, denied, rows, maskedCells, classes } = session;
  return (
    <Link href={`/sessions/${session.id}`} className="session-row" data-chosen={isChosen || undefined}>
      <span className="session-who">
        <Actor actor={session.principal} />
        {session.onBehalfOf !== null && <small className="quiet">for {readable(session.onBehalfOf.subject)}</small>}
        <small className="quiet">on {session.target}</small>
      </span>
      <span className="session-what">
        <span>{counted(statements, 'statement')}</span>
        {held > 0 && <Badge tone="hold">{held} held</Badge>}
        {denied > 0 && <Badge tone="deny">{denied} denied</Badge>}
      </span>
      <span className="session-out quiet">
        {compact(rows)} rows{maskedCells > 0 && `, ${compact(maskedCells)} cells masked`}
      </span>
      <span className="session-classes">
        {classes.slice(0, 3).map((each) => (
          <ClassBadge key={each} name={each} />
        ))}
        {classes.length > 3 && <Badge>+{classes.length - 3}</Badge>}
      </span>
      <span className="session-when">
        <State state={session.state === 'closed' ? 'ended' : session.state} />
        <small className="quiet">
          <Ago at={session.lastActivityAt} />
        </small>
      </span>
    </Link>
  );
}
