// Access that people and agents ask for: answer it, take it back, review what was taken without asking, ask for it.

import type { FormEvent } from 'react';
import { useState } from 'react';
import { Actor, Badge, State } from '../../ui/badge.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FormEnd } from '../../ui/form-end.tsx';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { Ago, duration, Left } from '../../ui/time.tsx';
import { useToast } from '../../ui/toast.tsx';
import type { Grant, GrantAction, Offer } from './grants-queries.ts';
import { Delegations } from './delegations.tsx';
import { useGrantAction, useGrants, useOffers, useRequestGrant } from './grants-queries.ts';
import { Unseals } from './unseals.tsx';

export function AccessList() {
  const grants = useGrants();
  const offers = useOffers();
  const [asks, setAsks] = useState(false);
  if (grants.isPending) return <Loading what="access" />;
  if (grants.error !== null) return <Fault fault={grants.error} again={() => void grants.refetch()} />;
  const open = grants.data.filter(({ mayAnswer, mayReview }) => mayAnswer || mayReview);
  const active = grants.data.filter((grant) => grant.state === 'active' && !open.includes(grant));
  const others = grants.data.filter((grant) => !open.includes(grant) && !active.includes(grant));
  return (
    <div className="stack">
      {(offers.data?.length ?? 0) > 0 && (
        <div>
          <button type="button" className="button button-primary" onClick={() => setAsks(true)}>
            Ask for access …
          </button>
        </div>
      )}
      <Unseals />
      {grants.data.length === 0 && (
        <Empty title="Nobody has asked for access" text="Access that is not standing is asked for here, or by sallyport request." />
      )}
      <Group title="Waits for you" grants={open} />
      <Group title="In force" grants={active} />
      <Group title="Earlier" grants={others} />
      <Delegations />
      <Dialog isOpen={asks} title="Ask for access" close={() => setAsks(false)}>
        {asks && <AskForm offers={offers.data ?? []} close={() => setAsks(false)} />}
      </Dialog>
    </div>
  );
}

function Group({ title, grants }: { readonly title: string; readonly grants: readonly Grant[] }) {
  if (grants.length === 0) return null;
  return (
    <section className="stack" aria-label={title}>
      <h2>{title}</h2>
      <ul className="plain grant-list">
        {grants.map((grant) => (
          <li key={grant.id}>
            <GrantCard grant={grant} />
          </li>
        ))}
      </ul>
    </section>
  );
}

const ACTIONS = {
  approve: { title: 'Give this access', button: 'Give it', label: 'Reason (kept sealed; may stay empty)', isNeeded: false },
  deny: { title: 'Deny this access', button: 'Deny it', label: 'Reason (kept sealed; may stay empty)', isNeeded: false },
  revoke: { title: 'Take this access back', button: 'Take it back', label: 'Reason (kept sealed; may stay empty)', isNeeded: false },
  review: { title: 'Review what was taken', button: 'Sign the review', label: 'Finding (kept sealed)', isNeeded: true },
} as const;

function GrantCard({ grant }: { readonly grant: Grant }) {
  const [action, setAction] = useState<GrantAction['kind'] | null>(null);
  return (
    <article className="card stack-small">
      <div className="row spread">
        <span className="row">
          <Actor actor={grant.requester} />
          {grant.onBehalfOf !== null && (
            <span className="quiet">
              for <Actor actor={grant.onBehalfOf} />
            </span>
          )}
        </span>
        <span className="row">
          {grant.kind === 'break-glass' && <Badge tone="deny">break-glass</Badge>}
          <State state={grant.state} />
        </span>
      </div>
      <p>
        <strong>{grant.role}</strong> on <strong>{grant.target}</strong> to {grant.effects.join(', ')} for {duration(grant.durationMs)}
      </p>
      {grant.relations !== null && <p className="small">Only {grant.relations.join(', ')}</p>}
      {grant.rowsPerHour !== null && <p className="small">At most {grant.rowsPerHour} rows an hour</p>}
      <p className="quiet small row spread">
        <span>
          asked <Ago at={grant.requestedAt} />
          {grant.answers.length > 0 && ` · ${grant.answers.length} of ${grant.approvers.count} ${grant.approvers.role}`}
        </span>
        {grant.state === 'requested' && <Left until={grant.answerBy} />}
        {grant.state === 'active' && grant.expiresAt !== null && <Left until={grant.expiresAt} />}
        {grant.review === 'owed' && <Badge tone="hold">review owed</Badge>}
      </p>
      <div className="row answer-send">
        {grant.mayAnswer && (
          <>
            <button type="button" className="button button-deny" onClick={() => setAction('deny')}>
              Deny
            </button>
            <button type="button" className="button button-allow" onClick={() => setAction('approve')}>
              Give it
            </button>
          </>
        )}
        {grant.mayReview && (
          <button type="button" className="button" onClick={() => setAction('review')}>
            Review
          </button>
        )}
        {grant.mayRevoke && grant.state === 'active' && (
          <button type="button" className="button button-deny" onClick={() => setAction('revoke')}>
            Take it back
          </button>
        )}
      </div>
      <Dialog isOpen={action !== null} title={action === null ? '' : ACTIONS[action].title} close={() => setAction(null)}>
        {action !== null && <ActionForm grant={grant} kind={action} close={() => setAction(null)} />}
      </Dialog>
    </article>
  );
}

