// One target: whether it is there, how to connect, what of it is protected, and what perhaps should be.

import { ArrowLeft } from 'lucide-react';
import { Link } from 'wouter';
import { useMay } from '../../session.tsx';
import { count } from '../../ui/numbers.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { Ago, Exact } from '../../ui/time.tsx';
import { ClassMap } from './classes.tsx';
import { Connect } from './connect.tsx';
import { Health } from './health.tsx';
import { Proposals } from './proposals.tsx';
import type { TargetDetail } from './queries.ts';
import { useTarget } from './queries.ts';

export function TargetPage({ name, tab }: { readonly name: string; readonly tab: string }) {
  const target = useTarget(name);
  const sees = useMay('oversight');
  if (target.isPending) return <Loading what="the target" />;
  if (target.error !== null) {
    return (
      <div className="stack">
        <Back />
        <h1 className="target-name">{name}</h1>
        <Fault fault={target.error} again={() => void target.refetch()} />
      </div>
    );
  }
  const tabs = [['connect', 'Connect'], ['classes', 'Classes'], ...(sees ? [['proposals', 'Proposals']] : [])] as const;
  return (
    <article className="stack">
      <Back />
      <header className="row spread">
        <h1 className="target-name">{name}</h1>
        <Health {...target.data} />
      </header>
      <nav className="tabs" aria-label={`Target ${name}`}>
        {tabs.map(([path, title]) => (
          <Link
            key={path}
            href={path === 'connect' ? `/targets/${name}` : `/targets/${name}/${path}`}
            className="tab"
            aria-current={tab === path ? 'page' : undefined}
          >
            {title}
          </Link>
        ))}
      </nav>
      {tab === 'connect' ? (
        <>
          <Facts target={target.data} />
          <Connect target={target.data} />
        </>
      ) : tab === 'classes' ? (
        <ClassMap target={name} />
      ) : tab === 'proposals' && sees ? (
        <Proposals target={name} />
      ) : (
        <Empty title="There is no such page" text="The address is wrong, or it needs a right that you do not have." />
      )}
    </article>
  );
}

function Back() {
  return (
    <Link href="/targets" className="row target-back">
      <ArrowLeft aria-hidden="true" size={18} /> All targets
    </Link>
  );
}

function Facts({ target }: { readonly target: TargetDetail }) {
  const { reachable, lastUsedAt, liveSessions, catalogueVersion } = target;
  return (
    <dl className="facts card">
      <dt>Protocol</dt>
      <dd>{target.protocol}</dd>
      {target.address !== null && (
        <>
          <dt>Address</dt>
          <dd>{target.address}</dd>
        </>
      )}
      <dt>Reachable</dt>
      <dd>
        {reachable === null ? (
          'nothing in the log yet'
        ) : (
          <>
            {reachable.state === 'up' ? 'yes' : 'no'}, since <Exact at={reachable.since} />
          </>
        )}
      </dd>
      <dt>Protected</dt>
      <dd>
        <Link href={`/targets/${target.name}/classes?protected=true`}>
          {count(target.protectedColumns)} {target.protectedColumns === 1 ? 'column' : 'columns'}
        </Link>
      </dd>
      <dt>Live sessions</dt>
      <dd>
        {liveSessions === 0 ? 'none' : <Link href={`/sessions?target=${target.name}&live=true`}>{count(liveSessions)}</Link>}
        {lastUsedAt !== null && (
          <span className="quiet">
            , last used <Ago at={lastUsedAt} />
          </span>
        )}
      </dd>
      {catalogueVersion !== null && (
        <>
          <dt>Catalogue</dt>
          <dd>
            <code>{catalogueVersion}</code>
          </dd>
        </>
      )}
    </dl>
  );
}
