import { Fault, Loading } from '../../ui/states.tsx';
import { usePolicy } from './queries.ts';

/** The files in force, as they are. */
export function TextTab() {
  const policy = usePolicy();
  if (policy.isPending) return <Loading what="the policy" />;
  if (policy.error !== null) return <Fault fault={policy.error} again={() => void policy.refetch()} />;
  const { sha256, files } = policy.data;
  return (
    <div className="stack">
      <p className="quiet">
        SHA-256 <code className="policy-hash">{sha256}</code>
      </p>
      {files?.map(({ path, source }) => (
        <section key={path} className="stack-small" aria-label={path}>
          <h2>{path}</h2>
          <pre className="sql policy-text" tabIndex={0}>
            {source}
          </pre>
        </section>
      ))}
    </div>
  );
}
