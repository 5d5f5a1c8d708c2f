// What is going on: how much, by whom, what of it was held, denied and masked, and whether the gateway itself is well.

import './overview.css';
import { lazy, Suspense, useMemo } from 'react';
import { Link, useSearchParams } from 'wouter';
import { Actor, Badge, ClassBadge, State } from '../../ui/badge.tsx';
import { compact, count, counted } from '../../ui/numbers.ts';
import { readable } from '../../ui/readable.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { Ago, duration } from '../../ui/time.tsx';
import type { Overview } from './queries.ts';
import { useOverview } from './queries.ts';
import { seriesOf, sparkline } from './series.ts';

const Plot = lazy(() => import('./plot.tsx'));

const RANGES = [
  { hours: 1, label: 'Hour' },
  { hours: 24, label: 'Day' },
  { hours: 168, label: 'Week' },
  { hours: 720, label: '30 days' },
] as const;

const STATEMENT_LINES = [
  { label: 'statements', colour: 'accent' },
  { label: 'held', colour: 'hold' },
  { label: 'denied', colour: 'deny' },
] as const;
const CELL_LINES = [{ label: 'cells masked', colour: 'mask' }] as const;

export default function OverviewPage() {
  const [search, setSearch] = useSearchParams();
  const hours = Number(search.get('hours') ?? 24);
  const overview = useOverview(hours);
  return (
    <>
      <div className="page-head">
        <h1>Overview</h1>
        <div className="segments" role="group" aria-label="Range">
          {RANGES.map((range) => (
            <button
              key={range.hours}
              type="button"
              aria-pressed={hours === range.hours}
              onClick={() => setSearch({ hours: String(range.hours) })}
            >
              {range.label}
            </button>
          ))}
        </div>
      </div>
      {overview.isPending && <Loading what="the overview" />}
      {overview.error !== null && <Fault fault={overview.error} again={() => void overview.refetch()} />}
      {overview.data !== undefined && <View overview={overview.data} />}
    </>
  );
}

function View({ overview }: { readonly overview: Overview }) {
  const { totals, points, scope, gateway } = overview;
  const statements = useMemo(() => seriesOf(overview, points, ['statements', 'held', 'denied']), [overview, points]);
  const cells = useMemo(() => seriesOf(overview, points, ['maskedCells']), [overview, points]);
  const live = overview.live.reduce((sum, { sessions }) => sum + sessions, 0);
  return (
    <div className="stack">
      {scope === 'own' && <p className="quiet">You see your own sessions, and those of agents that act for you.</p>}
      <dl className="tiles">
        <Tile term="Statements" value={count(totals.statements)} />
        <Tile term="Held" value={count(totals.held)} tone="hold" />
        <Tile term="Denied" value={count(totals.denied)} tone="deny" />
        <Tile term="Cells masked" value={compact(totals.maskedCells)} tone="mask" />
        <Tile term="Rows" value={compact(totals.rows)} />
        <Tile term="Live sessions" value={count(live)} link="/sessions?live=true" />
        <Tile term="Waiting" value={count(overview.pendingApprovals)} link="/approvals" />
      </dl>
      <div className="plots">
        <Suspense fallback={<Loading what="the plots" />}>
          <Plot title="Statements" lines={STATEMENT_LINES} series={statements} />
          <Plot title="Protected cells" lines={CELL_LINES} series={cells} />
        </Suspense>
      </div>
      <div className="overview-columns">
        <Agents overview={overview} />
        <Classes overview={overview} />
      </div>
      <div className="overview-columns">
        <Targets overview={overview} />
        {gateway !== null && <Gateway gateway={gateway} />}
      </div>
    </div>
  );
}

interface TileProps {
  readonly term: string;
  readonly value: string;
  readonly tone?: 'hold' | 'deny' | 'mask';
  readonly link?: string;
}

function Tile({ term, value, tone, link }: TileProps) {
  return (
    <div className={tone === undefined ? 'card tile' : `card tile tile-${tone}`}>
      <dt>{link === undefined ? term : <Link href={link}>{term}</Link>}</dt>
      <dd className="number">{value}</dd>
    </div>
  );
}

const spark = { width: 120, height: 26 } as const;

