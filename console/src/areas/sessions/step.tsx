import { Link } from 'wouter';
import { useMay } from '../../session.tsx';
import { ClassBadge, State } from '../../ui/badge.tsx';
import { counted } from '../../ui/numbers.ts';
import { readable } from '../../ui/readable.ts';
import { Sql } from '../../ui/sql.tsx';
import { Exact } from '../../ui/time.tsx';
import type { Column, Step } from './timeline.ts';

/** One statement, or one event of the session. */
export function StepView({ step }: { readonly step: Step }) {
  if (step.kind === 'event') {
    return (
      <li className="step step-event">
        <span>{step.title}</span>
        <small className="quiet">
          <Exact at={step.at} /> <Entries step={step} />
        </small>
      </li>
    );
  }
  const isFailed = step.code !== null && step.code !== 'ok' && step.code !== 'denied';
  const shielded = step.columns.filter(({ classes }) => classes.length > 0);
  return (
    <li className={`step step-${step.decision ?? 'allow'}`}>
      <article className="card stack-small" aria-label={step.title}>
        <div className="row spread">
          <span className="row">
            <strong>{step.title}</strong>
            {step.decision !== null && <State state={step.decision} />}
            {isFailed && <span className="badge badge-deny">error {step.code}</span>}
          </span>
          <small className="quiet">
            <Exact at={step.at} /> <Entries step={step} />
          </small>
        </div>
        {step.statement === null ? (
          <p className="quiet">Its text could not be taken apart; it is in the sealed record only.</p>
        ) : (
          <Sql sql={step.statement} />
        )}
        <p className="small">
          {outcome(step)}
          {step.relations.length > 0 && (
            <span className="quiet">
              {' '}
              {step.effects.join(', ')} of {step.relations.join(', ')}
            </span>
          )}
        </p>
        {step.decision !== 'allow' && (
          <p className="small">
            Because of{' '}
            {[...step.rules.map((rule) => `rule ${rule}`), ...step.reasons.filter((reason) => reason !== 'rule')].join(', ') ||
              'the policy'}
            {step.approval !== null && (
              <>
                ; <Link href={`/approvals/${step.approval}`}>its approval</Link>
                {step.answers.map(({ by, verdict }, index) => (
                  <span key={index}>
                    , {verdict === 'approve' ? 'approved' : 'denied'} by {by}
                  </span>
                ))}
              </>
            )}
          </p>
        )}
        {step.unknowns.map((each) => (
          <p key={each} className="note note-deny small">
            Not understood: {each}
          </p>
        ))}
        {shielded.length > 0 && (
          <ul className="plain stack-small" aria-label="Protected columns">
            {shielded.map((column, index) => (
              <li key={`${index} ${column.name}`} className="row small">
                <code>{readable(column.name)}</code>
                {column.classes.map((each) => (
                  <ClassBadge key={each} name={each} mask={column.mask} />
                ))}
                <span className="quiet">{readable(why(column))}</span>
              </li>
            ))}
          </ul>
        )}
      </article>
    </li>
  );
}

function outcome({ code, rows, ms, decision }: Step): string {
  if (decision === 'deny') return 'Refused.';
  if (code === 'denied') return 'Held, then refused: nothing was sent to the target.';
  if (code === null) return decision === 'hold' ? 'Held: nothing was sent to the target.' : 'It has not ended.';
  const took = ms === null ? '' : ` in ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return code === 'ok' ? `${counted(rows ?? 0, 'row')}${took}.` : `Ended with ${code}${took}.`;
}

function why({ mask, sources }: Column): string {
  if (sources.length === 0) return '';
  return mask === 'clear' ? `shown as it is, made of ${sources.join(', ')}` : `masked because it is made of ${sources.join(', ')}`;
}

/** Where it stands in the log; a link for those who may look there. */
function Entries({ step: { entries } }: { readonly step: Step }) {
  const mayLook = useMay('audit');
  const [first] = entries;
  if (first === undefined) return null;
  return mayLook ? <Link href={`/log/${first}`}>#{first}</Link> : <span>#{first}</span>;
}
