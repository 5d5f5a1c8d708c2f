import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { useId, useLayoutEffect, useRef, useState } from 'react';

interface DialogProps {
  readonly isOpen: boolean;
  readonly title: string;
  readonly close: () => void;
  readonly children: ReactNode;
}

/** A modal dialog of the browser: it keeps the focus, closes with Esc, and gives the focus back. */
export function Dialog({ isOpen, title, close, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // What is inside comes when the dialog is open: before that nothing in it can take the focus.
  const [isShown, setShown] = useState(false);
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    if (isOpen && !element.open) element.showModal();
    if (!isOpen && element.open) element.close();
    setShown(isOpen);
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={heading}
      onClose={close}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      {isOpen && isShown && (
        <div className="dialog-inside">
          <header className="dialog-head">
            <h2 id={heading}>{title}</h2>
            <button type="button" className="button button-quiet" onClick={close}>
              <X aria-hidden="true" size={18} />
              <span className="hidden">Close</span>
            </button>
          </header>
          {children}
        </div>
      )}
    </dialog>
  );
}
