// The session as the client saw it: masked, with its timing. To look is recorded with the purpose; the payloads are opened here.

import { Pause, Play, SkipBack } from 'lucide-react';
import type { ChangeEvent, FormEvent } from 'react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import type { Secret } from '../../../../src/core/secret.ts';
import { call } from '../../api/client.ts';
import { counted } from '../../ui/numbers.ts';
import { readable } from '../../ui/readable.ts';
import { Sql } from '../../ui/sql.tsx';
import { Fault } from '../../ui/states.tsx';
import { duration } from '../../ui/time.tsx';
import { type Frame, schedule } from './frames.ts';
import { type Purpose, PURPOSES } from './purposes.ts';
import { identityIn, openRecording } from './recording.ts';

export function Replay({ session }: { readonly session: string }) {
  const [frames, setFrames] = useState<readonly Frame[] | null>(null);
  return frames === null ? <OpenForm session={session} opened={setFrames} /> : <Player frames={frames} />;
}

function OpenForm({ session, opened }: { readonly session: string; readonly opened: (frames: readonly Frame[]) => void }) {
  const [purpose, setPurpose] = useState<Purpose>('audit');
  const [reason, setReason] = useState('');
  const [identity, setIdentity] = useState('');
  const [fault, setFault] = useState<string | null>(null);
  const [payloads, setPayloads] = useState(0);
  const [request, setRequest] = useState<string | null>(null);
  const stop = useRef(new AbortController());
  useEffect(() => {
    const controller = new AbortController();
    stop.current = controller;
    return () => controller.abort();
  }, []);
  const waiting = useQuery({
    queryKey: ['unseals', request],
    queryFn: ({ signal }) => call('GET /v1/unseals/{id}', { path: { id: request ?? '' }, signal }),
    enabled: request !== null,
    refetchInterval: ({ state }) => (state.data?.state === 'pending' ? 2000 : false),
  });
  const open = useMutation({
    /** @returns null: somebody else has to agree first */
    mutationFn: async (secret: Secret): Promise<readonly Frame[] | null> => {
      const agreed = waiting.data?.state === 'approved' ? waiting.data : await ask();
      setRequest(agreed.id);
      if (agreed.state !== 'approved') return null;
      return openRecording({ session, purpose: agreed.purpose, unseal: agreed.id, identity: secret }, setPayloads, stop.current.signal);
    },
    onSuccess: (frames) => frames !== null && opened(frames),
  });
  // WHY the words go with the request alone: they are in its body, and no address holds what somebody wrote.
  const ask = () => call('POST /v1/unseals', { body: { session, purpose, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) } });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const secret = identityIn(identity);
    setFault(secret === null ? 'That is no age identity: it has a line that begins with AGE-SECRET-KEY-.' : null);
    if (secret !== null) open.mutate(secret);
  };
  const readFile = async ({ target }: ChangeEvent<HTMLInputElement>): Promise<void> => {
    const file = target.files?.[0];
    if (file !== undefined) setIdentity(await file.text());
  };
  return (
    <form className="card stack" onSubmit={submit}>
      <p>
        What was said is sealed: this gateway cannot open it. Give the identity of a recipient; it stays in this page. That you look, and
        why, becomes an entry of the log before anything is handed out.
      </p>
      <div className="replay-fields">
        <label className="field">
          <span>Purpose</span>
          <select className="input" value={purpose} onChange={(event) => setPurpose(event.target.value as Purpose)}>
            {Object.entries(PURPOSES).map(([code, words]) => (
              <option key={code} value={code}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          <span>In words (kept sealed)</span>
          <input className="input" maxLength={400} value={reason} onChange={(event) => setReason(event.target.value)} />
        </label>
        <label className="field">
          <span>Identity file</span>
          <input className="input" type="file" onChange={(event) => void readFile(event)} />
        </label>
        <label className="field">
          <span>or the identity itself</span>
          <input
            className="input"
            type="password"
            autoComplete="off"
            placeholder="AGE-SECRET-KEY-1…"
            value={identity}
            onChange={(event) => setIdentity(event.target.value)}
          />
        </label>
      </div>
      {fault !== null && (
        <p className="note note-deny" role="alert">
          {fault}
        </p>
      )}
      {request !== null && (
        <p className={waiting.data?.state === 'approved' ? 'note note-allow' : 'note note-hold'} role="status">
          {waiting.data?.state === 'approved'
            ? 'It was agreed to. Open it within the hour.'
            : waiting.data?.state === 'denied'
              ? 'It was denied.'
              : `Waiting for ${waiting.data?.approvers.role ?? 'the second person'} to agree to ${request}.`}
        </p>
      )}
      {open.error !== null && <Fault fault={open.error} />}
      <div className="row spread">
        <span className="quiet small" role="status">
          {open.isPending && `${counted(payloads, 'payload')} opened …`}
        </span>
        <button type="submit" className="button button-primary" disabled={open.isPending || waiting.data?.state === 'pending'}>
          Open and replay
        </button>
      </div>
    </form>
  );
}

const SPEEDS = [1, 4, 16, 64] as const;
const tickMs = 100;

function Player({ frames }: { readonly frames: readonly Frame[] }) {
  const times = useMemo(() => schedule(frames), [frames]);
  const endMs = times.at(-1) ?? 0;
  const [atMs, setAt] = useState(0);
  const [speed, setSpeed] = useState<number>(4);
  const [isPlaying, setPlaying] = useState(true);
  const bottom = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isPlaying) return;
    const timer = setInterval(() => setAt((at) => Math.min(endMs, at + tickMs * speed)), tickMs);
    return () => clearInterval(timer);
  }, [isPlaying, speed, endMs]);
  const isOver = atMs >= endMs;
  const shown = frames.filter((_, index) => (times[index] ?? 0) <= atMs);
  const count = shown.length;
  useEffect(() => {
    if (isPlaying && !isOver && count > 0) bottom.current?.scrollIntoView({ block: 'nearest' });
  }, [count, isPlaying, isOver]);
  if (frames.length === 0) return <p className="note">Nothing was recorded for this session.</p>;
  return (
    <section className="stack" aria-label="Replay">
      <div className="card row replay-bar">
        <button
          type="button"
          className="button button-quiet"
          onClick={() => {
            setAt(0);
            setPlaying(true);
          }}
        >
          <SkipBack aria-hidden="true" size={18} />
          <span className="hidden">From the beginning</span>
        </button>
        <button type="button" className="button button-quiet" disabled={isOver} onClick={() => setPlaying(!isPlaying)}>
          {isPlaying && !isOver ? <Pause aria-hidden="true" size={18} /> : <Play aria-hidden="true" size={18} />}
          <span className="hidden">{isPlaying && !isOver ? 'Pause' : 'Play'}</span>
        </button>
        <input
          className="replay-slider"
          type="range"
          aria-label="Time"
          aria-valuetext={`${duration(atMs)} of ${duration(endMs)}`}
          min={0}
          max={endMs}
          value={atMs}
          onChange={(event) => setAt(Number(event.target.value))}
        />
        <span className="number quiet small">
          {duration(atMs)} / {duration(endMs)}
        </span>
        <div className="segments" role="group" aria-label="Speed">
          {SPEEDS.map((each) => (
            <button key={each} type="button" aria-pressed={speed === each} onClick={() => setSpeed(each)}>
              {each}×
            </button>
          ))}
          <button type="button" aria-pressed={isOver} onClick={() => setAt(endMs)}>
            all
          </button>
        </div>
      </div>
      <ol className="plain stack">
        {shown.map((frame, index) => (
          <li key={index}>
            <FrameView frame={frame} />
          </li>
        ))}
      </ol>
      <div ref={bottom} />
    </section>
  );
}

function FrameView({ frame }: { readonly frame: Frame }) {
  if (frame.kind === 'gone') return <p className="note note-hold">{frame.what}</p>;
  if (frame.kind === 'rows') {
    return (
      <div className="stack-small">
        {frame.rows.length > 0 && (
          <div className="table-wrap" tabIndex={0} role="group" aria-label="Rows">
            <table className="table">
              <thead>
                <tr>
                  {frame.columns.map((name, index) => (
                    <th key={index} scope="col">
                      {readable(name)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {frame.rows.map((row, at) => (
                  <tr key={at}>
                    {row.map((cell, index) => (
                      <td key={index}>{cell !== null ? readable(cell) : <em className="quiet">NULL</em>}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {frame.notes.map((note, index) => (
          <p key={index} className="quiet small replay-note">
            {readable(note)}
          </p>
        ))}
      </div>
    );
  }
  return (
    <div className="stack-small">
      <p className="quiet small">
        {frame.kind} #{frame.seq}
        {frame.isCut && ', cut: it was longer than the gateway keeps'}
      </p>
      {frame.kind === 'statement' ? <Sql sql={frame.text} /> : <pre className="sql">{readable(frame.text)}</pre>}
    </div>
  );
}
