import { useState } from 'react';
import { useMay } from '../../session.tsx';
import { Badge } from '../../ui/badge.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Fault, Loading } from '../../ui/states.tsx';
import { Ago } from '../../ui/time.tsx';
import { useToast } from '../../ui/toast.tsx';
import { DiffView } from './diff.tsx';
import type { PolicyHistory } from './queries.ts';
import { useHistory, useRollback } from './queries.ts';

type Application = PolicyHistory['applications'][number];

const HOW = { start: 'at the start of the gateway', apply: 'applied', rollback: 'brought back' } as const;

/** Versions that were in force, what each changed, and the way back. */
export function HistoryTab() {
  const history = useHistory();
  const mayApply = useMay('operate');
  const [back, setBack] = useState<Application | null>(null);
  if (history.isPending) return <Loading what="the history" />;
  if (history.error !== null) return <Fault fault={history.error} again={() => void history.refetch()} />;
  const { applications, inForce } = history.data;
  return (
    <>
      <ol className="plain stack">
        {applications.map((application, index) => (
          <li key={`${application.at} ${application.sha256}`} className="card stack-small">
            <div className="row spread">
              <span className="row">
                <code>{application.sha256.slice(0, 12)}</code>
                {index === 0 && application.sha256 === inForce && <Badge tone="allow">in force</Badge>}
                {application.isInstead && <Badge tone="hold">instead of the files</Badge>}
              </span>
              <span className="quiet small">
                {HOW[application.how]} {application.by === null ? '' : `by ${application.by.subject} `}
                <Ago at={application.at} />
              </span>
            </div>
            {application.diff === null ? (
              <p className="quiet">
                {application.previous === null
                  ? 'The first one.'
                  : 'What it changed cannot be told: one of the two does not load any more.'}
              </p>
            ) : application.diff.isEqual ? (
              <p className="quiet">No change of meaning.</p>
            ) : (
              <details>
                <summary>What it changed</summary>
                <DiffView diff={application.diff} />
              </details>
            )}
            {mayApply && application.sha256 !== inForce && (
              <div>
                <button type="button" className="button" onClick={() => setBack(application)}>
                  Bring this one back
                </button>
              </div>
            )}
          </li>
        ))}
      </ol>
      <Dialog isOpen={back !== null} title="Bring an earlier policy back" close={() => setBack(null)}>
        {back !== null && <Back application={back} inForce={inForce} close={() => setBack(null)} />}
      </Dialog>
    </>
  );
}

function Back({
  application,
  inForce,
  close,
}: {
  readonly application: Application;
  readonly inForce: string;
  readonly close: () => void;
}) {
  const rollback = useRollback();
  const toast = useToast();
  return (
    <div className="stack">
      <p>
        <code>{application.sha256.slice(0, 12)}</code> comes into force at once, for open sessions too. Its own tests run first. Statements
        that wait are void, and the record names you.
      </p>
      {rollback.error !== null && <Fault fault={rollback.error} />}
      {rollback.data?.ok === false && <p className="note note-deny">It was not brought back: its tests or its files fail today.</p>}
      <div className="row answer-send">
        <button type="button" className="button" onClick={close}>
          Leave it
        </button>
        <button
          type="button"
          className="button button-primary"
          disabled={rollback.isPending}
          onClick={() =>
            rollback.mutate(
              { sha256: application.sha256, expected: inForce },
              {
                onSuccess: ({ ok }) => {
                  if (!ok) return;
                  toast('The earlier policy is in force.', 'allow');
                  close();
                },
              },
            )
          }
        >
          Bring it back
        </button>
      </div>
    </div>
  );
}
