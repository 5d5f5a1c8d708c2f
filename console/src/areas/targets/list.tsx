// The databases behind the gate: whether they are there, how much of them is protected, how much they are used.

import { Link } from 'wouter';
import { Badge } from '../../ui/badge.tsx';
import { count, counted } from '../../ui/numbers.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { Ago } from '../../ui/time.tsx';
import type { Target } from './queries.ts';
import { useTarget, useTargets } from './queries.ts';
import { Health } from './health.tsx';

export function TargetList() {
  const targets = useTargets();
  return (
    <>
      <div className="page-head">
        <h1>Targets</h1>
        {targets.data !== undefined && (
          <span className="quiet" role="status">
            {counted(targets.data.length, 'target')}
          </span>
        )}
      </div>
      {targets.isPending && <Loading what="targets" />}
      {targets.error !== null && <Fault fault={targets.error} again={() => void targets.refetch()} />}
      {targets.data?.length === 0 && (
        <Empty title="No target for you" text="You have no access to any target. Ask for it under Approvals, Access." />
      )}
      <ul className="plain target-list">
        {(targets.data ?? []).map((target) => (
          <li key={target.name}>
            <Item target={target} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Item({ target }: { readonly target: Target }) {
  const { data } = useTarget(target.name);
  return (
    <Link href={`/targets/${target.name}`} className="card target-item">
      <span className="row spread">
        <strong className="target-name">{target.name}</strong>
        <Health catalogue={target.catalogue} reachable={data?.reachable ?? null} />
      </span>
      <span className="quiet small target-address">
        {target.protocol}
        {target.address !== null && ` · ${target.address}`}
      </span>
      <span className="target-counts">
        <span>
          <strong className="number">{count(target.protectedColumns)}</strong> protected{' '}
          {target.protectedColumns === 1 ? 'column' : 'columns'}
        </span>
        <span>
          {data === undefined ? (
            <span className="quiet">…</span>
          ) : data.liveSessions > 0 ? (
            <Badge tone="allow">{count(data.liveSessions)} live</Badge>
          ) : (
            <span className="quiet">no live session</span>
          )}
        </span>
        <span className="quiet">
          {data === undefined ? (
            ''
          ) : data.lastUsedAt === null ? (
            'never used'
          ) : (
            <>
              used <Ago at={data.lastUsedAt} />
            </>
          )}
        </span>
      </span>
    </Link>
  );
}
