// One entry: what it says, and the way from it to the signed root.

import { ArrowLeft, CircleCheck, ShieldX } from 'lucide-react';
import { Link } from 'wouter';
import { count } from '../../ui/numbers.ts';
import { readable } from '../../ui/readable.ts';
import { Fault, Loading } from '../../ui/states.tsx';
import type { Proof, ProofStep } from '../../verify/messages.ts';
import { NotProven } from './log-client.ts';
import type { Span } from './pages.ts';
import { pretty, spansOf } from './pages.ts';
import type { LogHead } from './queries.ts';
import { useProof } from './queries.ts';

export function EntryPane({ index, signed }: { readonly index: number; readonly signed: LogHead['signed'] }) {
  const proof = useProof(index, signed);
  const isSigned = signed !== null && index < signed.head.size;
  return (
    <article className="stack">
      <Link href="/log" className="button button-quiet log-back">
        <ArrowLeft aria-hidden="true" size={16} /> All entries
      </Link>
      <h2 className="number">Entry {count(index)}</h2>
      {!isSigned && <p className="note note-hold">It is written, and the next signature covers it. The proof follows by itself.</p>}
      {isSigned && proof.isPending && <Loading what="the proof" />}
      {proof.error instanceof NotProven ? (
        <p className="note note-deny row" role="alert">
          <ShieldX aria-hidden="true" size={18} /> Not proven: {proof.error.message}.
        </p>
      ) : (
        proof.error !== null && <Fault fault={proof.error} again={() => void proof.refetch()} />
      )}
      {proof.data !== undefined && <Proven proof={proof.data} />}
    </article>
  );
}

function Proven({ proof }: { readonly proof: Proof }) {
  const { index, entry, leaf, steps, head } = proof;
  const spans = spansOf(index, steps);
  return (
    <>
      <p className="note note-allow log-checked">
        <CircleCheck aria-hidden="true" size={18} />
        <span>
          In the log, as it stands here: {steps.length === 0 ? 'its hash is' : `${steps.length} hashes lead from it to`} the root that was
          signed over {count(head.size)} entries. Computed in this page.
        </span>
      </p>
      <section className="stack-log" aria-label="What it says">
        <h3>What it says</h3>
        <pre className="sql log-json" tabIndex={0}>
          <code>{readable(pretty(entry))}</code>
        </pre>
      </section>
      <section className="stack-log" aria-label="Proof">
        <h3>Its proof</h3>
        <p className="quiet small">
          Each hash is made of the two above it: the one on the way, and the one that stands for its neighbours. Were a single letter of the
          entry different, the last one would not be the signed root.
        </p>
        <ol className="plain log-path">
          <Node title={`Entry ${count(index)}`} hash={leaf} tone="start" />
          {steps.map((step, at) => (
            <Step key={step.parent} step={step} above={at === steps.length - 1 ? 'Signed root' : spanText(spans[at])} />
          ))}
          {steps.length === 0 && <Node title="Signed root" hash={head.root} tone="root" />}
        </ol>
      </section>
    </>
  );
}

/** @param above what the two hashes together are of */
function Step({ step: { from, to, side, sibling, parent }, above }: { readonly step: ProofStep; readonly above: string }) {
  return (
    <>
      <li className={`log-sibling log-sibling-${side}`}>
        <span>
          {spanText({ from, to }).toLowerCase()}, {side === 'left' ? 'before it' : 'after it'}
        </span>
        <Hash hash={sibling} />
      </li>
      <Node title={above} hash={parent} tone={above === 'Signed root' ? 'root' : 'plain'} />
    </>
  );
}

function spanText(span: Span | undefined): string {
  if (span === undefined) return '';
  return span.to - span.from === 1 ? `Entry ${count(span.from)}` : `Entries ${count(span.from)} to ${count(span.to - 1)}`;
}

function Node({ title, hash, tone }: { readonly title: string; readonly hash: string; readonly tone: 'start' | 'plain' | 'root' }) {
  return (
    <li className={`log-node log-node-${tone}`}>
      <span>{title}</span>
      <Hash hash={hash} />
    </li>
  );
}

function Hash({ hash }: { readonly hash: string }) {
  return <code title={hash}>{hash}</code>;
}
