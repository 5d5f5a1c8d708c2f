// A time range, whom and what it is about, and the bundle of it.

import { useQuery } from '@tanstack/react-query';
import { Download, FileArchive, ShieldCheck } from 'lucide-react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { call, urlOf } from '../../api/client.ts';
import { Fault } from '../../ui/states.tsx';
import { bytesText } from './bytes.ts';
import type { Chosen } from './page.tsx';
import { type Days, daysOf, PRESETS, timesOf } from './range.ts';
import { receive } from './receive.ts';

type Making =
  | { readonly state: 'none' }
  | { readonly state: 'running'; readonly bytes: number }
  | { readonly state: 'done'; readonly made: Chosen; readonly url: string }
  | { readonly state: 'failed'; readonly fault: Error };

const NONE: Making = { state: 'none' };

export function MakeBundle({ check }: { readonly check: (made: Chosen) => void }) {
  const [nowMs] = useState(() => Date.now());
  const [days, setDays] = useState<Days>(() => daysOf('Last 7 days', nowMs));
  const [provider, setProvider] = useState('');
  const [subject, setSubject] = useState('');
  const [target, setTarget] = useState('');
  const targets = useQuery({ queryKey: ['targets', 'list'], queryFn: ({ signal }) => call('GET /v1/targets', { signal }) });
  const { making, make, cancel } = useMaking();
  const times = timesOf(days);
  const isHalf = (provider.trim() === '') !== (subject.trim() === '');
  const isRunning = making.state === 'running';
  const url =
    times === null || isHalf
      ? null
      : urlOf('GET /v1/evidence/export', {}, { ...times, issuer: provider.trim(), subject: subject.trim(), target });
  const name = `evidence-${days.first}-${days.last}.zip`;
  return (
    <div className="evidence-columns">
      <form
        className="card stack"
        aria-label="The bundle"
        onSubmit={(event) => {
          event.preventDefault();
          if (url !== null && !isRunning) void make(url, name);
        }}
      >
        <fieldset className="evidence-fields">
          <legend>Days, in UTC</legend>
          <div className="row">
            {PRESETS.map((preset) => {
              const of = daysOf(preset, nowMs);
              return (
                <button
                  key={preset}
                  type="button"
                  className="button evidence-preset"
                  aria-pressed={of.first === days.first && of.last === days.last}
                  onClick={() => setDays(of)}
                >
                  {preset}
                </button>
              );
            })}
          </div>
          <div className="evidence-pair">
            <label className="field">
              <span>First day</span>
              <input
                type="date"
                className="input"
                required
                value={days.first}
                onChange={({ target: { value } }) => setDays({ ...days, first: value })}
              />
            </label>
            <label className="field">
              <span>Last day</span>
              <input
                type="date"
                className="input"
                required
                value={days.last}
                onChange={({ target: { value } }) => setDays({ ...days, last: value })}
              />
            </label>
          </div>
          {times === null && <p className="note note-deny">The last day is before the first, or one of them is no day.</p>}
        </fieldset>
        <fieldset className="evidence-fields">
          <legend>Only about (empty = all)</legend>
          <label className="field">
            <span>Target</span>
            <select className="input" value={target} onChange={({ target: { value } }) => setTarget(value)}>
              <option value="">All targets</option>
              {targets.data?.targets.map((each) => (
                <option key={each.name}>{each.name}</option>
              ))}
            </select>
          </label>
          <div className="evidence-pair">
            <label className="field">
              <span>Identity provider</span>
              <input
                className="input"
                autoComplete="off"
                value={provider}
                onChange={({ target: { value } }) => setProvider(value)}
                placeholder="corp"
              />
            </label>
            <label className="field">
              <span>Person or agent, by its subject</span>
              <input
                className="input"
                autoComplete="off"
                value={subject}
                onChange={({ target: { value } }) => setSubject(value)}
                placeholder="triage-agent"
              />
            </label>
          </div>
          {isHalf && <p className="note note-hold">Give the identity provider and the subject: one alone names nobody.</p>}
        </fieldset>
        <div className="row">
          <button type="submit" className="button button-primary" disabled={url === null || isRunning}>
            <FileArchive aria-hidden="true" size={18} /> Make and download
          </button>
          {isRunning && (
            <button type="button" className="button" onClick={cancel}>
              Cancel
            </button>
          )}
        </div>
        <div role="status" className="evidence-progress">
          {isRunning && (
            <>
              <progress aria-label="Making the bundle" />
              <span>{making.bytes === 0 ? 'The gateway makes the bundle …' : `${bytesText(making.bytes)} received`}</span>
            </>
          )}
          {making.state === 'done' && (
            <div className="note note-allow evidence-made">
              <strong>
                {making.made.name}, {bytesText(making.made.file.size)}
              </strong>
              <div className="row">
                <a className="button" href={making.url} download={making.made.name}>
                  <Download aria-hidden="true" size={18} /> Save again
                </a>
                <button type="button" className="button" onClick={() => check(making.made)}>
                  <ShieldCheck aria-hidden="true" size={18} /> Check it
                </button>
              </div>
            </div>
          )}
        </div>
        {making.state === 'failed' && <Fault fault={making.fault} />}
      </form>
      <aside className="card stack evidence-about" aria-label="About bundles">
        <h2>What is in it</h2>
        <p>
          The signed log of these days with the proof that nothing is missing, tables of every request, approval and log-in, the sessions,
          the policy texts that decided, a report, and a table of HIPAA safeguards. What people typed and saw stays sealed.
        </p>
        <p>
          Whoever gets it can check it alone, on this page or with <code>node verify.mjs</code> from the bundle. That you made one is
          written to the log.
        </p>
        {url !== null && (
          <p className="quiet small">
            Many gigabytes?{' '}
            <a href={url} download={name}>
              Let the browser download it
            </a>
            : straight to the disk, without this page.
          </p>
        )}
      </aside>
    </div>
  );
}

function useMaking() {
  const [making, setMaking] = useState<Making>(NONE);
  const running = useRef<AbortController | null>(null);
  const kept = useRef<string | null>(null);
  // What was received is the page's only for as long as it is open.
  const forget = useCallback((): void => {
    running.current?.abort();
    if (kept.current !== null) URL.revokeObjectURL(kept.current);
    kept.current = null;
  }, []);
  useEffect(() => forget, [forget]);
  const make = async (url: string, name: string): Promise<void> => {
    forget();
    const control = new AbortController();
    running.current = control;
    setMaking({ state: 'running', bytes: 0 });
    try {
      const file = await receive(url, control.signal, (bytes) => setMaking({ state: 'running', bytes }));
      kept.current = URL.createObjectURL(file);
      save(kept.current, name);
      setMaking({ state: 'done', made: { name, file }, url: kept.current });
    } catch (fault) {
      if (running.current !== control) return;
      setMaking(control.signal.aborted ? NONE : { state: 'failed', fault: fault instanceof Error ? fault : new Error('unknown') });
    }
  };
  return { making, make, cancel: () => running.current?.abort() };
}

function save(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}
