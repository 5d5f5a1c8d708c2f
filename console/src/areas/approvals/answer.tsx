// Approve once, approve for a time, deny; each with an optional reason. Two keys: `a` or `d` opens, Enter sends.

import type { FormEvent } from 'react';
import { useState } from 'react';
import { Dialog } from '../../ui/dialog.tsx';
import { useKeys } from '../../ui/keys.ts';
import { FormEnd } from '../../ui/form-end.tsx';
import { Fault } from '../../ui/states.tsx';
import { useToast } from '../../ui/toast.tsx';
import type { ApprovalDetail } from './queries.ts';
import { useAnswer } from './queries.ts';

const minute = 60_000;
const TIMES = [
  { label: 'once', ms: null },
  { label: '15 minutes', ms: 15 * minute },
  { label: '1 hour', ms: 60 * minute },
  { label: '8 hours', ms: 480 * minute },
] as const;

export function AnswerBar({ approval }: { readonly approval: ApprovalDetail }) {
  const [verdict, setVerdict] = useState<'approve' | 'deny' | null>(null);
  const isOpen = approval.state === 'pending' && approval.mayAnswer;
  useKeys(isOpen ? { a: () => setVerdict('approve'), d: () => setVerdict('deny') } : {});
  if (!isOpen) {
    return (
      <p className="note" role="status">
        {approval.state === 'pending'
          ? 'Somebody else answers this one: you do not have the role, or you asked for it yourself.'
          : WORDS[approval.state]}
      </p>
    );
  }
  return (
    <div className="answer-bar">
      <button type="button" className="button button-deny" onClick={() => setVerdict('deny')} aria-keyshortcuts="d">
        Deny <kbd aria-hidden="true">d</kbd>
      </button>
      <button type="button" className="button button-allow" onClick={() => setVerdict('approve')} aria-keyshortcuts="a">
        Approve <kbd aria-hidden="true">a</kbd>
      </button>
      <Dialog
        isOpen={verdict !== null}
        title={verdict === 'deny' ? 'Deny this statement' : 'Approve this statement'}
        close={() => setVerdict(null)}
      >
        {verdict !== null && <AnswerForm approval={approval} verdict={verdict} close={() => setVerdict(null)} />}
      </Dialog>
    </div>
  );
}

const WORDS: Readonly<Record<ApprovalDetail['state'], string>> = {
  pending: 'It waits.',
  approved: 'It is approved.',
  denied: 'It was denied.',
  expired: 'Nobody answered in time. The client has been told.',
  cancelled: 'It is void: the client went away, or the policy, the statement or what is protected has changed.',
  used: 'It was approved and has run.',
};

interface AnswerFormProps {
  readonly approval: ApprovalDetail;
  readonly verdict: 'approve' | 'deny';
  readonly close: () => void;
}

function AnswerForm({ approval, verdict, close }: AnswerFormProps) {
  const [reason, setReason] = useState('');
  const [time, setTime] = useState(0);
  const answer = useAnswer(approval.id);
  const toast = useToast();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const forMs = verdict === 'approve' ? (TIMES[time]?.ms ?? null) : null;
    answer.mutate(
      { verdict, ...(reason.trim() === '' ? {} : { justification: reason.trim() }), ...(forMs === null ? {} : { forMs }) },
      {
        onSuccess: ({ state }) => {
          toast(
            verdict === 'deny'
              ? 'Denied. The client has been told.'
              : state === 'pending'
                ? 'Your approval counts; more are needed.'
                : 'Approved. It runs now.',
            verdict === 'deny' ? 'deny' : 'allow',
          );
          close();
        },
      },
    );
  };
  return (
    <form className="stack" onSubmit={submit}>
      {verdict === 'approve' && (
        <fieldset className="answer-times">
          <legend>It may run</legend>
          <div className="segments">
            {TIMES.map(({ label }, index) => (
              <button key={label} type="button" aria-pressed={time === index} onClick={() => setTime(index)}>
                {index === 0 ? label : `for ${label}`}
              </button>
            ))}
          </div>
        </fieldset>
      )}
      <label className="field">
        <span>Reason (kept sealed; may stay empty)</span>
        <input className="input" autoFocus maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      {answer.error !== null && <Fault fault={answer.error} />}
      <FormEnd close={close} tone={verdict === 'deny' ? 'deny' : 'allow'} isPending={answer.isPending}>
        {verdict === 'deny' ? 'Deny' : 'Approve'} <kbd aria-hidden="true">Enter</kbd>
      </FormEnd>
    </form>
  );
}
