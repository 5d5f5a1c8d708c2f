// One session: who, what came out, and every statement with its decision and the reason for every mask.

import { ArrowLeft } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { Link } from 'wouter';
import { Actor, ClassBadge, State } from '../../ui/badge.tsx';
import { count, counted } from '../../ui/numbers.ts';
import { Fault, Loading } from '../../ui/states.tsx';
import { Ago, Exact, duration } from '../../ui/time.tsx';
import { useMay } from '../../session.tsx';
import { EndSession } from './end.tsx';
import { useSession } from './queries.ts';
import { StepView } from './step.tsx';
import { timeline } from './timeline.ts';

type Shown = 'all' | 'statements' | 'trouble' | 'replay';
/** The player brings the code that opens payloads: only those who replay load it. */
const Replay = lazy(async () => ({ default: (await import('./replay.tsx')).Replay }));

export function SessionPage({ id }: { readonly id: string }) {
  const pages = useSession(id);
  const [shown, setShown] = useState<Shown>('all');
  const mayReplay = useMay('audit');
  if (pages.isPending) return <Loading what="the session" />;
  if (pages.error !== null) return <Fault fault={pages.error} again={() => void pages.refetch()} />;
  const [session] = pages.data.pages;
  if (session === undefined) return null;
  const steps = timeline(pages.data.pages.flatMap(({ entries }) => entries));
  const visible = steps.filter(
    ({ kind, decision, code }) =>
      shown === 'all' || (kind === 'statement' && (shown === 'statements' || decision !== 'allow' || (code !== null && code !== 'ok'))),
  );
  const lastedMs = Date.parse(session.closedAt ?? session.lastActivityAt) - Date.parse(session.openedAt);
  return (
    <article className="stack">
      <Link href="/sessions" className="row session-back">
        <ArrowLeft aria-hidden="true" size={18} /> All sessions
      </Link>
      <header className="page-head session-head">
        <h1 className="row">
          <Actor actor={session.principal} />
          {session.onBehalfOf !== null && (
            <span className="quiet">
              for <Actor actor={session.onBehalfOf} />
            </span>
          )}
          <span>
            <span className="quiet">on</span> {session.target}
          </span>
        </h1>
        <span className="row">
          <State state={session.state === 'closed' ? 'ended' : session.state} />
          <EndSession session={session} />
        </span>
      </header>
      <dl className="session-numbers">
        {(
          [
            ['Statements', count(session.statements)],
            ['Held', count(session.held)],
            ['Denied', count(session.denied)],
            ['Rows', count(session.rows)],
            ['Cells masked', count(session.maskedCells)],
            ['Lasted', duration(lastedMs)],
          ] as const
        ).map(([term, value]) => (
          <div key={term} className="card">
            <dt>{term}</dt>
            <dd className="number">{value}</dd>
          </div>
        ))}
      </dl>
      <p className="row quiet small">
        <span>
          Opened <Exact at={session.openedAt} />, last active <Ago at={session.lastActivityAt} />
          {session.closeReason !== null && `, ${session.closeReason === 'ended' ? 'ended by a person' : `ended: ${session.closeReason}`}`}
        </span>
        {session.classes.map((each) => (
          <ClassBadge key={each} name={each} />
        ))}
      </p>
      <div className="row spread">
        <h2>Timeline</h2>
        <div className="segments session-shown" role="group" aria-label="What to show">
          {(['all', 'statements', 'trouble', ...(mayReplay ? (['replay'] as const) : [])] as const).map((each) => (
            <button key={each} type="button" aria-pressed={shown === each} onClick={() => setShown(each)}>
              {{ all: 'All', statements: 'Statements', trouble: 'Held, denied, failed', replay: 'Replay' }[each]}
            </button>
          ))}
        </div>
      </div>
      {shown === 'replay' ? (
        <Suspense fallback={<Loading what="the player" />}>
          <Replay session={id} />
        </Suspense>
      ) : (
        <>
          {visible.length === 0 && <p className="quiet">Nothing like that.</p>}
          <ol className="plain steps">
            {visible.map((step) => (
              <StepView key={step.seq} step={step} />
            ))}
          </ol>
          {pages.hasNextPage && (
            <button type="button" className="button" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
              More entries
            </button>
          )}
          <p className="quiet small">
            {counted(
              steps.reduce((sum, { entries }) => sum + entries.length, 0),
              'entry',
              'entries',
            )}{' '}
            of the log.
          </p>
        </>
      )}
    </article>
  );
}
