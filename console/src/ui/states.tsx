// Nothing yet, nothing there, and nothing because of a fault.

import { Inbox, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { Problem } from '../api/client.ts';

export function Loading({ what }: { readonly what: string }) {
  return (
    <p className="loading" role="status">
      <span className="spinner" aria-hidden="true" /> Loading {what} …
    </p>
  );
}

export function Empty({ title, text, children }: { readonly title: string; readonly text?: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <Inbox aria-hidden="true" size={36} strokeWidth={1.25} />
      <h2>{title}</h2>
      {text !== undefined && <p className="quiet">{text}</p>}
      {children}
    </div>
  );
}

/** What went wrong, why, and what to do next. */
export function Fault({ fault, again }: { readonly fault: Error; readonly again?: () => void }) {
  const problem = fault instanceof Problem ? fault : null;
  return (
    <div className="fault" role="alert">
      <TriangleAlert aria-hidden="true" size={22} />
      <div>
        <strong>{problem?.message ?? 'This page failed'}</strong>
        {problem?.remedy !== null && problem?.remedy !== undefined && <p>{problem.remedy}</p>}
        {(problem?.faults.length ?? 0) > 0 && (
          <ul>
            {problem?.faults.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        )}
        <p className="quiet small">
          {problem === null ? fault.name : problem.code}
          {problem?.request !== null && problem?.request !== undefined && ` · request ${problem.request}`}
        </p>
        {again !== undefined && (
          <button type="button" className="button" onClick={again}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}
