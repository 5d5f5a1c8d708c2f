import type { ReactNode } from 'react';

interface FormEndProps {
  readonly close: () => void;
  readonly tone?: 'primary' | 'allow' | 'deny';
  readonly isPending: boolean;
  /** What the button that sends says. */
  readonly children: ReactNode;
}

/** How every form in a dialog ends: back, or send it. */
export function FormEnd({ close, tone = 'primary', isPending, children }: FormEndProps) {
  return (
    <div className="row answer-send">
      <button type="button" className="button" onClick={close}>
        Back
      </button>
      <button type="submit" className={`button button-${tone}`} disabled={isPending}>
        {children}
      </button>
    </div>
  );
}
