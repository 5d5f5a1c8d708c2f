// Short words about what just happened, read out by screen readers, gone after a while.

import type { ReactNode } from 'react';
import { createContext, use, useCallback, useMemo, useRef, useState } from 'react';

type Tone = 'allow' | 'deny' | 'plain';
type Say = (text: string, tone?: Tone) => void;

const shownMs = 6000;
const ToastContext = createContext<Say>(() => undefined);

export const useToast = (): Say => use(ToastContext);

export function Toasts({ children }: { readonly children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly { readonly id: number; readonly text: string; readonly tone: Tone }[]>([]);
  const next = useRef(0);
  const say = useCallback<Say>((text, tone = 'plain') => {
    const id = (next.current += 1);
    setToasts((all) => [...all.slice(-3), { id, text, tone }]);
    setTimeout(() => setToasts((all) => all.filter((each) => each.id !== id)), shownMs);
  }, []);
  const list = useMemo(
    () =>
      toasts.map(({ id, text, tone }) => (
        <p key={id} className={`toast toast-${tone}`}>
          {text}
        </p>
      )),
    [toasts],
  );
  return (
    <ToastContext value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {list}
      </div>
    </ToastContext>
  );
}