interface ActionFormProps {
  readonly grant: Grant;
  readonly kind: GrantAction['kind'];
  readonly close: () => void;
}

function ActionForm({ grant, kind, close }: ActionFormProps) {
  const [text, setText] = useState('');
  const act = useGrantAction(grant.id);
  const toast = useToast();
  const { label, button, isNeeded } = ACTIONS[kind];
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    act.mutate(
      { kind, text },
      {
        onSuccess: () => {
          toast(`${button}: done and recorded.`, kind === 'approve' ? 'allow' : 'plain');
          close();
        },
      },
    );
  };
  return (
    <form className="stack" onSubmit={submit}>
      <label className="field">
        <span>{label}</span>
        <textarea
          className="input"
          autoFocus
          required={isNeeded}
          maxLength={2000}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      {act.error !== null && <Fault fault={act.error} />}
      <FormEnd close={close} tone={kind === 'approve' ? 'allow' : 'primary'} isPending={act.isPending}>
        {button}
      </FormEnd>
    </form>
  );
}

const minute = 60_000;
const DURATIONS = [15 * minute, 60 * minute, 240 * minute, 480 * minute, 1440 * minute];

function AskForm({ offers, close }: { readonly offers: readonly Offer[]; readonly close: () => void }) {
  const [at, setAt] = useState(0);
  const [durationMs, setDuration] = useState(60 * minute);
  const [reason, setReason] = useState('');
  const ask = useRequestGrant();
  const toast = useToast();
  const offer = offers[at];
  if (offer === undefined) return null;
  const durations = DURATIONS.filter((each) => each <= offer.maxDurationMs);
  const chosen = durations.includes(durationMs) ? durationMs : (durations.at(-1) ?? offer.maxDurationMs);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const { target, kind, role } = offer;
    ask.mutate(
      { target, kind, role, durationMs: chosen, reason: reason.trim() },
      {
        onSuccess: ({ state }) => {
          toast(
            state === 'active' ? 'You have access. It is recorded, and somebody will review it.' : 'Asked. You see the answer here.',
            'allow',
          );
          close();
        },
      },
    );
  };
  return (
    <form className="stack" onSubmit={submit}>
      <label className="field">
        <span>Access</span>
        <select className="input" value={at} onChange={(event) => setAt(Number(event.target.value))}>
          {offers.map(({ target, role, kind }, index) => (
            <option key={`${target} ${role} ${kind}`} value={index}>
              {target} as {role}
              {kind === 'break-glass' ? ' (break-glass)' : ''}
            </option>
          ))}
        </select>
      </label>
      <p className="quiet small">
        To {offer.effects.join(', ')}.{' '}
        {offer.kind === 'break-glass'
          ? `You have it at once; ${offer.approvers.role} reviews it afterwards.`
          : `${offer.approvers.count} of ${offer.approvers.role} must agree.`}
      </p>
      <label className="field">
        <span>For</span>
        <select className="input" value={chosen} onChange={(event) => setDuration(Number(event.target.value))}>
          {(durations.length === 0 ? [offer.maxDurationMs] : durations).map((each) => (
            <option key={each} value={each}>
              {duration(each)}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Why (kept sealed)</span>
        <textarea
          className="input"
          required
          minLength={4}
          maxLength={2000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
      {ask.error !== null && <Fault fault={ask.error} />}
      <FormEnd close={close} isPending={ask.isPending}>
        Ask
      </FormEnd>
    </form>
  );
}
