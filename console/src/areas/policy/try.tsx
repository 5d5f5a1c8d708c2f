// Another policy against what was recorded: change the text, see who gains and loses what, and what would have been decided otherwise.

import { useEffect, useRef, useState } from 'react';
import { useMay } from '../../session.tsx';
import { Badge, State } from '../../ui/badge.tsx';
import { counted } from '../../ui/numbers.ts';
import { Sql } from '../../ui/sql.tsx';
import { Fault, Loading } from '../../ui/states.tsx';
import { useToast } from '../../ui/toast.tsx';
import { DiffView } from './diff.tsx';
import type { PolicyFault, PolicyFile, Replayed } from './queries.ts';
import { replay, useApply, useCheck, useDiff, usePolicy, useTest } from './queries.ts';

const day = 86_400_000;

export function TryTab() {
  const policy = usePolicy();
  if (policy.isPending) return <Loading what="the policy" />;
  if (policy.error !== null) return <Fault fault={policy.error} again={() => void policy.refetch()} />;
  // A new version in force starts the draft anew: a draft of an older one would undo it.
  return <Draft key={policy.data.sha256} inForce={policy.data.sha256} running={policy.data.files ?? []} />;
}

function Draft({ inForce, running }: { readonly inForce: string; readonly running: readonly PolicyFile[] }) {
  const [files, setFiles] = useState(running);
  const [at, setAt] = useState(0);
  const [days, setDays] = useState(7);
  const [check, test, diff] = [useCheck(), useTest(), useDiff()];
  const dryRun = useDryRun();
  const isChanged = files.some(({ source }, index) => source !== running[index]?.source);
  const file = files[at];
  const tryIt = async (): Promise<void> => {
    for (const each of [check, test, diff]) each.reset();
    dryRun.reset();
    const checked = await check.mutateAsync(files).catch(() => null);
    if (checked?.ok !== true) return;
    await Promise.all([test.mutateAsync(files), diff.mutateAsync(files)]).catch(() => undefined);
    await dryRun.run(files, days);
  };
  const fault = check.error ?? test.error ?? diff.error ?? dryRun.fault;
  const isBusy = check.isPending || test.isPending || diff.isPending || dryRun.isRunning;
  return (
    <div className="policy-try">
      <section className="stack" aria-label="Draft">
        {files.length > 1 && (
          <div className="tabs" role="tablist" aria-label="Files">
            {files.map(({ path }, index) => (
              <button key={path} type="button" role="tab" className="tab" aria-selected={index === at} onClick={() => setAt(index)}>
                {path}
              </button>
            ))}
          </div>
        )}
        <label className="field">
          <span>{file?.path}</span>
          <textarea
            className="input policy-sql policy-draft"
            spellCheck={false}
            value={file?.source ?? ''}
            onChange={(event) => setFiles(files.map((each, index) => (index === at ? { ...each, source: event.target.value } : each)))}
          />
        </label>
        <div className="row spread">
          <label className="row">
            Over the last
            <select className="input policy-days" value={days} onChange={(event) => setDays(Number(event.target.value))}>
              {[1, 7, 30, 90].map((each) => (
                <option key={each} value={each}>
                  {counted(each, 'day')}
                </option>
              ))}
            </select>
          </label>
          <span className="row">
            {isChanged && (
              <button type="button" className="button button-quiet" onClick={() => setFiles(running)}>
                Undo my changes
              </button>
            )}
            {dryRun.isRunning ? (
              <button type="button" className="button" onClick={dryRun.cancel}>
                Stop
              </button>
            ) : (
              <button type="button" className="button button-primary" disabled={isBusy} onClick={() => void tryIt()}>
                Try it
              </button>
            )}
          </span>
        </div>
      </section>
      <section className="stack" aria-label="What it would do">
        {fault !== null && <Fault fault={fault} />}
        {check.data === undefined && fault === null && !isBusy && (
          <p className="quiet policy-hint">
            Change the text and try it. You see its faults, its own tests, what each role gains and loses, and every recorded request that
            would have been decided otherwise. Nothing changes until it is applied.
          </p>
        )}
        <Faults faults={check.data?.faults ?? []} />
        {test.data !== undefined && (
          <div className="card stack-small">
            <h2>
              Its tests: {counted(test.data.tests.filter(({ passed }) => passed).length, 'passes', 'pass')},{' '}
              {test.data.tests.filter(({ passed }) => !passed).length} fail
            </h2>
            <ul className="plain">
              {test.data.tests
                .filter(({ passed }) => !passed)
                .map(({ name, differences }) => (
                  <li key={name}>
                    <strong>{name}</strong>
                    {differences.map((each) => (
                      <p key={each} className="small">
                        {each}
                      </p>
                    ))}
                  </li>
                ))}
            </ul>
          </div>
        )}
        {diff.data?.diff !== undefined && diff.data.diff !== null && (
          <div className="card stack">
            <h2>Who gains and loses what</h2>
            <DiffView diff={diff.data.diff} />
          </div>
        )}
        {dryRun.isRunning && (
          <label className="field">
            <span>Deciding recorded requests again …</span>
            <progress max={dryRun.total} value={dryRun.done} />
          </label>
        )}
        {dryRun.result !== null && <ReplayView replayed={dryRun.result} />}
        {check.data?.ok === true && test.data?.ok === true && isChanged && <Apply files={files} inForce={inForce} />}
      </section>
    </div>
  );
}

