import { ShieldCheck } from 'lucide-react';
import { count, counted } from '../../ui/numbers.ts';
import { Badge } from '../../ui/badge.tsx';
import { Ago } from '../../ui/time.tsx';
import type { Anchor, LogHead } from './queries.ts';
import { useStatus } from './queries.ts';

/** @param isBehind an entry is open: on a phone there is no room for both */
export function HeadCard({ head: { written, signed, since }, isBehind }: { readonly head: LogHead; readonly isBehind: boolean }) {
  const status = useStatus();
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
        {status.data !== undefined && (
          <>
            <dt>Anchors</dt>
            <dd>
              <ul className="plain log-anchors">
                {status.data.anchors.map((anchor) => (
                  <AnchorItem key={anchor.name} anchor={anchor} />
                ))}
                {status.data.anchors.length === 0 && <li>none: nothing would show that the log was put back to an older state</li>}
              </ul>
            </dd>
          </>
        )}
      </dl>
      {status.data?.isWritable === false && (
        <p className="note note-deny" role="alert">
          The gateway cannot write to its log. It lets nothing through until it can.
        </p>
      )}
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

const KINDS: Readonly<Record<Anchor['kind'], string>> = {
  file: 'a file',
  https: 'a server',
  witness: 'a witness, who signs only what grew out of what it saw',
  tsa: 'a time stamp authority',
};

function AnchorItem({ anchor: { name, kind, size, keptAt, alarms } }: { readonly anchor: Anchor }) {
  return (
    <li className="row">
      <strong>{name}</strong>
      <span className="quiet">{KINDS[kind]}</span>
      {alarms.map((alarm) => (
        <Badge key={alarm} tone="deny">
          {ALARMS[alarm] ?? alarm}
        </Badge>
      ))}
      <span className="number">
        {keptAt === null ? (
          'nothing since the gateway started'
        ) : (
          <>
            {counted(size, 'entry', 'entries')}, <Ago at={keptAt} />
          </>
        )}
      </span>
    </li>
  );
}

const ALARMS: Readonly<Record<string, string>> = {
  'anchor-behind': 'behind',
  'anchor-rollback': 'has seen more entries than there are',
  'anchor-fork': 'has seen another history',
};
