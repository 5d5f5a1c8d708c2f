// The verdict in plain sentences. All texts come from a bundle that may be anybody's: what hides or reorders text is made visible.

import { CircleCheck, CircleHelp, ShieldAlert, ShieldCheck, ShieldX } from 'lucide-react';
import type { EvidenceVerdict, Problem } from '../../../../src/evidence/verdict.ts';
import { NEXT } from '../../../../src/evidence/verdict.ts';
import { visible } from '../../../../src/evidence/words.ts';
import { count, counted } from '../../ui/numbers.ts';
import type { ControlRow, VerifyResult } from '../../verify/messages.ts';
import { byCode, REASONS } from './reasons.ts';

/** Of each kind of problem; the others are there when somebody wants them. */
const FIRST = 3;
/** What the command line would be told is a field of this page. */
const OPTION = / \(--[a-z]+\)/g;

/** On a phone it is below what was asked. */
const intoView = (element: HTMLElement | null): void => element?.scrollIntoView({ block: 'nearest' });

export function VerdictView({ result: { verdict, controls }, ms }: { readonly result: VerifyResult; readonly ms: number }) {
  return (
    <section className="stack evidence-verdict" aria-label="Verdict" ref={intoView}>
      <Banner verdict={verdict} />
      {verdict.problems.length > 0 && <ProblemList verdict={verdict} />}
      <div className="evidence-columns">
        <section className="card stack" aria-label="What was checked">
          <h2>What was checked</h2>
          <Facts verdict={verdict} ms={ms} />
        </section>
        {(verdict.proven.length > 0 || verdict.notProven.length > 0) && (
          <section className="card stack" aria-label="Proven and not proven">
            <Claims title="Proven" texts={verdict.proven} isProven />
            <Claims title="Not proven" texts={verdict.notProven} />
          </section>
        )}
      </div>
      {controls !== null && <ControlTable controls={controls} />}
    </section>
  );
}

function Banner({ verdict: { ok, keySource, problemCount } }: { readonly verdict: EvidenceVerdict }) {
  const [Icon, tone, title, text] = !ok
    ? ([
        ShieldX,
        'deny',
        'The evidence does not hold',
        `${counted(problemCount, 'problem')} found. Rely on nothing in this bundle.`,
      ] as const)
    : keySource === 'given'
      ? ([ShieldCheck, 'allow', 'The evidence holds', 'Every file and every entry is what was signed with the key that you gave.'] as const)
      : ([
          ShieldAlert,
          'hold',
          'The evidence agrees with itself',
          'The key came with the bundle, so anybody could have made all of it. Give the key that you trust, and check again.',
        ] as const);
  return (
    <div className={`note note-${tone} evidence-banner`} role="alert">
      <Icon aria-hidden="true" size={32} />
      <div>
        <h2>{title}</h2>
        <p>{text}</p>
      </div>
    </div>
  );
}

function ProblemList({ verdict: { problems, problemCount } }: { readonly verdict: EvidenceVerdict }) {
  const more = problemCount - problems.length;
  return (
    <section className="card stack" aria-label="Problems">
      <h2>Problems</h2>
      <ul className="plain evidence-problems">
        {byCode(problems).map(([code, all]) => (
          <li key={code}>
            <strong>{REASONS[code]}</strong>
            <Places problems={all.slice(0, FIRST)} />
            {all.length > FIRST && (
              <details>
                <summary className="small">{count(all.length - FIRST)} more of this kind</summary>
                <Places problems={all.slice(FIRST)} />
              </details>
            )}
          </li>
        ))}
      </ul>
      {more > 0 && <p className="quiet">And {count(more)} more.</p>}
      <h2>What to do</h2>
      <ul className="evidence-next">
        {[...new Set(problems.map(({ code }) => NEXT[code]))].map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </section>
  );
}

function Places({ problems }: { readonly problems: readonly Problem[] }) {
  return (
    <ul className="plain evidence-places">
      {problems.map(({ code, file, index, what }, at) => (
        <li key={at}>
          <p>{visible(what)}</p>
          <p className="quiet small row">
            {file !== null && <code>{visible(file)}</code>}
            {index !== null && <span>entry {count(index)}</span>}
            <code>{code}</code>
          </p>
        </li>
      ))}
    </ul>
  );
}

function Facts({
  verdict: { origin, key, keySource, range, checkpoint, checked },
  ms,
}: {
  readonly verdict: EvidenceVerdict;
  readonly ms: number;
}) {
  return (
    <dl className="facts">
      <dt>Log</dt>
      <dd>{visible(origin ?? 'unknown')}</dd>
      <dt>Key</dt>
      <dd>
        <code>{visible(key ?? 'none')}</code> ({keySource === 'given' ? 'given by you' : 'from the bundle'})
      </dd>
      {range !== null && (
        <>
          <dt>Range</dt>
          <dd>
            {visible(range.from)} to {visible(range.to)}
            <br />
            {range.first === range.end ? 'no entries' : `entries ${count(range.first)} to ${count(range.end - 1)}`}
          </dd>
        </>
      )}
      {checkpoint !== null && (
        <>
          <dt>Signed state</dt>
          <dd>
            {counted(checkpoint.size, 'entry', 'entries')}, root <code>{visible(checkpoint.root)}</code>
          </dd>
        </>
      )}
      <dt>Checked</dt>
      <dd>
        {counted(checked.files, 'file')}, {counted(checked.entries, 'entry', 'entries')}, {counted(checked.policies, 'policy text')} in{' '}
        {(ms / 1000).toFixed(1)} s
      </dd>
    </dl>
  );
}

function Claims({
  title,
  texts,
  isProven = false,
}: {
  readonly title: string;
  readonly texts: readonly string[];
  readonly isProven?: boolean;
}) {
  if (texts.length === 0) return null;
  const Icon = isProven ? CircleCheck : CircleHelp;
  return (
    <>
      <h2>{title}</h2>
      <ul className={`plain evidence-claims ${isProven ? 'evidence-proven' : ''}`}>
        {texts.map((text) => (
          <li key={text}>
            <Icon aria-hidden="true" size={18} />
            <span>{visible(text).replaceAll(OPTION, '')}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function ControlTable({ controls }: { readonly controls: readonly ControlRow[] }) {
  return (
    <section className="card stack" aria-label="Safeguards">
      <h2>HIPAA safeguards</h2>
      <p className="quiet">
        What the records of this range show for each safeguard, and what they cannot show. Not a statement that one is met.
      </p>
      <div className="table-wrap" tabIndex={0} role="group" aria-label="Table of safeguards">
        <table className="table evidence-controls">
          <thead>
            <tr>
              <th scope="col">Safeguard</th>
              <th scope="col">Records</th>
              <th scope="col">Shows</th>
              <th scope="col">Cannot show</th>
            </tr>
          </thead>
          <tbody>
            {controls.map(({ control, title, records, count: number, counted: what, shows, cannotShow }) => (
              <tr key={control}>
                <th scope="row">
                  <code>{visible(control)}</code>
                  <br />
                  {visible(title)}
                </th>
                <td>
                  <strong>{visible(number)}</strong> {visible(what)}
                  <br />
                  <span className="quiet small">{visible(records)}</span>
                </td>
                <td>{visible(shows)}</td>
                <td>{visible(cannotShow)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
