// Columns that no class covers and that look as if one should: by their names, and on request by what some of their values look like.

import { Badge } from '../../ui/badge.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { counted } from '../../ui/numbers.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import type { Checked } from './queries.ts';
import { useProposals, useSampling } from './queries.ts';
import { asPolicy, proposalsOf } from './tree.ts';

export function Proposals({ target }: { readonly target: string }) {
  const byName = useProposals();
  const sampling = useSampling();
  const checked = sampling.data ?? byName.data;
  return (
    <div className="stack">
      <p>
        Columns without a class that look protected. Nothing protects them until the policy names them: copy the lines into a dry run of the
        policy.
      </p>
      <div className="card row spread target-sample">
        <p className="small">
          Looking at values finds more than names do. The gateway then reads some rows of every table <strong>of all targets</strong>; that
          is recorded in the log under your name. Only counts are shown, never a value.
        </p>
        <button type="button" className="button" disabled={sampling.isPending} onClick={() => sampling.mutate()}>
          {sampling.isPending ? 'Reading …' : 'Read and record'}
        </button>
      </div>
      {sampling.error !== null && <Fault fault={sampling.error} />}
      {byName.isPending && <Loading what="proposals" />}
      {byName.error !== null && <Fault fault={byName.error} again={() => void byName.refetch()} />}
      {checked !== undefined && <Found target={target} checked={checked} isSampled={sampling.data !== undefined} />}
    </div>
  );
}

function Found({ target, checked, isSampled }: { readonly target: string; readonly checked: Checked; readonly isSampled: boolean }) {
  const byRelation = proposalsOf(target, checked.proposals);
  const all = [...byRelation.values()].flat();
  return (
    <>
      {checked.notes.map((note) => (
        <p key={note} className="note small">
          {note}
        </p>
      ))}
      {all.length === 0 ? (
        <Empty
          title="Nothing looks forgotten"
          text={isSampled ? 'Neither names nor values look protected.' : 'No name of a column without a class looks protected.'}
        />
      ) : (
        <div className="row spread">
          <h2>
            <span role="status">
              {counted(all.length, 'column')} in {counted(byRelation.size, 'relation')}
            </span>
          </h2>
          <CopyButton text={asPolicy(all)} what="as classes of a policy" label="Copy as policy" />
        </div>
      )}
      <ul className="plain proposals">
        {[...byRelation].map(([relation, proposals]) => (
          <li key={relation} className="card stack-small">
            <h3>{relation}</h3>
            <ul className="plain stack-small">
              {proposals.map((proposal) => (
                <li key={`${proposal.column} ${proposal.class}`} className="proposal">
                  <code>{proposal.name}</code>
                  <span className="row">
                    <Badge tone="mask">{proposal.class}</Badge>
                    {!proposal.isDeclared && <span className="quiet small">new class</span>}
                  </span>
                  <span className="quiet small">{proposal.evidence}</span>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </>
  );
}
