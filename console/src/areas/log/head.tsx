import { ShieldCheck } from 'lucide-react';
import { count, counted } from '../../ui/numbers.ts';
import type { LogHead } from './queries.ts';

/** @param isBehind an entry is open: on a phone there is no room for both */
export function HeadCard({ head: { written, signed, since }, isBehind }: { readonly head: LogHead; readonly isBehind: boolean }) {
  const unsigned = written - (signed?.head.size ?? 0);
  return (
    <section className={`card log-head${isBehind ? ' log-head-behind' : ''}`} aria-label="Signed state">
      <dl className="facts">
        <dt>Signed</dt>
        <dd>
          {signed === null ? 'nothing yet' : <strong className="number">{counted(signed.head.size, 'entry', 'entries')}</strong>}
          {unsigned > 0 && <span className="quiet"> and {count(unsigned)} written that the next signature covers</span>}
        </dd>
        {signed !== null && (
          <>
            <dt>Root</dt>
            <dd>
              <code>{signed.head.root}</code>
            </dd>
            <dt>Key</dt>
            <dd>
              <code>{signed.head.key}</code>
            </dd>
          </>
        )}
      </dl>
      {signed !== null && (
        <p className="note note-allow log-checked">
          <ShieldCheck aria-hidden="true" size={18} />
          <span>
            Signature checked in this page
            {since !== null &&
              since < signed.head.size &&
              `; the log grew out of the ${counted(since, 'entry', 'entries')} seen first, nothing before was changed`}
            .
          </span>
        </p>
      )}
    </section>
  );
}
