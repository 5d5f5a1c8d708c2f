// SQL with colours. Only for eyes: what a statement means was decided by the gate, not here.

import { Fragment, memo } from 'react';
import { sqlParts } from './sql-parts.ts';

export const Sql = memo(function Sql({ sql }: { readonly sql: string }) {
  return (
    <pre className="sql" tabIndex={0}>
      <code>
        {sqlParts(sql).map(({ kind, text }, index) =>
          // The parts of one text never move.
          kind === 'plain' ? (
            <Fragment key={index}>{text}</Fragment>
          ) : (
            <span key={index} className={`sql-${kind}`}>
              {text}
            </span>
          ),
        )}
      </code>
    </pre>
  );
});
