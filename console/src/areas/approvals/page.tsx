// What waits for an answer, and what was answered. A list beside the open one; on a phone one after the other.

import './approvals.css';
import { useState } from 'react';
import { Link, useLocation, useRoute } from 'wouter';
import { Actor, State } from '../../ui/badge.tsx';
import { useKeys } from '../../ui/keys.ts';
import { readable } from '../../ui/readable.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { Ago, Left } from '../../ui/time.tsx';
import { AccessList } from './access.tsx';
import { ApprovalPane } from './detail.tsx';
import type { Approval } from './queries.ts';
import { useApprovals } from './queries.ts';

export default function ApprovalsPage() {
  const [shown, setShown] = useState<'pending' | 'all' | 'access'>('pending');
  const [, route] = useRoute('/approvals/:id');
  const [, navigate] = useLocation();
  const list = useApprovals(shown === 'pending' ? 'pending' : undefined);
  // What waits longest comes first; of the others the newest.
  const approvals = shown === 'pending' ? (list.data?.toReversed() ?? []) : (list.data ?? []);
  const open = route?.id ?? null;
  const at = approvals.findIndex(({ id }) => id === open);
  const go = (step: 1 | -1): void => {
    const next = approvals[at === -1 ? 0 : at + step];
    if (next !== undefined) navigate(`/approvals/${next.id}`);
  };
  useKeys(
    shown === 'access'
      ? {}
      : { j: () => go(1), k: () => go(-1), ArrowDown: () => go(1), ArrowUp: () => go(-1), Escape: () => navigate('/approvals') },
  );
  return (
    <>
      <div className="page-head">
        <h1>Approvals</h1>
        <div className="segments" role="group" aria-label="Which">
          <button type="button" aria-pressed={shown === 'pending'} onClick={() => setShown('pending')}>
            Waiting
          </button>
          <button type="button" aria-pressed={shown === 'all'} onClick={() => setShown('all')}>
            All
          </button>
          <button type="button" aria-pressed={shown === 'access'} onClick={() => setShown('access')}>
            Access
          </button>
        </div>
      </div>
      {shown === 'access' ? (
        <AccessList />
      ) : (
        <div className={open === null ? 'panes' : 'panes panes-open'}>
          <section className="pane-list" aria-label={shown === 'pending' ? 'Waiting approvals' : 'All approvals'}>
            {list.isPending && <Loading what="approvals" />}
            {list.error !== null && <Fault fault={list.error} again={() => void list.refetch()} />}
            {list.data?.length === 0 && (
              <Empty
                title={shown === 'pending' ? 'Nothing waits for you' : 'Nothing was held yet'}
                text="What the policy holds for a person appears here at once."
              />
            )}
            <ul className="plain approval-list">
              {approvals.map((approval) => (
                <li key={approval.id}>
                  <Item approval={approval} isOpen={approval.id === open} />
                </li>
              ))}
            </ul>
          </section>
          <section className="pane-open" aria-label="The open approval">
            {open === null ? (
              approvals.length > 0 && <p className="pane-hint quiet">Choose one, or press j.</p>
            ) : (
              <ApprovalPane key={open} id={open} />
            )}
          </section>
        </div>
      )}
    </>
  );
}

function Item({ approval, isOpen }: { readonly approval: Approval; readonly isOpen: boolean }) {
  return (
    <Link href={`/approvals/${approval.id}`} className="approval-item card" aria-current={isOpen ? 'true' : undefined}>
      <span className="row spread">
        <Actor actor={approval.requester} />
        {approval.state === 'pending' ? <Left until={approval.expiresAt} /> : <State state={approval.state} />}
      </span>
      <code className="approval-text">{readable(approval.statement ?? approval.action)}</code>
      <span className="row spread quiet small">
        <span>{approval.target}</span>
        <Ago at={approval.createdAt} />
      </span>
    </Link>
  );
}
