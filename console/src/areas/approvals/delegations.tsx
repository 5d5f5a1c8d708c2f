// The right to answer, lent for a time: for holidays and nights.

import type { FormEvent } from 'react';
import { useState } from 'react';
import { useViewer } from '../../session.tsx';
import { Actor } from '../../ui/badge.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FormEnd } from '../../ui/form-end.tsx';
import { Fault } from '../../ui/states.tsx';
import { Left } from '../../ui/time.tsx';
import { useToast } from '../../ui/toast.tsx';
import { type Delegation, mayEnd, useDelegate, useDelegations, useEndDelegation } from './access-queries.ts';

export function Delegations() {
  const viewer = useViewer();
  const delegations = useDelegations();
  const [isOpen, setOpen] = useState(false);
  const mayLend = viewer.kind === 'person' && viewer.roles.length > 0;
  if (delegations.error !== null) return <Fault fault={delegations.error} again={() => void delegations.refetch()} />;
  const lent = delegations.data ?? [];
  if (!mayLend && lent.length === 0) return null;
  return (
    <section className="stack" aria-label="Lent roles">
      <div className="row spread">
        <h2>Lent roles</h2>
        {mayLend && (
          <button type="button" className="button" onClick={() => setOpen(true)}>
            Lend a role …
          </button>
        )}
      </div>
      {lent.length === 0 && <p className="quiet">Nobody answers for somebody else.</p>}
      <ul className="plain grant-list">
        {lent.map((each) => (
          <li key={each.id}>
            <DelegationCard delegation={each} />
          </li>
        ))}
      </ul>
      <Dialog isOpen={isOpen} title="Lend a role" close={() => setOpen(false)}>
        <LendForm close={() => setOpen(false)} />
      </Dialog>
    </section>
  );
}

function DelegationCard({ delegation }: { readonly delegation: Delegation }) {
  const viewer = useViewer();
  const end = useEndDelegation();
  const toast = useToast();
  const { role, from, to, expiresAt } = delegation;
  return (
    <article className="card stack-small">
      <p className="row">
        <Actor actor={{ ...to, kind: 'person' }} /> answers as <strong>{role}</strong> for <Actor actor={from} />
      </p>
      {end.error !== null && <Fault fault={end.error} />}
      <div className="row spread">
        <span className="small">
          <Left until={expiresAt} />
        </span>
        {mayEnd(viewer, delegation) && (
          <button
            type="button"
            className="button button-deny"
            disabled={end.isPending}
            onClick={() => end.mutate(delegation.id, { onSuccess: () => toast('Taken back, and recorded.') })}
          >
            Take it back
          </button>
        )}
      </div>
    </article>
  );
}

const hour = 3_600_000;
const DURATIONS = [
  ['8 hours', 8 * hour],
  ['1 day', 24 * hour],
  ['1 week', 168 * hour],
  ['2 weeks', 336 * hour],
  ['30 days', 720 * hour],
] as const;

function LendForm({ close }: { readonly close: () => void }) {
  const viewer = useViewer();
  const [role, setRole] = useState(viewer.roles[0] ?? '');
  const [issuer, setIssuer] = useState(viewer.issuer);
  const [subject, setSubject] = useState('');
  const [durationMs, setDuration] = useState<number>(24 * hour);
  const delegate = useDelegate();
  const toast = useToast();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    delegate.mutate(
      { role, to: { issuer: issuer.trim(), subject: subject.trim() }, durationMs },
      {
        onSuccess: ({ to }) => {
          toast(`${to.subject} may answer for you. It is recorded.`, 'allow');
          close();
        },
      },
    );
  };
  return (
    <form className="stack" onSubmit={submit}>
      <p>
        Somebody else may then answer what waits for this role. They get no access to any target by it, and cannot answer what they asked
        for themselves.
      </p>
      <label className="field">
        <span>Role</span>
        <select className="input" value={role} onChange={(event) => setRole(event.target.value)}>
          {viewer.roles.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>To (subject, as the identity provider has it)</span>
        <input
          className="input"
          required
          autoFocus
          autoComplete="off"
          spellCheck={false}
          maxLength={500}
          value={subject}
          onChange={(event) => setSubject(event.target.value)}
        />
      </label>
      <label className="field">
        <span>Of identity provider</span>
        <input className="input" required maxLength={100} value={issuer} onChange={(event) => setIssuer(event.target.value)} />
      </label>
      <label className="field">
        <span>For</span>
        <select className="input" value={durationMs} onChange={(event) => setDuration(Number(event.target.value))}>
          {DURATIONS.map(([label, ms]) => (
            <option key={ms} value={ms}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {delegate.error !== null && <Fault fault={delegate.error} />}
      <FormEnd close={close} isPending={delegate.isPending}>
        Lend it
      </FormEnd>
    </form>
  );
}
