// Ends a live session: for operators, and for those whose session it is.

import type { FormEvent } from 'react';
import { useState } from 'react';
import { useMay, useViewer } from '../../session.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FormEnd } from '../../ui/form-end.tsx';
import { Fault } from '../../ui/states.tsx';
import { useToast } from '../../ui/toast.tsx';
import { owns } from './owner.ts';
import type { Session } from './queries.ts';
import { useEndSession } from './queries.ts';

type Ending = Pick<Session, 'id' | 'state' | 'principal' | 'onBehalfOf'>;

export function EndSession({ session }: { readonly session: Ending }) {
  const [isOpen, setOpen] = useState(false);
  const viewer = useViewer();
  const mayOperate = useMay('operate');
  if (session.state === 'closed' || !(mayOperate || owns(viewer, session))) return null;
  return (
    <>
      <button type="button" className="button button-deny" onClick={() => setOpen(true)}>
        End it …
      </button>
      <Dialog isOpen={isOpen} title="End this session" close={() => setOpen(false)}>
        <EndForm id={session.id} close={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function EndForm({ id, close }: { readonly id: string; readonly close: () => void }) {
  const [reason, setReason] = useState('');
  const end = useEndSession(id);
  const toast = useToast();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    end.mutate(reason, {
      onSuccess: ({ ended }) => {
        toast(ended ? 'It has been told to end. The record names you.' : 'It was over already.', ended ? 'deny' : 'plain');
        close();
      },
    });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <p>Its client is told at once that a person ended it, and loses the connection. It may connect again.</p>
      <label className="field">
        <span>Reason (kept sealed; may stay empty)</span>
        <textarea className="input" autoFocus maxLength={4000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      {end.error !== null && <Fault fault={end.error} />}
      <FormEnd close={close} tone="deny" isPending={end.isPending}>
        End it
      </FormEnd>
    </form>
  );
}