function Faults({ faults }: { readonly faults: readonly PolicyFault[] }) {
  if (faults.length === 0) return null;
  return (
    <ul className="plain stack-small">
      {faults.map(({ file, line, column, severity, what, suggestion }) => (
        <li key={`${file}:${line}:${column} ${what}`} className={severity === 'error' ? 'note note-deny' : 'note note-hold'}>
          <strong>
            {file}:{line}:{column}
          </strong>{' '}
          {what}
          {suggestion !== null && <> {suggestion}</>}
        </li>
      ))}
    </ul>
  );
}

const KINDS = {
  revealed: 'Reveals more',
  allowed: 'Allowed',
  approvers: 'Other approvers',
  held: 'Held',
  denied: 'Denied',
  masked: 'Reveals less',
} as const;
const CHANGES = [
  ['revealed', 'would reveal more', 'deny'],
  ['allowed', 'would be allowed', 'hold'],
  ['approvers', 'would need other approvers', 'hold'],
  ['held', 'would be held', 'plain'],
  ['denied', 'would be denied', 'plain'],
  ['masked', 'would reveal less', 'allow'],
] as const;

function ReplayView({ replayed: { report } }: { readonly replayed: Replayed }) {
  if (report === null) return null;
  const changed = CHANGES.filter(([kind]) => report.changes[kind] > 0);
  return (
    <div className="card stack">
      <h2>What was recorded, decided again</h2>
      <p>
        {counted(report.requests, 'request')}; {counted(report.unchanged, 'is', 'are')} decided as before.
      </p>
      {changed.length > 0 && (
        <p className="row">
          {changed.map(([kind, words, tone]) => (
            <Badge key={kind} tone={tone}>
              {report.changes[kind]} {words}
            </Badge>
          ))}
        </p>
      )}
      {report.unknown.map(({ reason, count }) => (
        <p key={reason} className="quiet small">
          {counted(count, 'request')} cannot be decided again: {reason}
        </p>
      ))}
      <ul className="plain stack">
        {report.groups.map((group) => (
          <li key={`${group.kind} ${group.example}`} className="stack-small">
            <span className="row">
              <strong>{KINDS[group.kind]}</strong>
              <State state={group.from.outcome} /> → <State state={group.to.outcome} />
              <span className="quiet small">
                {counted(group.count, 'time')} by {group.principals.join(', ')}
                {group.principalCount > group.principals.length && ` and ${group.principalCount - group.principals.length} more`} on{' '}
                {group.target}
              </span>
            </span>
            {group.statement !== null && <Sql sql={group.statement} />}
            {group.masks.map(({ of, from, to }) => (
              <p key={of} className="small">
                {of}: {from} → {to}
              </p>
            ))}
          </li>
        ))}
      </ul>
      {report.ungrouped > 0 && <p className="quiet">{counted(report.ungrouped, 'more change', 'more changes')} not listed.</p>}
    </div>
  );
}

function Apply({ files, inForce }: { readonly files: readonly PolicyFile[]; readonly inForce: string }) {
  const mayApply = useMay('operate');
  const apply = useApply();
  const toast = useToast();
  if (!mayApply) return null;
  return (
    <div className="stack-small">
      {apply.error !== null && <Fault fault={apply.error} />}
      {apply.data?.ok === false && <p className="note note-deny">It was not applied: see its faults and tests.</p>}
      <div className="row answer-send">
        <button
          type="button"
          className="button button-primary"
          disabled={apply.isPending}
          onClick={() =>
            apply.mutate(
              { files, expected: inForce },
              { onSuccess: ({ ok }) => ok && toast('The new policy is in force. The record names you.', 'allow') },
            )
          }
        >
          Apply it now
        </button>
      </div>
    </div>
  );
}

/** One run at a time; it ends with the page. */
function useDryRun() {
  const [result, setResult] = useState<Replayed | null>(null);
  const [progress, setProgress] = useState<{ readonly done: number; readonly total: number } | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  return {
    result,
    fault,
    isRunning: progress !== null,
    done: progress?.done ?? 0,
    total: Math.max(1, progress?.total ?? 1),
    cancel: () => running.current?.abort(),
    reset: () => {
      setResult(null);
      setFault(null);
    },
    run: async (files: readonly PolicyFile[], days: number): Promise<void> => {
      const controller = new AbortController();
      running.current = controller;
      setProgress({ done: 0, total: 1 });
      try {
        const body = { policy: { kind: 'files', files }, since: new Date(Date.now() - days * day).toISOString() } as const;
        setResult(await replay(body, (done, total) => setProgress({ done, total }), controller.signal));
      } catch (error) {
        if (!controller.signal.aborted) setFault(error instanceof Error ? error : new Error('unknown'));
      } finally {
        setProgress(null);
      }
    },
  };
}
