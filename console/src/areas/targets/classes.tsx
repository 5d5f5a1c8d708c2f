// The classes map: every column of the target, with its classes, where they come from, and how it is shown. Fifty thousand columns
// come page by page, and only the lines in sight are in the page.

import { ChevronDown, ChevronRight, ShieldCheck } from 'lucide-react';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useSearchParams } from 'wouter';
import { useMay } from '../../session.tsx';
import { Badge, ClassBadge } from '../../ui/badge.tsx';
import { useKeys } from '../../ui/keys.ts';
import { count, counted } from '../../ui/numbers.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import type { ColumnFilter, ColumnPage, TargetColumn } from './queries.ts';
import { useColumns, useRoles } from './queries.ts';
import { kindOf, type Line, linesOf, originOf } from './tree.ts';

const typingMs = 250;

export function ClassMap({ target }: { readonly target: string }) {
  const [search, setSearch] = useSearchParams();
  const of = (name: keyof ColumnFilter): string => search.get(name) ?? '';
  const filter: ColumnFilter = { search: of('search'), schema: of('schema'), protected: of('protected'), role: of('role') };
  const columns = useColumns(target, filter);
  const change = (name: keyof ColumnFilter, value: string): void =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value === '') next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  const [first] = columns.data?.pages ?? [];
  return (
    <div className="stack">
      <Filters filter={filter} first={first} change={change} />
      {columns.isPending && <Loading what="the catalogue" />}
      {columns.error !== null && <Fault fault={columns.error} again={() => void columns.refetch()} />}
      {first !== undefined && (
        <p className="quiet small" role="status">
          {counted(first.total, 'column')}, {count(first.protected)} protected
          {filter.role !== '' && `, as somebody with the role ${filter.role} alone sees them`}
        </p>
      )}
      {first?.total === 0 && (
        <Empty
          title={first.catalogueVersion === null ? 'The catalogue is not known yet' : 'No column is like that'}
          text={
            first.catalogueVersion === null ? 'The gateway has not read it; until then every statement is refused.' : 'Loosen the filters.'
          }
        />
      )}
      {first !== undefined && first.total > 0 && (
        <Lines
          pages={columns.data?.pages ?? []}
          more={columns.hasNextPage && !columns.isFetchingNextPage ? () => void columns.fetchNextPage() : null}
        />
      )}
    </div>
  );
}

interface FiltersProps {
  readonly filter: ColumnFilter;
  readonly first: ColumnPage | undefined;
  readonly change: (name: keyof ColumnFilter, value: string) => void;
}

function Filters({ filter, first, change }: FiltersProps) {
  const mayChoose = useMay('oversight');
  const roles = useRoles(mayChoose);
  const [text, setText] = useState(filter.search);
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef(change);
  useEffect(() => {
    latest.current = change;
  });
  useEffect(() => {
    if (text.trim() === filter.search) return;
    const timer = setTimeout(() => latest.current('search', text.trim()), typingMs);
    return () => clearTimeout(timer);
  }, [text, filter.search]);
  useKeys({ '/': () => input.current?.focus() });
  // The one that is chosen stays, also when nothing in it passes.
  const schemas = [...new Set([...(filter.schema === '' ? [] : [filter.schema]), ...(first?.schemas ?? []).map(({ schema }) => schema)])];
  return (
    <form className="target-filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label className="field">
        <span>Search</span>
        <input
          ref={input}
          className="input"
          type="search"
          autoComplete="off"
          spellCheck={false}
          maxLength={200}
          placeholder="patients.ssn"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <label className="field">
        <span>Schema</span>
        <select className="input" value={filter.schema} onChange={(event) => change('schema', event.target.value)}>
          <option value="">all</option>
          {schemas.map((schema) => (
            <option key={schema}>{schema}</option>
          ))}
        </select>
      </label>
      {mayChoose && (
        <label className="field">
          <span>As seen by</span>
          <select className="input" value={filter.role} onChange={(event) => change('role', event.target.value)}>
            <option value="">me</option>
            {(roles.data ?? []).map((role) => (
              <option key={role}>{role}</option>
            ))}
          </select>
        </label>
      )}
      <label className="row target-only">
        <input
          type="checkbox"
          checked={filter.protected === 'true'}
          onChange={(event) => change('protected', event.target.checked ? 'true' : '')}
        />
        Protected only
      </label>
    </form>
  );
}

