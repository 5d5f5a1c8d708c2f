import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useToast } from './toast.tsx';

const shownMs = 2000;

/** Puts `text` on the clipboard. `what` says what it is, for those who do not see where the button stands. */
export function CopyButton({ text, what, label = 'Copy' }: { readonly text: string; readonly what: string; readonly label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const toast = useToast();
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), shownMs);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      toast('The browser does not let this page copy. Select the text and copy it yourself.', 'deny');
    }
  };
  const Icon = isCopied ? Check : Copy;
  return (
    <button type="button" className="button button-quiet" onClick={() => void copy()}>
      <Icon aria-hidden="true" size={16} />
      <span aria-live="polite">
        {isCopied ? 'Copied' : label}
        <span className="hidden"> {what}</span>
      </span>
    </button>
  );
}
