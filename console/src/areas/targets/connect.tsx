import { useState } from 'react';
import { CopyButton } from '../../ui/copy.tsx';
import { Empty } from '../../ui/states.tsx';
import type { TargetDetail } from './queries.ts';
import { type Endpoint, reachableHost, type Snippet, snippets } from './snippets.ts';

const INTRODUCTIONS: Readonly<Record<string, string>> = {
  postgres: 'Connect to the gateway as if it was the database. The password is a',
  snowflake: 'Connect to the gateway as if it was the account. You log in with a',
};

export function Connect({ target }: { readonly target: TargetDetail }) {
  const { connect, protocol } = target;
  const listeners = connect.listeners.filter((each) => each.protocol === protocol);
  const [at, setAt] = useState(0);
  const listener = listeners[at] ?? listeners[0];
  if (listener === undefined) {
    return <Empty title="There is no way in" text={`This gateway has no listener for ${protocol}. Add one to its configuration.`} />;
  }
  const endpoint: Endpoint = {
    host: reachableHost(listener.host, location.hostname),
    port: listener.port,
    isTls: listener.isTls,
    database: connect.database,
    user: connect.user,
  };
  return (
    <div className="stack">
      <p>
        {INTRODUCTIONS[protocol] ?? INTRODUCTIONS['postgres']} token of your identity provider: put it into <code>SALLYPORT_TOKEN</code>; it
        is in none of the texts below.
        {listener.isTls && (
          <>
            {' '}
            <code>ca.crt</code> is the certificate authority of the gateway, so that nobody else can pose as it.
          </>
        )}
      </p>
      {!listener.isTls && (
        <p className="note note-deny" role="note">
          This listener has no TLS: whoever is on the way can read the token. Use it on one machine only.
        </p>
      )}
      {listeners.length > 1 && (
        <label className="field target-listener">
          <span>Listener</span>
          <select className="input" value={at} onChange={(event) => setAt(Number(event.target.value))}>
            {listeners.map(({ host, port, isTls }, index) => (
              <option key={`${host} ${port}`} value={index}>
                {host}:{port}
                {isTls ? '' : ' (no TLS)'}
              </option>
            ))}
          </select>
        </label>
      )}
      <ul className="plain snippets">
        {snippets(protocol, endpoint).map((snippet) => (
          <li key={snippet.tool}>
            <SnippetCard snippet={snippet} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function SnippetCard({ snippet: { tool, note, text } }: { readonly snippet: Snippet }) {
  return (
    <section className="card stack-small" aria-label={tool}>
      <div className="row spread">
        <h2>{tool}</h2>
        <CopyButton text={text} what={`for ${tool}`} />
      </div>
      {note !== null && <p className="quiet small target-note">{note}</p>}
      <pre className="sql" tabIndex={0} aria-label={`Text for ${tool}`} role="group">
        <code>{text}</code>
      </pre>
    </section>
  );
}