const heights: Readonly<Record<Line['kind'], number>> = { schema: 48, relation: 42, column: 40 };

function Lines({ pages, more }: { readonly pages: readonly ColumnPage[]; readonly more: (() => void) | null }) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const lines = useMemo(
    () =>
      linesOf(
        pages.flatMap(({ columns }) => columns),
        pages[0]?.schemas ?? [],
        closed,
      ),
    [pages, closed],
  );
  useLayoutEffect(() => setTop(list.current?.offsetTop ?? 0), []);
  const virtual = useWindowVirtualizer({
    count: lines.length,
    estimateSize: (index) => heights[lines[index]?.kind ?? 'column'],
    getItemKey: (index) => lines[index]?.key ?? index,
    overscan: 15,
    scrollMargin: top,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more !== null && last >= lines.length - 60) more();
  }, [last, more, lines.length]);
  const turn = (key: string): void => {
    const next = new Set(closed);
    if (!next.delete(key)) next.add(key);
    setClosed(next);
  };
  return (
    <div ref={list} role="list" aria-label="Columns" className="class-lines card" style={{ height: virtual.getTotalSize() + 2 }}>
      {items.map(({ index, key, start }) => {
        const line = lines[index];
        return line === undefined ? null : (
          <div
            key={key}
            ref={virtual.measureElement}
            data-index={index}
            role="listitem"
            className={`class-line class-line-${line.kind}`}
            style={{ transform: `translateY(${start - top}px)` }}
          >
            <LineView line={line} turn={turn} />
          </div>
        );
      })}
    </div>
  );
}

function LineView({ line, turn }: { readonly line: Line; readonly turn: (key: string) => void }) {
  if (line.kind === 'column') return <ColumnView column={line.column} />;
  const counts = (
    <span className="quiet small number">
      {counted(line.columns, 'column')}
      {line.protected > 0 && `, ${count(line.protected)} protected`}
    </span>
  );
  if (line.kind === 'schema') {
    return (
      <>
        <h2>{line.schema}</h2>
        {counts}
      </>
    );
  }
  return (
    <button type="button" className="class-relation" aria-expanded={!line.isClosed} onClick={() => turn(line.key)}>
      {line.isClosed ? <ChevronRight aria-hidden="true" size={16} /> : <ChevronDown aria-hidden="true" size={16} />}
      <strong>{line.relation}</strong>
      {line.relationKind !== 'table' && <Badge>{kindOf(line.relationKind)}</Badge>}
      {counts}
    </button>
  );
}

function ColumnView({ column }: { readonly column: TargetColumn }) {
  const { classes, shown } = column;
  return (
    <>
      <span className="class-name">
        {classes.length > 0 && <ShieldCheck aria-label="protected" size={16} />}
        <code>{column.column}</code> <span className="quiet small">{column.type}</span>
      </span>
      <span className="class-classes small">
        {classes.map((each) => (
          <span key={each.class} className="row">
            <ClassBadge name={each.class} /> <span className="quiet">{originOf(column, each)}</span>
          </span>
        ))}
      </span>
      <span className="class-shown">
        <Shown shown={shown} isProtected={classes.length > 0} />
      </span>
    </>
  );
}

/** In clear is worth a word where there is something to hide. */
function Shown({ shown, isProtected }: { readonly shown: string; readonly isProtected: boolean }) {
  if (shown === 'denied') return <Badge>no access</Badge>;
  if (!isProtected) return <span className="quiet small">as it is</span>;
  return shown === 'clear' ? <Badge tone="clear">in clear</Badge> : <Badge tone="mask">{shown}</Badge>;
}