function Agents({ overview }: { readonly overview: Overview }) {
  return (
    <section className="card stack" aria-label="By agent and person">
      <h2>Who</h2>
      {overview.principals.length === 0 ? (
        <Empty title="Nobody asked for anything" text="In this time no statement came through." />
      ) : (
        <ul className="plain agents">
          {overview.principals.map(({ principal, onBehalfOf, points, classes, ...counts }) => (
            <li key={`${principal.issuer}/${principal.subject} ${onBehalfOf?.subject ?? ''}`}>
              <span className="agent-name">
                <Link href={`/sessions?principal=${encodeURIComponent(principal.subject)}`}>
                  <Actor actor={principal} />
                </Link>
                {onBehalfOf !== null && <small className="quiet">for {readable(onBehalfOf.subject)}</small>}
              </span>
              <svg className="spark" viewBox={`0 -2 ${spark.width} ${spark.height + 4}`} aria-hidden="true">
                <path d={sparkline(seriesOf(overview, points, ['statements']).values[0] ?? [], spark.width, spark.height)} />
              </svg>
              <span className="agent-counts small">
                {counted(counts.statements, 'statement')}
                {counts.held > 0 && <Badge tone="hold">{counts.held} held</Badge>}
                {counts.denied > 0 && <Badge tone="deny">{counts.denied} denied</Badge>}
                {counts.maskedCells > 0 && <span className="quiet">{compact(counts.maskedCells)} cells masked</span>}
              </span>
              <span className="row agent-classes">
                {classes.map((each) => (
                  <ClassBadge key={each} name={each} />
                ))}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Classes({ overview: { classes } }: { readonly overview: Overview }) {
  const most = Math.max(1, ...classes.map(({ masked, clear }) => masked + clear));
  return (
    <section className="card stack" aria-label="Protected classes">
      <h2>Protected classes that came out</h2>
      {classes.length === 0 && <p className="quiet">None.</p>}
      <ul className="plain stack-small">
        {classes.map(({ class: name, masked, clear }) => (
          <li key={name} className="class-row">
            <span className="row spread">
              <strong>{name}</strong>
              <span className="quiet small">
                {counted(masked, 'cell')} masked{clear > 0 && `, ${count(clear)} in clear`}
              </span>
            </span>
            <span className="class-bar" aria-hidden="true">
              <span className="class-masked" style={{ width: `${(masked / most) * 100}%` }} />
              <span className="class-clear" style={{ width: `${(clear / most) * 100}%` }} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Targets({ overview }: { readonly overview: Overview }) {
  const used = new Map(overview.targets.map((target) => [target.target, target]));
  return (
    <section className="card stack" aria-label="Targets">
      <h2>Targets</h2>
      <ul className="plain stack-small">
        {overview.connectors.map(({ name, protocol, catalogue }) => {
          const use = used.get(name);
          return (
            <li key={name} className="row spread">
              <span className="row">
                <Link href={`/targets/${name}`}>{name}</Link> <span className="quiet small">{protocol}</span> <State state={catalogue} />
              </span>
              <span className="quiet small">
                {use === undefined ? (
                  'not used'
                ) : (
                  <>
                    {counted(use.statements, 'statement')}, <Ago at={use.lastUsedAt} />
                  </>
                )}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Gateway({ gateway }: { readonly gateway: NonNullable<Overview['gateway']> }) {
  const { log, anchors, siem, replica } = gateway;
  return (
    <section className="card stack" aria-label="Gateway">
      <h2>Gateway {replica}</h2>
      <ul className="plain stack-small">
        <li className="row spread">
          <span className="row">
            <Link href="/log">Log</Link> <State state={log.isWritable ? 'ready' : 'failed'} />
          </span>
          <span className="quiet small">{counted(log.size, 'entry', 'entries')}</span>
        </li>
        {anchors.map(({ name, kind, lagMs, keptAt, alarms }) => (
          <li key={name} className="row spread">
            <span className="row">
              {name} <span className="quiet small">{kind} anchor</span>
              {alarms.map((each) => (
                <Badge key={each} tone="deny">
                  {each}
                </Badge>
              ))}
            </span>
            <span className="quiet small">
              {keptAt === null ? 'nothing since the start' : lagMs > 5000 ? `${duration(lagMs)} behind` : <Ago at={keptAt} />}
            </span>
          </li>
        ))}
        {siem.map(({ name, kind, lag, fault }) => (
          <li key={name} className="row spread">
            <span className="row">
              {name} <span className="quiet small">{kind}</span> {fault !== null && <Badge tone="deny">{fault}</Badge>}
            </span>
            <span className="quiet small">{lag === 0 ? 'has everything' : `${counted(lag, 'entry', 'entries')} behind`}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
