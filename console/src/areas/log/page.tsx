// The log itself: its signed state, its entries, and for each the proof that it is under that state, made and checked in this page.

import './log.css';
import { useState } from 'react';
import { useLocation, useRoute } from 'wouter';
import { useKeys } from '../../ui/keys.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { EntryPane } from './entry.tsx';
import { HeadCard } from './head.tsx';
import { EntryList, FoundList } from './list.tsx';
import { NotProven } from './log-client.ts';
import { indexIn } from './pages.ts';
import { useHead } from './queries.ts';

export default function LogPage() {
  const head = useHead();
  const [, route] = useRoute('/log/:index');
  const [, navigate] = useLocation();
  const [type, setType] = useState('');
  const [wanted, setWanted] = useState('');
  const written = head.data?.written ?? 0;
  const open = route === null ? null : indexIn(route.index, written);
  const [top, setTop] = useState<number | null>(null);
  const go = (index: number): void => {
    if (index >= 0 && index < written) navigate(`/log/${index}`);
  };
  // Newest first: the next in the list is the one before in the log.
  const step = (by: 1 | -1): void => go(open === null ? written - 1 : open - by);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Escape: () => navigate('/log'),
    '/': () => document.querySelector<HTMLInputElement>('#log-type')?.focus(),
  });
  if (head.error !== null && head.data === undefined) {
    return (
      <>
        <Title />
        {head.error instanceof NotProven ? <Broken fault={head.error} /> : <Fault fault={head.error} again={() => void head.refetch()} />}
      </>
    );
  }
  if (head.data === undefined) return <Loading what="the log" />;
  return (
    <>
      <Title />
      {head.error instanceof NotProven && <Broken fault={head.error} />}
      <HeadCard head={head.data} isBehind={open !== null} />
      <div className={open === null ? 'log-panes' : 'log-panes log-panes-open'}>
        <section className="log-side" aria-label="Entries">
          <div className="log-tools">
            <label className="field">
              <span>Type</span>
              <input
                id="log-type"
                className="input"
                autoComplete="off"
                placeholder="all, or e.g. denied"
                value={type}
                onChange={({ target: { value } }) => setType(value)}
              />
            </label>
            <form
              onSubmit={(event) => {
                event.preventDefault();
                const index = indexIn(wanted, written);
                if (index === null) return;
                setTop(index);
                go(index);
              }}
            >
              <label className="field">
                <span>Go to entry</span>
                <input
                  className="input"
                  inputMode="numeric"
                  autoComplete="off"
                  placeholder={`0 to ${Math.max(0, written - 1)}`}
                  value={wanted}
                  onChange={({ target: { value } }) => setWanted(value)}
                />
              </label>
            </form>
          </div>
          {written === 0 ? (
            <Empty title="Nothing was written yet" text="Everything that the gate decides is written here." />
          ) : type.trim() === '' ? (
            <EntryList written={written} top={top ?? written - 1} open={open} newest={top === null ? null : () => setTop(null)} />
          ) : (
            <FoundList type={type.trim()} written={written} open={open} />
          )}
        </section>
        <section className="log-open" aria-label="The open entry">
          {open === null ? (
            <p className="log-hint quiet">
              {route === null
                ? 'Choose an entry to see what it says, and the proof that it is in the signed log.'
                : 'The log has no such entry.'}
            </p>
          ) : (
            <EntryPane key={open} index={open} signed={head.data.signed} />
          )}
        </section>
      </div>
    </>
  );
}

function Title() {
  return (
    <div className="page-head">
      <h1>Log</h1>
    </div>
  );
}

function Broken({ fault }: { readonly fault: NotProven }) {
  return (
    <div className="note note-deny log-broken" role="alert">
      <strong>The log does not prove itself.</strong>
      <p>
        What the gateway served does not fit its signature: {fault.message}. Keep what you have, and tell who is responsible for the log.
      </p>
    </div>
  );
}
