// One held request: who, what, which protected classes come out and how, how much it touches, why it was held. Enough to answer
// in ten seconds; the answer itself is below, and on a phone always in reach.

import { ArrowLeft } from 'lucide-react';
import { Link } from 'wouter';
import { Actor, ClassBadge, State } from '../../ui/badge.tsx';
import { counted } from '../../ui/numbers.ts';
import { readable } from '../../ui/readable.ts';
import { Sql } from '../../ui/sql.tsx';
import { Fault, Loading } from '../../ui/states.tsx';
import { Ago, Left } from '../../ui/time.tsx';
import { AnswerBar } from './answer.tsx';
import type { ApprovalDetail } from './queries.ts';
import { useApproval } from './queries.ts';
import { SampleTable } from './sample.tsx';
import { NOT_COUNTED, NOT_SAMPLED } from './words.ts';

export function ApprovalPane({ id }: { readonly id: string }) {
  const approval = useApproval(id);
  if (approval.isPending) return <Loading what="the approval" />;
  if (approval.error !== null) return <Fault fault={approval.error} again={() => void approval.refetch()} />;
  return <ApprovalView approval={approval.data} />;
}

function ApprovalView({ approval }: { readonly approval: ApprovalDetail }) {
  const { outputs, relations } = approval;
  const protectedOutputs = outputs.filter(({ classes }) => classes.length > 0);
  const clear = protectedOutputs.filter(({ mask }) => mask === 'clear');
  return (
    <article className="approval stack">
      <Link href="/approvals" className="approval-back row">
        <ArrowLeft aria-hidden="true" size={18} /> All approvals
      </Link>
      <header className="row spread">
        <h2 className="approval-title">
          <Actor actor={approval.requester} />
          {approval.onBehalfOf !== null && (
            <span className="quiet">
              for <Actor actor={approval.onBehalfOf} />
            </span>
          )}
          <span className="quiet">on</span> {approval.target}
        </h2>
        <span className="row">
          <State state={approval.state} />
          {approval.state === 'pending' && <Left until={approval.expiresAt} />}
        </span>
      </header>
      {approval.statement === null ? (
        <p className="note">The text cannot be shown: it is not one the gateway could take apart. What it does is below.</p>
      ) : (
        <Sql sql={approval.statement} />
      )}
      {clear.length > 0 && (
        <p className="note note-deny" role="note">
          <strong>{counted(clear.length, 'protected column')} would come out in clear:</strong>{' '}
          {clear.map(({ name }) => readable(name)).join(', ')}
        </p>
      )}
      <dl className="facts card">
        <dt>Does</dt>
        <dd>
          {approval.effects.join(', ') || approval.action}
          {approval.unbounded && <span className="left-short"> without a bound: no WHERE, no LIMIT</span>}
        </dd>
        <dt>Touches</dt>
        <dd>
          <ul className="plain row">
            {relations.map(({ name, access }) => (
              <li key={`${name} ${access}`}>
                <code>{readable(name)}</code> <span className="quiet">{access === 'write' ? 'written' : 'read'}</span>
              </li>
            ))}
          </ul>
        </dd>
        {protectedOutputs.length > 0 && (
          <>
            <dt>Comes out</dt>
            <dd>
              <ul className="plain stack-small">
                {protectedOutputs.map(({ name, classes, mask }) => (
                  <li key={name} className="row">
                    <code>{readable(name)}</code>
                    {classes.map((each) => (
                      <ClassBadge key={each} name={each} mask={mask} />
                    ))}
                  </li>
                ))}
              </ul>
            </dd>
          </>
        )}
        <Effect approval={approval} />
        <dt>Held by</dt>
        <dd>
          {approval.rules.join(', ')}
          {approval.say !== null && <p className="quiet">“{approval.say}”</p>}
        </dd>
        <dt>Needs</dt>
        <dd>
          {counted(approval.approvers.count, 'answer')} of {approval.approvers.role}; {approval.answers.length} given
        </dd>
        <dt>Asked</dt>
        <dd>
          <Ago at={approval.createdAt} /> · <Link href={`/sessions/${approval.session}`}>its session</Link>
        </dd>
      </dl>
      {approval.sample !== null && <SampleTable sample={approval.sample} />}
      {approval.answers.length > 0 && (
        <ul className="plain stack-small">
          {approval.answers.map(({ by, verdict, at }) => (
            <li key={`${by.issuer}/${by.subject}`} className="row">
              <State state={verdict === 'approve' ? 'approved' : 'denied'} /> by <Actor actor={by} /> <Ago at={at} />
            </li>
          ))}
        </ul>
      )}
      <AnswerBar approval={approval} />
    </article>
  );
}

function Effect({ approval: { preview, mayAnswer, state, effects } }: { readonly approval: ApprovalDetail }) {
  if (preview === null) return mayAnswer && state === 'pending' ? <Row term="Rows">finding out …</Row> : null;
  const { estimatedRows, affectedRows, notCounted, sampling } = preview;
  return (
    <>
      <Row term="Rows">
        {affectedRows !== null && `${counted(affectedRows, 'row')} would change (tried, rolled back)`}
        {affectedRows === null && estimatedRows !== null && `about ${counted(estimatedRows, 'row')}, says the planner`}
        {affectedRows === null && estimatedRows === null && 'unknown'}
        {notCounted !== null && effects.includes('write') && <p className="quiet">Not counted: {NOT_COUNTED[notCounted]}.</p>}
        {sampling !== null && sampling !== 'taken' && <p className="quiet">No rows shown: {NOT_SAMPLED[sampling]}.</p>}
      </Row>
    </>
  );
}

function Row({ term, children }: { readonly term: string; readonly children: React.ReactNode }) {
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  );
}
