// Sealed records that somebody wants to open, where a second person has to agree.

import type { FormEvent } from 'react';
import { useState } from 'react';
import { Link } from 'wouter';
import { useViewer } from '../../session.tsx';
import { Actor, Badge, State } from '../../ui/badge.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FormEnd } from '../../ui/form-end.tsx';
import { Fault } from '../../ui/states.tsx';
import { Ago, Left } from '../../ui/time.tsx';
import { useToast } from '../../ui/toast.tsx';
import { PURPOSES } from '../sessions/purposes.ts';
import { mayAnswer, type Unseal, useUnsealAnswer, useUnseals } from './access-queries.ts';

/** Answered ones that are listed. */
const earlier = 6;

export function Unseals() {
  const unseals = useUnseals();
  if (unseals.error !== null) return <Fault fault={unseals.error} again={() => void unseals.refetch()} />;
  // Where nobody else has to agree there is nothing to answer: those stand in the log only.
  const asked = (unseals.data ?? []).filter(({ approvers }) => approvers.count > 0);
  const pending = asked.filter(({ state }) => state === 'pending');
  const others = asked.filter(({ state }) => state !== 'pending').slice(0, earlier);
  if (pending.length + others.length === 0) return null;
  return (
    <section className="stack" aria-label="Sealed records to open">
      <h2>Sealed records to open</h2>
      <ul className="plain grant-list">
        {[...pending, ...others].map((unseal) => (
          <li key={unseal.id}>
            <UnsealCard unseal={unseal} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function UnsealCard({ unseal }: { readonly unseal: Unseal }) {
  const [verdict, setVerdict] = useState<'approve' | 'deny' | null>(null);
  const viewer = useViewer();
  const { session, entry, target, approvers, answers } = unseal;
  return (
    <article className="card stack-small">
      <div className="row spread">
        <Actor actor={unseal.requester} />
        <State state={unseal.state} />
      </div>
      <p>
        What {session === null ? <>entry #{entry}</> : <Link href={`/sessions/${session}`}>this session</Link>} on <strong>{target}</strong>{' '}
        said and saw
      </p>
      <p className="row">
        <Badge>{PURPOSES[unseal.purpose]}</Badge>
      </p>
      <p className="quiet small row spread">
        <span>
          asked <Ago at={unseal.createdAt} /> · {answers.filter((answer) => answer.verdict === 'approve').length} of {approvers.count}{' '}
          {approvers.role}
        </span>
        {unseal.state === 'pending' && <Left until={unseal.expiresAt} />}
      </p>
      {mayAnswer(viewer, unseal) && (
        <div className="row answer-send">
          <button type="button" className="button button-deny" onClick={() => setVerdict('deny')}>
            Deny
          </button>
          <button type="button" className="button button-allow" onClick={() => setVerdict('approve')}>
            Agree
          </button>
        </div>
      )}
      <Dialog
        isOpen={verdict !== null}
        title={verdict === 'deny' ? 'Leave it sealed' : 'Agree that it is opened'}
        close={() => setVerdict(null)}
      >
        {verdict !== null && <AnswerForm unseal={unseal} verdict={verdict} close={() => setVerdict(null)} />}
      </Dialog>
    </article>
  );
}

interface AnswerFormProps {
  readonly unseal: Unseal;
  readonly verdict: 'approve' | 'deny';
  readonly close: () => void;
}

function AnswerForm({ unseal, verdict, close }: AnswerFormProps) {
  const [reason, setReason] = useState('');
  const answer = useUnsealAnswer(unseal.id);
  const toast = useToast();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    answer.mutate(
      { verdict, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) },
      {
        onSuccess: ({ state }) => {
          toast(
            state === 'pending'
              ? 'Your answer counts; more are needed.'
              : state === 'approved'
                ? 'They may open it now.'
                : 'It stays sealed.',
            verdict === 'approve' ? 'allow' : 'deny',
          );
          close();
        },
      },
    );
  };
  return (
    <form className="stack" onSubmit={submit}>
      <p>
        {unseal.requester.subject} gives as purpose: {PURPOSES[unseal.purpose].toLowerCase()}. Your answer becomes an entry of the log.
      </p>
      <label className="field">
        <span>Reason (kept sealed; may stay empty)</span>
        <input className="input" autoFocus maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      {answer.error !== null && <Fault fault={answer.error} />}
      <FormEnd close={close} tone={verdict === 'deny' ? 'deny' : 'allow'} isPending={answer.isPending}>
        {verdict === 'deny' ? 'Deny' : 'Agree'}
      </FormEnd>
    </form>
  );
}
