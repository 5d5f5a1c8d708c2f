// A bundle that somebody was given: dropped here, checked here. Nothing of it leaves the browser.

import { FileArchive, ShieldCheck, X } from 'lucide-react';
import { useRef, useState } from 'react';
import { send } from '../../api/client.ts';
import { count } from '../../ui/numbers.ts';
import { bytesText } from './bytes.ts';
import { splitKeys, splitNotes } from './kept.ts';
import type { Chosen } from './page.tsx';
import { useCheck } from './use-check.ts';
import { VerdictView } from './verdict.tsx';

interface CheckProps {
  readonly chosen: Chosen | null;
  readonly choose: (chosen: Chosen | null) => void;
}

export function CheckBundle({ chosen, choose }: CheckProps) {
  const [vkey, setVkey] = useState('');
  const [notes, setNotes] = useState('');
  const [witnesses, setWitnesses] = useState('');
  const { check, start, cancel } = useCheck();
  const run = (): void => {
    if (chosen === null) return;
    start({
      file: chosen.file,
      vkey: vkey.trim() === '' ? null : vkey.trim(),
      checkpoints: splitNotes(notes),
      witnesses: splitKeys(witnesses),
    });
  };
  /** A verdict is one about what was given then. */
  const anew =
    <T,>(set: (value: T) => void) =>
    (value: T): void => {
      cancel();
      set(value);
    };
  const isRunning = check.state === 'running';
  return (
    <div className="stack">
      <div className="evidence-columns">
        <section className="card stack" aria-label="The bundle">
          <Drop chosen={chosen} choose={anew(choose)} />
          <p className="quiet small">The file stays in this browser: it is read and checked here, and sent nowhere.</p>
          <div className="row">
            <button type="button" className="button button-primary" disabled={chosen === null || isRunning} onClick={run}>
              <ShieldCheck aria-hidden="true" size={18} /> Check
            </button>
            {isRunning && (
              <button type="button" className="button" onClick={cancel}>
                Cancel
              </button>
            )}
          </div>
          <div role="status" className="evidence-progress">
            {check.state === 'running' && (
              <>
                <progress aria-label="Checking" max={Math.max(1, check.total)} value={check.done} />
                <span>
                  {check.step === 'files'
                    ? `Files: ${bytesText(check.done)} of ${bytesText(check.total)}`
                    : `Entries: ${count(check.done)} of ${count(check.total)}`}
                </span>
              </>
            )}
          </div>
          {check.state === 'failed' && (
            <p className="note note-deny" role="alert">
              The check could not be done: {check.message}. This says nothing about the evidence.
            </p>
          )}
        </section>
        <Trusted
          vkey={vkey}
          setVkey={anew(setVkey)}
          notes={notes}
          setNotes={anew(setNotes)}
          witnesses={witnesses}
          setWitnesses={anew(setWitnesses)}
        />
      </div>
      {check.state === 'done' && <VerdictView result={check.result} ms={check.ms} />}
    </div>
  );
}

function Drop({ chosen, choose }: CheckProps) {
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const take = (file: File | undefined): void => {
    if (file !== undefined) choose({ name: file.name, file });
  };
  return (
    <div
      className={`evidence-drop${isOver ? ' evidence-drop-over' : ''}`}
      role="group"
      aria-label="Bundle file"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer.files[0]);
      }}
    >
      <FileArchive aria-hidden="true" size={32} strokeWidth={1.25} />
      {chosen === null ? (
        <span>Drop the ZIP of a bundle here</span>
      ) : (
        <span className="row evidence-chosen">
          <strong>{chosen.name}</strong> <span className="quiet">{bytesText(chosen.file.size)}</span>
          <button type="button" className="button button-quiet" onClick={() => choose(null)}>
            <X aria-hidden="true" size={16} />
            <span className="hidden">Another file</span>
          </button>
        </span>
      )}
      <button type="button" className="button" onClick={() => input.current?.click()}>
        Choose a file
      </button>
      <input
        ref={input}
        type="file"
        accept=".zip,application/zip"
        className="hidden"
        tabIndex={-1}
        aria-label="ZIP of a bundle"
        onChange={({ target }) => {
          take(target.files?.[0]);
          // The same file may be chosen again: it may have changed.
          target.value = '';
        }}
      />
    </div>
  );
}

interface TrustedProps {
  readonly vkey: string;
  readonly setVkey: (text: string) => void;
  readonly notes: string;
  readonly setNotes: (text: string) => void;
  readonly witnesses: string;
  readonly setWitnesses: (text: string) => void;
}

/** What the person trusts, and has from elsewhere than the bundle. */
function Trusted({ vkey, setVkey, notes, setNotes, witnesses, setWitnesses }: TrustedProps) {
  const fill = async (): Promise<void> => {
    const response = await send('/log/log.vkey', { headers: { 'sallyport-console': '1' } }).catch(() => null);
    if (response !== null) setVkey((await response.text()).trim());
  };
  return (
    <section className="card stack" aria-label="What you trust">
      <h2>What you trust</h2>
      <label className="field">
        <span>Key of the log</span>
        <input
          className="input evidence-key"
          autoComplete="off"
          spellCheck={false}
          value={vkey}
          placeholder="name+id+base64"
          onChange={({ target: { value } }) => setVkey(value)}
        />
      </label>
      <p className="quiet small">
        Best the one that you were given by another way than the bundle. Without it, the bundle is only found to agree with itself.{' '}
        <button type="button" className="evidence-link" onClick={() => void fill()}>
          Take the key of this gateway
        </button>
      </p>
      <details>
        <summary>Checkpoints that you kept, keys of witnesses</summary>
        <div className="stack evidence-kept">
          <label className="field">
            <span>Checkpoints, one after the other</span>
            <textarea
              className="input evidence-key"
              spellCheck={false}
              rows={5}
              value={notes}
              onChange={({ target: { value } }) => setNotes(value)}
            />
          </label>
          <label className="field">
            <span>Keys of witnesses, one in a line</span>
            <textarea
              className="input evidence-key"
              spellCheck={false}
              rows={2}
              value={witnesses}
              onChange={({ target: { value } }) => setWitnesses(value)}
            />
          </label>
          <p className="quiet small">They prove that no other history was signed, and that nothing was put back to an older state.</p>
        </div>
      </details>
    </section>
  );
}
