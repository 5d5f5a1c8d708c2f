// Evidence of what happened in a time range: made by the gateway, checked by whoever holds it.

import './evidence.css';
import { useState } from 'react';
import { Link, useLocation, useRoute } from 'wouter';
import { CheckBundle } from './check.tsx';
import { MakeBundle } from './make.tsx';

export interface Chosen {
  readonly name: string;
  readonly file: Blob;
}

export default function EvidencePage() {
  const [isCheck] = useRoute('/evidence/check');
  const [, navigate] = useLocation();
  const [chosen, setChosen] = useState<Chosen | null>(null);
  return (
    <>
      <div className="page-head">
        <h1>Evidence</h1>
      </div>
      <nav className="tabs evidence-tabs" aria-label="Evidence">
        <Link href="/evidence" className="tab" aria-current={isCheck ? undefined : 'page'}>
          Make a bundle
        </Link>
        <Link href="/evidence/check" className="tab" aria-current={isCheck ? 'page' : undefined}>
          Check a bundle
        </Link>
      </nav>
      {isCheck ? (
        <CheckBundle chosen={chosen} choose={setChosen} />
      ) : (
        <MakeBundle
          check={(made) => {
            setChosen(made);
            navigate('/evidence/check');
          }}
        />
      )}
    </>
  );
}
